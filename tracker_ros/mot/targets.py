"""One target of a multi-object tracker: what was seen of it, and what is believed of it."""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker_ros.geometry import Box
from tracker_ros.mot.detections import Detection
from tracker_ros.mot.motion import Motion
from tracker_ros.mot.settings import Settings
from tracker_ros.track import Evidence, Track, TrackState

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

KEPT = 8
"""Observations that a target keeps: its velocity and its windows need no more."""
REFRESH = 10
"""A target's latest template is taken anew after so many detections ..."""
REFRESH_SCORE = 0.7
"""... from one that is at least so sure."""
CONFIDENCE_STEP = 0.1


@dataclass(frozen=True)
class Embedding:
    """What the network keeps of a candidate: (hidden * 16,) each."""

    template: Float32
    search: Float32


@dataclass(frozen=True)
class Observation:
    """Where a target was seen."""

    box: Float64
    """(4,): centre x and y, width, height, pixels."""
    time: float
    score: float
    embedding: Embedding | None
    """None where there was no image."""
    velocity: tuple[float, float] = (0.0, 0.0)
    """Of the target when it was seen there, pixels a second."""
    moving: bool = False
    """Whether that is known."""


class Target:
    """A trajectory with its identity. Who is who is decided elsewhere."""

    def __init__(
        self, id: int, detection: Detection, observation: Observation, settings: Settings, *,
        believed: bool,
    ) -> None:  # fmt: skip
        self.id, self.label, self.settings = id, detection.label, settings
        self.observations: deque[Observation] = deque([observation], KEPT)
        self.first = self.latest = observation.embedding
        """Templates: the first is kept for ever, the latest taken anew now and then."""
        self.believed = believed
        self.state = TrackState.TRACKING if believed else TrackState.TENTATIVE
        self.reason = "detected"
        self.confidence = 1.0
        self.age = 0
        self.hits = 1
        self.unseen = 0
        self._total_score = observation.score
        self.recovered = 0
        """Frames in a row without a detection, by recovery."""
        self.detected_at = observation.time
        self.overlapped = 0
        self.size_change = 1.0
        self.motion = Motion(observation.box, observation.time)
        self._since_refresh = 0

    @property
    def last(self) -> Observation:
        """The newest observation."""
        return self.observations[-1]

    @property
    def templates(self) -> tuple[Embedding, ...]:
        """What detections are compared with, without doubles."""
        if self.latest is None:
            return () if self.first is None else (self.first,)
        if self.first is None or self.first is self.latest:
            return (self.latest,)
        return (self.first, self.latest)

    def expected(self, time: float) -> Float64:
        """The box (4,) expected at a time."""
        return self.motion.at(time)

    def recoverable(self, time: float) -> bool:
        """Whether a single-object tracker may look for it."""
        s = self.settings
        return self.believed and s.recover and time - self.detected_at <= s.recover_seconds

    # --- what happened to it in a frame --------------------------------------------------------

    def detected(self, observation: Observation, usual_score: float) -> None:
        """A detection is this target; usual_score is that of detections of believed targets."""
        was_lost = self.state is TrackState.LOST
        self._observe(observation)
        self.hits += 1
        self.recovered = 0
        self.detected_at = observation.time
        self._trust(1.0)
        self._refresh(observation)
        self._total_score += observation.score
        mean = self._total_score / self.hits
        weak = bool(mean < self.settings.confirm_score * usual_score)
        if self.hits >= self.settings.confirm_hits and not weak:
            self.believed = True
        if not self.believed:
            of = f"detected {self.hits} of {self.settings.confirm_hits} times"
            self._become(TrackState.TENTATIVE, of + ", with low scores" * weak)
        elif was_lost:
            self._become(TrackState.REACQUIRED, "detected again")
        else:
            self._become(TrackState.TRACKING, "detected")

    def found(self, observation: Observation) -> None:
        """A single-object tracker has found what the detector missed."""
        self._observe(observation)
        self.recovered += 1
        self._trust(0.5)
        self._become(TrackState.UNCERTAIN, f"not detected, recovered for {self.recovered} frames")

    def missed(self) -> None:
        """Nothing was found."""
        self.age += 1
        self.unseen += 1
        self._trust(0.0)
        if self.believed:
            self._become(TrackState.LOST, f"not detected for {self.unseen} frames")

    def ended(self, time: float, width: int | None, height: int | None) -> str:
        """Why the target ends now, in words; empty: it lives on."""
        s = self.settings
        if not self.believed:
            if self.age >= s.confirm_window:
                return f"detected only {self.hits} times in {self.age} frames"
            return ""
        if time - self.last.time > s.lost_seconds:
            return f"not seen for {time - self.last.time:.1f} s"
        if self.unseen and width is not None and height is not None:
            x, y = (float(value) for value in self.expected(time)[:2])
            if not (0 <= x < width and 0 <= y < height):
                return "left the image"
        return ""

    def track(self, time: float) -> Track:
        """The target as published."""
        cx, cy, w, h = (float(value) for value in self.expected(time))
        return Track(
            id=str(self.id),
            box=Box.from_center(cx, cy, w, h),
            state=self.state,
            evidence=Evidence(min(max(self.last.score, 0.0), 1.0), 0.0, self.size_change),
            reason=self.reason,
            label=self.label,
            age=self.age,
            frames_since_seen=self.unseen,
        )

    def _observe(self, observation: Observation) -> None:
        before = self.motion.box
        self.motion.observe(observation.box, observation.time)
        self.size_change = float(np.prod(self.motion.box[2:] / before[2:]))
        self.observations.append(
            dataclasses.replace(observation, velocity=self.motion.velocity, moving=True)
        )
        self.age += 1
        self.unseen = 0

    def _trust(self, evidence: float) -> None:
        self.confidence += CONFIDENCE_STEP * (evidence - self.confidence)

    def _refresh(self, observation: Observation) -> None:
        self._since_refresh += 1
        if observation.embedding is None:
            return
        due = self._since_refresh >= REFRESH and observation.score >= REFRESH_SCORE
        if self.latest is None or due:
            self.latest, self._since_refresh = observation.embedding, 0
        if self.first is None:
            self.first = observation.embedding

    def _become(self, state: TrackState, reason: str) -> None:
        self.state, self.reason = state, reason
