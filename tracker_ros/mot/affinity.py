"""Candidates of a window, the figures that compare them, and the gate that shuts out the rest.

The affinities themselves are the network's. Ours; the paper tells no layer of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.intp]
Bool = npt.NDArray[np.bool_]

GATE_START = 1.0
"""How far a candidate may be off at once, in sizes (square roots of the area) of the earlier."""
GATE_SPEED = 3.0
"""... and how much farther for each second: sizes a second."""
GATE_SIZE = 2.0
"""Factor that width and height may change by."""
PARTNERS = 8
"""A candidate is compared with so many of the next frame at most, the nearest."""
FAR = 4.0
"""Figures are limited to this magnitude."""
LONG_AGO = 2.0
"""Seconds beyond which a gap is only long."""


@dataclass(frozen=True)
class Candidates:
    """Boxes of one frame of a window; all arrays have n rows."""

    boxes: Float64
    """(n, 4): centre x and y, width, height, pixels."""
    times: Float64
    """(n,) seconds."""
    scores: Float64
    """(n,) of the detector."""
    velocities: Float64
    """(n, 2) of the centre, pixels a second; 0 where not known."""
    moving: Bool
    """(n,) whether the velocity is known."""
    labels: Int
    """(n,) number of the class; only candidates of one class are compared."""

    def __len__(self) -> int:
        return len(self.boxes)


def sizes(boxes: Float64) -> Float64:
    """Square roots of the areas (n,)."""
    size: Float64 = np.sqrt(boxes[:, 2] * boxes[:, 3])
    return size


def gate(earlier: Candidates, later: Candidates, *, partners: int = PARTNERS) -> Bool:
    """Which pairs (n, m) may be one object: near the old or the expected place, of like size."""
    if not len(earlier) or not len(later):
        return np.zeros((len(earlier), len(later)), np.bool_)
    gap = later.times[None] - earlier.times[:, None]
    distance = _nearest(earlier, later, gap)
    size = sizes(earlier.boxes)[:, None]
    open_ = (gap > 0) & (distance <= size * (GATE_START + GATE_SPEED * np.clip(gap, 0, None)))
    ratio = np.abs(np.log(later.boxes[None, :, 2:] / earlier.boxes[:, None, 2:])).max(axis=2)
    open_ &= ratio <= np.log(GATE_SIZE)
    open_ &= earlier.labels[:, None] == later.labels
    crowded = np.flatnonzero(open_.sum(axis=1) > partners)
    if len(crowded):
        ranked = np.where(open_[crowded], distance[crowded], np.inf)
        limit = np.partition(ranked, partners - 1, axis=1)[:, partners - 1 : partners]
        open_[crowded] &= ranked <= limit
    return np.asarray(open_, np.bool_)


def _nearest(earlier: Candidates, later: Candidates, gap: Float64) -> Float64:
    """Distance (n, m) to the old place or the expected one, whichever is nearer."""
    offset = later.boxes[None, :, :2] - earlier.boxes[:, None, :2]
    expected = offset - earlier.velocities[:, None] * gap[..., None]
    return np.asarray(
        np.minimum(np.hypot(*np.moveaxis(offset, 2, 0)), np.hypot(*np.moveaxis(expected, 2, 0)))
    )


def compare_pairs(earlier: Candidates, later: Candidates, rows: Int, columns: Int) -> Float32:
    """Figures (P, 12) of pairs: row of the earlier candidates, row of the later ones.

    Offset of the centre in widths and heights; logarithms of the changes of width and height;
    overlap; overlap with the place expected at constant velocity; offset from that; gap in
    seconds; both scores; whether the velocity is known.
    """
    a, b = earlier.boxes[rows], later.boxes[columns]
    gap = later.times[columns] - earlier.times[rows]
    moved = a.copy()
    moved[:, :2] += earlier.velocities[rows] * gap[:, None]
    figures = np.column_stack(
        [
            (b[:, :2] - a[:, :2]) / a[:, 2:],
            np.log(b[:, 2:] / a[:, 2:]),
            aligned_iou(a, b),
            aligned_iou(moved, b),
            (b[:, :2] - moved[:, :2]) / a[:, 2:],
            np.minimum(gap, LONG_AGO),
            np.clip(earlier.scores[rows], 0, 1),
            np.clip(later.scores[columns], 0, 1),
            earlier.moving[rows],
        ]
    )
    return np.asarray(np.clip(figures, -FAR, FAR), np.float32)


def compare_triples(
    first: Candidates, second: Candidates, third: Candidates, nodes: Int, skip: Float64
) -> Float32:
    """Figures (T, 7) of triples: rows (T, 3) of three frames' candidates.

    Change of velocity over the second gap in sizes (2); changes of the trends of width and
    height (2); both gaps in seconds; the logit (T,) of first and third alone, over 4.
    """
    a, b, c = (part.boxes[nodes[:, k]] for k, part in enumerate((first, second, third)))
    times = [part.times[nodes[:, k]] for k, part in enumerate((first, second, third))]
    gap1 = np.maximum(times[1] - times[0], 1e-3)[:, None]
    gap2 = np.maximum(times[2] - times[1], 1e-3)[:, None]
    turn = (c[:, :2] - b[:, :2]) - (b[:, :2] - a[:, :2]) / gap1 * gap2
    growth = np.log(c[:, 2:] / b[:, 2:]) - np.log(b[:, 2:] / a[:, 2:]) / gap1 * gap2
    figures = np.column_stack(
        [
            turn / sizes(b)[:, None],
            growth,
            np.minimum(gap1, LONG_AGO),
            np.minimum(gap2, LONG_AGO),
            skip / 4,
        ]
    )
    return np.asarray(np.clip(figures, -FAR, FAR), np.float32)


def aligned_iou(a: Float64, b: Float64) -> Float64:
    """Intersection over union (P,) of boxes (P, 4), each with the one beside it."""
    low = np.maximum(a[:, :2] - a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2)
    high = np.minimum(a[:, :2] + a[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2)
    inter = np.prod(np.clip(high - low, 0, None), axis=1)
    union = a[:, 2] * a[:, 3] + b[:, 2] * b[:, 3] - inter
    return np.asarray(inter / np.maximum(union, 1e-12))
