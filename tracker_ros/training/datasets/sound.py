"""Which pictures have been decoded without a fault, so that it is not done before every run."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import numpy as np

from tracker_ros.training.datasets.sources import File, Source

FILE = "decoded.u64"
WORD = "<u8"


def cache_folder() -> Path:
    """Where this project may keep what it can find out again: XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tracker_ros"


class Sound:
    """Files that were decoded, known by path, size and time of change: 8 bytes each.

    Used in a `with` block, at whose end, also if it is left by an error, they are written down.
    """

    def __init__(self) -> None:
        self._path = cache_folder() / FILE
        self._known = self._read()
        self._new: set[int] = set()

    def require(self, source: Source) -> None:
        """Decode it, unless that was done since it was changed. Raises DataError."""
        mark = _mark(source)
        if source.mapped or mark in self._known or mark in self._new:
            return
        source.read()
        self.add(source)

    def add(self, source: Source) -> None:
        """It has been decoded."""
        mark = _mark(source)
        if mark is not None and mark not in self._known:
            self._new.add(mark)

    def __enter__(self) -> Sound:
        return self

    def __exit__(self, *error: object) -> None:
        if not self._new:
            return
        marks = np.array(sorted(self._read() | self._new), WORD)
        part = self._path.with_name(f"{FILE}.{os.getpid()}")
        with contextlib.suppress(OSError):  # then the next run decodes again
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(marks.tobytes())
            os.replace(part, self._path)

    def _read(self) -> set[int]:
        try:
            data = self._path.read_bytes()
        except OSError:
            return set()
        return set(np.frombuffer(data[: len(data) // 8 * 8], WORD).tolist())


def _mark(source: Source) -> int | None:
    """A number that no other file has, nor another version of it; None: it is no file."""
    if not isinstance(source, File):
        return None
    state = os.stat(source.path)
    words = f"{os.path.abspath(source.path)}\0{state.st_size}\0{state.st_mtime_ns}"
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "little")
