"""Damage in a jpeg that decoders pass over: they warn, and give a picture with false pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_RESTARTS = range(0xD0, 0xD8)
_END, _SCAN = 0xD9, 0xDA
_BARE = {0x01, *_RESTARTS}
"""Markers without a segment behind them."""
_HEAD = range(0xC0, 0xFF)
"""Markers of the segments that may come before the first scan."""
_BETWEEN_SCANS = {0xC4, 0xCC, _SCAN, 0xDB, 0xDC, 0xDD, 0xFE}
"""And after it: tables, the next scan, the number of lines, the restart interval, comments."""


def is_damaged(data: npt.NDArray[np.uint8]) -> bool:
    """Whether the markers of a jpeg (bytes, from FFD8 on) are such as no encoder writes.

    Bytes that were overwritten in the pixels show up as markers that do not exist or stand in the
    wrong place (ITU-T T.81, annex B): of every 256 random bytes one is FF. Damage without any, a
    few bytes long, is not noticed; nor is a missing end, which is for the decoder to judge.
    """
    marks = np.flatnonzero(data[:-1] == 0xFF)
    kinds = data[marks + 1]
    is_restart = (kinds >= _RESTARTS.start) & (kinds < _RESTARTS.stop)
    restarts, restart_kinds = marks[is_restart], kinds[is_restart]
    others = marks[(kinds != 0) & ~is_restart]
    at, end, expected_kinds = 2, len(data), set(_HEAD)
    while True:
        if at >= end - 1:
            return at > end
        if data[at] != 0xFF:
            return True
        kind = int(data[at + 1])
        if kind == 0xFF:  # fill bytes may come before a marker
            at += 1
            continue
        if kind == _END:
            return False
        if kind in _BARE:
            at += 2
            continue
        if kind not in expected_kinds or at + 3 >= end:
            return True
        at += 2 + max(2, int(data[at + 2]) << 8 | int(data[at + 3]))
        if kind != _SCAN:
            continue
        expected_kinds = _BETWEEN_SCANS
        after = int(np.searchsorted(others, at))
        scan_end = int(others[after]) if after < len(others) else end
        first, last = np.searchsorted(restarts, (at, scan_end))
        expected = np.arange(last - first) % len(_RESTARTS) + _RESTARTS.start
        if not np.array_equal(restart_kinds[first:last], expected):
            return True
        at = scan_end
