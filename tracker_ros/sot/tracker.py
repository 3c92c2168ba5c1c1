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
        """Find the target in the next frame, of the same kind of image as `init` took."""
