"""Loads another model while the node tracks with the old one, then has it take over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tracker_ros.engines.build import Tell
from tracker_ros.nodes.background import Background, in_background
from tracker_ros.nodes.loading import Loading
from tracker_ros.nodes.process import InvalidHandle, RCLError


class ModelChange:
    """One change at a time, on a thread of its own."""

    def __init__(self, node: Any, done: Callable[[str, Exception | None], None]) -> None:
        """done: is called on the executor's thread with the model's name and what went wrong."""
        self._done = done
        self._guard = node.create_guard_condition(self._on_guard)
        self._work: Background | None = None
        self._loading, self._error = Loading(""), None  # type: Loading, Exception | None

    @property
    def busy(self) -> bool:
        """Whether a change is under way."""
        return self._work is not None

    @property
    def words(self) -> str:
        """What is being loaded, for how long and how far; empty while nothing is."""
        return self._loading.words if self.busy else ""

    def begin(self, name: str, work: Callable[[Tell], None]) -> None:
        """Do the work, which is given what to tell its progress. Not while busy."""
        loading = Loading(name)

        def run() -> None:
            try:
                work(loading.tell)
            except Exception as error:  # told on the executor's thread
                self._error = error
            with suppress(RCLError, InvalidHandle):  # the node has left meanwhile
                self._guard.trigger()

        self._loading, self._error = loading, None
        self._work = in_background("model change", run)

    def give_up(self) -> None:
        """Nobody waits for the change any more; it ends with GivenUpError where it can."""
        self._loading.give_up()

    def _on_guard(self) -> None:
        if self._work is None:
            return
        self._work.wait()
        self._work = None
        self._done(self._loading.name, self._error)
