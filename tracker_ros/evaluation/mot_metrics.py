"""MOTA, IDF1, HOTA: how well tracks agree with the truth. The figures are TrackEval's.

Tracks and truth are arrays with a row for every box: frame, id, x, y, w, h. Frames and ids are any
whole numbers; x, y, w, h are pixels and only have to be counted from the same corner in both.

trackeval is imported when the first figure is asked for; ModuleNotFoundError names it where it is
missing.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.mot.detections import pairwise_iou

SAME = 0.5
"""A box that overlaps a true one less does not find it (MOTA, IDF1)."""


@dataclass(frozen=True)
class MotFigures:
    """How well tracks agree with the truth of one sequence, or of several together."""

    mota: float
    """1 - (missed + false + switches) / true boxes: at most 1, may be negative."""
    idf1: float
    """Share of boxes with the right identity, in [0, 1], under the best one-to-one naming."""
    hota: float
    """Higher order tracking accuracy in [0, 1]: detection and association weigh the same."""
    idsw: int
    """How often a true target is found under another id than before."""
    frag: int
    """How often a true target is found again after it was missed."""
    motp: float
    """Mean overlap of the boxes found."""
    deta: float
    """The detection half of HOTA."""
    assa: float
    """The association half of HOTA."""
    loca: float
    """Mean overlap of HOTA's matches."""
    tp: int
    """Boxes found."""
    fp: int
    """Boxes on nothing."""
    fn: int
    """Boxes missed."""
    idtp: int
    """Boxes with the right identity."""
    mostly_tracked: int
    """True targets found in more than 80 % of their frames."""
    mostly_lost: int
    """True targets found in less than 20 % of their frames."""
    hota_curve: tuple[float, ...]
    """HOTA at the overlaps 0.05, 0.10, ..., 0.95."""
    counts: Mapping[str, Mapping[str, Any]] = field(repr=False, compare=False)
    """trackeval's own results, by metric: what `combined` adds up."""


def evaluate_tracks(truth: npt.ArrayLike, tracks: npt.ArrayLike) -> MotFigures:
    """Score the tracks of one sequence.

    truth, tracks: shape (n, 6) or wider: frame, id, x, y, w, h; all rows count. Raises ValueError
    when the truth is empty, a value is not finite, or an id is there twice in one frame.
    """
    true_rows, rows = _checked(truth, "truth"), _checked(tracks, "tracks")
    if not len(true_rows):
        raise ValueError("the truth holds no box: there is nothing to find")
    true_ids, true_numbers = np.unique(true_rows[:, 1], return_inverse=True)
    ids, numbers = np.unique(rows[:, 1], return_inverse=True)
    pairs = list(_by_frame(true_rows, rows))
    data = {
        "num_timesteps": len(pairs),
        "num_gt_ids": len(true_ids),
        "num_tracker_ids": len(ids),
        "num_gt_dets": len(true_rows),
        "num_tracker_dets": len(rows),
        "gt_ids": [true_numbers[a] for a, _ in pairs],
        "tracker_ids": [numbers[b] for _, b in pairs],
        "similarity_scores": [pairwise_iou(true_rows[a, 2:6], rows[b, 2:6]) for a, b in pairs],
    }
    return _figures({name: metric.eval_sequence(data) for name, metric in load_trackeval().items()})


def combined(sequences: Sequence[MotFigures]) -> MotFigures:
    """The figures of several sequences as of one: what was counted is added up."""
    return _figures(
        {
            name: metric.combine_sequences(dict(enumerate(s.counts[name] for s in sequences)))
            for name, metric in load_trackeval().items()
        }
    )


def without_distractors(
    truth: FloatArray, distractor: npt.NDArray[np.bool_], tracks: FloatArray
) -> FloatArray:
    """The tracks, shape (n, 6) or wider, without the boxes that found a distractor.

    truth: all boxes, also those that do not count, (m, 6); distractor: which of them are, (m,).
    In every frame tracks are matched to all of the truth, as MOT16 and later do.
    """
    if not distractor.any():
        return tracks
    kept = np.ones(len(tracks), np.bool_)
    for a, b in _by_frame(truth, tracks):
        overlap = pairwise_iou(truth[a, 2:6], tracks[b, 2:6])
        overlap[overlap < SAME - np.finfo(float).eps] = 0
        true, found = linear_sum_assignment(overlap, maximize=True)
        on_distractor = (overlap[true, found] > 0) & distractor[a[true]]
        kept[b[found[on_distractor]]] = False
    return np.asarray(tracks[kept], np.float64)


@functools.cache
def load_trackeval() -> Mapping[str, Any]:
    """The three metrics by name. Raises ModuleNotFoundError when trackeval is not installed."""
    with contextlib.redirect_stdout(io.StringIO()):  # it tells that pycocotools is missing
        from trackeval import metrics
    quiet = {"PRINT_CONFIG": False, "THRESHOLD": SAME}
    return {
        "hota": metrics.HOTA(),
        "clear": metrics.CLEAR(dict(quiet)),
        "identity": metrics.Identity(dict(quiet)),
    }


def _checked(rows: npt.ArrayLike, what: str) -> FloatArray:
    table = np.asarray(rows, np.float64)
    if not table.size:
        return np.empty((0, 6))
    if table.ndim != 2 or table.shape[1] < 6:
        raise ValueError(f"{what} of shape {table.shape}; expected (n, 6): frame, id, x, y, w, h")
    if not np.isfinite(table[:, :6]).all():
        raise ValueError(f"{what}: a value is not finite")
    named, times = np.unique(table[:, :2], axis=0, return_counts=True)
    if (times > 1).any():
        frame, identity = named[times.argmax()]
        raise ValueError(f"{what}: id {identity:g} is there {times.max()} times in frame {frame:g}")
    return table


def _by_frame(
    truth: FloatArray, tracks: FloatArray
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """For every frame that has any row: the indices of its rows in the truth and in the tracks."""
    orders = [np.argsort(rows[:, 0], kind="stable") for rows in (truth, tracks)]
    sides = [rows[order, 0] for rows, order in zip((truth, tracks), orders, strict=True)]
    for frame in np.unique(np.concatenate(sides)):
        (a, b), (c, d) = (
            (np.searchsorted(side, frame), np.searchsorted(side, frame, "right")) for side in sides
        )
        yield orders[0][a:b], orders[1][c:d]


def _figures(counts: Mapping[str, Mapping[str, Any]]) -> MotFigures:
    hota, clear, identity = counts["hota"], counts["clear"], counts["identity"]
    return MotFigures(
        mota=float(clear["MOTA"]),
        idf1=float(identity["IDF1"]),
        hota=float(np.mean(hota["HOTA"])),
        idsw=int(clear["IDSW"]),
        frag=int(clear["Frag"]),
        motp=float(clear["MOTP"]),
        deta=float(np.mean(hota["DetA"])),
        assa=float(np.mean(hota["AssA"])),
        loca=float(np.mean(hota["LocA"])),
        tp=int(clear["CLR_TP"]),
        fp=int(clear["CLR_FP"]),
        fn=int(clear["CLR_FN"]),
        idtp=int(identity["IDTP"]),
        mostly_tracked=int(clear["MT"]),
        mostly_lost=int(clear["ML"]),
        hota_curve=tuple(float(value) for value in hota["HOTA"]),
        counts=counts,
    )
