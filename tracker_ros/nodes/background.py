"""Threads for work that nothing can interrupt: a process that is to end does not wait for them.

TensorRT builds an engine for seconds to minutes, and up to version 8 cannot be stopped in it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

LEAVE = 3.0
"""Seconds that the end of a process waits for work that is nearly done."""


class Background:
    """Work that may still be under way when the process ends; see `leave`."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        finally:
            self._ended.set()

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self._ended.is_set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait for its end, at most so many seconds; a KeyboardInterrupt may end the wait.

        Not with Thread.join: up to Python 3.12 one that is interrupted takes the thread for ended,
        and `leave` would not know of it.
        """
        self._ended.wait(timeout)

    def join(self, timeout: float) -> bool:
        """Wait until the thread itself is gone; not for where a KeyboardInterrupt may come."""
        if self._thread.ident is None:
            return True  # it has never begun
        self._thread.join(timeout)
        return not self._thread.is_alive()


_started: list[Background] = []


def in_background(name: str, work: Callable[[], object]) -> Background:
    """Start work on a thread of its own."""
    _started[:] = [background for background in _started if not background.ended]
    background = Background(name, work)
    _started.append(background)  # first: an interrupt from here on loses no thread
    background.start()
    return background


def leave(code: int) -> int:
    """The exit code; where work is still under way, this ends the process with it.

    An interpreter that ends by itself under a library that is at work aborts. What is being built
    is written whole or not at all, so nothing is left in part.
    """
    end = time.monotonic() + LEAVE
    gone = [background.join(max(0.0, end - time.monotonic())) for background in _started]
    if not all(gone):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
