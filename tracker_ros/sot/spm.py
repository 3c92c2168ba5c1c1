"""SPM-Tracker: coarse matching proposes boxes, fine matching tells the target from its likes.

Source: specs of SPM-Tracker, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker_ros.engines.crop_graph import CropKind
from tracker_ros.engines.crops import Crops
from tracker_ros.engines.network import Network
from tracker_ros.geometry import MAX_SHARE, Box, UInt8Image, context_side, grey_contrast
from tracker_ros.sot.online import FilteredTracker, OnlineParameters, first_pictures, shares
from tracker_ros.sot.passes import Call, Steps
from tracker_ros.sot.search_crops import Cropping
from tracker_ros.sot.spm_crop import SampledSquare, SquareSampler, searched_part
from tracker_ros.sot.spm_proposals import (
    CELLS,
    PROPOSALS,
    RATIOS,
    REFINEMENT,
    STRIDE,
    anchor_table,
    decoded,
    deltas_of,
    foreground,
    fused,
    overlaps,
    propose,
    windowed,
)
from tracker_ros.sot.verification import likeness
from tracker_ros.track import Estimate, Evidence

Float32 = npt.NDArray[np.float32]
TEMPLATE, INSTANCE = 127, 271
"""Side of the target with its margin in a crop, and of the crop."""
_MATCHED = ("kernel_0", "kernel_1", "feature_0", "feature_1")
_TELLING = ("kernel_0", "target")
"""What of the template tells what the target is, and not how its box lies."""
MIN_SIZE = 10.0
LOOK_ALIKE_IOU = 0.2
"""A second proposal counts as another object when it overlaps the best one less than this."""


@dataclass(frozen=True)
class SPMParameters(OnlineParameters):
    """Tracking values of one model; the names are the paper code's, in lower case."""

    fm_score_influence: float = 0.5
    """Share of the fine stage in the score."""
    fm_bbox_influence: float = 3.0
    """Weight of the fine stage's box, where both stages are equally sure."""
    windows_influence: float = 0.5
    lr: float = 0.5
    max_score_threshold: float = 0.2
    """Below this score the box stays where it was."""
    score_thresh_factor: float = 0.1
    """Boxes that score less than this share of the best are no proposals."""
    nms_threshold: float = 0.5


@dataclass
class _State:
    cx: float
    cy: float
    w: float
    h: float


@dataclass(frozen=True)
class _View:
    """A crop around a place of the image: where it lies, and how box coordinates map."""

    x: float
    y: float
    side: float

    @classmethod
    def around(cls, cx: float, cy: float, w: float, h: float) -> _View:
        side = context_side(w, h) * INSTANCE / TEMPLATE
        return cls(cx - side / 2, cy - side / 2, side)

    def in_image(self, boxes: Float32) -> Float32:
        """Boxes (..., 4) of the crop in image pixels.

        As in the authors' code, boxes map by 271 pixels a side and samples by 270 steps.
        """
        moved: Float32 = boxes / np.float32(INSTANCE / self.side) + self._corner
        return moved

    def in_crop(self, box: Float32) -> Float32:
        """A box (4,) of the image in crop pixels."""
        moved: Float32 = (box - self._corner) * np.float32(INSTANCE / self.side)
        return moved

    @property
    def _corner(self) -> Float32:
        return np.array((self.x, self.y, self.x, self.y), np.float32)


class SPMTracker(FilteredTracker):
    """One target.

    Networks: template -> kernels and target; search -> features and map; kernels and features ->
    coarse cls and bbox (match); target, map and proposals -> fine cls and bbox (refine).
    """

    roles = ("template", "search", "match", "refine")
    cropping = Cropping(
        CropKind(rgb=False, whole=False),
        lambda image, cx, cy, side, out: SampledSquare(
            image, cx - side / 2, cy - side / 2, side, SquareSampler(out)
        ),
    )

    def __init__(self, networks: Mapping[str, Network], parameters: SPMParameters) -> None:
        super().__init__(parameters)
        self._networks = networks
        self._p = parameters
        self._anchors = anchor_table()
        self._sampler = SquareSampler(INSTANCE)
        self._blob = np.empty((1, 3, INSTANCE, INSTANCE), np.float32)
        self._learnt: Mapping[str, Float32] | None = None
        self._state = _State(0, 0, 0, 0)

    def init(self, image: UInt8Image, box: Box) -> None:
        """Learn the target in `box`. Raises TargetError when the box cannot be tracked."""
        height, width = image.shape[:2]
        box.require_trackable(width, height)
        state = _State(box.cx, box.cy, box.w, box.h)
        learnt = self._networks["template"].run(self._template(image, box))
        if self._online is not None:  # the blob holds the crop, which is that of a search, too
            crop = self._blob[0].transpose(1, 2, 0).astype(np.uint8)
            features = [self._features(one) for one in first_pictures(crop)]
            cell = context_side(box.w, box.h) * STRIDE / TEMPLATE
            self._online.start(features, box.w / cell, box.h / cell, CELLS)
        self._learnt, self._state = learnt, state

    def following(self, image: UInt8Image) -> Steps[Estimate]:
        """Find the target around where it was last."""
        s = self._state
        estimate, middle = yield from self._search(image, s.cx, s.cy, self._p.windows_influence)
        if not estimate.is_finite:
            self.doubt()
            return estimate  # told, and not gone on from
        if self._online is not None:
            box, cell = estimate.box, context_side(s.w, s.h) * STRIDE / TEMPLATE
            x, y = (middle[0] - s.cx) / cell, (middle[1] - s.cy) / cell
            self._online.learn(estimate.evidence.score, x, y, box.w / cell, box.h / cell)
        if estimate.evidence.score >= self._p.max_score_threshold:
            self._go_on(estimate)
            return estimate
        return Estimate(Box.from_center(s.cx, s.cy, s.w, s.h), estimate.evidence)

    def looking(self, image: UInt8Image, cx: float, cy: float) -> Steps[Estimate]:
        """What there is around (cx, cy); the state stays as it is."""
        return (yield from self._search(image, cx, cy, 0.0))[0]

    def accept(self, estimate: Estimate) -> None:
        """Go on from the box of an estimate."""
        self._go_on(estimate)
        self.doubt()

    def _go_on(self, estimate: Estimate) -> None:
        box = estimate.box
        self._state = _State(box.cx, box.cy, box.w, box.h)

    def comparing(self, image: UInt8Image, box: Box) -> Steps[float]:
        """How like the target of the first frame what `box` holds is."""
        assert self._learnt is not None
        first = {name: self._learnt[name] for name in _TELLING}
        given = self._template(image, box)
        now = yield Call(self._networks["template"], given, read=_TELLING)
        return likeness(first, now)

    def rescale(self, sx: float, sy: float) -> None:
        """Go on in images of the same view that are sx times as wide and sy times as high."""
        s = self._state
        self._state = _State(s.cx * sx, s.cy * sy, s.w * sx, s.h * sy)

    def _search(
        self, image: UInt8Image, cx: float, cy: float, influence: float
    ) -> Steps[tuple[Estimate, tuple[float, float]]]:
        """The estimate, and the middle of what was found before it was kept on the image."""
        if self._learnt is None:
            raise RuntimeError("track() before init()")
        p, s = self._p, self._state
        view = _View.around(cx, cy, s.w, s.h)
        crop = SampledSquare(image, view.x, view.y, view.side, self._sampler)
        given = {"search": Crops([crop], self._blob)}
        features = yield Call(self._networks["search"], given, read=self._looked_at)
        inputs = {**self._learnt, **features.all}
        maps = yield Call(self._networks["match"], {name: inputs[name] for name in _MATCHED})

        boxes, scores = decoded(self._anchors, deltas_of(maps["bbox"])), foreground(maps["cls"])
        share = None
        if self._online is not None:
            online = self._online.scores(features["feature_0"][0], CELLS)
            share = shares(online, p.online_weight)
        # How each box counts in the choice; the scores that are reported stay the network's.
        choosing = scores if share is None else scores * np.repeat(share, len(RATIOS))
        current = _corners(Box.from_center(cx, cy, s.w, s.h))
        chosen = propose(
            view.in_image(boxes), choosing, current,
            score_factor=p.score_thresh_factor, nms=p.nms_threshold,
        )  # fmt: skip
        coarse, c = boxes[chosen], scores[chosen]
        padded = np.concatenate([coarse, np.repeat(coarse[-1:], PROPOSALS - len(chosen), axis=0)])
        inputs = {"target": inputs["target"], "map": inputs["map"], "boxes": padded[None]}
        fine = yield Call(self._networks["refine"], inputs)

        logits = fine["cls"][0, : len(chosen)]
        with np.errstate(over="ignore"):  # exp may become infinite: the probability is 0 then
            f: Float32 = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
        deltas = np.asarray(fine["bbox"][0, : len(chosen)] / REFINEMENT, np.float32)
        moved = decoded(coarse, deltas)
        found = view.in_image(fused(coarse, moved, c, f, p.fm_bbox_influence))
        score = c * (1 - p.fm_score_influence) + f * p.fm_score_influence
        told = score if share is None else score * share.ravel()[chosen // len(RATIOS)]
        ranked = told * (1 - influence) + windowed(coarse, INSTANCE) * influence
        best = int(ranked.argmax())
        box = self._blended(found[best], float(score[best]) * p.lr, image)
        part = searched_part(image, view.x, view.y, view.side, INSTANCE)
        evidence = Evidence(
            score=float(score[best]),
            peak_ratio=_second(score, found, best),
            size_change=box.area / (s.w * s.h),
            contrast=grey_contrast(part),
        )
        x1, y1, x2, y2 = (float(value) for value in found[best])
        return Estimate(box, evidence), ((x1 + x2) / 2, (y1 + y2) / 2)

    def _blended(self, found: Float32, rate: float, image: UInt8Image) -> Box:
        """The box found, its size between the last and the new one, its middle on the image.

        The size is limited to that of a box that a tracker starts on, which the authors' code
        leaves out: a box on nothing would grow without an end.
        """
        height, width = image.shape[:2]
        x1, y1, x2, y2 = (float(value) for value in found)
        s = self._state
        w = min(max((x2 - x1) * rate + s.w * (1 - rate), MIN_SIZE), MAX_SHARE * width)
        h = min(max((y2 - y1) * rate + s.h * (1 - rate), MIN_SIZE), MAX_SHARE * height)
        cx = max(0.0, min((x1 + x2) / 2, width - w / 2))
        cy = max(0.0, min((y1 + y2) / 2, height - h / 2))
        return Box.from_center(cx, cy, w, h)

    def _template(self, image: UInt8Image, box: Box) -> Mapping[str, Float32]:
        """What the template's network takes to learn the target in `box`."""
        view = _View.around(box.cx, box.cy, box.w, box.h)
        self._crop(image, view)
        in_crop = view.in_crop(_corners(box)).reshape(1, 1, 4)
        return {"template": self._blob, "box": in_crop}

    def _features(self, crop: UInt8Image) -> Float32:
        """The search features (C, h, w) of a crop (S, S, 3)."""
        blob = np.ascontiguousarray(crop.transpose(2, 0, 1), np.float32)[None]
        features: Float32 = self._networks["search"].run({"search": blob})["feature_0"][0].copy()
        return features

    def _crop(self, image: UInt8Image, view: _View) -> None:
        self._sampler.sample(image, view.x, view.y, view.side, self._blob[0])


def _corners(box: Box) -> Float32:
    return np.array((box.x, box.y, box.x + box.w, box.y + box.h), np.float32)


def _second(score: Float32, boxes: Float32, best: int) -> float:
    """Highest score of a box (N, 4) that hardly overlaps the best one, over the best score."""
    apart = overlaps(boxes, boxes[best]) < LOOK_ALIKE_IOU
    if not apart.any():
        return 0.0
    return float(min(score[apart].max() / max(float(score[best]), 1e-6), 1.0))
