"""Pictures with an ellipse in them, and the pairs that are drawn from them."""

from __future__ import annotations

import numpy as np

from tracker_ros.geometry import Box
from tracker_ros.training.pairs import Pair, PairSampler
from tracker_ros.training.pictures import Collection, Frame, FrameTrack, Still
from tracker_ros.training.sampling import Sampling

GROUND = (90, 120, 60)
RED = (0, 0, 255)
SQUARE = Box(100, 100, 50, 50)
ONLY_VIDEO = {"video": 1, "still": 0, "patch": 0}
ONLY_STILL = {"video": 0, "still": 1, "patch": 0}


def ellipse(box: Box, colour: tuple[int, int, int] = RED) -> np.ndarray:
    """A picture of 320x240 with an ellipse that fills a box."""
    image = np.full((240, 320, 3), GROUND, np.uint8)
    y, x = np.mgrid[0:240, 0:320] + 0.5
    inside = ((x - box.cx) / (box.w / 2)) ** 2 + ((y - box.cy) / (box.h / 2)) ** 2 <= 1
    image[inside] = colour
    return image


def noise(seed: int = 0, width: int = 200, height: int = 200) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def red_mask(image: np.ndarray) -> np.ndarray:
    return np.where(image[..., 2].astype(int) - image[..., 0] > 60, 255, 0).astype(np.uint8)


def track(
    name: str = "red", *, masks: bool = False, frames: int = 20, **more: object
) -> FrameTrack:
    """An ellipse that goes to the right; in frame 3 it is not there."""
    made = []
    for i in range(frames):
        box = Box(60 + 4 * i, 80, 60, 40)
        image = ellipse(box)
        mask = red_mask(image) if masks else None
        made.append(Frame(image, None if i == 3 else box, mask))
    return FrameTrack(name, tuple(made), **more)


def still(box: Box = SQUARE, *more: Box, mask: bool = False) -> Still:
    image = ellipse(box)
    for i, other in enumerate(more):
        red = ellipse(other, (255 - 40 * i, 0, 0))
        image = np.where((red == GROUND).all(-1, keepdims=True), image, red)
    masks = (red_mask(image), *(None for _ in more)) if mask else ()
    return Still(image, (box, *more), masks=masks)


def draws(collection: Collection, sampling: Sampling, count: int = 30) -> list[Pair]:
    sampler = PairSampler(collection, sampling)
    return [sampler.draw(np.random.default_rng((7, i))) for i in range(count)]


def edges(box: tuple[float, float, float, float]) -> np.ndarray:
    """Left, top, right, bottom."""
    cx, cy, w, h = box
    return np.array([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])


def red_edges(crop: np.ndarray) -> np.ndarray:
    """Left, top, right and bottom of all that is red."""
    ys, xs = np.nonzero(red_mask(crop))
    return np.array([xs.min() - 0.5, ys.min() - 0.5, xs.max() + 0.5, ys.max() + 0.5])


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of left, top, right, bottom."""
    boxes = [Box(b[0], b[1], b[2] - b[0], b[3] - b[1]) for b in (one, other)]
    return boxes[0].iou(boxes[1])
