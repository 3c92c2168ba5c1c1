"""Boxes and sub-windows: the pixel arithmetic that every tracker shares.

Coordinates are image pixels, x to the right and y down, 0-based. A box is its top-left
corner and its size; both are real numbers and a box may reach over the image border.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
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
            raise TargetError(
                f"box '{text}' is not four numbers x,y,w,h, as in 100,80,40,60"
            ) from None
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

        Refused are NaN and infinite values, sides of no size or under 2 px or over twice the
        image's, and boxes of which less than 2 px lies inside the width x height image.
        """
        shown = f"box x={self.x:g} y={self.y:g} w={self.w:g} h={self.h:g}"
        if not all(math.isfinite(value) for value in self):
            raise TargetError(
                f"{shown} holds a value that is not finite; give four real numbers in pixels"
            )
        if self.w < MIN_SIDE or self.h < MIN_SIDE:
            raise TargetError(f"{shown} has a side under {MIN_SIDE:g} px; give a larger box")
        if self.w > MAX_SHARE * width or self.h > MAX_SHARE * height:
            raise TargetError(
                f"{shown} is more than {MAX_SHARE:g} times as large as the {width}x{height} image; "
                "give a box around the target"
            )
        inside = self.clipped(width, height)
        if inside.w < MIN_SIDE or inside.h < MIN_SIDE:
            raise TargetError(
                f"{shown} lies outside the {width}x{height} image; give a box on the image"
            )


MIN_SIDE = 2.0
"""Smallest side, in pixels, of a box that a tracker accepts."""
MAX_SHARE = 2.0
"""Largest side of such a box, in sides of the image."""


def context_side(w: float, h: float, context: float = 0.5) -> float:
    """Side of the square around a box of size (w, h) that the Siamese papers crop.

    The margin is `context` times (w + h): side = sqrt((w + margin) * (h + margin)).
    """
    margin = context * (w + h)
    return math.sqrt((w + margin) * (h + margin))


def square_crop(
    image: UInt8Image, x0: int, y0: int, side: int, out: int, fill: Sequence[float]
) -> UInt8Image:
    """The square with top-left pixel (x0, y0), resized to (out, out, 3) with cv2 bilinear.

    What lies outside the image is filled with the BGR colour `fill`. Only the pixels inside
    are read; where the square lies inside the image, none is copied before the resize. A square
    that reaches over the border is padded first, so that the border is blended as the papers'
    code does it; a large one is sampled instead, which takes a bounded time and memory and
    differs by a grey level or two.
    """
    height, width = image.shape[:2]
    outside = x0 < 0 or y0 < 0 or x0 + side > width or y0 + side > height
    if outside and side > 2 * out:
        scale = side / out
        shift = (scale - 1) / 2  # between the middles of a pixel of the crop and of the image
        matrix = np.array([[scale, 0, x0 + shift], [0, scale, y0 + shift]])
        return cv2.warpAffine(
            image, matrix, (out, out), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT, borderValue=tuple(fill),
        ).astype(np.uint8, copy=False)  # fmt: skip
    left, top = max(-x0, 0), max(-y0, 0)
    right, bottom = max(x0 + side - width, 0), max(y0 + side - height, 0)
    if left >= side or top >= side or right >= side or bottom >= side:
        return np.full((out, out, 3), fill, np.float64).astype(np.uint8)
    inside = image[y0 + top : y0 + side - bottom, x0 + left : x0 + side - right]
    if outside:
        border = (top, bottom, left, right)
        padded = cv2.copyMakeBorder(inside, *border, cv2.BORDER_CONSTANT, value=tuple(fill))
        inside = np.asarray(padded, np.uint8)  # for the type checker: it is, nothing is copied
    if side == out:
        return inside
    return cv2.resize(inside, (out, out), interpolation=cv2.INTER_LINEAR).astype(
        np.uint8, copy=False
    )


def mean_colour(image: UInt8Image) -> tuple[float, float, float]:
    """Mean of each channel of (H, W, 3), B, G, R."""
    b, g, r, _ = cv2.mean(image)
    return (b, g, r)


def on_image(crop: UInt8Image, image: UInt8Image, cx: float, cy: float, side: float) -> UInt8Image:
    """The part of a square crop that shows the image, without what was filled in: a view.

    The crop is that of the square with middle (cx, cy) and `side` in pixels of the image. A pixel
    or two along the border are left out as well, where rounding and resizing mix the two.
    """
    height, width = image.shape[:2]
    scale = crop.shape[0] / side
    margin = 1 + scale
    x0, y0 = cx - side / 2, cy - side / 2
    left = math.ceil(margin - x0 * scale) if x0 < 0 else 0
    top = math.ceil(margin - y0 * scale) if y0 < 0 else 0
    over_x, over_y = x0 + side - width, y0 + side - height
    right = crop.shape[1] - (math.ceil(margin + over_x * scale) if over_x > 0 else 0)
    bottom = crop.shape[0] - (math.ceil(margin + over_y * scale) if over_y > 0 else 0)
    return crop[top : max(bottom, top), left : max(right, left)]


def grey_contrast(image: UInt8Image) -> float:
    """Standard deviation of the grey values, over 255: 0 for a blank or empty image.

    Measured on every fourth pixel of the green channel: enough to tell a black frame.
    """
    return float(image[::4, ::4, 1].std()) / 255 if image.size else 0.0
