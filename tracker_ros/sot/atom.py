"""ATOM tracking: a classifier learnt online finds the target, an overlap network its box.

Source: specs of ATOM, sections 3 to 5. Nothing here needs torch: the networks are exported
graphs, and the classifier learns in NumPy, or where they run (see atom_optimiser).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tracker_ros.engines.crop_graph import CropKind
from tracker_ros.engines.crops import Crops
from tracker_ros.engines.memory import Outputs
from tracker_ros.engines.network import Network
from tracker_ros.errors import ModelError
from tracker_ros.geometry import MAX_SHARE, MIN_SIDE, Box, UInt8Image
from tracker_ros.sot.atom_classifier import Classifier
from tracker_ros.sot.atom_localisation import Flag, Found, Localiser
from tracker_ros.sot.atom_memory import Float32, Memory
from tracker_ros.sot.atom_optimiser import NetworkOptimiser
from tracker_ros.sot.atom_parameters import FIRST_SAMPLES, STRIDE, AtomParameters
from tracker_ros.sot.atom_refinement import chosen, proposals
from tracker_ros.sot.atom_samples import (
    Crop,
    as_input,
    crop_at,
    dropped,
    first_samples,
    label,
    normalised,
)
from tracker_ros.sot.passes import Call, Steps
from tracker_ros.sot.search_crops import Cropping
from tracker_ros.sot.tracker import SearchingTracker
from tracker_ros.sot.verification import likeness
from tracker_ros.track import Estimate, Evidence

OUTSIDE = 0.3
"""How far the target's middle may lie beyond the border, in its sides."""
BORDER = 0.15
"""A box with its middle nearer to the border, in sides of the crop, is not compared by that crop: a
target has a fifth of a side."""
ROWS = 8
"""Samples of the first frame that go through the backbone at a time."""


@dataclass(frozen=True)
class _State:
    """Where the target is; (cx, cy) is a middle of pixels."""

    cx: float
    cy: float
    w: float
    h: float

    @property
    def box(self) -> Box:
        return Box(self.cx - (self.w - 1) / 2, self.cy - (self.h - 1) / 2, self.w, self.h)


@dataclass(frozen=True)
class _Target:
    """What was learnt of the target, and goes on learning."""

    classifier: Classifier
    memory: Memory
    modulation: Mapping[str, Float32]
    first_kernels: Float32
    """The classifier's as the first frame left them: a target found again must please them."""


@dataclass(frozen=True)
class _Seen:
    """What one look has found."""

    estimate: Estimate
    found: Found
    state: _State
    """The target's place and size; the former ones where it was not found."""
    crop: Crop
    layers: Outputs
    """For networks; also for those that take over before it is compared: what is not read is
    fetched then, or its device is gone, and they say so."""
    sample: Float32
    """The crop's features, reduced."""

    def shows(self, image: UInt8Image, box: Box) -> bool:
        """Whether it is this box that was found, so far inside that all of it was seen."""
        x, y = self.crop.inward(self.state.cx, self.state.cy)
        side = self.crop.out
        inside = BORDER * side <= min(x, y) and max(x, y) <= (1 - BORDER) * side
        return inside and self.crop.image is image and self.estimate.box == box


class AtomTracker(SearchingTracker):
    """One target. The networks are those of tracker_ros.networks.atom_parts.

    search -> features, of the first frame's samples, too; modulate, of the first frame and where
    one is compared with it; project and refine, in frames where the classifier has found the
    target. Each tracker draws its random numbers from `parameters.seed`: the same pictures give
    the same boxes. Raises ModelError when the graphs are of another crop size than the parameters.
    """

    roles = ("search", "modulate", "project", "refine")
    cropping = Cropping(CropKind(rgb=True, whole=True), crop_at)

    def __init__(self, networks: Mapping[str, Network], parameters: AtomParameters) -> None:
        self._networks = networks
        self._p = p = parameters
        (crops,) = networks["search"].engine.inputs
        if crops.shape[-1] != p.sample:
            raise ModelError(
                f"the search graph takes crops of {crops.shape[-1]} px, the card's tracking says "
                f"sample: {p.sample}; export the model again"
            )
        self._localiser = Localiser(p)
        self._blob = np.empty((1, 3, p.sample, p.sample), np.float32)
        self.flag = Flag.NORMAL
        """What the peaks said in the last frame that was followed."""
        self._target: _Target | None = None
        self._last: _Seen | None = None
        self._state = _State(0, 0, 0, 0)
        self._frame = 1
        self._rng = np.random.default_rng(p.seed)
        self._look_rng = np.random.default_rng(p.seed)
        """Of its own, so that looking elsewhere changes nothing in the frames to come."""

    def init(self, image: UInt8Image, box: Box) -> None:
        """Learn the target in `box`. Raises TargetError when the box cannot be tracked."""
        height, width = image.shape[:2]
        box.require_trackable(width, height)
        state = _State(box.x + (box.w - 1) / 2, box.y + (box.h - 1) / 2, box.w, box.h)
        seeds = np.random.SeedSequence(self._p.seed).spawn(3)
        learning, following, looking = (np.random.default_rng(seed) for seed in seeds)
        self._target, self._last = self._learn(image, state, learning), None
        self._state, self._frame, self.flag = state, 1, Flag.NORMAL
        self._rng, self._look_rng = following, looking

    def following(self, image: UInt8Image) -> Steps[Estimate]:
        """Find the target around where it was last, and learn from what is there."""
        target, p, s = self._learnt(), self._p, self._state
        seen = yield from self._look(image, s.cx, s.cy, self._rng)
        self.flag = flag = seen.found.flag
        if not seen.estimate.is_finite:
            return seen.estimate
        self._frame, self._state = self._frame + 1, seen.state
        if flag in (Flag.NORMAL, Flag.HARD_NEGATIVE):
            wanted = label(p, *seen.crop.inward(seen.state.cx, seen.state.cy))
            hard = flag is Flag.HARD_NEGATIVE
            rate = p.hard_negative_rate if hard else p.learning_rate
            target.memory.add(seen.sample, wanted, rate)
        if flag is Flag.HARD_NEGATIVE or (self._frame - 1) % p.update_interval == 0:
            target.classifier.update(target.memory, p.update_cg)
        return seen.estimate

    def looking(self, image: UInt8Image, cx: float, cy: float) -> Steps[Estimate]:
        """What there is around (cx, cy); the state stays as it is, and nothing is learnt."""
        self._learnt()
        seen = yield from self._look(image, cx, cy, self._look_rng)
        return seen.estimate

    def accept(self, estimate: Estimate) -> None:
        """Go on from the box of an estimate."""
        box = estimate.box
        self._state = _State(box.x + (box.w - 1) / 2, box.y + (box.h - 1) / 2, box.w, box.h)

    def comparing(self, image: UInt8Image, box: Box) -> Steps[float]:
        """How like the target of the first frame what `box` holds is, in [0, 1].

        The mean of what the first frame's classifier says of the middle of the box, and of the
        likeness of the overlap network's modulation vectors: the two err on different pictures.
        A box that was found in the last look is compared by the features of that look.
        """
        target, last = self._learnt(), self._last
        state = _State(box.x + (box.w - 1) / 2, box.y + (box.h - 1) / 2, box.w, box.h)
        if last is not None and last.shows(image, box):
            crop, layers, sample = last.crop, last.layers, last.sample
        else:
            side = self._side(state)
            crop, layers, sample = yield from self._sample(image, state.cx, state.cy, side)
        x, y = crop.inward(state.cx, state.cy)
        scores = target.classifier.scores(sample, target.first_kernels)
        row, column = round(y / STRIDE), round(x / STRIDE)
        best = float(scores[row - 1 : row + 2, column - 1 : column + 2].max())
        said = min(max(best, 0.0), 1.0) if math.isfinite(best) else 0.0
        within = {**layers.all, "box": _box_around(x, y, state, crop.scale)}
        now = yield Call(self._networks["modulate"], within)
        return (said + likeness(target.modulation, now)) / 2

    def rescale(self, sx: float, sy: float) -> None:
        """Go on in images of the same view that are sx times as wide and sy times as high."""
        s = self._state
        # Middles of pixels scale from the corner of the image, half a pixel before the first.
        cx, cy = (s.cx + 0.5) * sx - 0.5, (s.cy + 0.5) * sy - 0.5
        self._state = _State(cx, cy, s.w * sx, s.h * sy)

    def _learnt(self) -> _Target:
        if self._target is None:
            raise RuntimeError("track() before init()")
        return self._target

    def _side(self, state: _State) -> float:
        """Side of the searched square, in pixels of the image."""
        return math.sqrt(state.w * state.h) * self._p.area_factor

    def _learn(self, image: UInt8Image, state: _State, rng: np.random.Generator) -> _Target:
        """The first frame: thirty samples, both layers of the classifier, the modulation."""
        p = self._p
        patch = crop_at(image, state.cx, state.cy, 2 * self._side(state), 2 * p.sample)
        samples = list(first_samples(patch, state.cx, state.cy, p.sample, rng))
        labels = [label(p, sample.x, sample.y) for sample in samples]
        layers, features = self._features([sample.pixels for sample in samples])
        copies = dropped(features[0], rng)
        features += [*copies]
        labels += [labels[0]] * len(copies)

        channels = features[0].shape[0]
        first = Memory(channels, p.cells, FIRST_SAMPLES, p.initial_share)
        first.start(features, labels)
        optimiser = NetworkOptimiser(self._networks["refine"])
        classifier = Classifier(channels, p.reduced, rng, optimiser)
        classifier.learn(first, p.newton_steps, p.newton_cg)
        memory = Memory(p.reduced, p.cells, p.memory, p.initial_share)
        memory.start([classifier.reduce(one) for one in features], labels)

        plain = samples[0]
        box = _box_around(plain.x, plain.y, state, patch.scale)
        modulation = self._networks["modulate"].run({**layers, "box": box})
        return _Target(classifier, memory, modulation, classifier.kernels)

    def _features(self, pictures: list[UInt8Image]) -> tuple[Mapping[str, Float32], list[Float32]]:
        """The layers of the first picture, (1, C, h, w), and normalised features of each."""
        side, features = self._p.sample, []
        blob = np.empty((ROWS, 3, side, side), np.float32)
        layers: Mapping[str, Float32] = {}
        for begin in range(0, len(pictures), ROWS):
            part = as_input(pictures[begin : begin + ROWS], blob)
            found = self._networks["search"].run({"search": part})
            layers = layers or {name: value[:1] for name, value in found.items()}
            features += [*normalised(found["layer3"])]
        return layers, features

    def _sample(
        self, image: UInt8Image, cx: float, cy: float, side: float
    ) -> Steps[tuple[Crop, Outputs, Float32]]:
        """The square around (cx, cy), its layers, and its features as the classifier takes them."""
        crop = crop_at(image, cx, cy, side, self._p.sample)
        given = {"search": Crops([crop], self._blob)}
        layers = yield Call(self._networks["search"], given, read=("layer3",))
        features = normalised(layers["layer3"][0])
        return crop, layers, self._learnt().classifier.reduce(features)

    def _look(
        self, image: UInt8Image, cx: float, cy: float, rng: np.random.Generator
    ) -> Steps[_Seen]:
        """What there is around (cx, cy), for a target of the size of the state."""
        target, s = self._learnt(), self._state
        crop, layers, sample = yield from self._sample(image, cx, cy, self._side(s))
        w, h = s.w / crop.scale, s.h / crop.scale
        found = self._localiser.locate(target.classifier.scores(sample), w, h)
        state = s
        if found.flag is not Flag.NOT_FOUND:
            x = crop.cx + found.dx * crop.scale
            y = crop.cy + found.dy * crop.scale
            state = _inside(_State(x, y, s.w, s.h), image)
            maps = yield Call(self._networks["project"], layers.all, read=())
            x, y = crop.inward(state.cx, state.cy)
            tried = proposals(x - (w - 1) / 2, y - (h - 1) / 2, w, h, rng)
            inputs = {**maps.all, **target.modulation, "boxes": tried}
            refined = yield Call(self._networks["refine"], inputs)
            box = chosen(refined["refined"], refined["overlap"])
            if box is not None:
                x, y, w, h = box
                x, y = crop.outward(x + (w - 1) / 2, y + (h - 1) / 2)
                w = s.w * (w * crop.scale / s.w) ** self._p.size_rate
                h = s.h * (h * crop.scale / s.h) ** self._p.size_rate
                state = _inside(_State(x, y, w, h), image)
        evidence = Evidence(
            score=min(max(found.score, 0.0), 1.0) if math.isfinite(found.score) else math.nan,
            peak_ratio=found.peak_ratio,
            size_change=state.w * state.h / (s.w * s.h),
            contrast=crop.contrast(),
        )
        estimate = Estimate(state.box, evidence)
        self._last = seen = _Seen(estimate, found, state, crop, layers, sample)
        return seen


def _box_around(x: float, y: float, state: _State, scale: float) -> Float32:
    """The box (1, 4), of the size of a state, around a pixel of a crop of this scale."""
    w, h = state.w / scale, state.h / scale
    return np.array([[x - (w - 1) / 2, y - (h - 1) / 2, w, h]], np.float32)


def _inside(state: _State, image: UInt8Image) -> _State:
    """No further beyond the border than some of its size, and no larger than can be tracked."""
    height, width = image.shape[:2]
    w = min(max(state.w, MIN_SIDE), MAX_SHARE * width)
    h = min(max(state.h, MIN_SIDE), MAX_SHARE * height)
    cx = min(max(state.cx, -OUTSIDE * w), width + OUTSIDE * w)
    cy = min(max(state.cy, -OUTSIDE * h), height + OUTSIDE * h)
    return _State(cx, cy, w, h)
