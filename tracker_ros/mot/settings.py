"""How targets are managed: when one begins, is believed, is lost and ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """Values for all classes, and the exceptions of some."""

    start_score: float = 0.5
    """A detection with a lower score continues targets but begins none."""
    confirm_hits: int = 3
    """Detections that a new target needs before it is believed ..."""
    confirm_window: int = 5
    """... within so many frames; else it ends. Those of the first frame are believed at once."""
    confirm_score: float = 0.9
    """Its detections' mean score must also be this share of what believed targets usually have:
    noise is weaker than what is there, whatever scale a detector's scores have."""
    lost_seconds: float = 4.0
    """A target that is not seen for so long ends."""
    recover: bool = True
    """Follow a target that the detector missed with a single-object tracker."""
    recover_score: float = 0.8
    """Lowest score of that tracker to believe it."""
    recover_seconds: float = 1.0
    """A target that was not detected for so long is no longer recovered, but LOST."""
    recover_most: int = 8
    """Targets that are recovered in one frame at most: it is what bounds the time of a frame."""
    duplicate_iou: float = 0.7
    """Of two believed targets that overlap more ..."""
    duplicate_frames: int = 5
    """... for so many frames, the younger ends."""
    classes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Label -> name of a field above -> its value for targets of that label."""

    def of(self, label: str) -> Settings:
        """The values for targets of a class."""
        own = self.classes.get(label)
        if not own:
            return self
        values = {name: type(getattr(self, name))(value) for name, value in own.items()}
        return dataclasses.replace(self, **values)
