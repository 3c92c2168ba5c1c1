"""Boxes and sub-windows: the pixel arithmetic that every tracker shares.

Coordinates are image pixels, x to the right and y down, 0-based. A box is its top-left
corner and its size; both are real numbers and a box may reach over the image border.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker_ros.errors import TargetError

UInt8Image = npt.NDArray[np.uint8]
"""An image of shape (height, width, 3), BGR."""


@dataclass(frozen=True)
class Box:
    """An axis-aligned box: top-left corner (x, y) and size (w, h), in pixels."""

    x: float
    y: float
    w: float
    h: float

    @classmethod
    def from_center(cls, cx: float, cy: float, w: float, h: float) -> Box:
        """Build the box of size (w, h) whose middle is (cx, cy)."""
        return cls(cx - w / 2, cy - h / 2, w, h)

    @classmethod
    def parse(cls, text: str) -> Box:
        """Read `x,y,w,h`. Raises TargetError naming the text when it is not four numbers."""
        try:
            x, y, w, h = (float(part) for part in text.split(","))
        except ValueError:
            raise TargetError(f"box '{text}' is not four numbers x,y,w,h, as in 100,80,40,60") from None
        return cls(x, y, w, h)

    @property
    def cx(self) -> float:
        """Middle of the box along x (edge convention: x + w / 2)."""
        return self.x + self.w / 2

    @property
    def cy(self) -> float:
        """Middle of the box along y (edge convention: y + h / 2)."""
        return self.y + self.h / 2

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.w * self.h

    def __iter__(self) -> Iterator[float]:
        return iter((self.x, self.y, self.w, self.h))

    def iou(self, other: Box) -> float:
        """Intersection over union with `other`, in [0, 1]; 0 when either is empty."""
        w = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        h = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        if w <= 0 or h <= 0:
            return 0.0
        inter = w * h
        return inter / (self.area + other.area - inter)

    def clipped(self, width: float, height: float) -> Box:
        """The part of the box inside an image of the given size (w or h is 0 when none is)."""
        x0, y0 = min(max(self.x, 0.0), width), min(max(self.y, 0.0), height)
        x1, y1 = min(max(self.x + self.w, 0.0), width), min(max(self.y + self.h, 0.0), height)
        return Box(x0, y0, x1 - x0, y1 - y0)

    def require_trackable(self, width: int, height: int) -> None:
        """Raise TargetError, naming the value, unless a tracker can start on this box.

        Refused are NaN and infinite values, sides of no size or under 2 px, and boxes of
        which less than 2 px lies inside the width x height image.
        """
        shown = f"box x={self.x:g} y={self.y:g} w={self.w:g} h={self.h:g}"
        if not all(math.isfinite(value) for value in self):
            raise TargetError(f"{shown} holds a value that is not finite; give four real numbers in pixels")
        if self.w < MIN_SIDE or self.h < MIN_SIDE:
            raise TargetError(f"{shown} has a side under {MIN_SIDE:g} px; give a larger box")
        inside = self.clipped(width, height)
        if inside.w < MIN_SIDE or inside.h < MIN_SIDE:
            raise TargetError(f"{shown} lies outside the {width}x{height} image; give a box on the image")


MIN_SIDE = 2.0
"""Smallest side, in pixels, of a box that a tracker accepts."""
