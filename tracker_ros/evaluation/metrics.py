"""Box metrics: OTB's success and precision, LaSOT's normalised precision, GOT-10k's AO and SR.

OTB: Wu, Lim and Yang, CVPR 2013. LaSOT: Fan et al., CVPR 2019, its normalised precision from
TrackingNet (Müller et al., ECCV 2018). GOT-10k: Huang, Zhao and Huang, PAMI 2019.

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
NORMALIZED_PRECISION = 0.2
"""Centre error, in sides of the true box, at which normalised precision is reported."""
# Divided, as above: 29 * 0.01 lies below 0.29.
NORMALIZED_THRESHOLDS: FloatArray = np.arange(51) / 100
"""Centre errors 0, 0.01, ..., 0.5 in sides of the true box."""


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


def normalized_errors(boxes: FloatArray, truth: FloatArray) -> FloatArray:
    """Distance of the centres, along each axis in sides of the true box, shape (frames,).

    inf where either is not known.
    """
    visible = has_target(truth)
    offset = boxes[:, :2] + boxes[:, 2:] / 2 - truth[:, :2] - truth[:, 2:] / 2
    sides = np.where(visible[:, None], truth[:, 2:], 1.0)
    distance = np.hypot(*(offset / sides).T)
    return np.where(np.isfinite(distance) & visible, distance, np.inf)


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


def normalized_precision(error: FloatArray, at: float = NORMALIZED_PRECISION) -> float:
    """Share of frames whose normalised centre error is at most `at`.

    The value at 0.20 is what the pysot and pytracking toolkits, and so most papers, report. The
    other convention is `normalized_precision_auc`.
    """
    return float((error <= at).mean())


def normalized_precision_auc(error: FloatArray) -> float:
    """Mean share of frames over the 51 thresholds 0 to 0.5: normalised precision of got10k."""
    return float((error[:, None] <= NORMALIZED_THRESHOLDS).mean())


def clipped(boxes: FloatArray, width: float, height: float) -> FloatArray:
    """The parts of boxes (frames, 4) on an image; a side is 0 where nothing is, nan stays nan."""
    limits = np.array([width, height], np.float64)
    corner = np.clip(boxes[:, :2], 0, limits)
    opposite = np.clip(boxes[:, :2] + boxes[:, 2:], 0, limits)
    return np.hstack([corner, np.maximum(opposite - corner, 0)])


def got10k_overlaps(
    boxes: FloatArray, truth: FloatArray, size: tuple[int, int] | None
) -> FloatArray:
    """Overlaps of the frames that GOT-10k counts, shape (counted,).

    Left out are the first frame, which was given, and frames where the target is not visible
    (`cover` 0). Both boxes are clipped to the image of `size` (width, height), where it is known.
    """
    counted = has_target(truth)
    counted[:1] = False
    boxes, truth = boxes[counted], truth[counted]
    if size is not None:
        boxes, truth = clipped(boxes, *size), clipped(truth, *size)
    return overlaps(boxes, truth)


def average_overlap(overlap: FloatArray) -> float:
    """AO of GOT-10k: the mean overlap."""
    return float(overlap.mean())


def success_rate(overlap: FloatArray, threshold: float) -> float:
    """SR of GOT-10k: the share of frames whose overlap is greater than `threshold`."""
    return float((overlap > threshold).mean())


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
