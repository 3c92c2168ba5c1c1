"""What every process of ours does before it talks over DDS, and how a node's process ends."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rclpy.exceptions import NotInitializedException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation

from tracker_ros.errors import ParameterError
from tracker_ros.nodes.background import leave

RCLError = rclpy_implementation.RCLError
"""Also what publishing raises when a signal has shut ROS down a moment before."""
InvalidHandle = rclpy_implementation.InvalidHandle
RCLInvalidROSArgsError = rclpy_implementation.RCLInvalidROSArgsError
UnknownROSArgsError = rclpy_implementation.UnknownROSArgsError
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_ASKED_AGAIN = 1.0
"""Seconds after the first SIGINT from which on another is a user's; launchers send two at once."""
_PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""Of Fast DDS 2 (Humble, Jazzy) and 3 (Kilted, Lyrical)."""


def add_ros_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `--ros-args ...`; what follows it is for ROS, see `ros_arguments`."""
    parser.add_argument(
        "--ros-args", nargs=argparse.REMAINDER, default=[], metavar="ARGUMENT",
        help="all that follows is for ROS, e.g. -r image:=/camera/image_raw; docs/topics.md, "
        "docs/detector.md and docs/operator.md list topics and parameters",
    )  # fmt: skip


def ros_arguments(args: argparse.Namespace) -> list[str]:
    """What `rclpy.init` takes of a parsed command line."""
    return ["--ros-args", *args.ros_args]


def prepare_process() -> None:
    """Make this process fit for camera images; call it before `rclpy.init`.

    glibc keeps the memory of big messages instead of mapping and faulting 6 MB anew for each
    one, and Fast DDS gets a shared-memory segment that holds images, unless the user has chosen
    a profile.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc; musl has none and needs none
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 256 << 20)
    if not any(os.environ.get(name) for name in _PROFILE_VARIABLES):
        profile = find_profile()
        if profile is not None:
            for name in _PROFILE_VARIABLES:
                os.environ[name] = str(profile)


def find_profile() -> Path | None:
    """Find config/fastdds_shm.xml: of this source tree, else of the installed package."""
    candidates = [Path(__file__).parents[2] / "config" / "fastdds_shm.xml"]
    try:
        share = Path(get_package_share_directory("tracker_ros"))
        candidates.append(share / "config" / "fastdds_shm.xml")
    except PackageNotFoundError:
        pass  # run from the source tree: the first candidate is there
    return next((path for path in candidates if path.is_file()), None)


class _Interrupt:
    """What a SIGINT does in Python, beside rclpy's own handler, which ends every spin.

    A KeyboardInterrupt may come up in the middle of any callback, and of what rclpy does in C++:
    then it is a TypeError about a value that could not be converted. Where `quiet`, nothing is
    raised, unless the user asks again because what runs does not come to its end.
    """

    def __init__(self) -> None:
        self.quiet = False
        self._asked: float | None = None

    def __call__(self, number: int, frame: object) -> None:
        now = time.monotonic()
        if self._asked is None:
            self._asked = now
        if not self.quiet or now - self._asked > _ASKED_AGAIN:
            raise KeyboardInterrupt


_interrupt = _Interrupt()


def interrupt_between_callbacks() -> None:
    """From here on the first SIGINT only shuts ROS down; for after `start_ros`.

    That ends a spin between two callbacks, and what else asks whether its context is `ok`.
    """
    _interrupt.quiet = True


def start_ros(arguments: list[str] | None) -> None:
    """`rclpy.init`. Raises ParameterError where ROS cannot read the arguments."""
    signal.signal(signal.SIGINT, _interrupt)  # rclpy's handler, which comes over it, calls it
    try:
        rclpy.init(args=arguments)
    except (RCLError, RCLInvalidROSArgsError, UnknownROSArgsError) as error:
        words = str(error).removeprefix("failed to initialize rcl: ").split(", at ")[0]
        raise ParameterError(
            f"ROS refuses what follows --ros-args: {words}; expected -p NAME:=VALUE, -r FROM:=TO "
            "and --params-file FILE; quote what a shell would change"
        ) from None


def run_node(create: Callable[[], Any], arguments: list[str] | None) -> int:
    """Create a node, spin it until SIGINT or SIGTERM, and destroy it; returns the exit code.

    `create` returns the node, or None when it has said in the log why there is none: exit code 1;
    or the exit code itself, where nothing is left to do. A second SIGINT a moment after the first,
    which launchers send, changes nothing.
    """
    return leave(_run_node(create, arguments))


def _run_node(create: Callable[[], Any], arguments: list[str] | None) -> int:
    prepare_process()
    try:
        start_ros(arguments)
    except ParameterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    interrupt_between_callbacks()
    node = None
    try:
        executor = SingleThreadedExecutor()
        made = create()
        if isinstance(made, int):
            return made
        if made is None:
            return 1 if rclpy.ok() else 0
        node = made
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except (RCLError, InvalidHandle, NotInitializedException):
        if rclpy.ok():
            raise
        return 0  # a signal came while the node was being made
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
