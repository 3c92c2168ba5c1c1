"""Loads another model while the node tracks with the old one, then has it take over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tracker_ros.nodes.process import InvalidHandle, RCLError


class ModelChange:
    """One change at a time, on a thread of its own."""

    def __init__(self, node: Any, done: Callable[[str, Exception | None], None]) -> None:
        """done: is called on the executor's thread with the model's name and what went wrong."""
        self._done = done
        self._guard = node.create_guard_condition(self._on_guard)
        self._thread: threading.Thread | None = None
        self._name, self._error = "", None  # type: str, Exception | None
        self._began = 0.0

    @property
    def busy(self) -> bool:
        """Whether a change is under way."""
        return self._thread is not None

    @property
    def words(self) -> str:
        """What is being loaded, and for how long; empty while nothing is."""
        seconds = time.monotonic() - self._began
        return f"loading {self._name} for {seconds:.0f} s" if self.busy else ""

    def begin(self, name: str, work: Callable[[], None]) -> None:
        """Do the work. Not while busy."""

        def run() -> None:
            try:
                work()
            except Exception as error:  # told on the executor's thread
                self._error = error
            with suppress(RCLError, InvalidHandle):  # the node has left meanwhile
                self._guard.trigger()

        self._name, self._error, self._began = name, None, time.monotonic()
        # Not a daemon: an interpreter that ends under a library that is loading aborts.
        self._thread = threading.Thread(target=run, name="model change")
        self._thread.start()

    def _on_guard(self) -> None:
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        self._done(self._name, self._error)
