"""Pairs of crops as SPM-Tracker trains on them: two-coloured rectangles on a blurred background.

Boxes are exact. In a search crop stands another rectangle besides the target where there is room.
Tests that import this need torch.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from tracker_ros.training.task import Batch

SIDE = 271
MIDDLE = (SIDE - 1) / 2
REACH = 45.0
"""Farthest that a target is from the middle of its search crop, along x and y."""
Generator = np.random.Generator
CropBox = tuple[float, float, float, float]


def background(width: int, height: int, rng: Generator) -> np.ndarray:
    cells = rng.integers(60, 200, (height // 30, width // 30, 3)).astype(np.uint8)
    return cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def colours(rng: Generator) -> np.ndarray:
    return rng.integers(0, 256, (2, 3))


def draw(image: np.ndarray, box: CropBox, pair: np.ndarray) -> CropBox:
    """Paint a rectangle of two colours on whole pixels; returns where it is: cx, cy, w, h."""
    height, width = image.shape[:2]
    cx, cy, w, h = box
    x0, x1 = max(round(cx - w / 2), 0), min(round(cx + w / 2), width)
    y0, y1 = max(round(cy - h / 2), 0), min(round(cy + h / 2), height)
    middle = (y0 + y1) // 2
    image[y0:middle, x0:x1], image[middle:y1, x0:x1] = pair
    return (x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2, x1 - x0, y1 - y0


class Rectangles:
    """Item i is the batch of step i; every eighth pair or so is a negative one."""

    def __init__(self, batch: int, seed: int = 0) -> None:
        self.batch, self.seed = batch, seed

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        pairs = [self._pair(rng) for _ in range(self.batch)]
        template, first, search, second, positive = (
            np.stack(part) for part in zip(*pairs, strict=True)
        )
        boxes = (torch.from_numpy(part.astype(np.float32)) for part in (first, second))
        first_boxes, second_boxes = boxes
        return Batch(
            torch.from_numpy(template), first_boxes, torch.from_numpy(search), second_boxes,
            torch.from_numpy(positive), torch.arange(2 * self.batch).reshape(2, -1).T,
        )  # fmt: skip

    def _pair(self, rng: Generator) -> tuple[np.ndarray, CropBox, np.ndarray, CropBox, np.bool_]:
        template, search = (background(SIDE, SIDE, rng) for _ in range(2))
        own, (w, h), positive = colours(rng), _size(rng), np.bool_(rng.random() > 1 / 8)
        first = draw(template, (MIDDLE, MIDDLE, w, h), own)
        x, y = rng.uniform(-REACH, REACH, 2)
        if max(abs(x), abs(y)) > 36:
            draw(search, (MIDDLE - x, MIDDLE - y, *_size(rng)), colours(rng))
        stretch = np.exp(rng.normal(0, 0.1, 2))
        box = (MIDDLE + x, MIDDLE + y, w * stretch[0], h * stretch[1])
        second = draw(search, box, own if positive else colours(rng))
        return template, first, search, second, positive


def _size(rng: Generator) -> tuple[float, float]:
    side, ratio = 64 * np.exp(rng.uniform(-0.15, 0.15)), np.exp(rng.normal(0, 0.3))
    return float(side * ratio**0.5), float(side / ratio**0.5)
