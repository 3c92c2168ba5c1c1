"""The boxes that ATOM's overlap network starts from, and the one made of what it ends with.

Source: specs of ATOM, section 5. Boxes are (x, y, w, h) in pixels of a crop.
"""

from __future__ import annotations

import numpy as np

from tracker_ros.sot.atom_memory import Float32

BOXES = 10
POSITION_JITTER, SIZE_JITTER = 0.1, 0.5
"""Widths of the uniform distributions, in roots of the box's area."""
SMALLEST = 1 / 3
"""Sides of a box tried, in the shorter side of the box that they are tried around."""
MOST_ASPECT = 6.0
MIN_SIZE = 1.0
BEST = 3
"""Boxes whose mean is the answer."""


def proposals(x: float, y: float, w: float, h: float, rng: np.random.Generator) -> Float32:
    """Boxes (1, 10, 4): the given one and nine at random around it."""
    side = (w * h) ** 0.5
    boxes = np.tile([x + w / 2, y + h / 2, w, h], (BOXES, 1))
    boxes[1:, :2] += (rng.random((BOXES - 1, 2)) - 0.5) * POSITION_JITTER * side
    boxes[1:, 2:] += (rng.random((BOXES - 1, 2)) - 0.5) * SIZE_JITTER * side
    boxes[1:, 2:] = np.maximum(boxes[1:, 2:], SMALLEST * min(w, h))
    boxes[:, :2] -= boxes[:, 2:] / 2
    return boxes[None].astype(np.float32)


def chosen(boxes: Float32, overlap: Float32) -> tuple[float, float, float, float] | None:
    """The mean of the best three of refined boxes (1, 10, 4), by their overlap (1, 10).

    Left out are boxes that are too long, too small or no numbers; None when no box remains.
    """
    w, h = boxes[0, :, 2], boxes[0, :, 3]
    with np.errstate(invalid="ignore"):
        good = (w >= MIN_SIZE) & (h >= MIN_SIZE) & (w < MOST_ASPECT * h) & (h < MOST_ASPECT * w)
        good &= np.isfinite(boxes[0]).all(1) & np.isfinite(overlap[0])
    if not good.any():
        return None
    left, values = boxes[0, good], overlap[0, good]
    best = left[np.argsort(-values, kind="stable")[:BEST]]
    x, y, w_mean, h_mean = best.mean(0, dtype=np.float64).tolist()
    return x, y, w_mean, h_mean
