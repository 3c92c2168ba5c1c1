"""Is the target still there? From the evidence of each frame to a state, with hysteresis.

A Siamese tracker always has a best box, also on a black frame and after the target has left.
The monitor is what keeps such a box from being published as TRACKING.
"""

from __future__ import annotations

from dataclasses import dataclass

from tracker_ros.track import Evidence, TrackState


@dataclass(frozen=True)
class Thresholds:
    """When the state changes. Scores are the model's own; a model card sets them."""

    uncertain_score: float = 0.5
    """Below this score a visible target is UNCERTAIN."""
    lost_score: float = 0.3
    """Below this score for `patience` frames the target is LOST."""
    recover_score: float = 0.6
    """A lost target must reach this score to be REACQUIRED."""
    look_alike: float = 0.9
    """Above this peak ratio a visible target is UNCERTAIN: something looks just like it."""
    min_contrast: float = 0.012
    """Below this contrast the picture is blank, and the target LOST at once."""
    max_size_change: float = 2.0
    """A box whose area grows or shrinks by more than this factor in a frame is UNCERTAIN."""
    patience: int = 8
    """Frames of weak evidence in a row before the target is LOST."""
    confirm: int = 3
    """Frames without doubt in a row before a target is TRACKING, new, regained or doubted."""


class Monitor:
    """The state of one target."""

    def __init__(self, thresholds: Thresholds) -> None:
        self.thresholds = thresholds
        self.state = TrackState.TENTATIVE
        self._good = 0
        self._weak = 0

    def update(self, evidence: Evidence) -> tuple[TrackState, str]:
        """The state after one more frame, and why, in words."""
        t = self.thresholds
        if evidence.contrast < t.min_contrast:
            self._good, self._weak = 0, t.patience
            self.state = TrackState.LOST
            return self.state, f"blank picture (contrast {evidence.contrast:.3f})"
        if self.state is TrackState.LOST:
            return self._lost(evidence)
        if evidence.score < t.lost_score:
            self._good, self._weak = 0, self._weak + 1
            if self._weak >= t.patience:
                self.state = TrackState.LOST
                return self.state, f"score under {t.lost_score:g} for {self._weak} frames"
            self.state = TrackState.UNCERTAIN
            return self.state, f"score {evidence.score:.2f} under {t.lost_score:g}"
        self._weak = 0
        doubt = self._doubt(evidence)
        if doubt:
            self._good = 0
            self.state = TrackState.UNCERTAIN
            return self.state, doubt
        self._good += 1
        if self.state is not TrackState.TRACKING and self._good >= t.confirm:
            self.state = TrackState.TRACKING
        if self.state is TrackState.TRACKING:
            return self.state, ""
        return self.state, f"no doubt for {self._good} of {t.confirm} frames"

    def lose(self) -> None:
        """Make the target LOST for a reason outside the picture."""
        self.state, self._good, self._weak = TrackState.LOST, 0, self.thresholds.patience

    def _doubt(self, evidence: Evidence) -> str:
        t = self.thresholds
        if evidence.score < t.uncertain_score:
            return f"score {evidence.score:.2f} under {t.uncertain_score:g}"
        if evidence.peak_ratio > t.look_alike:
            return f"a look-alike nearby (peak ratio {evidence.peak_ratio:.2f})"
        change = max(evidence.size_change, 1 / max(evidence.size_change, 1e-6))
        if change > t.max_size_change:
            return f"size changed {change:.1f} times in a frame"
        return ""

    def _lost(self, evidence: Evidence) -> tuple[TrackState, str]:
        t = self.thresholds
        if evidence.score < t.recover_score or evidence.peak_ratio > t.look_alike:
            self._good = 0
            return self.state, f"not seen (best score {evidence.score:.2f})"
        self._good, self._weak = 1, 0
        self.state = TrackState.REACQUIRED
        return self.state, f"seen again (score {evidence.score:.2f})"
