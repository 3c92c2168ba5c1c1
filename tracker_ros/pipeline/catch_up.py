"""A target that was set on an older image, on its way through the images since. No ROS in here.

It is followed through them step by step, between the frames of the targets that are already there.
Steps and time are bounded: where they do not suffice for every image, some are skipped, evenly, so
that it is at the newest when they are used up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tracker_ros.pipeline.frames import Frame
from tracker_ros.sot.target import Target

STEPS = 30
"""A late target reaches the present in at most so many images."""
SECONDS = 1.0
"""And in about so much time, however slow its tracker is: what was begun is finished."""


class CatchUp:
    """One late target."""

    def __init__(self, target: Target, since: int, now: float) -> None:
        """since: stamp of the image it was set on; now: seconds, by the clock of the worker."""
        self.target = target
        self._since, self._began = since, now
        self._steps = self._passed = 0
        self.done = False
        """Whether no step is left."""

    @property
    def since(self) -> int:
        """Stamp of the image up to which it was followed."""
        return self._since

    @property
    def words(self) -> str:
        """How it went."""
        return (
            f"target {self.target.id} has caught up: "
            f"{self._steps} of {self._passed} images followed"
        )

    def choose(self, frames: Sequence[Frame], now: float) -> Frame:
        """The one of these frames, all later than `since`, with which to go on."""
        left = max(1, self._steps_left(now - self._began))
        index = math.ceil(len(frames) / left) - 1
        self.done = left == 1
        self._steps += 1
        self._passed += index + 1
        self._since = frames[index].header.ns
        return frames[index]

    def _steps_left(self, elapsed: float) -> int:
        left = STEPS - self._steps
        if self._steps == 0 or elapsed <= 0:
            return left
        return min(left, math.floor((SECONDS - elapsed) / (elapsed / self._steps)))
