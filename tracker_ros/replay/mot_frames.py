"""What went wrong with identities in each frame: for the pictures of a report, not for figures.

Boxes are matched frame by frame as CLEAR does it (Bernardin and Stiefelhagen, 2008): who is who is
kept from the frame before where the overlap still allows it. The figures are TrackEval's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from tracker_ros.mot.detections import pairwise_iou
from tracker_ros.replay.annotations import BoolArray
from tracker_ros.replay.result import FloatArray, IntArray

SAME = 0.5
"""A box that overlaps a true one less does not find it."""


@dataclass(frozen=True, eq=False)
class MotFrames:
    """Errors by frame, each (frames,); 0 where a frame is not annotated."""

    annotated: BoolArray
    misses: IntArray
    false: IntArray
    switches: IntArray
    true: IntArray
    """Boxes of the truth."""
    rows: FloatArray
    """The truth that counts, (boxes, 6): frame, id, x, y, w, h, in the order of frames."""
    found: BoolArray
    """Which of its boxes were found, (boxes,)."""

    @property
    def errors(self) -> FloatArray:
        """One number for how bad a frame is; a switch weighs as much as three boxes."""
        return (self.misses + self.false + 3 * self.switches).astype(np.float64)

    def missed(self, frame: int) -> FloatArray:
        """Boxes x, y, w, h of the truth that were not found in a frame."""
        first, last = np.searchsorted(self.rows[:, 0], (frame, frame + 1))
        return np.asarray(self.rows[first:last][~self.found[first:last], 2:6], np.float64)


def match_frames(
    frames: int, annotated: BoolArray, truth: FloatArray, tracks: FloatArray
) -> MotFrames:
    """Compare tracks with the truth, both (boxes, 6): frame, id, x, y, w, h."""
    truth = truth[np.argsort(truth[:, 0], kind="stable")]
    tracks = tracks[np.argsort(tracks[:, 0], kind="stable")]
    edges = np.arange(frames + 1)
    ours, theirs = np.searchsorted(tracks[:, 0], edges), np.searchsorted(truth[:, 0], edges)
    misses, false, switches = (np.zeros(frames, np.int64) for _ in range(3))
    found = np.zeros(len(truth), np.bool_)
    last: dict[float, float] = {}  # true id -> id it was last found under
    before: dict[float, float] = {}  # the same, of the frame before only
    for frame in np.flatnonzero(annotated):
        a, b = truth[theirs[frame] : theirs[frame + 1]], tracks[ours[frame] : ours[frame + 1]]
        overlap = pairwise_iou(a[:, 2:6], b[:, 2:6])
        kept = np.array([before.get(id, np.nan) for id in a[:, 1]])[:, None] == b[:, 1]
        gain = np.where(overlap >= SAME, overlap + 1000 * kept, 0)
        rows, columns = linear_sum_assignment(gain, maximize=True)
        pairs = [(i, j) for i, j in zip(rows, columns, strict=True) if gain[i, j]]
        before = {a[i, 1]: b[j, 1] for i, j in pairs}
        switches[frame] = sum(last.get(who, id) != id for who, id in before.items())
        last.update(before)
        misses[frame], false[frame] = len(a) - len(pairs), len(b) - len(pairs)
        found[[theirs[frame] + i for i, _ in pairs]] = True
    return MotFrames(annotated, misses, false, switches, np.diff(theirs), truth, found)
