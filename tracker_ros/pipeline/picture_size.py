"""Width and height of an encoded picture, from its header alone."""

from __future__ import annotations

import struct

from tracker_ros.errors import ImageError

_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of jpeg segments that begin with the size (ITU-T T.81, table B.1)."""
_WITHOUT_SIZE = (0xD9, 0xDA)
"""The end, and the first scan: the size should have come before."""


def picture_size(data: bytes | memoryview) -> tuple[int, int]:
    """Width and height of a jpeg or png. Raises ImageError where the header gives none."""
    try:
        is_png = bytes(data[:4]) == b"\x89PNG"
        width, height = struct.unpack_from(">II", data, 16) if is_png else _jpeg_size(data)
    except struct.error:
        raise ImageError("its header gives no size: it is damaged", "compressed") from None
    if not width or not height:
        raise ImageError(f"its header gives {width}x{height} px: it is damaged", "compressed")
    return width, height


def _jpeg_size(data: bytes | memoryview) -> tuple[int, int]:
    """Walk the segments; struct.error where they end before the size."""
    at = 2
    while True:
        mark, kind = struct.unpack_from(">BB", data, at)
        at += 1
        while kind == 0xFF:  # fill bytes
            at += 1
            (kind,) = struct.unpack_from(">B", data, at)
        if mark != 0xFF or kind in _WITHOUT_SIZE:
            raise struct.error("no frame header")
        length, height, width = struct.unpack_from(">HxHH", data, at + 1)
        if kind in _FRAME_HEADERS:
            return width, height
        at += 1 + length
