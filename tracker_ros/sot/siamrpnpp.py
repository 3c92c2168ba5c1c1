"""SiamRPN++ tracking, short-term and long-term. Source: specs of SiamRPN++, section 4.

With the values of a published card it does what the authors' code does, number for number.
`hold_score`, which holds the box where little is seen, and `looking` elsewhere are ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker_ros.engines.crop_graph import CropKind
from tracker_ros.engines.crops import Crops
from tracker_ros.engines.network import Network
from tracker_ros.errors import ModelError
from tracker_ros.geometry import Box, UInt8Image, context_side, mean_colour
from tracker_ros.sot.online import FilteredTracker, OnlineParameters, first_pictures, shares
from tracker_ros.sot.passes import Call, Steps
from tracker_ros.sot.region_proposals import Proposals, second_peak
from tracker_ros.sot.search_crops import Cropping, FilledSquare
from tracker_ros.sot.verification import likeness
from tracker_ros.track import Estimate, Evidence

Float32 = npt.NDArray[np.float32]
Colour = tuple[float, float, float]
"""B, G, R."""
TEMPLATE, STRIDE = 127, 8
MIN_SIZE = 10.0
"""Smallest side of a box that is reported, in pixels."""
LOST_WINDOW = 0.001
"""Influence of the window while a long-term tracker has lost its target."""
LARGEST = 8.0
"""A long-term tracker does not go on from a box of more sides of the image, nor from one that far
away; it takes the clamped box then."""


@dataclass(frozen=True)
class SiamRPNParameters(OnlineParameters):
    """Tracking values of one model; the names are the paper code's, in lower case."""

    instance: int
    """Side of the search crop in pixels: 255 or 287."""
    penalty_k: float
    window_influence: float
    lr: float
    hold_score: float = 0.0
    """Below this score the box stays where it was. Not the paper's; 0 is off."""
    base_size: int = 0
    """Cells of the score map beyond (instance - 127) / 8 + 1: 8 where a neck crops the template."""
    lost_instance: int = 0
    """Side of the search crop of a long-term tracker that has lost its target: 831. 0: there is
    none, the tracker is a short-term one."""
    confidence_low: float = 0.85
    """A long-term tracker loses its target below this score, and its box stays."""
    confidence_high: float = 0.998
    """A long-term tracker has its target again above this score."""

    def __post_init__(self) -> None:
        if self.confidence_low > self.confidence_high:
            raise ValueError(
                f"confidence_low {self.confidence_low:g} is above confidence_high "
                f"{self.confidence_high:g}"
            )

    @property
    def long_term(self) -> bool:
        """Whether a lost target is searched for in a larger crop."""
        return self.lost_instance > 0

    def cells(self, instance: int) -> int:
        """Rows of the score map of a search crop."""
        return (instance - TEMPLATE) // 8 + 1 + self.base_size


@dataclass(frozen=True)
class _State:
    cx: float
    cy: float
    w: float
    h: float

    def clamped(self, width: int, height: int) -> _State:
        """Middle on the image, sides of 10 pixels to the image's."""
        return _State(
            min(max(self.cx, 0.0), float(width)),
            min(max(self.cy, 0.0), float(height)),
            min(max(self.w, MIN_SIZE), float(width)),
            min(max(self.h, MIN_SIZE), float(height)),
        )

    def bounded(self, width: int, height: int) -> _State:
        """The same, or clamped where it is out of all proportion to the image."""
        most = LARGEST * max(width, height)
        near = abs(self.cx) <= most and abs(self.cy) <= most
        sized = 1.0 <= self.w <= most and 1.0 <= self.h <= most
        return self if near and sized else self.clamped(width, height)

    @property
    def box(self) -> Box:
        return Box.from_center(self.cx, self.cy, self.w, self.h)


def square(
    image: UInt8Image, cx: float, cy: float, side: float, out: int, fill: Colour
) -> FilledSquare:
    """The reference's square: integer side, floor of the corner, whole numbers of the fill."""
    size = max(round(side), 1)
    middle = (size + 1) / 2
    x0, y0 = math.floor(cx - middle + 0.5), math.floor(cy - middle + 0.5)
    b, g, r = (float(int(value)) for value in fill)
    return FilledSquare(image, cx, cy, side, x0, y0, size, out, (b, g, r), rgb=False)


def subwindow(
    image: UInt8Image, cx: float, cy: float, side: float, out: int, fill: Colour
) -> UInt8Image:
    """The pixels of that square."""
    return square(image, cx, cy, side, out, fill).pixels


def as_input(crop: UInt8Image) -> Float32:
    """A crop (S, S, 3) as the network takes it: (1, 3, S, S) float32, BGR in 0..255."""
    return np.ascontiguousarray(crop.transpose(2, 0, 1), np.float32)[None]


class _Search:
    """A size of search crop: its networks, its proposals and the buffers for its input."""

    def __init__(
        self, search: Network, match: Network, instance: int, proposals: Proposals
    ) -> None:
        self.search, self.match, self.instance = search, match, instance
        self.proposals = proposals
        self._blob = np.empty((1, 3, instance, instance), np.float32)
        given = search.engine.inputs[0].shape[-1]
        cells = next(t.shape[-1] for t in match.engine.outputs if t.name == "cls")
        if given != instance or cells != proposals.cells:
            raise ModelError(
                f"a search crop of {instance} pixels and a map of {proposals.cells} cells do not "
                f"fit the network, which takes {given} pixels and gives {cells} cells; correct "
                "instance, base_size or lost_instance on the card"
            )

    def given(self, crop: FilledSquare) -> Mapping[str, Crops]:
        """The input of `search` for a crop; valid until the next."""
        return {"search": Crops([crop], self._blob)}


class SiamRPNTracker(FilteredTracker):
    """One target. Networks: template -> kernels; search -> features; both of them -> cls, loc.

    A long-term model has search_wide and match_wide besides, for the larger crop.
    """

    roles = ("template", "search", "match")
    cropping = Cropping(
        CropKind(rgb=False, whole=True),
        lambda image, cx, cy, side, out: square(image, cx, cy, side, out, mean_colour(image)),
    )

    def __init__(self, networks: Mapping[str, Network], parameters: SiamRPNParameters) -> None:
        super().__init__(parameters)
        self._template = networks["template"]
        self._p = parameters
        self._near = self._wide = self._region(networks, "", parameters.instance)
        if parameters.long_term:
            if not {"search_wide", "match_wide"} <= set(networks):
                raise ModelError(
                    "lost_instance asks for the graphs search_wide and match_wide, and the card "
                    "has none; import the model again"
                )
            self._wide = self._region(networks, "_wide", parameters.lost_instance)
        self._kernels: Mapping[str, Float32] | None = None
        self._fill: Colour = (0.0, 0.0, 0.0)
        self._state = _State(0, 0, 0, 0)
        self._lost = False

    def _region(self, networks: Mapping[str, Network], ending: str, instance: int) -> _Search:
        proposals = Proposals(self._p.cells(instance))
        return _Search(
            networks[f"search{ending}"], networks[f"match{ending}"], instance, proposals
        )  # fmt: skip

    def init(self, image: UInt8Image, box: Box) -> None:
        """Learn the target in `box`. Raises TargetError when the box cannot be tracked."""
        height, width = image.shape[:2]
        box.require_trackable(width, height)
        state = _State(box.x + (box.w - 1) / 2, box.y + (box.h - 1) / 2, box.w, box.h)
        fill = mean_colour(image)
        side = round(context_side(box.w, box.h))
        crop = subwindow(image, state.cx, state.cy, side, TEMPLATE, fill)
        kernels = self._template.run({"template": as_input(crop)})
        if self._online is not None:
            near, pixel = self._near, context_side(box.w, box.h) / TEMPLATE
            crop = subwindow(image, state.cx, state.cy, pixel * near.instance, near.instance, fill)
            inputs = (as_input(one) for one in first_pictures(crop))
            passes = (near.search.run({"search": one}) for one in inputs)
            features = [found["feature_0"][0].copy() for found in passes]
            cell = pixel * STRIDE
            self._online.start(features, box.w / cell, box.h / cell, near.proposals.cells)
        self._state, self._fill, self._kernels, self._lost = state, fill, kernels, False

    def following(self, image: UInt8Image) -> Steps[Estimate]:
        """Find the target around where it was last.

        The box of a short-term tracker is its state. A long-term tracker goes on from where it
        found the target, also beside the image, and reports that clamped to the image.
        """
        p, before = self._p, self._state
        region = self._wide if self._lost else self._near
        influence = LOST_WINDOW if self._lost else p.window_influence
        found, evidence = yield from self._search(image, before.cx, before.cy, region, influence)
        height, width = image.shape[:2]
        if not all(math.isfinite(value) for value in found.box):
            self.doubt()
            return Estimate(found.box, evidence)  # told, and not gone on from
        self._learn(before, found, evidence.score)
        if not p.long_term:
            if evidence.score >= p.hold_score:
                self._state = found.clamped(width, height)
            return Estimate(self._state.box, evidence)
        if evidence.score >= p.confidence_low:
            self._state = found.bounded(width, height)
        if evidence.score < p.confidence_low:
            self._lost = True
        elif evidence.score > p.confidence_high:
            self._lost = False
        return Estimate(self._state.clamped(width, height).box, evidence)

    def looking(self, image: UInt8Image, cx: float, cy: float) -> Steps[Estimate]:
        """What there is around (cx, cy); the state stays as it is.

        A long-term tracker looks in its larger crop.
        """
        found, evidence = yield from self._search(image, cx, cy, self._wide, 0.0)
        height, width = image.shape[:2]
        return Estimate(found.clamped(width, height).box, evidence)

    def accept(self, estimate: Estimate) -> None:
        """Go on from the box of an estimate."""
        box = estimate.box
        self._state, self._lost = _State(box.cx, box.cy, box.w, box.h), False
        self.doubt()

    def comparing(self, image: UInt8Image, box: Box) -> Steps[float]:
        """How like the target of the first frame what `box` holds is."""
        assert self._kernels is not None
        cx, cy = box.x + (box.w - 1) / 2, box.y + (box.h - 1) / 2
        side = round(context_side(box.w, box.h))
        crop = subwindow(image, cx, cy, side, TEMPLATE, self._fill)
        now = yield Call(self._template, {"template": as_input(crop)})
        return likeness(of_classification(self._kernels), of_classification(now))

    def rescale(self, sx: float, sy: float) -> None:
        """Go on in images of the same view that are sx times as wide and sy times as high."""
        s = self._state
        self._state = _State(s.cx * sx, s.cy * sy, s.w * sx, s.h * sy)

    def _learn(self, before: _State, found: _State, score: float) -> None:
        """Let the filter learn the target where it was found, if it was searched near by."""
        if self._online is None or self._lost:
            return self.doubt()
        cell = context_side(before.w, before.h) * STRIDE / TEMPLATE
        right, down = found.cx - before.cx, found.cy - before.cy
        self._online.learn(score, right / cell, down / cell, found.w / cell, found.h / cell)

    def _search(
        self, image: UInt8Image, cx: float, cy: float, region: _Search, influence: float
    ) -> Steps[tuple[_State, Evidence]]:
        """Where the target is around (cx, cy), not clamped, and what speaks for it."""
        if self._kernels is None:
            raise RuntimeError("track() before init()")
        p, s = self._p, self._state
        side_z = context_side(s.w, s.h)
        scale = TEMPLATE / side_z
        side_x = side_z * (region.instance / TEMPLATE)
        crop = square(image, cx, cy, side_x, region.instance, self._fill)
        features = yield Call(region.search, region.given(crop), read=self._looked_at)
        maps = yield Call(region.match, {**self._kernels, **features.all})

        proposals = region.proposals
        score, boxes = proposals.score(maps["cls"]), proposals.boxes(maps["loc"])
        penalty = proposals.penalty(boxes, s.w * scale, s.h * scale, p.penalty_k)
        share = None
        if self._online is not None:
            online = self._online.scores(features["feature_0"][0], proposals.cells)
            share = shares(online, p.online_weight)
        best = int(proposals.rank(score, penalty, influence, share).argmax())
        rate = float(penalty[best]) * float(score[best]) * p.lr
        dx, dy, w, h = (float(value) / scale for value in boxes[:, best])
        found = _State(cx + dx, cy + dy, s.w * (1 - rate) + w * rate, s.h * (1 - rate) + h * rate)
        height, width = image.shape[:2]
        evidence = Evidence(
            score=float(score[best]),
            peak_ratio=second_peak(score, boxes, best),
            size_change=found.clamped(width, height).box.area / (s.w * s.h),
            contrast=crop.contrast(),
        )
        return found, evidence


def of_classification(kernels: Mapping[str, Float32]) -> Mapping[str, Float32]:
    """The kernels that tell what the target is, and not how its box lies.

    One level has kernel_0 for it and kernel_1 for the box; of several levels, each kernel is a
    stack of the two.
    """
    if len(kernels) == 2:
        return {"kernel_0": kernels["kernel_0"]}
    return {name: value[:, : value.shape[1] // 2] for name, value in kernels.items()}
