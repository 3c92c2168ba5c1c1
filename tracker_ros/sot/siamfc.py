"""SiamFC tracking over a pyramid of scales. Source: specs of SiamFC, section 2."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.engines.crop_graph import CropKind
from tracker_ros.engines.crops import Crops
from tracker_ros.engines.memory import Outputs
from tracker_ros.engines.network import Network
from tracker_ros.geometry import Box, UInt8Image, context_side, mean_colour
from tracker_ros.sot.online import FilteredTracker, OnlineParameters, first_pictures, shares
from tracker_ros.sot.passes import Call, Steps, run_alone
from tracker_ros.sot.search_crops import Cropping, FilledSquare
from tracker_ros.sot.verification import likeness
from tracker_ros.track import Estimate, Evidence

Float32 = npt.NDArray[np.float32]
Colour = tuple[float, float, float]
"""B, G, R."""
TEMPLATE, INSTANCE, STRIDE, UPSAMPLING = 127, 255, 8, 16
GRID = 17
RESPONSE = GRID * UPSAMPLING
SATURATION = (0.2, 5.0)
"""The search side stays within these multiples of its first value."""


@dataclass(frozen=True)
class SiamFCParameters(OnlineParameters):
    """Tracking values of one model; the defaults are those of the published SiamFC-3s."""

    scales: int = 3
    scale_step: float = 1.0375
    scale_penalty: float = 0.9745
    scale_lr: float = 0.59
    window_influence: float = 0.176
    saturation: bool = True
    """Keep the search side within 0.2 to 5 times its first value, as the authors' code does, and
    the middle of the box on the image. The port does neither."""
    hold_score: float = 0.0
    """Below this score the box stays where it was. Not the paper's; 0 is off."""


@dataclass
class _State:
    cx: float
    cy: float
    w: float
    h: float
    search_side: float


def square(
    image: UInt8Image, cx: float, cy: float, side: float, out: int, fill: Colour
) -> FilledSquare:
    """The port's square: integer side, corner rounded half to even, fill rounded."""
    size = max(round(side), 1)
    x0, y0 = round(cx - (size - 1) / 2), round(cy - (size - 1) / 2)
    b, g, r = (float(round(value)) for value in fill)
    return FilledSquare(image, cx, cy, side, x0, y0, size, out, (b, g, r), rgb=True)


def subwindow(
    image: UInt8Image, cx: float, cy: float, side: float, out: int, fill: Colour
) -> UInt8Image:
    """The pixels of that square."""
    return square(image, cx, cy, side, out, fill).pixels


def as_input(crop: UInt8Image) -> Float32:
    """A crop (S, S, 3) BGR as the network takes it: (1, 3, S, S) float32, RGB in 0..255."""
    return np.ascontiguousarray(crop[..., ::-1].transpose(2, 0, 1), np.float32)[None]


class SiamFCTracker(FilteredTracker):
    """One target. Networks: template -> kernel_0; search -> feature_0; both of them -> response."""

    roles = ("template", "search", "match")
    cropping = Cropping(
        CropKind(rgb=True, whole=True),
        lambda image, cx, cy, side, out: square(image, cx, cy, side, out, mean_colour(image)),
    )

    def __init__(self, networks: Mapping[str, Network], parameters: SiamFCParameters) -> None:
        super().__init__(parameters)
        self._networks = networks
        self._p = parameters
        half = parameters.scales // 2
        self._factors = parameters.scale_step ** np.arange(-half, half + 1, dtype=np.float64)
        self._penalty = np.where(np.arange(-half, half + 1) == 0, 1.0, parameters.scale_penalty)
        window = np.outer(np.hanning(RESPONSE), np.hanning(RESPONSE))
        self._window = (window / window.sum()).astype(np.float32)
        self._blob = np.empty((parameters.scales, 3, INSTANCE, INSTANCE), np.float32)
        self._up = np.empty((parameters.scales, RESPONSE, RESPONSE), np.float32)
        self._blend, self._near = np.empty((2, RESPONSE, RESPONSE), np.float32)
        self._template: Float32 | None = None
        self._fill: Colour = (0.0, 0.0, 0.0)
        self._self_peak = 1.0
        self._state = _State(0, 0, 0, 0, 0)
        self._limits = (0.0, math.inf)

    def init(self, image: UInt8Image, box: Box) -> None:
        """Learn the target in `box`. Raises TargetError when the box cannot be tracked."""
        height, width = image.shape[:2]
        box.require_trackable(width, height)
        cx, cy = box.x + (box.w - 1) / 2, box.y + (box.h - 1) / 2
        side = context_side(box.w, box.h)
        self._fill = mean_colour(image)
        crop = subwindow(image, cx, cy, side, TEMPLATE, self._fill)
        self._template = self._networks["template"].run({"template": as_input(crop)})["kernel_0"]
        search_side = side * INSTANCE / TEMPLATE
        self._state = _State(cx, cy, box.w, box.h, search_side)
        if self._p.saturation:
            self._limits = (SATURATION[0] * search_side, SATURATION[1] * search_side)
        # The response to the target itself: what later peaks are measured against.
        middle = len(self._factors) // 2
        (responses, _, crops), _ = run_alone(self._respond(image, cx, cy))
        self._self_peak = max(float(responses[middle].max()), 1e-6)
        if self._online is not None:
            inputs = (as_input(one) for one in first_pictures(crops[middle].pixels))
            passes = (self._networks["search"].run({"search": one}) for one in inputs)
            features = [found["feature_0"][0].copy() for found in passes]
            cell = search_side * STRIDE / INSTANCE
            self._online.start(features, box.w / cell, box.h / cell, GRID)

    def following(self, image: UInt8Image) -> Steps[Estimate]:
        """Find the target around where it was last."""
        s = self._state
        estimate, x, y = yield from self._search(image, s.cx, s.cy, self._p.window_influence)
        if self._online is not None:
            cell = s.search_side * STRIDE / INSTANCE
            self._online.learn(estimate.evidence.score, x, y, s.w / cell, s.h / cell)
        if estimate.evidence.score >= self._p.hold_score:
            self._go_on(estimate)
            return estimate
        return Estimate(
            Box(s.cx - (s.w - 1) / 2, s.cy - (s.h - 1) / 2, s.w, s.h), estimate.evidence
        )

    def looking(self, image: UInt8Image, cx: float, cy: float) -> Steps[Estimate]:
        """What there is around (cx, cy); the state stays as it is."""
        return (yield from self._search(image, cx, cy, 0.0))[0]

    def accept(self, estimate: Estimate) -> None:
        """Go on from the box of an estimate."""
        self._go_on(estimate)
        self.doubt()

    def _go_on(self, estimate: Estimate) -> None:
        box, s = estimate.box, self._state
        side = s.search_side * box.w / s.w
        cx, cy = box.x + (box.w - 1) / 2, box.y + (box.h - 1) / 2
        self._state = _State(cx, cy, box.w, box.h, side)

    def comparing(self, image: UInt8Image, box: Box) -> Steps[float]:
        """How like the target of the first frame what `box` holds is."""
        assert self._template is not None
        cx, cy = box.x + (box.w - 1) / 2, box.y + (box.h - 1) / 2
        crop = subwindow(image, cx, cy, context_side(box.w, box.h), TEMPLATE, self._fill)
        now = yield Call(self._networks["template"], {"template": as_input(crop)})
        return likeness({"kernel_0": self._template}, now)

    def rescale(self, sx: float, sy: float) -> None:
        """Go on in images of the same view that are sx times as wide and sy times as high."""
        s, smallest, largest = self._state, *self._limits
        # Middles of pixels scale from the corner of the image, half a pixel before the first.
        cx, cy = (s.cx + 0.5) * sx - 0.5, (s.cy + 0.5) * sy - 0.5
        self._state = _State(cx, cy, s.w * sx, s.h * sy, s.search_side * sx)
        self._limits = (smallest * sx, largest * sx)

    def _respond(
        self, image: UInt8Image, cx: float, cy: float
    ) -> Steps[tuple[Float32, Outputs, list[FilledSquare]]]:
        """Raw responses (scales, 17, 17), search features, and the crops."""
        side = self._state.search_side
        crops = [
            square(image, cx, cy, side * factor, INSTANCE, self._fill) for factor in self._factors
        ]
        given = {"search": Crops(crops, self._blob)}
        features = yield Call(self._networks["search"], given, read=self._looked_at)
        assert self._template is not None
        inputs = {"kernel_0": self._template, **features.all}
        outputs = yield Call(self._networks["match"], inputs)
        return outputs["response"][:, 0], features, crops

    def _search(
        self, image: UInt8Image, cx: float, cy: float, influence: float
    ) -> Steps[tuple[Estimate, float, float]]:
        """The estimate, and how far from the middle of the crop that is, in cells."""
        if self._template is None:
            raise RuntimeError("track() before init()")
        s = self._state
        responses, features, crops = yield from self._respond(image, cx, cy)
        up = self._up
        for low, high in zip(responses, up, strict=True):
            cv2.resize(low, (RESPONSE, RESPONSE), dst=high, interpolation=cv2.INTER_CUBIC)
        peaks = np.array([float(r.max()) for r in up]) * self._penalty
        chosen = int(peaks.argmax())
        raw = responses[chosen]
        response = np.subtract(up[chosen], up[chosen].min(), out=self._blend)
        if self._online is not None:
            share = shares(
                self._online.scores(features["feature_0"][chosen], GRID), self._p.online_weight
            )
            if share is not None:
                size = (RESPONSE, RESPONSE)
                cv2.resize(share, size, dst=self._near, interpolation=cv2.INTER_CUBIC)
                response *= self._near
        response *= (1 - influence) / (float(response.sum()) + 1e-16)
        response += np.multiply(self._window, influence, out=self._near)
        row, column = divmod(int(response.argmax()), RESPONSE)

        factor = float(self._factors[chosen])
        pixels = STRIDE / UPSAMPLING * s.search_side * factor / INSTANCE
        height, width = image.shape[:2]
        right, down = column - (RESPONSE - 1) / 2, row - (RESPONSE - 1) / 2
        cx, cy = cx + right * pixels, cy + down * pixels
        if self._p.saturation:
            cx, cy = min(max(cx, 0.0), width - 1.0), min(max(cy, 0.0), height - 1.0)
        scale = (1 - self._p.scale_lr) + self._p.scale_lr * factor
        side = min(max(s.search_side * scale, self._limits[0]), self._limits[1])
        scale = side / s.search_side
        w, h = s.w * scale, s.h * scale
        evidence = Evidence(
            score=min(max(float(up[chosen][row, column]) / self._self_peak, 0.0), 1.0),
            peak_ratio=second_peak(raw, row / UPSAMPLING, column / UPSAMPLING),
            size_change=scale * scale,
            contrast=crops[chosen].contrast(),
        )
        estimate = Estimate(Box(cx - (w - 1) / 2, cy - (h - 1) / 2, w, h), evidence)
        return estimate, right / UPSAMPLING, down / UPSAMPLING


def second_peak(response: Float32, row: float, column: float, radius: float = 3.5) -> float:
    """Highest value more than `radius` cells from the peak, over the peak's; both above the mean.

    response (17, 17); row and column of the peak in its cells.
    """
    ticks = np.arange(response.shape[0]) + 0.5
    near = (np.abs(ticks[:, None] - row) <= radius) & (np.abs(ticks[None, :] - column) <= radius)
    mean = float(response.mean())
    peak, second = float(response[near].max()), float(response[~near].max())
    return min(max((second - mean) / max(peak - mean, 1e-6), 0.0), 1.0)
