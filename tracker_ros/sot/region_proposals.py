"""From the maps of a region proposal head to boxes, their penalty and their rank.

Source: specs of SiamRPN++, section 4. Work goes into buffers that are kept: 25x25x5 boxes take
less than 0.1 ms, 97x97x5 half a millisecond.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tracker_ros.anchors import AnchorGrid
from tracker_ros.geometry import context_side

Float32 = npt.NDArray[np.float32]
LOOK_ALIKE_IOU = 0.2
"""A second peak counts as another object when its box overlaps the best one less than this."""
BUNCH = 256
"""So many of the highest scores are looked at first for a second peak."""


class Proposals:
    """The boxes over anchors of a score map of `cells` x `cells`.

    What its functions return is valid until they are called again. Not thread-safe.
    """

    def __init__(self, cells: int) -> None:
        self.cells = cells
        self._anchors = AnchorGrid(cells).table().reshape(4, -1)
        self.window = hann_window(cells)
        """Window (anchors,) of what is near the middle, 1 there and 0 at the border."""
        count = self._anchors.shape[1]
        self._boxes = np.empty_like(self._anchors)
        self._score, self._penalty, *self._spare = np.empty((5, count), np.float32)

    def score(self, cls: Float32) -> Float32:
        """Probability of foreground (anchors,), anchor-major, of logits (1, 10, s, s)."""
        background, target = cls.reshape(2, -1)
        out = np.subtract(background, target, out=self._score)
        with np.errstate(over="ignore"):  # of e^x: the probability is then 0
            np.exp(out, out=out)
        out += 1
        return np.reciprocal(out, out=out)

    def boxes(self, loc: Float32) -> Float32:
        """Boxes cx, cy, w, h (4, anchors) in crop pixels from its middle, of (1, 20, s, s)."""
        offsets, anchors, out = loc.reshape(4, -1), self._anchors, self._boxes
        np.multiply(offsets[:2], anchors[2:], out=out[:2])
        out[:2] += anchors[:2]
        with np.errstate(over="ignore"):  # an endless box is no estimate: the tracker stays
            np.exp(offsets[2:], out=out[2:])
            out[2:] *= anchors[2:]
        return out

    def penalty(self, boxes: Float32, w: float, h: float, k: float) -> Float32:
        """How far size and aspect of each box are from those of (w, h): 1 for equal, (anchors,)."""
        width, height = boxes[2:]
        out = self._penalty
        margin, side, change = self._spare
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            np.add(width, height, out=margin)
            margin *= 0.5
            np.add(width, margin, out=side)
            np.add(height, margin, out=out)
            side *= out
            np.sqrt(side, out=side)
            side /= context_side(w, h)
            np.reciprocal(side, out=change)
            np.maximum(side, change, out=change)  # of size
            np.divide(height, width, out=side)
            side *= w / h
            np.reciprocal(side, out=margin)
            np.maximum(side, margin, out=side)  # of aspect
            change *= side
            np.subtract(1, change, out=out)
            out *= k
            np.exp(out, out=out)
        return out

    def rank(
        self, score: Float32, penalty: Float32, influence: float, share: Float32 | None = None
    ) -> Float32:
        """Penalised score with `influence` of the window, (anchors,).

        share: (cells, cells), what the scores of every place are multiplied by.
        """
        out, near, _ = self._spare
        np.multiply(penalty, score, out=out)
        if share is not None:
            of_places = out.reshape(-1, share.size)
            of_places *= share.ravel()
        out *= 1 - influence
        np.multiply(self.window, influence, out=near)
        out += near
        return out


def hann_window(cells: int) -> Float32:
    """Hann over rows and columns, the same for each of the five anchors, (5 * cells * cells,)."""
    window = np.hanning(cells)
    return np.tile(np.outer(window, window).ravel(), 5).astype(np.float32)


def second_peak(score: Float32, boxes: Float32, best: int) -> float:
    """Highest score of a box that hardly overlaps the best one, over the best score.

    Boxes are looked at from the best score down, and only those that could be the answer.
    """
    top = float(score[best])
    bx, by, bw, bh = (float(value) for value in boxes[:, best])
    order = np.argpartition(score, -BUNCH)[-BUNCH:] if len(score) > BUNCH else np.arange(len(score))
    found = _highest_apart(score[order], boxes[:, order], (bx, by, bw, bh))
    if found is None:  # all the highest scores are of the target itself
        found = _highest_apart(score, boxes, (bx, by, bw, bh))
    return 0.0 if found is None else min(found / max(top, 1e-6), 1.0)


def _highest_apart(
    score: Float32, boxes: Float32, best: tuple[float, float, float, float]
) -> float | None:
    """Highest score of a box that hardly overlaps `best` (cx, cy, w, h), if there is any."""
    cx, cy, w, h = boxes
    bx, by, bw, bh = best
    width = np.minimum(cx + w / 2, bx + bw / 2) - np.maximum(cx - w / 2, bx - bw / 2)
    height = np.minimum(cy + h / 2, by + bh / 2) - np.maximum(cy - h / 2, by - bh / 2)
    inter = np.maximum(width, 0) * np.maximum(height, 0)
    apart = inter < LOOK_ALIKE_IOU * (w * h + bw * bh - inter)
    return float(score[apart].max()) if apart.any() else None
