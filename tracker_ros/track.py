"""Track, TrackState, Evidence: the words every room speaks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum

from tracker_ros.geometry import Box


class TrackState(IntEnum):
    """Is the target there? The values are those of the constants in msg/Track.msg."""

    TENTATIVE = 0
    """Set a moment ago; too few frames to vouch for it."""
    TRACKING = 1
    """The evidence says that the target is in the box."""
    UNCERTAIN = 2
    """The evidence is weak: occlusion, blur or a look-alike. The box may be wrong."""
    LOST = 3
    """The target is not seen. The box is the last place it was seen in."""
    REACQUIRED = 4
    """Seen again after LOST; becomes TRACKING when it stays."""

    @property
    def visible(self) -> bool:
        """Whether the box claims to hold the target in this frame."""
        return self is not TrackState.LOST


@dataclass(frozen=True)
class Evidence:
    """What the state is judged by, raw, so that users can set their own rules."""

    score: float
    """The tracker's own confidence in [0, 1]; comparable between frames of one model only."""
    peak_ratio: float
    """Second-highest response peak over the highest, in [0, 1]; near 1 means a look-alike."""
    size_change: float
    """Area of the box found over the area of the box before; 1 means no change."""
    contrast: float = 1.0
    """Standard deviation of the grey values of the search crop, over 255; 0: blank."""
    drift: float = 0.0
    """How far the score is from its own level while there was no doubt, as a share of that level:
    0 is as ever, -0.5 half of it. What a weak target's score is can so be told from a fall."""
    jump: float = 0.0
    """How far the middle of the box moved in a frame, over the root of its area."""
    inside: float = 1.0
    """Share of the box that lies on the image; small where the target leaves the picture."""
    likeness: float = 1.0
    """How like the target of the first frame was what the box held when that was last compared,
    in [0, 1]. It costs a pass of the template network, so it is not of every frame."""


@dataclass(frozen=True)
class StageTimes:
    """Seconds of wall time that one `track` call spent in each stage."""

    preprocess: float = 0.0
    inference: float = 0.0
    postprocess: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """What a single-object tracker says of one frame."""

    box: Box
    evidence: Evidence
    times: StageTimes = field(default_factory=StageTimes)

    @property
    def is_finite(self) -> bool:
        """False when a network has answered with NaN or infinity."""
        e = self.evidence
        values = (*self.box, e.score, e.peak_ratio, e.size_change, e.contrast)
        return all(math.isfinite(value) for value in values)


@dataclass(frozen=True)
class Track:
    """A target in one frame, as published."""

    id: str
    """Stable while the target lives; never reused within a run."""
    box: Box
    state: TrackState
    evidence: Evidence
    reason: str = ""
    """Why the state is what it is, in words, for people."""
    label: str = ""
    age: int = 0
    """Frames processed since the target was set."""
    frames_since_seen: int = 0
    """Frames processed since the target was last visible; 0 while it is."""
