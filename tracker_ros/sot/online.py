"""A filter learnt on line that tells where the target of a Siamese tracker is.

A Siamese head compares with the first frame alone, and was trained on other objects than this one.
The filter is trained on this one: a 4x4 correlation kernel on the features that the search network
gives anyway, which answers 1 on the target and 0 beside it, on its look-alikes as well. It is
ATOM's classifier (tracker_ros.sot.atom_classifier), made cheap: the channels are reduced by the
first frame's principal components, so that only the kernel is learnt, by a few steps of conjugate
gradient at a time. The head still gives the box.

It chooses among what the head proposes: the head's scores are multiplied by what it says, in units
of its own highest answer. So it can move the choice, and can not raise a score: what is reported,
and how fast the box's size follows, is the head's.

What was followed is learnt late: a sample waits until the frames after it were sure, too, and is
dropped where they were not. So what slowly covers the target is not learnt before it is noticed.
A look-alike beside a target that is surely found is learnt at once.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.geometry import UInt8Image
from tracker_ros.sot.atom_classifier import Linearised, conjugate_gradient
from tracker_ros.sot.atom_memory import TAPS, Float32, Memory, SampleMaps, pieces_of
from tracker_ros.sot.tracker import SearchingTracker

Float64 = npt.NDArray[np.float64]
STRIDE = 8
"""Pixels of a search crop per cell of its features."""
BLURS = ((2.0, 2.0), (4.0, 1.0))
"""Standard deviations along x and y, in pixels of a crop."""
FIRST_STEPS, LATER_STEPS = 10, 4
"""Conjugate gradient steps: in each of FIRST_ROUNDS on the first frame, and with a new sample."""
FIRST_ROUNDS = 3
FIRST_SHARE = 0.3
"""The first frame's samples never weigh less than this together."""
APART = 3.0
"""Cells from a peak within which there is no second peak; or half a target, if that is more."""
LEAST = 0.05
"""A filter whose highest answer is less has nothing to say."""


@dataclass(frozen=True, kw_only=True)
class OnlineParameters:
    """Values of the filter, the same in every tracker that has one."""

    online_weight: float = 0.0
    """How far the filter decides where: the head's scores are multiplied by 1 - weight where it
    says nothing, by 1 at its highest answer. 0: there is no filter."""
    online_channels: int = 32
    """Principal components of the features that the filter looks at."""
    online_regularisation: float = 0.1
    """Weight of the square of the filter's own values beside the error summed over a map."""
    online_sigma: float = 0.15
    """Of the Gaussian that the filter learns to answer with, in sides of a square target."""
    online_memory: int = 16
    """Samples kept, the first frame's among them."""
    online_rate: float = 0.05
    """Share of a new sample, at first."""
    online_interval: int = 2
    """Sure frames from one sample to the next."""
    online_delay: int = 5
    """Samples that are taken before one is learnt: so many intervals it has to stay sure."""
    online_sure: float = 0.5
    """A frame in which the head's score is less is one of doubt."""
    online_seen: float = 0.25
    """So is one in which the filter's highest answer is less than this, or is elsewhere."""
    online_look_alike: float = 0.5
    """A second answer above this share of the first is a look-alike: learnt at once, at twice the
    rate, where the target has hardly moved; else a doubt."""


def first_pictures(crop: UInt8Image) -> list[UInt8Image]:
    """What the filter learns first from the search crop (S, S, 3) of the first frame.

    As it is, mirrored and blurred, the target in the middle. Shifted copies would teach nothing: a
    filter sees every shift in one map.
    """
    blurred = [cv2.GaussianBlur(crop, (0, 0), x, sigmaY=y) for x, y in BLURS]
    mirrored = np.ascontiguousarray(crop[:, ::-1])
    return [crop, mirrored, *(np.asarray(one, np.uint8) for one in blurred)]


class _Sample(NamedTuple):
    """Reduced features (channels, cells, cells) and what they should answer (cells, cells)."""

    features: Float32
    label: Float32


@dataclass
class _Learnt:
    """What belongs to one target."""

    reduction: Float32
    """(reduced, channels)."""
    kernels: Float32
    """(16, reduced), row-major."""
    memory: Memory


class OnlineFilter:
    """The filter of one target.

    The scores lie on the cells of a Siamese response: `grid` a side, STRIDE pixels apart, the
    middle one on the middle of the crop. Deterministic; nothing in it grows with time.
    """

    def __init__(self, parameters: OnlineParameters) -> None:
        self._p = parameters
        self._learnt: _Learnt | None = None
        self._maps: dict[int, SampleMaps] = {}
        self._sample: Float32 | None = None
        self._scores: Float32 | None = None
        self._waiting: deque[_Sample] = deque()
        self._good = 0

    @property
    def learnt(self) -> int:
        """Samples in the memory, those of the first frame among them."""
        return self._learnt.memory.count if self._learnt is not None else 0

    def start(self, features: Sequence[Float32], w: float, h: float, grid: int) -> None:
        """Learn a target from the features (channels, cells, cells) of `first_pictures`.

        w, h: its sides, in cells. Features that are no numbers leave no filter: the tracker then
        goes by its Siamese head alone.
        """
        self._maps, self._learnt = {}, None
        self._sample = self._scores = None
        self.forget()
        if not all(_power(one) for one in features):
            return
        p, (channels, cells, _), count = self._p, features[0].shape, len(features)
        reduction = principal(features[0], min(p.online_channels, channels))
        memory = Memory(len(reduction), cells, max(p.online_memory, count + 1), FIRST_SHARE)
        wanted = _label(cells, grid, 0.0, 0.0, p.online_sigma * math.sqrt(w * h))
        memory.start([_reduced(reduction, one) for one in features], [wanted] * count)
        kernels = np.zeros((TAPS, len(reduction)), np.float32)
        learnt = _Learnt(reduction, kernels, memory)
        for _ in range(FIRST_ROUNDS):
            self._improve(learnt, FIRST_STEPS)
        self._learnt = learnt

    def scores(self, features: Float32, grid: int) -> Float32 | None:
        """How much each place of a Siamese response is the target, (grid, grid) in [0, 1].

        features: (channels, cells, cells) of a search crop. None where the filter has nothing to
        say. The features are remembered for `learn`; the array is the caller's.
        """
        self._sample = self._scores = None
        learnt, cells = self._learnt, features.shape[-1]
        if learnt is None or not _power(features):
            return None
        sample = _reduced(learnt.reduction, features)
        maps = self._maps.get(cells)
        if maps is None:
            maps = self._maps[cells] = SampleMaps(len(sample), cells, 1)
        maps.store(0, sample)
        row, first = maps.row, _first_cell(cells, grid)
        answer = maps.respond(learnt.kernels, 1).reshape(row, row)
        scores: Float32 = np.clip(answer[first : first + grid, first : first + grid], 0, 1)
        if not np.isfinite(scores).all():
            return None
        self._sample, self._scores = sample, scores
        return scores

    def learn(self, score: float, x: float, y: float, w: float, h: float) -> None:
        """Learn from the frame that `scores` was asked about last, if that is to be trusted.

        score: of the head, in [0, 1]; (x, y): where the target was found, in cells from the middle
        of the crop; w, h: its sides, in cells. To be called once a frame.
        """
        sample, scores, p = self._sample, self._scores, self._p
        if sample is None or scores is None or self._learnt is None or score < p.online_sure:
            self.forget()
            return
        peak, second = _peaks(scores, x, y, w, h)
        if peak < max(p.online_seen, second):
            self.forget()
            return
        label = _label(sample.shape[-1], len(scores), x, y, p.online_sigma * math.sqrt(w * h))
        if second > max(p.online_look_alike * peak, p.online_seen):
            if abs(x) < w / 2 and abs(y) < h / 2:
                self._learnt.memory.add(sample, label, 2 * p.online_rate)
                self._improve(self._learnt, LATER_STEPS)
            else:
                self.forget()
            return
        self._good += 1
        if self._good % p.online_interval:
            return
        self._waiting.append(_Sample(sample, label))
        if len(self._waiting) > p.online_delay:
            self._learnt.memory.add(*self._waiting.popleft(), p.online_rate)
            self._improve(self._learnt, LATER_STEPS)

    def forget(self) -> None:
        """Drop what has not been learnt yet: it is no longer sure what it was."""
        self._waiting.clear()
        self._good = 0

    def _improve(self, learnt: _Learnt, steps: int) -> None:
        """Some steps towards the kernels that fit the memory best."""
        around, shape = Linearised(learnt.memory, learnt.kernels), learnt.kernels.shape
        own = self._p.online_regularisation

        def product(p: Float32) -> Float32:
            return around.product(p.reshape(shape)).ravel() + own * p

        right = -(around.gradient() + own * learnt.kernels).ravel()
        change = conjugate_gradient(product, right, steps).reshape(shape)
        if np.isfinite(change).all():
            learnt.kernels = learnt.kernels + change


class FilteredTracker(SearchingTracker):
    """A tracker of one target that has a filter, if its parameters ask for one."""

    def __init__(self, parameters: OnlineParameters) -> None:
        self._online = OnlineFilter(parameters) if parameters.online_weight > 0 else None
        self._looked_at = ("feature_0",) if self._online is not None else ()
        """What is read of a search crop's features: what the filter looks at."""

    def doubt(self) -> None:
        """What was followed last may not be the target: nothing of it is learnt."""
        if self._online is not None:
            self._online.forget()


def shares(scores: Float32 | None, weight: float) -> Float32 | None:
    """What the head's scores are multiplied by at each place: `scores` in units of the highest.

    In [1 - weight, 1], of the shape of `scores`. None where the filter says nothing, or so little
    that it has not seen the target at all.
    """
    if scores is None:
        return None
    highest = float(scores.max())
    if highest < LEAST:
        return None
    share: Float32 = scores * np.float32(weight / highest) + np.float32(1 - weight)
    return share


def principal(features: Float32, count: int) -> Float32:
    """The `count` directions (count, channels) in which features (channels, h, w) are largest.

    Of their second moments about 0, largest first. The sign of each is that of its largest entry,
    so that it does not depend on the library that finds it.
    """
    flat = features.reshape(len(features), -1).astype(np.float64)
    _, vectors = np.linalg.eigh(np.einsum("ip,jp->ij", flat, flat))
    chosen: Float64 = vectors[:, ::-1][:, :count].T
    largest = np.take_along_axis(chosen, np.abs(chosen).argmax(1)[:, None], axis=1)
    return np.ascontiguousarray(chosen * np.sign(largest), np.float32)


def _peaks(scores: Float32, x: float, y: float, w: float, h: float) -> tuple[float, float]:
    """The highest score of a target of w x h cells at (x, y), and the highest elsewhere."""
    ticks = np.arange(len(scores)) - (len(scores) - 1) / 2
    across, down = np.abs(ticks - x), np.abs(ticks - y)
    near = (down[:, None] <= max(APART, h / 2)) & (across <= max(APART, w / 2))
    peak = float(scores.max(initial=0.0, where=near))
    return peak, float(scores.max(initial=0.0, where=~near))


def _power(features: Float32) -> float:
    """Their mean square; 0 where it is no number or too large for one."""
    with np.errstate(over="ignore", invalid="ignore"):
        power = float(np.einsum("cij,cij->", features, features)) / features.size
    return power if math.isfinite(power) else 0.0


def _reduced(reduction: Float32, features: Float32) -> Float32:
    """(reduced, h, w) of features (channels, h, w), divided by the root of their mean square.

    In products so small that they wake no threads (see atom_memory).
    """
    channels, height, width = features.shape
    parts = pieces_of(len(reduction), width, channels)
    matrix = reduction / np.float32(math.sqrt(_power(features)))
    products: Float32 = np.matmul(
        matrix.reshape(parts, 1, -1, channels), features.transpose(1, 0, 2)
    )
    return np.ascontiguousarray(products.transpose(0, 2, 1, 3)).reshape(-1, height, width)


def _first_cell(cells: int, grid: int) -> int:
    """The cell of the features whose answer is that of the first place of the response.

    The kernel looks at two cells before its own and at one behind. Where both maps have a middle
    cell, or neither, that is all; else its answer is taken to be of the corner before the cell.
    """
    return (cells - grid + 1) // 2


def _label(cells: int, grid: int, x: float, y: float, sigma: float) -> Float32:
    """What the filter shall answer, (cells, cells): a Gaussian around (x, y).

    In cells from the middle of the crop.
    """
    ticks = np.arange(cells) - _first_cell(cells, grid) - (grid - 1) / 2
    across = np.exp(-0.5 * ((ticks - x) / sigma) ** 2)
    down = np.exp(-0.5 * ((ticks - y) / sigma) ** 2)
    return np.outer(down, across).astype(np.float32)
