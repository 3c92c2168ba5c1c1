"""What the demo's square is drawn on: a picture in perspective, and what in it hides people.

Lengths are metres: x to the right of the camera, z away from it, y up from the ground.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.geometry import UInt8Image

CAMERA_HEIGHT = 3.0
HORIZON = 110 / 480
"""Of the height of the picture, from its top."""
FOCAL = 640 / 480
"""In heights of the picture."""
FINE = 2
"""The picture is drawn this much larger and averaged, for smooth edges."""

Colour = tuple[int, int, int]
"""BGR, 0 to 255."""


@dataclass(frozen=True)
class Lens:
    """Where a point of the square is in the picture."""

    width: int
    height: int

    @property
    def focal(self) -> float:
        """Pixels: something of a metre, a metre away, is as large as that."""
        return FOCAL * self.height

    def at(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Pixel coordinates of a point."""
        across = self.width / 2 + self.focal * x / z
        return across, HORIZON * self.height + self.focal * (CAMERA_HEIGHT - y) / z


@dataclass(frozen=True)
class Cover:
    """Something that hides whoever is behind it."""

    z: float
    """How far away it stands."""
    alpha: npt.NDArray[np.float32]
    """(height, width): how much of each pixel of the picture it hides, 0 to 1."""


class Easel:
    """Draws on a picture that is `FINE` times as large, and keeps what it covers."""

    def __init__(self, lens: Lens, picture: UInt8Image) -> None:
        self.lens = lens
        self.picture = picture
        self.mask = np.zeros(picture.shape[:2], np.uint8)

    def polygon(self, points: Sequence[tuple[float, float, float]], colour: Colour) -> None:
        """Fill a polygon of points of the square."""
        corners = [self.lens.at(*point) for point in points]
        shape = np.round(np.array(corners) * FINE * 16).astype(np.int32)
        cv2.fillPoly(self.picture, [shape], colour, cv2.LINE_AA, 4)
        cv2.fillPoly(self.mask, [shape], 255, cv2.LINE_AA, 4)

    def panel(self, x0: float, x1: float, y0: float, y1: float, z: float, colour: Colour) -> None:
        """Fill an upright rectangle that faces the camera."""
        self.polygon([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], colour)

    def cylinder(
        self, x: float, radius: float, y0: float, y1: float, z: float, colour: Colour
    ) -> None:
        """An upright cylinder, lit from the left."""
        strips = 24
        for strip in range(strips):
            a, b = (-math.cos(math.pi * (strip + k) / strips) * radius for k in (0, 1.06))
            middle = (strip + 0.5) / strips
            light = 0.5 + 0.62 * max(0.0, math.cos(math.pi * (middle - 0.34)))
            lit = tuple(int(min(c * light, 255)) for c in colour)
            near = z - 0.35 * radius * math.sin(math.pi * middle)
            self.polygon(
                [(x + a, y0, near), (x + b, y0, near), (x + b, y1, near), (x + a, y1, near)],
                (lit[0], lit[1], lit[2]),
            )

    def cover(self, z: float) -> Cover:
        """What was drawn since the last cover, as one."""
        size = (self.lens.width, self.lens.height)
        share = cv2.resize(self.mask, size, interpolation=cv2.INTER_AREA)
        self.mask = np.zeros_like(self.mask)
        return Cover(z, np.asarray(share / np.float32(255), np.float32))
