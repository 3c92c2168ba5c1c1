"""Short runs of pictures with a box: what a tracker is shown to record what its networks take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from tracker_ros.engines.engine import Array
from tracker_ros.geometry import Box, UInt8Image

WIDTH, HEIGHT = 480, 360
"""Of a drawn picture."""
SHARE = 0.3
"""Sides of the box amid somebody's picture, in sides of the picture."""


class Clip(NamedTuple):
    """Three pictures of one size and a box in the first: shown, followed, followed again."""

    pictures: tuple[UInt8Image, UInt8Image, UInt8Image]
    box: Box


class Footage(Protocol):
    """Pictures that somebody has taken, in place of drawn ones."""

    @property
    def words(self) -> str:
        """What they are, in one line; other pictures have other words."""

    def clips(self) -> Iterator[Clip]:
        """Some clips, spread over all of it, from the first on at every call."""


def clip_amid(first: UInt8Image, following: UInt8Image | None) -> Clip:
    """A clip of what is amid a picture, (height, width, 3), and of the picture after it.

    The first is shown twice; where none of its size comes after it, three times.
    """
    if following is None or following.shape != first.shape:
        following = first
    height, width = first.shape[:2]
    box = Box.from_center(width / 2, height / 2, SHARE * width, SHARE * height)
    return Clip((first, first, following), box)


def drawn_clips(count: int) -> Iterator[Clip]:
    """Clips of a thing that moves over a ground; each has its own colours, light and size."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        light, contrast = rng.uniform(50, 190), rng.uniform(0.3, 1.2)
        ground = _texture(rng, WIDTH + 64, HEIGHT + 64)
        side = rng.uniform(30, 110)
        w, h = round(side * rng.uniform(0.7, 1.4)), round(side)
        thing, mask = _texture(rng, w, h), np.zeros((h, w, 1), np.float32)
        cv2.ellipse(mask, (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 1.0, -1)
        thing += rng.uniform(-80, 80, 3)
        place = rng.uniform((0, 0), (WIDTH - w - 40, HEIGHT - h - 40))
        pace, pan = rng.uniform(0, 20, 2), rng.integers(0, 32, 2)
        pictures = []
        for step in range(3):
            x, y = (int(value) for value in place + step * pace)
            left, top = (int(value) for value in step * pan)
            image = ground[top : top + HEIGHT, left : left + WIDTH].copy()
            under = image[y : y + h, x : x + w]
            image[y : y + h, x : x + w] = under + mask * (thing - under)
            image += rng.normal(0, 3, image.shape)
            pictures.append(np.clip(light + contrast * image, 0, 255).astype(np.uint8))
        x, y = (int(value) for value in place)
        yield Clip((pictures[0], pictures[1], pictures[2]), Box(x, y, w, h))


def _texture(rng: np.random.Generator, width: int, height: int) -> Array:
    """A picture (height, width, 3) float32 around 0: edges of all directions and sizes."""
    image = np.zeros((height, width, 3), np.float32)
    for size in np.geomspace(max(width, height) / 2, 4, 60):
        middle = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (round(size), round(size * rng.uniform(0.1, 1)))
        angle, colour = rng.uniform(0, 180), rng.uniform(-80, 80) + rng.uniform(-30, 30, 3)
        cv2.ellipse(image, middle, axes, angle, 0, 360, colour.tolist(), -1)
    for cell in (24, 6):
        coarse = rng.uniform(-1, 1, (height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        image += 4 * cell**0.5 * cv2.resize(coarse, None, fx=cell, fy=cell)[:height, :width]
    return image
