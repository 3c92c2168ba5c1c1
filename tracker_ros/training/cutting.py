"""What is kept of a picture in prepared data: a crop around each object, or less pixels of all.

A crop is the square that pairs can be drawn from, a number of context sides wide: with 511/127 of
them pysot's crop of 511 px around a template of 127.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.geometry import Box, UInt8Image, context_side
from tracker_ros.training.datasets.records import Cut
from tracker_ros.training.pictures import Frame, Mask, Mean, Still
from tracker_ros.training.sampling import EXEMPLAR

REACH = 511 / EXEMPLAR
"""Default side of the square that is kept, in context sides of the object."""
PHOTOGRAPH = 320
"""Shorter side, at most, of pictures without boxes."""


@dataclass(frozen=True)
class Marked:
    """An object of a crop: its box in pixels of it, mask and name."""

    box: Box
    mask: Mask | None = None
    name: str = ""


@dataclass(frozen=True)
class Crop:
    """Part of a picture, resized."""

    image: UInt8Image
    marked: tuple[Marked, ...]
    mean: Mean
    """Of the whole picture: what stands for what lies outside."""
    cut: Cut
    """Where it is in the original."""
    weight: float = 1.0

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in a shard."""
        return self.image.nbytes + sum(0 if m.mask is None else m.mask.nbytes for m in self.marked)


@dataclass(frozen=True)
class Square:
    """How much is kept around an object."""

    reach: float = REACH
    """Its side, in context sides of the object."""
    size: int = 511
    """Most pixels of it."""

    def scale(self, box: Box) -> float:
        """By how much it is made smaller; never larger."""
        return min(1.0, self.size / (self.reach * context_side(box.w, box.h)))

    def around(
        self, picture: Frame | Still, box: Box, marked: Sequence[Marked], weight: float = 1.0
    ) -> Crop:
        """The part of the square around a box that lies in the picture."""
        height, width = picture.image.shape[:2]
        half = self.reach * context_side(box.w, box.h) / 2
        # A box that is far outside, as of a target that is gone, leaves a pixel of the border.
        x0 = min(max(int(box.cx - half), 0), width - 1)
        y0 = min(max(int(box.cy - half), 0), height - 1)
        x1 = max(min(int(np.ceil(box.cx + half)), width), x0 + 1)
        y1 = max(min(int(np.ceil(box.cy + half)), height), y0 + 1)
        return _resized(picture, marked, (x0, y0, x1, y1), self.scale(box), weight)


def frame_crop(frame: Frame, near: Box, square: Square) -> list[Crop]:
    """What pairs can be drawn from around the target; where it is absent, what is `near`."""
    if frame.box is None:
        return [square.around(frame, near, ())]
    return [square.around(frame, frame.box, [Marked(frame.box, frame.mask)])]


def frame_as_it_is(frame: Frame) -> list[Crop]:
    """All of it."""
    marked = () if frame.box is None else (Marked(frame.box, frame.mask),)
    return [Crop(frame.image, marked, frame.mean, _cut_of(frame))]


def still_crops(still: Still, square: Square) -> list[Crop]:
    """A crop for each object that is drawn, or all of the photograph where that takes less."""
    marked = [
        Marked(
            still.boxes[i],
            still.masks[i] if still.masks else None,
            still.labels[i] if still.labels else "",
        )
        for i in still.large
    ]
    if not marked:
        return photograph(still)
    share = still.weight / len(marked)
    crops = [square.around(still, one.box, [one], share) for one in marked]
    # In the scale that the smallest object needs.
    scale = max(square.scale(one.box) for one in marked)
    height, width = still.image.shape[:2]
    all_of_it = _resized(still, marked, (0, 0, width, height), scale, still.weight)
    return [all_of_it] if all_of_it.nbytes <= sum(crop.nbytes for crop in crops) else crops


def photograph(still: Still) -> list[Crop]:
    """A picture without its boxes, smaller."""
    image, cut = still.image, _cut_of(still)
    height, width = image.shape[:2]
    scale = min(1.0, PHOTOGRAPH / min(height, width))
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        cut = _within(cut, 0, 0, size[0] / width, size[1] / height)
    return [Crop(image, (), still.mean, cut, still.weight)]


def _cut_of(picture: Frame | Still) -> Cut:
    return picture.cut or Cut(picture.original, 0, 0)


def _within(cut: Cut, x: float, y: float, zoom_x: float, zoom_y: float) -> Cut:
    """A part of what was cut out before, in the original."""
    return Cut(
        cut.original, cut.x + x / cut.zoom_x, cut.y + y / cut.zoom_y, cut.zoom_x * zoom_x,
        cut.zoom_y * zoom_y,
    )  # fmt: skip


def _resized(
    picture: Frame | Still,
    marked: Sequence[Marked],
    part: tuple[int, int, int, int],
    scale: float,
    weight: float,
) -> Crop:
    x0, y0, x1, y1 = part
    size = (max(round((x1 - x0) * scale), 1), max(round((y1 - y0) * scale), 1))
    sx, sy = size[0] / (x1 - x0), size[1] / (y1 - y0)

    def scaled(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        # Bilinear, as trackers make their crops: training should see the same.
        return np.asarray(cv2.resize(pixels[y0:y1, x0:x1], size), np.uint8)

    moved = tuple(
        Marked(
            Box((box.x - x0) * sx, (box.y - y0) * sy, box.w * sx, box.h * sy),
            None if mask is None else _two_levels(scaled(mask)),
            name,
        )
        for box, mask, name in ((one.box, one.mask, one.name) for one in marked)
    )
    cut = _within(_cut_of(picture), x0, y0, sx, sy)
    return Crop(scaled(picture.image), moved, picture.mean, cut, weight)


def _two_levels(mask: Mask) -> Mask:
    return np.where(mask > 127, 255, 0).astype(np.uint8)
