"""SiamRPN++ tracking with one feature level. Source: specs of SiamRPN++, section 4."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker_ros.anchors import AnchorGrid
from tracker_ros.engines.network import Network
from tracker_ros.geometry import (
    Box,
    UInt8Image,
    context_side,
    grey_contrast,
    mean_colour,
    on_image,
    square_crop,
)
from tracker_ros.sot.passes import Call, Steps
from tracker_ros.sot.tracker import SearchingTracker
from tracker_ros.track import Estimate, Evidence

Float32 = npt.NDArray[np.float32]
TEMPLATE = 127
MIN_SIZE = 10.0
LOOK_ALIKE_IOU = 0.2
"""A second peak counts as another object when its box overlaps the best one less than this."""


@dataclass(frozen=True)
class SiamRPNParameters:
    """Tracking values of one model; the names are the paper code's, in lower case."""

    instance: int
    """Side of the search crop in pixels: 255 or 287."""
    penalty_k: float
    window_influence: float
    lr: float
    hold_score: float = 0.0
    """Below this score the box stays where it was, as in the long-term variant."""


@dataclass
class _State:
    cx: float
    cy: float
    w: float
    h: float


def subwindow(
    image: UInt8Image, cx: float, cy: float, side: float, out: int, fill: tuple[float, ...]
) -> UInt8Image:
    """The reference's crop: integer side, floor of the corner, fill truncated to whole numbers."""
    size = round(side)
    middle = (size + 1) / 2
    x0, y0 = math.floor(cx - middle + 0.5), math.floor(cy - middle + 0.5)
    return square_crop(image, x0, y0, size, out, [float(int(value)) for value in fill])


def as_input(crop: UInt8Image) -> Float32:
    """A crop (S, S, 3) as the network takes it: (1, 3, S, S) float32, BGR in 0..255."""
    return np.ascontiguousarray(crop.transpose(2, 0, 1), np.float32)[None]


class SiamRPNTracker(SearchingTracker):
    """One target. Networks: template -> kernels; search -> features; both of them -> cls, loc."""

    roles = ("template", "search", "match")

    def __init__(self, networks: Mapping[str, Network], parameters: SiamRPNParameters) -> None:
        self._networks = networks
        self._p = parameters
        cells = (parameters.instance - TEMPLATE) // 8 + 1
        grid = AnchorGrid(cells)
        self._anchors = grid.table().reshape(4, -1)
        window = np.hanning(cells)
        self._window = np.tile(np.outer(window, window).ravel(), 5).astype(np.float32)
        self._blob = np.empty((1, 3, parameters.instance, parameters.instance), np.float32)
        self._kernels: Mapping[str, Float32] | None = None
        self._fill: tuple[float, ...] = (0.0, 0.0, 0.0)
        self._state = _State(0, 0, 0, 0)

    def init(self, image: UInt8Image, box: Box) -> None:
        """Learn the target in `box`. Raises TargetError when the box cannot be tracked."""
        height, width = image.shape[:2]
        box.require_trackable(width, height)
        state = _State(box.x + (box.w - 1) / 2, box.y + (box.h - 1) / 2, box.w, box.h)
        fill = mean_colour(image)
        side = round(context_side(box.w, box.h))
        crop = subwindow(image, state.cx, state.cy, side, TEMPLATE, fill)
        kernels = self._networks["template"].run({"template": as_input(crop)})
        self._state, self._fill, self._kernels = state, fill, kernels

    def following(self, image: UInt8Image) -> Steps[Estimate]:
        """Find the target around where it was last."""
        s = self._state
        estimate = yield from self._search(image, s.cx, s.cy, self._p.window_influence)
        if estimate.evidence.score >= self._p.hold_score:
            self.accept(estimate)
            return estimate
        return Estimate(Box.from_center(s.cx, s.cy, s.w, s.h), estimate.evidence)

    def looking(self, image: UInt8Image, cx: float, cy: float) -> Steps[Estimate]:
        """What there is around (cx, cy); the state stays as it is."""
        return (yield from self._search(image, cx, cy, 0.0))

    def accept(self, estimate: Estimate) -> None:
        """Go on from the box of an estimate."""
        box = estimate.box
        self._state = _State(box.cx, box.cy, box.w, box.h)

    def rescale(self, sx: float, sy: float) -> None:
        """Go on in images of the same view that are sx times as wide and sy times as high."""
        s = self._state
        self._state = _State(s.cx * sx, s.cy * sy, s.w * sx, s.h * sy)

    def _search(self, image: UInt8Image, cx: float, cy: float, influence: float) -> Steps[Estimate]:
        if self._kernels is None:
            raise RuntimeError("track() before init()")
        p, s = self._p, self._state
        side_z = context_side(s.w, s.h)
        scale = TEMPLATE / side_z
        side_x = side_z * p.instance / TEMPLATE
        crop = subwindow(image, cx, cy, side_x, p.instance, self._fill)
        np.copyto(self._blob[0], crop.transpose(2, 0, 1))
        features = yield Call(self._networks["search"], {"search": self._blob})
        maps = yield Call(self._networks["match"], {**self._kernels, **features})

        score = foreground(maps["cls"])
        boxes = self._decode(maps["loc"])
        penalty = self._penalty(boxes, s.w * scale, s.h * scale)
        ranked = penalty * score * (1 - influence) + self._window * influence
        best = int(ranked.argmax())
        rate = float(penalty[best] * score[best]) * p.lr
        dx, dy, w, h = (float(value) / scale for value in boxes[:, best])
        height, width = image.shape[:2]
        box = Box.from_center(
            min(max(cx + dx, 0.0), float(width)),
            min(max(cy + dy, 0.0), float(height)),
            min(max(s.w * (1 - rate) + w * rate, MIN_SIZE), float(width)),
            min(max(s.h * (1 - rate) + h * rate, MIN_SIZE), float(height)),
        )
        evidence = Evidence(
            score=float(score[best]),
            peak_ratio=second_peak(score, boxes, best),
            size_change=box.area / (s.w * s.h),
            contrast=grey_contrast(on_image(crop, image, cx, cy, side_x)),
        )
        return Estimate(box, evidence)

    def _decode(self, loc: Float32) -> Float32:
        """Boxes cx, cy, w, h (4, anchors) in crop pixels, relative to the crop's middle."""
        offsets, anchors = loc.reshape(4, -1), self._anchors
        boxes = np.empty_like(anchors)
        boxes[:2] = offsets[:2] * anchors[2:] + anchors[:2]
        np.exp(offsets[2:], out=boxes[2:])
        boxes[2:] *= anchors[2:]
        return boxes

    def _penalty(self, boxes: Float32, w: float, h: float) -> Float32:
        """How far size and aspect of each box are from the target's, 1 for equal (section 4)."""
        margin = (boxes[2] + boxes[3]) / 2
        size = np.sqrt((boxes[2] + margin) * (boxes[3] + margin)) / context_side(w, h)
        aspect = (w / h) / (boxes[2] / boxes[3])
        change = np.maximum(size, 1 / size) * np.maximum(aspect, 1 / aspect)
        penalty: Float32 = np.exp(-(change - 1) * self._p.penalty_k)
        return penalty


def foreground(cls: Float32) -> Float32:
    """Probability of foreground (anchors,), anchor-major, of logits (1, 10, s, s)."""
    background, target = cls.reshape(2, -1)
    probability: Float32 = 1 / (1 + np.exp(background - target))
    return probability


def second_peak(score: Float32, boxes: Float32, best: int) -> float:
    """Highest score of a box that hardly overlaps the best one, over the best score."""
    cx, cy, w, h = boxes
    bx, by, bw, bh = boxes[:, best]
    width = np.minimum(cx + w / 2, bx + bw / 2) - np.maximum(cx - w / 2, bx - bw / 2)
    height = np.minimum(cy + h / 2, by + bh / 2) - np.maximum(cy - h / 2, by - bh / 2)
    inter = np.maximum(width, 0) * np.maximum(height, 0)
    apart = inter < LOOK_ALIKE_IOU * (w * h + bw * bh - inter)
    if not apart.any():
        return 0.0
    return float(min(score[apart].max() / max(float(score[best]), 1e-6), 1.0))
