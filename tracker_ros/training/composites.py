"""Crops put together of several pictures: cut-out targets, distractors, occluders.

Objects are cut out by their mask. Those without one are cut out as a plate with soft corners, so
that the hard edge of a box does not tell what was pasted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Generic, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.training import augment
from tracker_ros.training.pictures import Frame, Still
from tracker_ros.training.views import (
    Colour,
    CropBox,
    Subject,
    Transform,
    View,
    middle_of,
    on_picture,
    transform_of,
    warp,
)

Generator = np.random.Generator
Opacity = npt.NDArray[np.float32]
ItemT = TypeVar("ItemT")
TRIES = 6
"""Places that are tried for a distractor beside the target."""
GAP = 2.0
"""Pixels between a target's box and that of what is pasted beside it, at least."""
SMALLEST = 12.0
"""Sides of pasted objects, in pixels, at least: smaller ones show nothing."""
PLATE = 32


class Pool(Generic[ItemT]):
    """Things drawn with probabilities in proportion to their weights."""

    def __init__(self, items: Sequence[ItemT], weights: Sequence[float]) -> None:
        self._items = items
        self._until = np.cumsum(np.asarray(weights, np.float64))

    def __bool__(self) -> bool:
        return bool(len(self._items) and self._until[-1] > 0)

    def pick(self, rng: Generator) -> ItemT:
        """One of them."""
        place = rng.random() * self._until[-1]
        index = int(np.searchsorted(self._until, place, side="right"))
        return self._items[min(index, len(self._items) - 1)]


def background(picture: Frame | Still, rng: Generator, size: int) -> UInt8Image:
    """Some part of a picture as a crop: at least half of its shorter side."""
    image: UInt8Image = picture.image
    height, width = image.shape[:2]
    zoom = rng.uniform(1.0, 2.0) * size / min(height, width)
    middle = (rng.uniform(0.3, 0.7) * width, rng.uniform(0.3, 0.7) * height)
    view = View(size, ((size - 1) / 2, (size - 1) / 2), (zoom, zoom))
    mean: Colour = picture.mean
    return warp(image, transform_of(middle, view), size, mean)


def paste_over(
    crop: UInt8Image, ground: UInt8Image, subject: Subject, transform: Transform
) -> UInt8Image:
    """The target of a crop, cut out by its mask, over another background of the same size."""
    size = crop.shape[0]
    return _blend(crop, ground, opacity(subject, transform, (size, size)))


def distract(
    search: UInt8Image, box: CropBox, other: Subject, rng: Generator, *, recolour: bool
) -> None:
    """Paste another object beside the target, in place; nothing where it finds no room.

    search (S, S, 3); box of the target in it; `recolour` gives the object other colours, so that
    a copy of the target can be told from it.
    """
    size = search.shape[0]
    _, _, w, h = box
    zoom = max(math.sqrt(w * h) * math.exp(rng.normal(0, 0.25)), SMALLEST)
    zoom /= max(math.sqrt(other.box.area), 1.0)
    flip, angle = bool(rng.random() < 0.5), math.radians(rng.uniform(-10, 10))
    table = augment.colour_table(rng, 1.8) if recolour else None
    for _ in range(TRIES):
        at = (rng.uniform(0, size), rng.uniform(0, size))
        view = View(size, at, (zoom, zoom), angle, flip=flip)
        transform = transform_of(middle_of(other.box), view)
        if not _overlap(box, _reach(other, transform)):
            _lay(search, other, transform, table)
            return


def occlude_by_object(search: UInt8Image, box: CropBox, other: Subject, rng: Generator) -> None:
    """Paste another object over the border of the target, in place: it hides less than half."""
    cx, cy, w, h = box
    zoom = max(math.sqrt(w * h) * rng.uniform(0.4, 0.9), SMALLEST)
    zoom /= max(math.sqrt(other.box.area), 1.0)
    angle = rng.uniform(0, 2 * math.pi)
    away = rng.uniform(0.6, 0.95)
    at = (cx + away * w / 2 * math.cos(angle), cy + away * h / 2 * math.sin(angle))
    view = View(search.shape[0], at, (zoom, zoom), math.radians(rng.uniform(-20, 20)))
    _lay(search, other, transform_of(middle_of(other.box), view))


def occlude_by_strip(search: UInt8Image, box: CropBox, patch: UInt8Image, rng: Generator) -> None:
    """Cover 15 to 50 % of the target, from one side, with a piece of another picture, in place."""
    size = search.shape[0]
    cx, cy, w, h = box
    share, side = rng.uniform(0.15, 0.5), int(rng.integers(4))
    move = (1 - share) / 2 * (1 if side % 2 else -1)
    if side < 2:
        cx, w, h = cx + move * w, w * share, h * 1.3
    else:
        cy, w, h = cy + move * h, w * 1.3, h * share
    x0, y0 = max(int(cx - w / 2), 0), max(int(cy - h / 2), 0)
    x1, y1 = min(int(cx + w / 2), size), min(int(cy + h / 2), size)
    if x1 - x0 >= 2 and y1 - y0 >= 2:
        search[y0:y1, x0:x1] = cv2.resize(patch, (x1 - x0, y1 - y0))


def opacity(subject: Subject, transform: Transform, size: tuple[int, int]) -> Opacity:
    """How much of each pixel of a crop of (width, height) the object covers, in [0, 1]."""
    if subject.mask is None:
        covered = warp(_PLATE, transform @ _plate_to(subject.box), size, (0.0,))
    else:
        rows, columns = on_picture(subject.box, subject.mask.shape, margin=2)
        part = np.where(subject.mask[rows, columns] > 0, np.uint8(255), np.uint8(0))
        if not part.size:
            return np.zeros((size[1], size[0]), np.float32)
        moved = transform.copy()
        moved[:, 2] += transform[:, 0] * columns.start + transform[:, 1] * rows.start
        covered = cv2.blur(warp(part, moved, size, (0.0,)), (3, 3)).astype(np.uint8, copy=False)
    return covered.astype(np.float32) * np.float32(1 / 255)


def _lay(
    canvas: UInt8Image, other: Subject, transform: Transform, table: UInt8Image | None = None
) -> None:
    size = canvas.shape[0]
    x0, y0, x1, y1 = _reach(other, transform)
    left, top = max(int(x0), 0), max(int(y0), 0)
    right, bottom = min(math.ceil(x1) + 1, size), min(math.ceil(y1) + 1, size)
    if right - left < 2 or bottom - top < 2:
        return
    moved = transform.copy()
    moved[:2] -= np.array([[left], [top]]) * transform[2]
    shape = (right - left, bottom - top)
    piece = warp(other.image, moved, shape, None)
    if table is not None:
        piece = augment.recoloured(piece, table)
    part = canvas[top:bottom, left:right]
    part[:] = _blend(piece, part, opacity(other, moved, shape))


def _reach(other: Subject, transform: Transform) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of all that an object covers in a crop, with its soft edge."""
    half = (other.box.w / 2 + 2, other.box.h / 2 + 2)
    points = np.array(middle_of(other.box)) + _CORNERS * half
    at = points @ transform[:2, :2].T + transform[:2, 2]
    (x0, y0), (x1, y1) = at.min(0) - 1, at.max(0) + 1
    return float(x0), float(y0), float(x1), float(y1)


def _overlap(box: CropBox, other: tuple[float, float, float, float]) -> bool:
    cx, cy, w, h = box
    x0, y0, x1, y1 = other
    beside = x0 > cx + w / 2 + GAP or x1 < cx - w / 2 - GAP
    return not beside and not (y0 > cy + h / 2 + GAP or y1 < cy - h / 2 - GAP)


def _blend(front: UInt8Image, back: UInt8Image, weight: Opacity) -> UInt8Image:
    return cv2.blendLinear(front, back, weight, 1 - weight).astype(np.uint8, copy=False)


def _plate_to(box: Box) -> Transform:
    """Pixels of the plate to points of the picture whose box it stands for."""
    sx, sy = box.w / PLATE, box.h / PLATE
    return np.array([[sx, 0, box.x - 0.5 + sx / 2], [0, sy, box.y - 0.5 + sy / 2], [0, 0, 1]])


def _plate() -> npt.NDArray[np.uint8]:
    along = (np.arange(PLATE) + 0.5) / PLATE * 2 - 1
    inside = 1 - (along[:, None] ** 4 + along[None] ** 4)
    return np.asarray(np.clip(4 * inside, 0, 1) * 255, np.uint8)


_PLATE = _plate()
_CORNERS = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
