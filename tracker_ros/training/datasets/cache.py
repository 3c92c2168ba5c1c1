"""Decoded pictures, up to a number of bytes."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass

from tracker_ros.training.datasets.sources import Source, UInt8

CACHE = 256 << 20
"""Bytes of them that each process keeps where there are more."""


class PictureCache:
    """Decoded pictures, up to a number of bytes; those used longest ago go first.

    Safe for threads, and for processes forked from one whose threads use it.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._kept: OrderedDict[Source, UInt8] = OrderedDict()
        self._lock, self._process = threading.Lock(), os.getpid()

    def __len__(self) -> int:
        return len(self._kept)

    def __reduce__(self) -> tuple[type[PictureCache], tuple[int]]:
        return PictureCache, (min(self.limit, CACHE),)  # a process not forked decodes for itself

    def read(self, source: Source) -> UInt8:
        """The picture, read-only. Raises DataError when it cannot be decoded."""
        with self._guard():
            image = self._kept.get(source)
            if image is not None:
                self._kept.move_to_end(source)
                return image
        image = source.read()
        image.flags.writeable = False
        if source.mapped or image.nbytes > self.limit:
            return image
        with self._guard():
            if source not in self._kept:
                self._kept[source] = image
                self.bytes += image.nbytes
            while self.bytes > self.limit:
                _, oldest = self._kept.popitem(last=False)
                self.bytes -= oldest.nbytes
        return image

    def shrink(self, limit: int) -> None:
        """Forget everything, and keep less from now on."""
        with self._guard():
            self._kept.clear()
            self.limit, self.bytes = limit, 0

    def _guard(self) -> threading.Lock:
        if self._process != os.getpid():
            # Another thread may have held the lock when this process was forked.
            self._lock, self._process = threading.Lock(), os.getpid()
        return self._lock


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture or mask on disk, and the cache that it goes through."""

    source: Source
    cache: PictureCache

    def read(self) -> UInt8:
        """Decoded, read-only."""
        return self.cache.read(self.source)
