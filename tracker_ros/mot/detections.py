"""What a detector says of one image, and which of it is worth associating."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.geometry import MIN_SIDE, Box

Float64 = npt.NDArray[np.float64]
LARGEST = 1e5
"""Coordinates beyond this, in pixels, are no picture's."""


@dataclass(frozen=True)
class Detection:
    """One box of a detector."""

    box: Box
    score: float = 1.0
    """The detector's confidence; anything finite, most detectors give [0, 1]."""
    label: str = ""
    """Class name or number, as the detector gives it."""


@dataclass(frozen=True)
class Selection:
    """The detections of one image that are associated, and how many were not, by reason."""

    kept: list[Detection]
    refused: Counter[str] = field(default_factory=Counter)
    """Input that is wrong: not finite, no size, far outside."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Input that is right but not wanted: weak, doubled, too many."""


def select(
    detections: Sequence[Detection], *, min_score: dict[str, float], default_score: float,
    nms_iou: float, most: int,
) -> Selection:  # fmt: skip
    """Choose what is associated.

    min_score: label -> lowest score, `default_score` for all others. nms_iou: of two boxes of one
    label that overlap more, the weaker is left out; 1 keeps all. most: no more than the so many
    strongest.
    """
    refused: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    kept = []
    for detection in detections:
        wrong = fault(detection)
        if wrong:
            refused[wrong] += 1
        elif detection.score < min_score.get(detection.label, default_score):
            left_out["low score"] += 1
        else:
            kept.append(detection)
    if len(kept) > most:
        left_out["more than max_detections"] += len(kept) - most
        kept = sorted(kept, key=lambda detection: -detection.score)[:most]
    if nms_iou < 1 and len(kept) > 1:
        alone = _suppress(kept, nms_iou)
        left_out["overlaps a stronger one"] += len(kept) - len(alone)
        kept = alone
    return Selection(kept, +refused, +left_out)


def fault(detection: Detection) -> str:
    """What is wrong with a detection, in a few stable words; empty when nothing is."""
    box = detection.box
    if not all(math.isfinite(value) for value in (*box, detection.score)):
        return "a value that is not finite"
    if box.w < MIN_SIDE or box.h < MIN_SIDE:
        return f"a side under {MIN_SIDE:g} px"
    if max(abs(box.x), abs(box.y), box.w, box.h) > LARGEST:
        return f"a coordinate over {LARGEST:g} px"
    return ""


def _suppress(detections: list[Detection], iou: float) -> list[Detection]:
    """Non-maximum suppression within each label."""
    labels = {label: index for index, label in enumerate({d.label for d in detections})}
    kept = cv2.dnn.NMSBoxesBatched(
        [tuple(detection.box) for detection in detections],
        [detection.score for detection in detections],
        [labels[detection.label] for detection in detections],
        -math.inf, iou,
    )  # fmt: skip
    return [detections[index] for index in sorted(int(index) for index in kept)]


def as_array(boxes: Sequence[Box]) -> Float64:
    """Boxes as an array (n, 4) of x, y, w, h."""
    return np.array([tuple(box) for box in boxes], np.float64).reshape(-1, 4)


def pairwise_iou(a: Float64, b: Float64) -> Float64:
    """Intersection over union (n, m) of boxes (n, 4) with boxes (m, 4), x, y, w, h."""
    x = np.minimum(a[:, None, 0] + a[:, None, 2], b[:, 0] + b[:, 2])
    y = np.minimum(a[:, None, 1] + a[:, None, 3], b[:, 1] + b[:, 3])
    inter = np.clip(x - np.maximum(a[:, None, 0], b[:, 0]), 0, None)
    inter *= np.clip(y - np.maximum(a[:, None, 1], b[:, 1]), 0, None)
    areas = (a[:, 2] * a[:, 3])[:, None] + b[:, 2] * b[:, 3]
    union: Float64 = areas - inter
    return np.asarray(inter / np.maximum(union, 1e-12), np.float64)
