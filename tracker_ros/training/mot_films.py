"""Films of MOTChallenge sequences: the detector's boxes, and the truth with a detector's noise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tracker_ros.evaluation.mot_datasets import MotSequence, load_mot_sequence
from tracker_ros.geometry import UInt8Image
from tracker_ros.mot.detections import pairwise_iou
from tracker_ros.training.footage import JITTER, CellReader, Film, film_of

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.intp]
SAME = 0.5
"""A detection is whom it overlaps by at least so much."""
TRUTH_SCORE = 0.8
"""Score of the boxes that are made from the truth."""


def film_of_sequence(folder: Path, reader: CellReader, seed: int) -> Film:
    """The film of NAME/, with feature cells where it has pictures. Raises DataError."""
    sequence = load_mot_sequence(folder, "det")
    return film_of(_frames(sequence, seed), sequence.frame_rate, reader)


def _frames(
    sequence: MotSequence, seed: int
) -> Iterator[tuple[int, UInt8Image | None, Int, Float64, Float64]]:
    rng = np.random.default_rng(seed)
    for frame in range(1, sequence.frames + 1):
        rows = sequence.truth.scored
        rows = rows[rows[:, 0] == frame]
        found = np.array([(*d.box, d.score) for d in sequence.detections(frame)]).reshape(-1, 5)
        overlap = pairwise_iou(found[:, :4], rows[:, 2:6])
        who = np.full(len(found), -1, np.intp)
        if len(rows):
            best = overlap.argmax(axis=1)
            sure = overlap[np.arange(len(found)), best] >= SAME
            who[sure] = rows[best[sure], 1].astype(np.intp)
        identities = np.concatenate((who, rows[:, 1].astype(np.intp)))
        boxes = np.concatenate((_centred(found[:, :4]), _noisy(_centred(rows[:, 2:6]), rng)))
        scores = np.concatenate((found[:, 4], np.full(len(rows), TRUTH_SCORE)))
        yield frame, sequence.read(frame), identities, boxes, np.clip(scores, 0, 1)


def _centred(boxes: Float64) -> Float64:
    return np.column_stack((boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]))


def _noisy(boxes: Float64, rng: np.random.Generator) -> Float64:
    noise = rng.normal(0, JITTER, boxes.shape) * rng.uniform(0.3, 1.2, (len(boxes), 1))
    return np.column_stack(
        (boxes[:, :2] + noise[:, :2] * boxes[:, 2:], boxes[:, 2:] * np.exp(noise[:, 2:]))
    )
