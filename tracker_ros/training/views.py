"""How a picture becomes a crop: scale, shift, stretch, rotation, perspective, and the box in it.

Coordinates are pixel middles: a target covers x - 0.5 to x + w - 0.5 of its picture, and the
middle of a crop of side s is (s - 1) / 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.geometry import Box, UInt8Image, context_side
from tracker_ros.training.sampling import EXEMPLAR, Sampling

Transform = npt.NDArray[np.float64]
"""(3, 3): picture points to crop points, homogeneous."""
Mask = npt.NDArray[np.uint8]
Colour = tuple[float, float, float]
CropBox = tuple[float, float, float, float]
"""cx, cy, w, h in pixels of the crop."""
EXPONENT = 4
"""Of the superellipse |x|^n + |y|^n = 1 that stands for a target without a mask."""


class Subject(NamedTuple):
    """A target in a decoded picture."""

    image: UInt8Image
    box: Box
    mask: Mask | None
    """(H, W), over 0 on the target; None: only its box is known."""
    mean: Colour


@dataclass(frozen=True)
class View:
    """Where a target is shown in a crop, and how."""

    size: int
    at: tuple[float, float]
    """Where the middle of its box comes, before the flip."""
    zoom: tuple[float, float]
    """Crop pixels a picture pixel, along x and y."""
    angle: float = 0.0
    """Radians, clockwise as the picture is seen, about the target's middle."""
    perspective: tuple[float, float] = (0.0, 0.0)
    """Change of the scale at half a crop from the target, along x and y."""
    flip: bool = False


def zoom_of(box: Box, sampling: Sampling, size: int) -> float:
    """Crop pixels a picture pixel in a plain crop of a target.

    "context": 127 / sqrt((w + p) (h + p)) with p = (w + h) / 2, whatever the size of the crop
    (SiamFC and its kin). "area": size / (area_factor sqrt(w h)) (ATOM).
    """
    if sampling.region == "area":
        return size / max(sampling.area_factor * math.sqrt(box.w * box.h), 1.0)
    return EXEMPLAR / max(context_side(box.w, box.h), 1.0)


def middle_of(box: Box) -> tuple[float, float]:
    """The middle of a box in the coordinates of pixel middles."""
    return box.x + (box.w - 1) / 2, box.y + (box.h - 1) / 2


def transform_of(middle: tuple[float, float], view: View) -> Transform:
    """The transform that shows the picture's point `middle` as `view` says."""
    cos, sin = math.cos(view.angle), math.sin(view.angle)
    (zx, zy), (cx, cy) = view.zoom, middle
    a, b, d, e = cos * zx, -sin * zy, sin * zx, cos * zy
    gx, gy = (slope / (view.size / 2) for slope in view.perspective)
    ax, ay = view.at
    # Scaled and turned about the target, seen in perspective, then moved to its place.
    turned = np.array(
        [[a, b, -a * cx - b * cy], [d, e, -d * cx - e * cy], [0.0, 0.0, 1.0]], np.float64
    )
    if gx or gy:
        turned = np.array([[1, 0, 0], [0, 1, 0], [gx, gy, 1]]) @ turned
    turned[:2] += np.array([[ax], [ay]]) * turned[2]
    if view.flip:
        turned[0] = (view.size - 1) * turned[2] - turned[0]
    return turned


def crop_transform(
    cx: float,
    cy: float,
    zoom_x: float,
    zoom_y: float,
    at: tuple[float, float],
    flip: bool,
    size: int,
) -> Transform:
    """The transform that takes image point (cx, cy) to `at` of a crop, scaled and not turned."""
    return transform_of((cx, cy), View(size, at, (zoom_x, zoom_y), flip=flip))


def warp(
    image: npt.NDArray[np.uint8],
    transform: Transform,
    size: int | tuple[int, int],
    beyond: tuple[float, ...] | npt.NDArray[np.uint8] | None,
) -> npt.NDArray[np.uint8]:
    """A crop of `size` (side, or width and height), warped straight from the picture.

    Over the border it shows `beyond`: a colour, the picture mirrored if None, or a crop of the same
    size, which is drawn on.
    """
    affine = not transform[2, :2].any()
    apply = cv2.warpAffine if affine else cv2.warpPerspective
    matrix = transform[:2] / transform[2, 2] if affine else transform
    shape = (size, size) if isinstance(size, int) else size
    if isinstance(beyond, np.ndarray):
        crop = apply(
            image, matrix, shape, dst=beyond, flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_TRANSPARENT,
        )  # fmt: skip
    else:
        crop = apply(
            image, matrix, shape, flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101 if beyond is None else cv2.BORDER_CONSTANT,
            borderValue=beyond or (0.0, 0.0, 0.0),
        )  # fmt: skip
    return crop.astype(np.uint8, copy=False)


def box_in(subject: Subject, view: View, transform: Transform) -> CropBox:
    """The upright box of the target in the crop; it may reach over the crop's border.

    Without rotation and perspective it is the transformed box. With them it bounds the transformed
    mask, where there is one, and otherwise a superellipse inscribed in the box: the transformed
    box itself would be too large, because targets seldom fill the corners of theirs.
    """
    box = subject.box
    if not view.angle and not any(view.perspective):
        x = view.size - 1 - view.at[0] if view.flip else view.at[0]
        return x, view.at[1], box.w * view.zoom[0], box.h * view.zoom[1]
    points = None if subject.mask is None else _mask_outline(subject.mask, box)
    if points is None:
        points = np.array(middle_of(box)) + _UNIT * (box.w / 2, box.h / 2)
    at = points @ transform[:, :2].T + transform[:, 2]
    at = at[:, :2] / at[:, 2:]
    (x0, y0), (x1, y1) = at.min(0), at.max(0)
    return float(x0 + x1) / 2, float(y0 + y1) / 2, float(x1 - x0), float(y1 - y0)


def mirrored_in(box: Box, shape: tuple[int, ...], transform: Transform, size: int) -> bool:
    """Whether a crop whose picture goes on mirrored shows the target, or much of it, twice."""
    height, width = shape[:2]
    x, y = middle_of(box)
    twins = np.array(
        [[-x, y, 1], [2 * (width - 1) - x, y, 1], [x, -y, 1], [x, 2 * (height - 1) - y, 1]]
    )
    at = twins @ transform.T
    at = at[:, :2] / at[:, 2:]
    reach = 0.25 * np.hypot(*transform[:2, :2] @ (box.w, box.h))
    return bool(((at > -reach) & (at < size + reach)).all(1).any())


def on_picture(box: Box, shape: tuple[int, ...], margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns of a picture that a box covers, with a margin in pixels."""
    height, width = shape[:2]
    rows = slice(max(int(box.y) - margin, 0), min(math.ceil(box.y + box.h) + margin, height))
    columns = slice(max(int(box.x) - margin, 0), min(math.ceil(box.x + box.w) + margin, width))
    return rows, columns


def _superellipse(count: int) -> npt.NDArray[np.float64]:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    points = np.stack([np.cos(angles), np.sin(angles)], 1)
    curve: npt.NDArray[np.float64] = np.sign(points) * np.abs(points) ** (2 / EXPONENT)
    return curve


_UNIT = _superellipse(64)


def _mask_outline(mask: Mask, box: Box) -> npt.NDArray[np.float64] | None:
    """Corners of the first and last pixel of every row of a mask, (n, 2); None: it is empty."""
    rows, columns = on_picture(box, mask.shape, margin=2)
    part = mask[rows, columns] > 0
    if not part.size:
        return None
    there = np.flatnonzero(part.any(1))
    if not there.size:
        return None
    part = part[there]
    first = part.argmax(1) + columns.start - 0.5
    last = columns.start + part.shape[1] - part[:, ::-1].argmax(1) - 0.5
    y = there + rows.start
    x = np.concatenate([first, last, first, last])
    return np.stack([x, np.concatenate([y - 0.5, y - 0.5, y + 0.5, y + 0.5])], 1)
