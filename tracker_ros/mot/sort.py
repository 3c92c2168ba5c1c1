"""SORT, the baseline: a Kalman filter for each target, and the Hungarian method on overlaps.

Source: Bewley et al., Simple Online and Realtime Tracking, ICIP 2016, whose settings these are.
It never looks at the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from time import perf_counter

import numpy as np
from scipy.optimize import linear_sum_assignment

from tracker_ros.engines.network import Networks
from tracker_ros.engines.upgrade import Upgrade
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.mot.detections import Detection, Float64, as_array, pairwise_iou
from tracker_ros.track import Evidence, StageTimes, Track, TrackState

MIN_IOU = 0.3
"""A detection that overlaps a prediction less is not that target."""
MIN_HITS = 3
"""Frames in a row with a detection before a target is believed."""
MAX_AGE = 1
"""Frames without a detection after which a target ends."""
_POSITION = np.array([1.0, 1.0, 10.0, 10.0])
"""Variances of a measurement of centre, area and aspect ratio."""
_START = np.array([10.0, 10.0, 10.0, 10.0, 1e4, 1e4, 1e4])
_DRIFT = np.array([1.0, 1.0, 1.0, 1.0, 0.01, 0.01, 1e-4])


class _Filter:
    """Centre, area, aspect ratio and the velocities of the first three, a frame at a time."""

    def __init__(self, measured: Float64) -> None:
        self.mean = np.concatenate((measured, np.zeros(3)))
        self.covariance = np.diag(_START)

    def predict(self) -> None:
        if self.mean[2] + self.mean[6] <= 0:
            self.mean[6] = 0.0
        step = np.eye(7)
        step[[0, 1, 2], [4, 5, 6]] = 1.0
        self.mean = step @ self.mean
        self.covariance = step @ self.covariance @ step.T + np.diag(_DRIFT)

    def correct(self, measured: Float64) -> None:
        innovation = self.covariance[:4, :4] + np.diag(_POSITION)
        gain = np.linalg.solve(innovation, self.covariance[:4]).T
        self.mean = self.mean + gain @ (measured - self.mean[:4])
        self.covariance = self.covariance - gain @ self.covariance[:4]

    @property
    def box(self) -> Box:
        cx, cy, area, aspect = (float(value) for value in self.mean[:4])
        width = math.sqrt(max(area * aspect, 1e-6))
        return Box.from_center(cx, cy, width, max(area, 1e-6) / width)


def _measured(box: Box) -> Float64:
    return np.array([box.cx, box.cy, box.area, box.w / box.h])


class _Target:
    def __init__(self, id: int, detection: Detection) -> None:
        self.id, self.label, self.score = str(id), detection.label, detection.score
        self.filter = _Filter(_measured(detection.box))
        self.age = self.streak = self.missed = 0


class SortTracker:
    """One filter a target; frames are counted, so `time` has no part."""

    name = "sort"
    about = "sort: Kalman filter and Hungarian method on overlaps; no image, no network"
    backend = precision = ""
    parts: tuple[Networks, ...] = ()
    upgrade: Upgrade | None = None

    def __init__(self, *, max_age: int = MAX_AGE) -> None:
        """max_age: frames without a detection after which a target ends."""
        self.times = StageTimes()
        self._max_age = max_age
        self._targets: list[_Target] = []
        self._last_id = self._frames = 0

    def update(
        self, image: UInt8Image | None, detections: Sequence[Detection], time: float
    ) -> list[Track]:
        """Associate the detections of the next frame; see MultiTracker."""
        start = perf_counter()
        self._frames += 1
        for target in self._targets:
            target.filter.predict()
            target.age += 1
            target.missed += 1
        unmatched = set(range(len(detections)))
        for row, column in self._match(detections):
            target, found = self._targets[row], detections[column]
            target.filter.correct(_measured(found.box))
            target.score, target.missed = found.score, 0
            unmatched.discard(column)
        for column in sorted(unmatched):
            self._last_id += 1
            self._targets.append(_Target(self._last_id, detections[column]))
        for target in self._targets:
            target.streak = 0 if target.missed else target.streak + 1
        self._targets = [t for t in self._targets if t.missed <= self._max_age]
        self.times = StageTimes(postprocess=perf_counter() - start)
        return [self._track(target) for target in self._targets]

    def predict(self, time: float) -> list[Track]:
        """The targets as they were: SORT knows frames, not times."""
        return [self._track(target, seen=False) for target in self._targets]

    def forget(self) -> None:
        """End all targets."""
        self._targets.clear()
        self._frames = 0

    def _match(self, detections: Sequence[Detection]) -> list[tuple[int, int]]:
        expected = as_array([target.filter.box for target in self._targets])
        overlap = pairwise_iou(expected, as_array([detection.box for detection in detections]))
        names = np.array([target.label for target in self._targets], object)
        found = np.array([detection.label for detection in detections], object)
        overlap[names[:, None] != found] = 0.0
        pairs = zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
        return [(int(a), int(b)) for a, b in pairs if overlap[a, b] >= MIN_IOU]

    def _track(self, target: _Target, *, seen: bool = True) -> Track:
        if target.missed:
            state, reason = TrackState.LOST, f"not detected for {target.missed} frames"
        elif target.streak < MIN_HITS and self._frames > MIN_HITS:
            state, reason = TrackState.TENTATIVE, f"detected in {target.streak} frames in a row"
        elif not seen:
            state, reason = TrackState.UNCERTAIN, "no detections for this image"
        else:
            state, reason = TrackState.TRACKING, "detected"
        return Track(
            id=target.id, box=target.filter.box, state=state, reason=reason, label=target.label,
            evidence=Evidence(min(max(target.score, 0.0), 1.0), 0.0, 1.0), age=target.age,
            frames_since_seen=target.missed,
        )  # fmt: skip
