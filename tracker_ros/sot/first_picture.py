"""The picture that a target was set on, kept small, so that another tracker can learn it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import cv2
import numpy as np

from tracker_ros.geometry import MIN_SIDE, Box, UInt8Image
from tracker_ros.sot.tracker import SearchingTracker

REACH = 6.0
"""Side of what is kept of the image, in mean sides of the box: more than any tracker looks at."""
MAX_PIXELS = 640
"""Longest side of what is kept; a larger region is scaled down. A network sees less of it."""


@dataclass(frozen=True, eq=False)
class FirstPicture:
    """A target as it was first seen."""

    pixels: UInt8Image
    box: Box
    """In these pixels."""
    sx: float = 1.0
    """Width of one of these pixels in the images of now."""
    sy: float = 1.0

    @classmethod
    def of(cls, image: UInt8Image, box: Box) -> FirstPicture:
        """What is kept of an image (height, width, 3) in whose `box` the target is."""
        height, width = image.shape[:2]
        half = REACH * (box.w + box.h) / 4
        x0, x1 = max(math.floor(box.cx - half), 0), min(math.ceil(box.cx + half), width)
        y0, y1 = max(math.floor(box.cy - half), 0), min(math.ceil(box.cy + half), height)
        region = image[y0:y1, x0:x1]
        # A thin box must stay one that can be tracked, and one of which little is on the image.
        part = box.clipped(width, height)
        thinnest = 2 * MIN_SIDE / min(part.w, part.h)
        factor = min(1.0, max(MAX_PIXELS / max(x1 - x0, y1 - y0), thinnest))
        if factor == 1:
            moved = Box(box.x - x0, box.y - y0, box.w, box.h)
            return cls(region.copy(), moved)
        size = max(1, round((x1 - x0) * factor)), max(1, round((y1 - y0) * factor))
        pixels = np.asarray(cv2.resize(region, size, interpolation=cv2.INTER_AREA), np.uint8)
        fx, fy = size[0] / (x1 - x0), size[1] / (y1 - y0)
        moved = Box((box.x - x0) * fx, (box.y - y0) * fy, box.w * fx, box.h * fy)
        return cls(pixels, moved, 1 / fx, 1 / fy)

    def rescaled(self, sx: float, sy: float) -> FirstPicture:
        """The same, where images are now sx times as wide and sy times as high."""
        return dataclasses.replace(self, sx=self.sx * sx, sy=self.sy * sy)

    def teach(self, tracker: SearchingTracker) -> None:
        """Have a tracker learn the target, in its size of now; where it is now, it is told after.

        Raises what `tracker.init` raises.
        """
        tracker.init(self.pixels, self.box)
        tracker.rescale(self.sx, self.sy)
