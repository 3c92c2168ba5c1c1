"""Looks for what the detector missed, with the project's own single-object trackers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.mot.targets import Observation, Target
from tracker_ros.sot import LoadedModel
from tracker_ros.sot.tracker import SearchingTracker

Float64 = npt.NDArray[np.float64]

SIZE_CHANGE = (0.7, 1.4)
"""A recovered box whose width or height changes beyond this is not believed."""
APART = 0.3
"""Nor is one that overlaps a detected target so much: it shows that target, not what it hides."""


class Recovery:
    """Single-object trackers of the targets that have not been detected of late.

    They find a place; whether it shows the target is for FAMNet's own affinity to say.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._trackers: dict[int, SearchingTracker] = {}
        self._before: UInt8Image | None = None
        self._before_time = 0.0

    def look(
        self, image: UInt8Image, time: float, missed: Sequence[Target], detected: Sequence[Target]
    ) -> dict[int, Observation]:
        """Find missed targets in the image, the first ones first: id -> what was found.

        A tracker starts on the last image in which its target was seen, so a target can only be
        recovered from the frame after that one on.
        """
        taken = [_box(target.last.box) for target in detected]
        found = {}
        for target in missed:
            tracker = self._tracker_of(target)
            if tracker is None:
                continue
            estimate = tracker.track(image)
            if not estimate.is_finite or not _plausible(estimate.box, target, image, taken):
                continue
            if estimate.evidence.score < target.settings.recover_score:
                continue
            # Its place, in the size that the target has: a detector knows that better.
            size = target.expected(time)[2:]
            box = np.array([estimate.box.cx, estimate.box.cy, *size])
            found[target.id] = Observation(box, time, estimate.evidence.score, None)
            taken.append(estimate.box)
        return found

    def remember(self, image: UInt8Image | None, time: float, living: Sequence[Target]) -> None:
        """Keep the image for trackers that start next time; drop those not needed any more."""
        self._before, self._before_time = image, time
        following = {target.id for target in living if target.recovered}
        self._trackers = {id: tr for id, tr in self._trackers.items() if id in following}

    def forget(self) -> None:
        """Drop everything."""
        self._trackers.clear()
        self._before = None

    def _tracker_of(self, target: Target) -> SearchingTracker | None:
        if target.id in self._trackers:
            return self._trackers[target.id]
        if self._before is None or target.last.time != self._before_time:
            return None
        tracker = self._model.new_tracker()
        try:
            tracker.init(self._before, _box(target.last.box))
        except TargetError:
            return None  # at the border or too small: it cannot be followed
        self._trackers[target.id] = tracker
        return tracker


def _box(box: Float64) -> Box:
    cx, cy, w, h = (float(value) for value in box)
    return Box.from_center(cx, cy, w, h)


def _plausible(box: Box, target: Target, image: UInt8Image, taken: Sequence[Box]) -> bool:
    low, high = SIZE_CHANGE
    _, _, w, h = (float(value) for value in target.last.box)
    inside = 0 <= box.cx < image.shape[1] and 0 <= box.cy < image.shape[0]
    steady = low <= box.w / w <= high and low <= box.h / h <= high
    return inside and steady and all(box.iou(other) < APART for other in taken)
