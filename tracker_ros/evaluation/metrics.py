"""Success and precision of the object tracking benchmark (Wu, Lim and Yang, CVPR 2013).

Boxes are arrays of shape (frames, 4): x, y, w, h, pixels, real numbers; a truth without finite
values or of no size says that the target is not visible. All is computed for all frames at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# Divided, not multiplied by 0.05: 7 * 0.05 lies above 0.35.
SUCCESS_THRESHOLDS: FloatArray = np.arange(21) / 20
"""Overlaps 0, 0.05, ..., 1."""
PRECISION_PIXELS = 20.0
"""Centre error at which precision is reported."""


class Accuracy(NamedTuple):
    """How well one sequence was followed; both in [0, 1]."""

    auc: float
    """Success: mean over the 21 thresholds of the share of frames that overlap more."""
    precision: float
    """Share of frames whose centre is at most 20 px off."""
    frames: int
    """Number of frames these are shares of."""


def overlaps(boxes: FloatArray, truth: FloatArray) -> FloatArray:
    """Intersection over union in [0, 1], shape (frames,); 0 where either box is empty or nan."""
    corner = np.maximum(boxes[:, :2], truth[:, :2])
    opposite = np.minimum(boxes[:, :2] + boxes[:, 2:], truth[:, :2] + truth[:, 2:])
    intersection = np.prod(np.clip(opposite - corner, 0, None), axis=1)
    union = np.prod(boxes[:, 2:], axis=1) + np.prod(truth[:, 2:], axis=1) - intersection
    solid = (boxes[:, 2:] > 0).all(axis=1) & has_target(truth)
    overlap = np.zeros(len(boxes))
    np.divide(intersection, union, out=overlap, where=solid & (union > 0))
    return overlap


def center_errors(boxes: FloatArray, truth: FloatArray) -> FloatArray:
    """Distance of the centres in pixels, shape (frames,); inf where either is not known.

    A centre is x + (w - 1) / 2, as in the benchmark; the 1 cancels out here.
    """
    distance = np.hypot(*(boxes[:, :2] + boxes[:, 2:] / 2 - truth[:, :2] - truth[:, 2:] / 2).T)
    return np.where(np.isfinite(distance) & has_target(truth), distance, np.inf)


def has_target(truth: FloatArray) -> npt.NDArray[np.bool_]:
    """In which frames the target is visible, shape (frames,)."""
    visible = np.isfinite(truth).all(axis=1) & (truth[:, 2:] > 0).all(axis=1)
    return np.asarray(visible, np.bool_)


def success_curve(overlap: FloatArray) -> FloatArray:
    """Share of frames whose overlap is greater than each of the 21 thresholds, shape (21,)."""
    return np.asarray((overlap[:, None] > SUCCESS_THRESHOLDS).mean(axis=0), np.float64)


def success_auc(overlap: FloatArray) -> float:
    """Area under the success curve: the mean of its 21 values."""
    return float(success_curve(overlap).mean())


def precision(error: FloatArray, pixels: float = PRECISION_PIXELS) -> float:
    """Share of frames whose centre error is at most `pixels`."""
    return float((error <= pixels).mean())


def accuracy(boxes: FloatArray, truth: FloatArray, *, all_frames: bool = False) -> Accuracy:
    """Score a run whose first box was given to the tracker.

    The first frame and frames without a visible target are left out. With `all_frames` they
    count, as in the toolkits of OTB and pysot: the first as it is, the others as failures.
    Raises ValueError when no frame is left or the shapes differ.
    """
    if boxes.shape != truth.shape:
        raise ValueError(f"boxes of shape {boxes.shape} against a truth of shape {truth.shape}")
    counted = np.ones(len(truth), np.bool_) if all_frames else has_target(truth)
    if not all_frames:
        counted[:1] = False
    if not counted.any():
        raise ValueError(f"none of the {len(truth)} frames can be scored: the target is in none")
    boxes, truth = boxes[counted], truth[counted]
    return Accuracy(
        auc=success_auc(overlaps(boxes, truth)),
        precision=precision(center_errors(boxes, truth)),
        frames=int(counted.sum()),
    )
