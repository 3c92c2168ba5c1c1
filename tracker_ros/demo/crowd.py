"""The scene of `demo mot`: people cross a square, and the truth about every one of them.

In 20 seconds happens all that makes it hard to keep identities:

    two meet behind a kiosk, unseen, and come out on the other side each
    somebody turns round behind it and comes back out where he went in
    two in nearly the same clothes meet and pass in full view
    an advertising column, a lamp post and a tree hide people for moments
    two walk side by side; somebody runs past; somebody stands and waits
    somebody leaves the picture and comes back
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.demo.easel import Lens
from tracker_ros.demo.people import (
    PIXELS_PER_METRE,
    Look,
    Pose,
    Sprite,
    draw_person,
)
from tracker_ros.demo.square import build_square
from tracker_ros.demo.walkers import WALKERS, Route, Walker
from tracker_ros.geometry import Box, UInt8Image

Float32 = npt.NDArray[np.float32]
DURATION = 20.0
"""Seconds."""
MIN_VISIBLE = 0.25
"""Whoever shows less than this share counts as hidden: nobody is blamed for missing him."""


@dataclass(frozen=True)
class Person:
    """Somebody in one frame."""

    id: int
    """From 1, the same in every frame."""
    box: Box
    """Round the whole person, also round what is hidden or beyond the border."""
    visibility: float
    """Share of the person's pixels that can be seen: 0 hidden, 1 all of it."""

    @property
    def hidden(self) -> bool:
        """Whether too little shows for anybody to be blamed for missing it."""
        return self.visibility < MIN_VISIBLE


@dataclass(frozen=True)
class CrowdFrame:
    """One picture and who is in it."""

    image: UInt8Image
    people: tuple[Person, ...]


@dataclass(frozen=True)
class _Figure:
    """Somebody's patch of the picture, cut at its border."""

    id: int
    z: float
    box: Box
    columns: slice
    rows: slice
    layer: Float32
    """(rows, columns, 4), premultiplied."""
    shadow: Float32
    """(rows, columns): of the figure on the ground; its own patch, `shadow_at`."""
    shadow_at: tuple[slice, slice]
    area: float
    """Sum of alpha, what is beyond the border too."""
    open: Float32 = field(repr=False)
    """(rows, columns): how much of each pixel nothing that stands still hides."""


class Crowd:
    """A film of `len(crowd)` frames; `frame(i)` depends on `i` and on the arguments only."""

    def __init__(
        self,
        width: int = 640,
        height: int = 480,
        fps: float = 30.0,
        seed: int = 5,
        walkers: Sequence[Walker] = WALKERS,
    ) -> None:
        """Draw the square; `width` and `height` in pixels, `fps` in hertz."""
        self.width, self.height, self.fps = width, height, fps
        self._lens = Lens(width, height)
        rng = np.random.default_rng(seed)
        self._square = build_square(self._lens, rng)
        self._walkers = tuple(walkers)
        self._routes = [Route(walker) for walker in walkers]
        grain = rng.normal(0.0, 2.0, (height + 64, width + 64, 3))
        self._brighter = np.clip(np.round(grain), 0, 255).astype(np.uint8)
        self._darker = np.clip(np.round(-grain), 0, 255).astype(np.uint8)
        self._sprite = lru_cache(maxsize=512)(draw_person)

    def __len__(self) -> int:
        return max(round(DURATION * self.fps), 1)

    def frame(self, index: int) -> CrowdFrame:
        """Film frame `index`, 0 to len - 1. Raises IndexError beyond the end."""
        figures = self._figures(index)
        image = self._square.picture.copy()
        for figure in figures:
            _darken(image, figure)
        for figure in figures:
            _paint(image, figure)
        self._add_grain(image, index)
        return CrowdFrame(image, self._people(figures))

    def people(self, index: int) -> tuple[Person, ...]:
        """Who is in frame `index`, without its picture."""
        return self._people(self._figures(index))

    def _figures(self, index: int) -> list[_Figure]:
        """Everybody with a pixel in the picture, the farthest first."""
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} is not in a film of {len(self)} frames")
        second = index / self.fps
        found = []
        for number, route in enumerate(self._routes, 1):
            place = route.at(second)
            if place is not None:
                x, z, pose = place
                figure = self._place(number, self._walkers[number - 1].look, x, z, pose)
                if figure is not None:
                    found.append(figure)
        return sorted(found, key=lambda figure: -figure.z)

    def _place(self, number: int, look: Look, x: float, z: float, pose: Pose) -> _Figure | None:
        sprite: Sprite = self._sprite(look, pose)
        scale = self._lens.focal / z / PIXELS_PER_METRE
        u, v = self._lens.at(x, 0.0, z)
        x0, y0, x1, y1 = (edge * self._lens.focal / z for edge in sprite.box)
        box = Box(u + x0, v + y0, x1 - x0, y1 - y0)
        left, top = math.floor(box.x) - 2, math.floor(box.y) - 2
        size = (math.ceil(box.x + box.w) + 2 - left, math.ceil(box.y + box.h) + 2 - top)
        # Pixel centres are whole numbers for cv2, half numbers for boxes.
        x, y = (scale * (edge - 0.5) for edge in sprite.foot)
        to_patch = np.array([[scale, 0, u - left - 0.5 - x], [0, scale, v - top - 0.5 - y]])
        # Shrunk to half its size or less, it would lose pixels.
        fine = sprite.premultiplied if scale > 0.6 else cv2.blur(sprite.premultiplied, (2, 2))
        drawn = cv2.warpAffine(fine, to_patch, size)
        layer: Float32 = np.asarray(drawn, np.float32) / np.float32(255)
        rows, columns = _inside(top, size[1], self.height), _inside(left, size[0], self.width)
        if rows.start == rows.stop or columns.start == columns.stop:
            return None
        shadow, shadow_at = self._shadow(layer[..., 3], left, top, v)
        shadow *= self._open(z, *shadow_at)
        area = float(layer[..., 3].sum())
        seen = layer[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        free = self._open(z, rows, columns)
        return _Figure(number, z, box, columns, rows, seen, shadow, shadow_at, area, free)

    def _open(self, z: float, rows: slice, columns: slice) -> Float32:
        """How much of each pixel nothing that stands nearer than `z` hides, 0 to 1."""
        free = np.ones((rows.stop - rows.start, columns.stop - columns.start), np.float32)
        for cover in self._square.covers:
            if cover.z < z:
                free *= 1 - cover.alpha[rows, columns]
        return free

    def _shadow(
        self, alpha: Float32, left: int, top: int, ground: float
    ) -> tuple[Float32, tuple[slice, slice]]:
        """The figure laid onto the ground, to the right and a little away from the camera."""
        height, width = alpha.shape
        foot = ground - top
        size = (width + round(0.6 * height), round(0.24 * height) + 4)
        # A pixel `up` above the feet falls 0.55 up to the right and 0.2 up into the picture.
        lay = np.array([[1, -0.55, 0.55 * foot], [0, 0.2, size[1] - 4 - 0.2 * foot]])
        soft = cv2.blur(np.asarray(cv2.warpAffine(alpha, lay, size), np.float32), (3, 3))
        top_row = round(ground) - (size[1] - 4)
        rows, columns = _inside(top_row, size[1], self.height), _inside(left, size[0], self.width)
        part = soft[
            rows.start - top_row : rows.stop - top_row,
            columns.start - left : columns.stop - left,
        ]
        return np.asarray(part, np.float32), (rows, columns)

    def _people(self, figures: Sequence[_Figure]) -> tuple[Person, ...]:
        """How much of everybody can be seen; by id."""
        free = np.ones((self.height, self.width), np.float32)
        people = []
        for figure in reversed(figures):
            before = free[figure.rows, figure.columns]
            alpha = figure.layer[..., 3] * figure.open
            visibility = float((alpha * before).sum()) / figure.area
            people.append(Person(figure.id, figure.box, visibility))
            before *= 1 - alpha
        return tuple(sorted(people, key=lambda person: person.id))

    def _add_grain(self, image: UInt8Image, index: int) -> None:
        """The noise of the camera: one field of it, shifted from frame to frame."""
        dx, dy = (index * 29) % 64, (index * 43 + 17) % 64
        window = (slice(dy, dy + self.height), slice(dx, dx + self.width))
        cv2.add(image, self._brighter[window], image)
        cv2.subtract(image, self._darker[window], image)


def _inside(start: int, length: int, end: int) -> slice:
    """The part of a row or column of pixels that is in the picture; may be empty."""
    first = min(max(start, 0), end)
    return slice(first, max(min(start + length, end), first))


def _darken(image: UInt8Image, figure: _Figure) -> None:
    part = image[figure.shadow_at]
    if part.size:
        part[:] = (part * (1 - 0.38 * figure.shadow[..., None])).astype(np.uint8)


def _paint(image: UInt8Image, figure: _Figure) -> None:
    part = image[figure.rows, figure.columns]
    shown = figure.layer * figure.open[..., None]
    painted = part * (1 - shown[..., 3:]) + shown[..., :3] * 255
    part[:] = np.clip(painted + 0.5, 0, 255).astype(np.uint8)
