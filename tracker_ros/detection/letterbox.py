"""A picture into the canvas of a network, its proportions kept, and boxes back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tracker_ros.geometry import UInt8Image
from tracker_ros.mot.detections import Float64

GREY = 114
"""What is left and right or above and below it, as YOLO's networks are trained."""


@dataclass(frozen=True)
class Letterbox:
    """How a picture of (width, height) lies in the middle of a canvas of (width, height)."""

    picture: tuple[int, int]
    canvas: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in the canvas, whole pixels."""
        scale = min(self.canvas[0] / self.picture[0], self.canvas[1] / self.picture[1])
        return (max(1, round(self.picture[0] * scale)), max(1, round(self.picture[1] * scale)))

    @property
    def corner(self) -> tuple[int, int]:
        """Where its top-left pixel lies in the canvas."""
        return ((self.canvas[0] - self.size[0]) // 2, (self.canvas[1] - self.size[1]) // 2)

    def apply(self, image: UInt8Image) -> UInt8Image:
        """The canvas (H, W, 3) with the picture in it."""
        (width, height), (left, top) = self.size, self.corner
        canvas = np.full((self.canvas[1], self.canvas[0], 3), GREY, np.uint8)
        canvas[top : top + height, left : left + width] = cv2.resize(
            image, (width, height), interpolation=cv2.INTER_LINEAR
        )
        return canvas

    def back(self, boxes: Float64) -> Float64:
        """Boxes (n, 4) x0, y0, x1, y1 in pixels of the canvas, in pixels of the picture.

        Exact: by the size that the picture was really resized to, not by the ideal scale.
        """
        return np.asarray((boxes - np.array(self.corner * 2)) * self._from_canvas, np.float64)

    def into(self, boxes: Float64) -> Float64:
        """The way there, of which `back` is the inverse."""
        return np.asarray(boxes / self._from_canvas + np.array(self.corner * 2), np.float64)

    @property
    def _from_canvas(self) -> Float64:
        return np.array([self.picture[0] / self.size[0], self.picture[1] / self.size[1]] * 2)
