"""A box around a point that somebody clicked on, from the picture alone.

Boxes of many sizes and shapes around the point are compared by how much the colours inside differ
from those just around them: inside a thing both are its own, and a box that is too large has the
background on both sides. Sizes that targets seldom have need a greater difference. No network, the
same answer every time, and the same small work at every image size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.geometry import Box, UInt8Image

Float = npt.NDArray[np.float32]

PATCH = 128
"""Side in pixels in which the neighbourhood of the point is looked at."""
REACH = 1.0
"""Side of that neighbourhood, in short sides of the image."""
SIZES = tuple(np.geomspace(0.06, 0.65, 17).tolist())
"""Mean sides of the boxes, in short sides of the image."""
ASPECTS = tuple(np.geomspace(0.25, 4.0, 11).tolist())
"""Width over height."""
AROUND = 1.35
"""The colours around a box are those within so many times its mean side."""
SIZE_SPREAD, ASPECT_SPREAD = 0.8, 1.0
"""Standard deviations of the logarithms of size and aspect."""
COLOURS = (16, 4)
"""Bins along the first two principal axes of the colours, equally full."""
SMALLEST = 4.0
"""Shortest side of a proposed box, in pixels."""
MIN_DIFFERENCE = 0.15
"""Nothing stands out where the colours of the best box differ less, in [0, 1]."""


@dataclass(frozen=True)
class Proposal:
    """A box around a point."""

    box: Box
    found: bool
    """False where nothing stood out, and the box is a square of the usual size."""


def propose(image: UInt8Image, x: float, y: float, usual: float) -> Proposal:
    """The box of what is at (x, y) of an image (height, width, 3).

    usual: mean side of a target, in short sides of the image; that of the square where nothing
    stands out. Its middle is the point, and what reaches over the border is cut off.
    """
    height, width = image.shape[:2]
    short = min(height, width)
    half = max(REACH * short / 2, 4.0)
    left, right = max(0, math.floor(x - half)), min(width, math.ceil(x + half))
    top, bottom = max(0, math.floor(y - half)), min(height, math.ceil(y + half))
    square = _on_image(Box.from_center(x, y, usual * short, usual * short), width, height)
    if right <= left or bottom <= top or short < 8:
        return Proposal(square, False)
    factor = PATCH / (2 * half)
    size = max(8, round((right - left) * factor)), max(8, round((bottom - top) * factor))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    patch = np.asarray(cv2.resize(image[top:bottom, left:right], size, interpolation=way), np.uint8)
    fx, fy = size[0] / (right - left), size[1] / (bottom - top)

    sizes, aspects = (axis.ravel() for axis in np.meshgrid(SIZES, ASPECTS, indexing="ij"))
    w, h = sizes * np.sqrt(aspects) * short * fx, sizes / np.sqrt(aspects) * short * fy
    difference = _differences(patch, (x - left) * fx, (y - top) * fy, w, h)
    likely = np.exp(
        -((np.log(sizes / usual) / SIZE_SPREAD) ** 2) / 2
        - (np.log(aspects) / ASPECT_SPREAD) ** 2 / 2
    )
    best = int((difference * likely).argmax())
    if difference[best] < MIN_DIFFERENCE:
        return Proposal(square, False)
    box = Box.from_center(x, y, float(w[best] / fx), float(h[best] / fy))
    return Proposal(_on_image(box, width, height), True)


def _on_image(box: Box, width: int, height: int) -> Box:
    """The part of a box on the image, or a smallest box where that is too thin to be tracked."""
    part = box.clipped(width, height)
    if part.w >= SMALLEST and part.h >= SMALLEST:
        return part
    w, h = max(part.w, SMALLEST), max(part.h, SMALLEST)
    cx = min(max(part.cx, w / 2), max(width - w / 2, w / 2))
    cy = min(max(part.cy, h / 2), max(height - h / 2, h / 2))
    return Box.from_center(cx, cy, w, h)


def _differences(
    patch: UInt8Image, cx: float, cy: float, w: npt.NDArray[np.float64], h: npt.NDArray[np.float64]
) -> Float:
    """How much the colours inside boxes (n,) around a point differ from those around them."""
    height, width = patch.shape[:2]
    bins = _colour_bins(patch)
    counts = np.zeros((height + 1, width + 1, COLOURS[0] * COLOURS[1]), np.float32)
    rows, columns = np.indices((height, width))
    counts[rows + 1, columns + 1, bins] = 1
    np.cumsum(counts, axis=0, out=counts)
    np.cumsum(counts, axis=1, out=counts)

    def within(w: npt.NDArray[np.float64], h: npt.NDArray[np.float64]) -> Float:
        x0, x1 = (np.rint(cx + s * w / 2).astype(int).clip(0, width) for s in (-1, 1))
        y0, y1 = (np.rint(cy + s * h / 2).astype(int).clip(0, height) for s in (-1, 1))
        total: Float = counts[y1, x1] - counts[y0, x1] - counts[y1, x0] + counts[y0, x0]
        return total

    margin = (AROUND - 1) * np.sqrt(w * h)
    inside = within(w, h)
    around = within(w + margin, h + margin) - inside
    n_inside, n_around = inside.sum(axis=1), around.sum(axis=1)
    common = np.sqrt(inside * around).sum(axis=1)
    common /= np.sqrt(np.maximum(n_inside, 1) * np.maximum(n_around, 1))
    # Where the patch ends, too little of what is around the box is seen.
    difference: Float = np.where(n_around < 0.3 * n_inside, 0, 1 - common).astype(np.float32)
    return difference


def _colour_bins(patch: UInt8Image) -> npt.NDArray[np.intp]:
    """Colour class of every pixel (H, W), classes as the picture itself suggests."""
    lab = cv2.cvtColor(patch, cv2.COLOR_BGR2Lab).astype(np.float64).reshape(-1, 3)
    lab -= lab.mean(axis=0)
    _, axes = np.linalg.eigh(lab.T @ lab)  # the greatest last
    bins = np.zeros(len(lab), np.intp)
    for axis, number in zip((2, 1), COLOURS, strict=True):
        values = np.rint(lab @ axes[:, axis])  # what differs by less is noise
        edges = np.quantile(values, np.linspace(0, 1, number + 1)[1:-1])
        bins = bins * number + np.searchsorted(edges, values)
    return bins.reshape(patch.shape[:2])
