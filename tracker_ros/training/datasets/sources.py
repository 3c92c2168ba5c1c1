"""Pictures and masks that are read when they are asked for."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import require_whole

UInt8 = npt.NDArray[np.uint8]
Size = tuple[int, int]
"""Width and height in pixels."""

_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of a JPEG file that are followed by its size."""
_SCAN = 0xDA
"""Marker that is followed by pixels."""
_PALETTE = 3
"""Colour type of a PNG file whose pixels are numbers of colours."""


class Source(Protocol):
    """A picture, (height, width, 3) uint8 BGR, or a mask, (height, width) uint8 of 0 and 255.

    What is the same is decoded once.
    """

    def __hash__(self) -> int: ...

    @property
    def mapped(self) -> bool:
        """Whether reading costs nothing, so that a cache need not keep it."""

    def size(self) -> Size:
        """Width and height, without decoding. Raises DataError where it cannot be read."""

    def read(self) -> UInt8:
        """Decode it. Raises DataError naming the file."""


@dataclass(frozen=True, slots=True)
class File:
    """A JPEG or PNG file."""

    path: str
    mapped = False

    def __str__(self) -> str:
        return self.path

    def size(self) -> Size:
        """From the header; a file whose end is missing is refused too."""
        return picture_size(Path(self.path))


@dataclass(frozen=True, slots=True)
class PictureFile(File):
    """A picture. Its EXIF orientation is ignored, as boxes of COCO ask for."""

    def read(self) -> UInt8:
        """BGR."""
        return _decoded(self.path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)


@dataclass(frozen=True, slots=True)
class MaskFile(File):
    """A grey picture: the object is white, or 1."""

    def read(self) -> UInt8:
        """0 to 255."""
        mask = _decoded(self.path, cv2.IMREAD_GRAYSCALE)
        return np.asarray(mask * 255, np.uint8) if mask.max() == 1 else mask


@dataclass(frozen=True, slots=True)
class ObjectMask(File):
    """One object of a PNG file whose pixels are numbers of objects."""

    number: int

    def read(self) -> UInt8:
        """0 and 255."""
        return np.where(read_numbers(Path(self.path)) == self.number, 255, 0).astype(np.uint8)


@dataclass(frozen=True, eq=False, slots=True)
class PolygonMask:
    """The inside of polygons (points, 2) in a picture of a size."""

    polygons: tuple[npt.NDArray[np.float32], ...]
    within: Size
    mapped = False

    def __str__(self) -> str:
        return "a polygon"

    def size(self) -> Size:
        """That of the picture."""
        return self.within

    def read(self) -> UInt8:
        """0 and 255."""
        width, height = self.within
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [np.round(p).astype(np.int32) for p in self.polygons], 255)
        return mask


@dataclass(frozen=True, eq=False, slots=True)
class RunLengthMask:
    """Runs of background and object in turn, column by column, as COCO writes them."""

    runs: npt.NDArray[np.int64]
    within: Size
    mapped = False

    def __str__(self) -> str:
        return "a run-length mask"

    def size(self) -> Size:
        """That of the picture."""
        return self.within

    def read(self) -> UInt8:
        """0 and 255."""
        width, height = self.within
        values = np.zeros(len(self.runs), np.uint8)
        values[1::2] = 255
        flat = np.repeat(values, self.runs)
        if flat.size != width * height:
            raise DataError(f"a run-length mask has {flat.size} pixels for {width}x{height}")
        return np.ascontiguousarray(flat.reshape(width, height).T)


@dataclass(frozen=True, eq=False)
class Shard:
    """A file of raw pixels, mapped into memory when it is first read."""

    path: str
    _open: dict[str, UInt8] = field(default_factory=dict, repr=False)

    @property
    def pixels(self) -> UInt8:
        """All its bytes, read-only; processes share them."""
        if "map" not in self._open:
            # As an ndarray: slices of a memmap cost several times as much.
            self._open["map"] = np.memmap(self.path, np.uint8, "r").view(np.ndarray)
        return self._open["map"]

    def __reduce__(self) -> tuple[Any, ...]:
        return Shard, (self.path,)  # another process maps the file itself


@dataclass(frozen=True, slots=True)
class Mapped:
    """A picture or mask in a shard."""

    shard: Shard
    offset: int
    shape: tuple[int, ...]
    mapped = True

    def __str__(self) -> str:
        return f"{self.shard.path} at {self.offset}"

    def size(self) -> Size:
        """Known."""
        return self.shape[1], self.shape[0]

    def read(self) -> UInt8:
        """A view, read-only: nothing is copied or decoded."""
        count = int(np.prod(self.shape))
        return self.shard.pixels[self.offset : self.offset + count].reshape(self.shape)


def _decoded(path: str, flags: int) -> UInt8:
    image = cv2.imread(path, flags)
    if image is None:
        raise DataError(
            f"{path} cannot be decoded; replace it, or find all such files with 'data check'"
        )
    return np.asarray(image, np.uint8)


def picture_size(path: Path) -> Size:
    """Width and height of a JPEG or PNG file from its header.

    Raises DataError where it is missing, of another kind, or its end is missing.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing")
    pixels = 0
    try:
        with path.open("rb") as file:
            if file.read(4) == b"\x89PNG":
                file.seek(16)
                width, height = struct.unpack(">II", file.read(8))
            else:
                file.seek(2)
                (width, height), pixels = _jpeg_header(file)
    except (OSError, struct.error):
        require_whole(path)  # which says more, if that is what is wrong
        raise DataError(f"{path} is damaged: its header gives no size; replace it") from None
    if not width or not height:
        raise DataError(f"{path} is damaged: its header gives {width}x{height} px; replace it")
    require_whole(path, pixels)
    return width, height


def _jpeg_header(file: BinaryIO) -> tuple[Size, int]:
    """Width and height, and where the pixels begin; struct.error where segments end before."""
    size = None
    while True:
        mark, kind = struct.unpack(">BB", file.read(2))
        while kind == 0xFF:  # fill bytes
            (kind,) = struct.unpack(">B", file.read(1))
        if mark != 0xFF or kind == 0xD9:
            raise struct.error("no pixels")
        (length,) = struct.unpack(">H", file.read(2))
        end = file.tell() + length - 2
        if kind in _FRAME_HEADERS:
            height, width = struct.unpack(">xHH", file.read(5))
            size = width, height
        elif kind == _SCAN:
            if size is None:
                raise struct.error("no size")
            return size, end
        file.seek(end)


def read_numbers(path: Path) -> UInt8:
    """The numbers (height, width) of the objects of a mask: palette indices, or grey levels.

    OpenCV turns palettes into colours; the palette of the file turns them back. Raises DataError.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing")
    data = path.read_bytes()
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise DataError(f"{path} cannot be decoded; replace it")
    if image.ndim == 2:
        return np.asarray(image, np.uint8)
    palette = _palette(data)
    if palette is None:
        raise DataError(
            f"{path} holds colours; expected a PNG file with a palette, or grey levels, whose "
            "values are numbers of objects"
        )
    wide = image.astype(np.int32)
    codes = wide[..., 2] << 16 | wide[..., 1] << 8 | wide[..., 0]
    known, numbers = np.unique(palette, return_index=True)
    return numbers[np.searchsorted(known, codes).clip(max=len(known) - 1)].astype(np.uint8)


def _palette(data: bytes) -> npt.NDArray[np.int64] | None:
    """The colours of a PNG file as 0xRRGGBB; None where its pixels are no numbers of colours."""
    if len(data) < 26 or data[25] != _PALETTE:
        return None
    at = 8
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"PLTE":
            rgb = np.frombuffer(data[at + 8 : at + 8 + length], np.uint8).reshape(-1, 3)
            return rgb.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
        at += 12 + length
    return None
