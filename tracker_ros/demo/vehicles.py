"""The vehicles of the demo's scene: buggies seen from above, drawn from a few polygons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

SPRITE_SCALE = 2
"""Sprites are drawn this much larger than the world, so that rotating them stays sharp."""


@dataclass(frozen=True)
class Sprite:
    """A vehicle seen from above, heading right."""

    premultiplied: npt.NDArray[np.float32]
    """(height, width, 4): blue, green, red, each already times alpha, then alpha; 0 to 1."""
    outline: npt.NDArray[np.float32]
    """(n, 2): the convex hull of its pixels, x forward and y right, world pixels, origin amid."""


def draw_vehicle(
    body: tuple[int, int, int], stripe: tuple[int, int, int], chequered: bool
) -> Sprite:
    """A buggy from above: four wheels, a tapered body, a cabin, a stripe; BGR colours."""
    fine = 4  # drawn finer than the sprite and averaged, for smooth edges
    unit = SPRITE_SCALE * fine
    height, width = 56 * unit, 96 * unit
    colour = np.zeros((height, width, 3), np.uint8)
    alpha = np.zeros((height, width), np.uint8)

    def fill(
        points: Sequence[tuple[float, float]], bgr: tuple[int, int, int], mirror: bool = False
    ) -> None:
        for sign in (1, -1) if mirror else (1,):
            corners = [(round((x + 48) * unit), round((sign * y + 28) * unit)) for x, y in points]
            cv2.fillPoly(colour, [np.array(corners, np.int32)], bgr)
            cv2.fillPoly(alpha, [np.array(corners, np.int32)], 255)

    def box(
        x0: float, y0: float, x1: float, y1: float, bgr: tuple[int, int, int], mirror: bool = False
    ) -> None:
        fill([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], bgr, mirror)

    dark = tuple(int(c * 0.55) for c in body)
    for axle in (-24, 20):
        box(axle - 8, 14, axle + 8, 23, (34, 32, 32), mirror=True)
        for tread in (-5, -1, 3):
            box(axle + tread, 15, axle + tread + 1.6, 22.5, (78, 76, 76), mirror=True)
    hull = [
        (-38, -11),
        (-34, -16),
        (4, -16),
        (26, -13),
        (38, -7),
        (40, 0),
        (38, 7),
        (26, 13),
        (4, 16),
        (-34, 16),
        (-38, 11),
    ]
    fill(hull, (dark[0], dark[1], dark[2]))
    fill([(x * 0.95, y * 0.88) for x, y in hull], body)
    box(-36, -3.5, 39, 3.5, stripe)
    fill([(-22, -11.5), (6, -11.5), (6, 11.5), (-22, 11.5)], (52, 44, 40))  # glass
    box(-18, -9, 1, 9, body)
    if chequered:
        for column in range(4):
            for row in range(4):
                if (column + row) % 2:
                    box(
                        -18 + 4.75 * column,
                        -9 + 4.5 * row,
                        -13.25 + 4.75 * column,
                        -4.5 + 4.5 * row,
                        stripe,
                    )
    else:
        box(-18, -3, 1, 3, stripe)
    fill([(32, 5), (37, 4), (36, 8), (31, 10)], (150, 236, 250), mirror=True)  # headlights
    box(-38, 7, -35, 11, (40, 40, 200), mirror=True)  # tail lights
    box(-30, -14.5, -25, 14.5, (30, 30, 30))  # roll bar

    size = (width // fine, height // fine)
    small_alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    lit = colour.astype(np.float32) * (alpha[..., None] / np.float32(255))
    small = cv2.resize(lit, size, interpolation=cv2.INTER_AREA) / 255
    ys, xs = np.nonzero(alpha)
    hull_points = cv2.convexHull(np.stack([xs, ys], 1).astype(np.int32))[:, 0].astype(np.float32)
    outline = (hull_points + 0.5) / unit - np.array((48, 28), np.float32)
    return Sprite(np.dstack([small, small_alpha]).astype(np.float32), outline.astype(np.float32))
