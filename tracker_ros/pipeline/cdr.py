"""Reads serialized messages (CDR): sensor_msgs/Image and CompressedImage, the pixels not copied.

A deserialiser would copy them: 6 MB, a millisecond, for each 1080p image. And it trusts its input;
here every length is checked against what is there, because a network delivers anything.

Source: OMG DDSI-RTPS 2.3, 9.4 and 10 (encapsulation and CDR). Four bytes of encapsulation say the
byte order; after them every number lies at a multiple of its size, counted from their end.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from tracker_ros.errors import ImageError, TrackerRosError

_ENCAPSULATION = 4
_BIG_ENDIAN, _LITTLE_ENDIAN = b"\x00\x00", b"\x00\x01"
_STAMP = {order: struct.Struct(order + "iI") for order in "<>"}
_UINT32 = {order: struct.Struct(order + "I") for order in "<>"}


@dataclass(frozen=True)
class Stamped:
    """The header of a message."""

    sec: int
    nanosec: int
    frame_id: str

    @property
    def ns(self) -> int:
        """The stamp in nanoseconds."""
        return self.sec * 10**9 + self.nanosec


@dataclass(frozen=True)
class ImageMessage:
    """A sensor_msgs/Image. Nothing of it has been checked but that its parts are there."""

    header: Stamped
    height: int
    width: int
    encoding: str
    is_bigendian: bool
    step: int
    """Bytes from one row to the next."""
    data: memoryview
    """A view into the message."""


@dataclass(frozen=True)
class CompressedMessage:
    """A sensor_msgs/CompressedImage."""

    header: Stamped
    format: str
    data: memoryview
    """A view into the message."""


def read_header(raw: bytes) -> Stamped:
    """Read the header of an Image or a CompressedImage: it comes first in both.

    Raises ImageError with the cause "message".
    """
    return Reader(raw).header()


def read_image(raw: bytes) -> ImageMessage:
    """Read a sensor_msgs/Image. Raises ImageError with the cause "message"."""
    reader = Reader(raw)
    return ImageMessage(
        header=reader.header(),
        height=reader.uint32("height"),
        width=reader.uint32("width"),
        encoding=reader.string("encoding"),
        is_bigendian=reader.uint8("is_bigendian") != 0,
        step=reader.uint32("step"),
        data=reader.uint8_sequence("data"),
    )


def read_compressed(raw: bytes) -> CompressedMessage:
    """Read a sensor_msgs/CompressedImage. Raises ImageError with the cause "message"."""
    reader = Reader(raw)
    return CompressedMessage(
        header=reader.header(),
        format=reader.string("format"),
        data=reader.uint8_sequence("data"),
    )


class Reader:
    """Reads one field after the other; `name` of a field is for the error."""

    def __init__(self, raw: bytes, broken: Callable[[str], TrackerRosError] | None = None) -> None:
        """broken: makes the error from what is wrong; without it, an ImageError."""
        self._broken = broken or _broken
        self._view = memoryview(raw).cast("B")
        self._at = _ENCAPSULATION
        kind = bytes(self._view[:2])
        if len(self._view) < _ENCAPSULATION or kind not in (_BIG_ENDIAN, _LITTLE_ENDIAN):
            raise self._broken(f"it begins with the bytes '{kind.hex()}', so it is not plain CDR")
        self._order = "<" if kind == _LITTLE_ENDIAN else ">"

    @property
    def order(self) -> str:
        """The byte order, as `struct` has it."""
        return self._order

    @property
    def offset(self) -> int:
        """Bytes read so far, counted from the end of the encapsulation as alignment is."""
        return self._at - _ENCAPSULATION

    def header(self) -> Stamped:
        """A std_msgs/Header."""
        sec, nanosec = _STAMP[self._order].unpack_from(self._take(8, "the stamp", align=4))
        return Stamped(sec, nanosec, self.string("frame_id"))

    def uint8(self, name: str) -> int:
        """One byte."""
        return self._take(1, name)[0]

    def uint32(self, name: str) -> int:
        """A number of four bytes."""
        value: int = _UINT32[self._order].unpack_from(self._take(4, name, align=4))[0]
        return value

    def string(self, name: str) -> str:
        """A string: its length with the NUL that ends it, then UTF-8."""
        length = self.uint32(f"the length of {name}")
        if length == 0:  # some senders write an empty string without its NUL
            return ""
        value = bytes(self._take(length, name))
        if value.find(0) != length - 1:
            raise self._broken(f"{name} does not end, or not only, with NUL")
        try:
            return value[:-1].decode()
        except UnicodeDecodeError as error:
            place = f"{error.reason} at byte {error.start}"
            raise self._broken(f"{name} is not UTF-8: {place}") from error

    def uint8_sequence(self, name: str) -> memoryview:
        """A sequence of bytes: a view of them."""
        return self._take(self.uint32(f"the length of {name}"), name)

    def _take(self, size: int, name: str, align: int = 1) -> memoryview:
        """The next `size` bytes, after the padding that aligns them."""
        start = self._at + (_ENCAPSULATION - self._at) % align
        left = len(self._view) - start
        if size > left:
            raise self._broken(f"{name} takes {size} bytes, and only {max(left, 0)} are left")
        self._at = start + size
        return self._view[start : self._at]


def _broken(what: str) -> ImageError:
    return ImageError(
        f"the image message is broken: {what}; does another program publish on this topic, "
        "or one with other message definitions?",
        "message",
    )
