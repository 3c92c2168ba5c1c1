"""A lock on a file, so that of several processes that need the same engine one builds it."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLL = 0.25
"""Seconds between two tries."""

_inside: dict[str, threading.Lock] = {}
_guard = threading.Lock()


@contextmanager
def locked(
    path: Path, waiting: Callable[[str, float], object], *, poll: float = POLL
) -> Iterator[None]:
    """Hold the lock on the file `path`, made where it is missing, while inside.

    waiting: told, every `poll` seconds while another holds it, who does and for how many seconds
    this has waited; what it raises ends the wait. A process that dies lets go. Where the file
    cannot be locked, the threads of this process at least take turns.
    """
    with _guard:
        inside = _inside.setdefault(str(path), threading.Lock())
    began = time.monotonic()
    while not inside.acquire(timeout=poll):
        waiting("another thread of this process", time.monotonic() - began)
    try:
        file = _opened(path)
        try:
            if file is not None:
                _take(file, waiting, began, poll)
            yield
        finally:
            if file is not None:
                os.close(file)  # which lets go
    finally:
        inside.release()


def _opened(path: Path) -> int | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None  # the cache says so when it cannot write


def _take(file: int, waiting: Callable[[str, float], object], began: float, poll: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
                return  # a file system without locks
        waiting(_holder(file), time.monotonic() - began)
        time.sleep(poll)
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, f"process {os.getpid()} on {os.uname().nodename}".encode(), 0)
    except OSError:
        pass  # a full disk: the next one waits without a name


def _holder(file: int) -> str:
    """Who wrote the name into the file last: whoever holds it, or is about to write."""
    return os.pread(file, 200, 0).decode(errors="replace") or "another process"
