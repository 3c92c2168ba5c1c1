"""Collects all facts, the slow ones side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tracker_ros.doctor.facts import Backend, Facts, Model
from tracker_ros.doctor.gpu import look_at_gpu
from tracker_ros.doctor.interpreter import look_at_python
from tracker_ros.doctor.isolated import ask, stop_all
from tracker_ros.doctor.kept_engines import look_at_cache
from tracker_ros.doctor.libraries import PACKAGES, look_at_interfaces, look_at_library
from tracker_ros.doctor.machine import look_at_kernel, look_at_machine
from tracker_ros.doctor.ros import look_at_ros

T = TypeVar("T")
AT_ONCE = 4
"""Processes that are asked side by side: each may import a big library."""


class Collector:
    """Looks at one thing after another; what fails unexpectedly is written down and left out."""

    def __init__(self) -> None:
        self.unread: list[str] = []

    def get(self, what: str, look: Callable[[], T], otherwise: T) -> T:
        """What `look` sees, or `otherwise`."""
        try:
            return look()
        except Exception as error:  # any machine may surprise us: the rest must still be told
            self.unread.append(f"{what} could not be looked at: {type(error).__name__}: {error}")
            return otherwise


def collect(environment: Mapping[str, str] | None = None) -> Facts:
    """All facts of this machine. Takes a few seconds; never hangs, and raises only Ctrl-C."""
    env = os.environ if environment is None else environment
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            return _collect(env, pool)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_all()
            raise


def _collect(env: Mapping[str, str], pool: ThreadPoolExecutor) -> Facts:
    get, empty = Collector(), Facts()
    # First what takes longest, and holds up nothing else meanwhile.
    asked = {name: pool.submit(look_at_library, name) for name in PACKAGES}
    asked["interfaces"] = pool.submit(look_at_interfaces)
    gpu = pool.submit(look_at_gpu)
    models = pool.submit(look_at_models)
    backend = pool.submit(look_at_backend)
    libraries = {
        name: get.get(name, future.result, empty.about(name)) for name, future in asked.items()
    }
    device = get.get("GPU", gpu.result, empty.gpu)
    tensorrt = libraries["tensorrt"].version
    return Facts(
        machine=get.get("machine", look_at_machine, empty.machine),
        gpu=device,
        python=get.get("Python", lambda: look_at_python(env), empty.python),
        libraries=libraries,
        ros=get.get("ROS 2", lambda: look_at_ros(env, libraries["rclpy"]), empty.ros),
        kernel=get.get("kernel", look_at_kernel, empty.kernel),
        models=get.get("models", models.result, ()),
        cache=get.get("cache", lambda: look_at_cache(device, tensorrt), empty.cache),
        backend=get.get("backend", backend.result, empty.backend),
        unread=tuple(get.unread),
    )


def look_at_models() -> tuple[Model, ...]:
    """Every model card, and whether its files are whole."""
    answer = ask("models")
    if answer.trouble:
        return (Model("all", state="unknown", trouble=answer.trouble),)
    return tuple(Model(**row) for row in answer.values["models"])


def look_at_backend() -> Backend:
    """What `backend: auto` takes."""
    answer = ask("backend")
    if answer.trouble:
        return Backend(why_not=answer.trouble)
    return Backend(str(answer.values["auto"]), str(answer.values["why_not"]))
