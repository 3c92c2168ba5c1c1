"""Where a file ended that was cut, for every kind of storage."""

from __future__ import annotations

from collections.abc import Callable

_SECTOR = 512
"""What a disk writes at once: zeros of a lost write begin at a multiple of it."""


def seconds(nanoseconds: int) -> str:
    """A time of recording as the words about damage have it."""
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9 // 10**6:03d} s"


def before_zeros(read: Callable[[int, int], bytes], size: int) -> int:
    """Where zeros that may be a lost write begin; the size of the file when it ends otherwise.

    read: gives bytes from a place on, so many.
    """
    end = size
    while end > 0:
        start = max(end - (1 << 20), 0)
        data = read(start, end - start).rstrip(b"\0")
        if data:
            end = start + len(data)
            break
        end = start
    begin = -(-end // _SECTOR) * _SECTOR
    return begin if size - begin >= _SECTOR else size
