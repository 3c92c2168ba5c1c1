"""The arithmetic between SPM-Tracker's two stages: anchors, boxes, proposals and their fusion.

Boxes are rows x1, y1, x2, y2. Source: specs of SPM-Tracker, sections 3 to 5; the odd pixels (+ 1)
are the authors' code's, whose weights have learnt with them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
STRIDE, CELLS, FIRST = 8, 19, 63.5
"""Anchors lie 8 px apart, 19 x 19 of them, the first 63.5 px from the corner of the crop."""
RATIOS = (0.33, 0.5, 1.0, 2.0, 3.0)
SCALE = 8
PROPOSALS = 9
"""Boxes that the second stage looks at: the best eight, and one where the target was."""
NEAR_OVERLAP = 0.8
REFINEMENT = np.array((5, 5, 10, 10), np.float32)
"""What the deltas of the second stage are divided by."""
TINY = float(np.finfo(np.float32).tiny)
LARGEST = float(np.log(255 / 32))
"""Cap of a delta of width or height."""


def anchor_shapes() -> Float32:
    """Width and height of the five anchors in crop pixels, (5, 2)."""
    widths = np.round(np.sqrt(STRIDE * STRIDE / np.array(RATIOS)))
    shapes = np.stack([widths, np.round(widths * RATIOS)], axis=1) * SCALE
    return np.asarray(shapes, np.float32)


def anchor_table() -> Float32:
    """The 1805 anchors in crop pixels (1805, 4), in the order row, column, anchor."""
    half = (anchor_shapes() - 1) / 2
    ticks = FIRST + STRIDE * np.arange(CELLS, dtype=np.float32)
    table = np.empty((CELLS, CELLS, len(RATIOS), 4), np.float32)
    table[..., 0::2] = ticks[None, :, None, None]
    table[..., 1::2] = ticks[:, None, None, None]
    table[..., :2] -= half
    table[..., 2:] += half
    return table.reshape(-1, 4)


def decoded(boxes: Float32, deltas: Float32) -> Float32:
    """Boxes (N, 4) moved by deltas (N, 4): dx, dy in sides, log of the growth of both sides."""
    size = boxes[:, 2:] - boxes[:, :2] + 1
    middle = boxes[:, :2] + size / 2
    middle += deltas[:, :2] * size
    half = np.exp(np.minimum(deltas[:, 2:], LARGEST)) * size / 2
    moved: Float32 = np.concatenate([middle - half, middle + half], axis=1)
    return moved


def foreground(cls: Float32) -> Float32:
    """Probability of foreground (1805,) of the coarse logits (1, 10, 19, 19)."""
    background, target = cls.reshape(2, len(RATIOS), -1)
    with np.errstate(over="ignore"):  # exp may become infinite: the probability is 0 then
        probability: Float32 = 1 / (1 + np.exp(background - target))
    return np.ascontiguousarray(probability.T).ravel()


def deltas_of(bbox: Float32) -> Float32:
    """Deltas (1805, 4) of the coarse outputs (1, 20, 19, 19)."""
    return np.ascontiguousarray(bbox.reshape(len(RATIOS) * 4, -1).T).reshape(-1, 4)


def overlaps(boxes: Float32, box: Float32, *, pixel: float = 0.0) -> Float32:
    """Intersection over union of boxes (N, 4) with one (4,); `pixel` is added to every side."""
    x1, y1, x2, y2 = boxes.T
    left, top, right, bottom = (float(side) for side in box)
    width = np.minimum(x2, right) - np.maximum(x1, left) + pixel
    height = np.minimum(y2, bottom) - np.maximum(y1, top) + pixel
    inter = np.maximum(width, 0) * np.maximum(height, 0)
    area = (right - left + pixel) * (bottom - top + pixel)
    union = (x2 - x1 + pixel) * (y2 - y1 + pixel) + area - inter
    iou: Float32 = inter / np.maximum(union, TINY)
    return iou


def propose(
    boxes: Float32, scores: Float32, current: Float32, *, score_factor: float, nms: float
) -> Indices:
    """Which of the boxes (N, 4) go to the second stage: at most 9, the last one near `current`.

    The last is the best-scoring box that overlaps `current` by more than 0.8, or, where no two
    do, the one that overlaps most. The others are the best that no better one overlaps by `nms`,
    of those that score at least `score_factor` times as much as the best.
    """
    overlap = overlaps(boxes, current, pixel=1)
    close = np.flatnonzero(overlap > NEAR_OVERLAP)
    near = int(close[scores[close].argmax()] if len(close) > 1 else overlap.argmax())
    others = scores.copy()
    others[near] = -1
    good = np.flatnonzero(others >= score_factor * others.max())
    left = good[np.argsort(-others[good], kind="stable")]
    chosen: list[int] = []
    while len(left) and len(chosen) < PROPOSALS - 1:
        best, left = int(left[0]), left[1:]
        chosen.append(best)
        left = left[overlaps(boxes[left], boxes[best]) < nms]
    return np.array([*chosen, near])


def fused(coarse: Float32, fine: Float32, c: Float32, f: Float32, influence: float) -> Float32:
    """Boxes (N, 4) between those of the two stages, weighted by their scores c and f (N,)."""
    weight = (c / np.clip(c + influence * f, 1e-5, None))[:, None]
    boxes: Float32 = weight * coarse + (1 - weight) * fine
    return boxes


def windowed(boxes: Float32, instance: int) -> Float32:
    """Cosine window (N,) at the middles of boxes (N, 4) of a crop of `instance` pixels."""
    at = np.clip((boxes[:, :2] + boxes[:, 2:]) / 2 / (instance - 1), 0, 1)
    window: Float32 = (0.5 - 0.5 * np.cos(2 * np.pi * at)).prod(axis=1)
    return window
