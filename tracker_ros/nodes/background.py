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

_started: list[threading.Thread] = []


def in_background(name: str, work: Callable[[], object]) -> threading.Thread:
    """Start work that may still be under way when the process ends; see `leave`."""
    _started[:] = [thread for thread in _started if thread.is_alive()]
    thread = threading.Thread(target=work, name=name, daemon=True)
    _started.append(thread)
    thread.start()
    return thread


def leave(code: int) -> int:
    """The exit code; where work is still under way, this ends the process with it.

    An interpreter that ends by itself under a library that is at work aborts. What is being built
    is written whole or not at all, so nothing is left in part.
    """
    end = time.monotonic() + LEAVE
    for thread in _started:
        thread.join(max(0.0, end - time.monotonic()))
    if any(thread.is_alive() for thread in _started):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
