"""Is the target still there? From the evidence of each frame to a state, with hysteresis.

A Siamese tracker always has a best box, also on a black frame and after the target has left.
The monitor is what keeps such a box from being published as TRACKING. docs/lost_targets.md says
what every state means and how the thresholds are calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass

from tracker_ros.track import Evidence, TrackState


@dataclass(frozen=True)
class Thresholds:
    """When the state changes. Scores and likeness are the model's own; a model card sets them."""

    uncertain_score: float = 0.5
    """Below this score a visible target is UNCERTAIN."""
    lost_score: float = 0.3
    """Below this score for `patience` frames the target is LOST."""
    recover_score: float = 0.6
    """A lost target must reach this score to be compared, and then REACQUIRED."""
    verify_likeness: float = 0.2
    """Less like the first frame than this, a target is neither TRACKING nor REACQUIRED."""
    lost_likeness: float = 0.0
    """Less like it than this in three comparisons in a row, the target is LOST; 0: never."""
    look_alike: float = 0.9
    """Above this peak ratio a visible target is UNCERTAIN: something looks just like it."""
    min_contrast: float = 0.012
    """Below this contrast the picture is blank, and the target LOST at once."""
    max_size_change: float = 2.0
    """A box whose area grows or shrinks by more than this factor in a frame is UNCERTAIN."""
    max_jump: float = 1.5
    """A box that moves by more than so many times its size in a frame is UNCERTAIN."""
    max_drift: float = 0.5
    """A score that has fallen by more than this share of its own level makes it UNCERTAIN."""
    min_inside: float = 0.3
    """With a smaller share of its box on the image the target is UNCERTAIN: it leaves."""
    patience: int = 8
    """Frames of weak evidence in a row before the target is LOST."""
    confirm: int = 3
    """Frames without doubt in a row before a target is TRACKING, new, regained or doubted."""
    confirm_return: int = 1
    """Frames in a row in which a lost target is found at one place before it is REACQUIRED."""
    verify_every: int = 10
    """Frames between two comparisons of a target that is TRACKING with the first frame."""


UNLIKE = 3
"""Comparisons in a row under `lost_likeness` before the target is LOST."""


class Monitor:
    """The state of one target."""

    def __init__(self, thresholds: Thresholds) -> None:
        self.thresholds = thresholds
        self.state = TrackState.TENTATIVE
        self._good = 0
        self._weak = 0
        self._unlike = 0
        self._since_compared = 0

    @property
    def doubted(self) -> bool:
        """Whether the last frame gave reason for doubt."""
        return self._good == 0

    def wants_likeness(self, evidence: Evidence) -> bool:
        """Whether what this frame's box holds should be compared with the first frame.

        That costs a pass of the template's network: it is asked for before a lost target is
        believed to be seen again, before a target becomes TRACKING, every `verify_every` frames
        while it is, and when its score falls.
        """
        t = self.thresholds
        if evidence.contrast < t.min_contrast:
            return False
        if self.state is TrackState.LOST:
            return self._candidate(evidence)
        if self.state is TrackState.TRACKING:
            falls = evidence.drift < -t.max_drift / 2 or bool(self._doubt(evidence))
            return self._since_compared + 1 >= (2 if falls else t.verify_every)
        if evidence.score < t.lost_score:
            return False
        sure = not self._doubt(evidence) and self._good + 1 >= t.confirm
        return sure or self._since_compared + 1 >= t.verify_every

    def update(self, evidence: Evidence, *, compared: bool = True) -> tuple[TrackState, str]:
        """The state after one more frame, and why, in words.

        compared: whether `evidence.likeness` is of this very frame.
        """
        t = self.thresholds
        self._since_compared = 0 if compared else self._since_compared + 1
        if evidence.contrast < t.min_contrast:
            self.lose()
            return self.state, f"blank picture (contrast {evidence.contrast:.3f})"
        if self.state is TrackState.LOST:
            return self._lost(evidence, compared)
        if compared:
            self._unlike = self._unlike + 1 if evidence.likeness < t.lost_likeness else 0
            if self._unlike >= UNLIKE:
                self.lose()
                return self.state, f"something else (likeness {evidence.likeness:.2f})"
        if evidence.score < t.lost_score:
            self._good, self._weak = 0, self._weak + 1
            # A target that has only just come back is not given the benefit of much doubt.
            back = self.state is TrackState.REACQUIRED
            if back or self._weak >= t.patience:
                words = f"score under {t.lost_score:g} for {self._weak} frames"
                self.lose()
                return self.state, words
            self.state = TrackState.UNCERTAIN
            return self.state, f"score {evidence.score:.2f} under {t.lost_score:g}"
        self._weak = 0
        doubt = self._doubt(evidence)
        if not doubt and compared and evidence.likeness < t.verify_likeness:
            doubt = f"unlike the first frame (likeness {evidence.likeness:.2f})"
        if doubt:
            self._good = 0
            self.state = TrackState.UNCERTAIN
            return self.state, doubt
        self._good += 1
        if self.state is not TrackState.TRACKING and self._good >= t.confirm and compared:
            self.state = TrackState.TRACKING
        if self.state is TrackState.TRACKING:
            return self.state, ""
        return self.state, f"no doubt for {self._good} of {t.confirm} frames"

    def change(self, thresholds: Thresholds) -> None:
        """Go on with the evidence of another model: its next is compared with the first frame."""
        self.thresholds = thresholds
        self._unlike, self._since_compared = 0, thresholds.verify_every

    def lose(self) -> None:
        """Make the target LOST for a reason outside the picture."""
        self.state, self._good, self._weak = TrackState.LOST, 0, self.thresholds.patience
        self._unlike = 0

    def _doubt(self, evidence: Evidence) -> str:
        t = self.thresholds
        if evidence.score < t.uncertain_score:
            return f"score {evidence.score:.2f} under {t.uncertain_score:g}"
        if evidence.drift < -t.max_drift:
            return f"score {-evidence.drift:.0%} under its level"
        if evidence.peak_ratio > t.look_alike:
            return f"a look-alike nearby (peak ratio {evidence.peak_ratio:.2f})"
        change = max(evidence.size_change, 1 / max(evidence.size_change, 1e-6))
        if change > t.max_size_change:
            return f"size changed {change:.1f} times in a frame"
        if evidence.jump > t.max_jump:
            return f"jumped {evidence.jump:.1f} times its size"
        if evidence.inside < t.min_inside:
            return f"leaves the picture ({evidence.inside:.0%} of the box inside)"
        return ""

    def _candidate(self, evidence: Evidence) -> bool:
        t = self.thresholds
        return evidence.score >= t.recover_score and evidence.peak_ratio <= t.look_alike

    def _lost(self, evidence: Evidence, compared: bool) -> tuple[TrackState, str]:
        t = self.thresholds
        if not self._candidate(evidence) or evidence.inside < t.min_inside:
            self._good = 0
            return self.state, f"not seen (best score {evidence.score:.2f})"
        if compared and evidence.likeness < t.verify_likeness:
            self._good = 0
            return self.state, f"seen something else (likeness {evidence.likeness:.2f})"
        if evidence.jump > t.max_jump:
            self._good = 0  # the frame before found something elsewhere
        self._good += 1
        if self._good < t.confirm_return:
            return self.state, f"seen in {self._good} of {t.confirm_return} frames"
        self._good, self._weak = 1, 0
        self.state = TrackState.REACQUIRED
        return self.state, f"seen again (score {evidence.score:.2f})"
