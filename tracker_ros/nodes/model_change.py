"""Loads another model while the node tracks with the old one, then has it take over."""

from __future__ import annotations

import threading
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
        self.words = ""
        """What is being loaded, and for how long; empty while nothing is."""

    @property
    def busy(self) -> bool:
        """Whether a change is under way."""
        return self._thread is not None

    def begin(self, name: str, work: Callable[[Callable[[str], None]], None]) -> None:
        """Do the work, which gets a function that tells how it goes. Not while busy."""

        def run() -> None:
            try:
                work(self._tell)
            except Exception as error:  # told on the executor's thread
                self._error = error
            with suppress(RCLError, InvalidHandle):  # the node has left meanwhile
                self._guard.trigger()

        self._name, self._error, self.words = name, None, f"loading {name}"
        self._thread = threading.Thread(target=run, name="model change", daemon=True)
        self._thread.start()

    def _tell(self, words: str) -> None:
        self.words = words

    def _on_guard(self) -> None:
        if self._thread is None:
            return
        self._thread.join()
        self._thread, self.words = None, ""
        self._done(self._name, self._error)
