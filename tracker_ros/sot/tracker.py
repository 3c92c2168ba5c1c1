"""The one interface of every single-object tracker."""

from __future__ import annotations

from typing import Protocol

from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.track import Estimate


class Tracker(Protocol):
    """Follows one target. Touches no files, no ROS and no threads; not thread-safe."""

    def init(self, image: UInt8Image, box: Box) -> None:
        """Learn the target in `box` of `image` (height, width, 3), uint8, BGR.

        Raises TargetError when the box cannot be tracked; the former target then stays.
        """

    def track(self, image: UInt8Image) -> Estimate:
        """Find the target in the next frame, around where it was last."""


class SearchingTracker(Tracker, Protocol):
    """A tracker that can also look elsewhere: what finds a lost target again."""

    def look_at(self, image: UInt8Image, cx: float, cy: float) -> Estimate:
        """What there is around (cx, cy), for a target of the size it was last seen in.

        The tracker's own state stays as it is, until `accept` makes the estimate its state.
        """

    def accept(self, estimate: Estimate) -> None:
        """Go on from the box of an estimate of `look_at`."""

    def rescale(self, sx: float, sy: float) -> None:
        """Go on in images of the same view that are sx times as wide and sy times as high."""
