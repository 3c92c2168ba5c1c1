"""Better engines for the model in use: built while the node tracks, then they take over."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol

from diagnostic_msgs.msg import DiagnosticStatus

from tracker_ros.engines.network import Networks
from tracker_ros.engines.upgrade import GivenUpError, Upgrade, paced
from tracker_ros.errors import EngineError, TargetError
from tracker_ros.nodes.background import in_background
from tracker_ros.nodes.diagnostics import OK, WARN, status
from tracker_ros.nodes.process import InvalidHandle, RCLError
from tracker_ros.pipeline.answer import About
from tracker_ros.pipeline.thread import WorkerThread

LOGGED = 10.0
"""Seconds between two lines of the log that say how far a build is."""


class Upgradable(About, Protocol):
    """A model that a node has loaded."""

    @property
    def parts(self) -> tuple[Networks, ...]:
        """The networks that change their engines together."""

    @property
    def upgrade(self) -> Upgrade | None:
        """Engines that they may get while it tracks; not begun yet."""


class EngineChange:
    """The engines of the model in use. What is public is called on the executor's thread."""

    def __init__(self, node: Any, worker: Callable[[], WorkerThread | None]) -> None:
        """worker: who runs the networks; None while nobody does."""
        self._node, self._worker = node, worker
        self._guard = node.create_guard_condition(self._on_guard)
        self._upgrade: Upgrade | None = None
        """What is being built, or waits for its turn."""
        self._lock = threading.Lock()
        """Of `_upgrade`: the worker's thread is done with it when it has taken over."""
        self._ended: deque[tuple[Upgrade, Exception | None]] = deque()

    def begin(self, model: Upgradable) -> None:
        """A model is in use now: build the engines that it may get."""
        self.give_up()
        self.watch(model)
        upgrade = self._upgrade = model.upgrade  # given up: no other thread is at it
        if upgrade is None:
            return
        log = self._node.get_logger()
        said = paced(lambda words: log.info(f"{upgrade.name}: {words}"), LOGGED)

        def run() -> None:
            error: Exception | None = None
            try:
                upgrade.build(said)
            except GivenUpError:
                return
            except Exception as reason:  # told on the executor's thread
                error = reason
            self._ended.append((upgrade, error))
            with suppress(RCLError, InvalidHandle):  # the node has left meanwhile
                self._guard.trigger()

        log.info(f"building {upgrade.name}; {model.backend} {model.precision} tracks meanwhile")
        in_background("engines", run)

    def watch(self, model: Upgradable) -> None:
        """Tell at once when an engine of this model fails while it runs."""
        for networks in model.parts:
            networks.on_trouble = self._on_trouble

    def give_up(self) -> None:
        """Nobody waits for what is being built; a build that cannot be ended ends in vain."""
        with self._lock:
            if self._upgrade is not None:
                self._upgrade.give_up()
            self._upgrade = None

    def settle(self) -> None:
        """The worker has ended: what it did not come to is done now."""
        upgrade = self._upgrade
        if upgrade is not None and upgrade.ready:
            self._take_over(upgrade)

    def status(self, name: str, model: Upgradable | None) -> DiagnosticStatus:
        """For diagnostics: what runs the networks and why, and what is being built."""
        if model is None or not model.parts:
            return status(name, OK, "no model is loaded" if model is None else "no networks", {})
        now = f"{model.backend} {model.precision}"
        values = {"backend": model.backend, "precision": model.precision}
        for part in model.parts:
            values |= {"chosen": part.choice} if part.choice else {}
            values |= {f"remark: {role}": words for role, words in part.remarks.items()}
            engines = {role: network.engine for role, network in part.items()}
            values |= {f"precision: {role}": e.precision for role, e in engines.items()}
        trouble = "; ".join(dict.fromkeys(part.trouble for part in model.parts if part.trouble))
        upgrade = self._upgrade
        if upgrade is not None:
            values |= {
                "building": upgrade.name, "for": f"{upgrade.seconds:.0f} s",
                "done": f"{upgrade.done:.0%}", "at": upgrade.at,
            }  # fmt: skip
        if trouble:
            return status(name, WARN, trouble, values)
        if upgrade is not None:
            return status(name, OK, f"{upgrade.words}; {now} tracks meanwhile", values)
        return status(name, OK, now, values)

    def _on_guard(self) -> None:
        while self._ended:
            upgrade, error = self._ended.popleft()
            if upgrade is not self._upgrade:
                continue  # another model is in use
            if error is None:
                self._hand_over(upgrade)
                continue
            self._upgrade = None
            words = upgrade.parts[0].networks.trouble
            if not isinstance(error, EngineError):  # of ours: what runs goes on all the same
                words = f"{upgrade.name} failed: {error!r}"
                for part in upgrade.parts:
                    part.networks.trouble = words
            self._node.get_logger().warning(words)

    def _hand_over(self, upgrade: Upgrade) -> None:
        worker = self._worker()
        if worker is None:
            self._take_over(upgrade)
            return

        def done(turn: Future[None]) -> None:
            error = turn.exception()
            if error is not None and not isinstance(error, TargetError):  # else: see `settle`
                self._node.get_logger().warning(f"{upgrade.name}: {error}")

        worker.between_frames(lambda: self._take_over(upgrade)).add_done_callback(done)

    def _take_over(self, upgrade: Upgrade) -> None:
        """Where the networks are run, between two frames, or where nobody runs them."""
        with self._lock:
            if upgrade is not self._upgrade or not upgrade.ready:
                return  # another model is in use since
            upgrade.take_over()
            self._upgrade = None
        networks = upgrade.parts[0].networks
        told = f"{networks.backend} {networks.precision} goes on from now"
        for part in upgrade.parts:
            for role, words in part.networks.remarks.items():
                told += f"; {role}: {words}"
        self._node.get_logger().info(told)

    def _on_trouble(self, words: str) -> None:
        """An engine has failed (on the thread that runs it)."""
        self._node.get_logger().warning(words)
