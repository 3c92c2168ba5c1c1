"""The one interface of every single-object tracker."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Protocol

from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.sot.passes import Steps, run_alone
from tracker_ros.track import Estimate


class Tracker(Protocol):
    """Follows one target. Touches no files, no ROS and no threads; not thread-safe."""

    def init(self, image: UInt8Image, box: Box) -> None:
        """Learn the target in `box` of `image` (height, width, 3), uint8, BGR.

        Raises TargetError when the box cannot be tracked; the former target then stays.
        """

    def track(self, image: UInt8Image) -> Estimate:
        """Find the target in the next frame, around where it was last."""


class SearchingTracker(ABC):
    """A Tracker that can also look elsewhere, and shares forward passes with others of its model.

    `following` and `looking` are generators (tracker_ros.sot.passes): whoever follows several
    targets runs theirs together. `track` and `look_at` run them alone.
    """

    @abstractmethod
    def init(self, image: UInt8Image, box: Box) -> None:
        """As Tracker.init."""

    @abstractmethod
    def following(self, image: UInt8Image) -> Steps[Estimate]:
        """Find the target in the next frame, around where it was last; the state moves on."""

    @abstractmethod
    def looking(self, image: UInt8Image, cx: float, cy: float) -> Steps[Estimate]:
        """What there is around (cx, cy), for a target of the size it was last seen in.

        The tracker's own state stays as it is, until `accept` makes the estimate its state.
        """

    @abstractmethod
    def accept(self, estimate: Estimate) -> None:
        """Go on from the box of an estimate of `looking`."""

    def doubt(self) -> None:  # noqa: B027 - most trackers learn nothing while they follow
        """What was followed last may not be the target: a tracker that learns drops it."""

    def comparing(self, image: UInt8Image, box: Box) -> Steps[float]:
        """How like the target of the first frame what `box` holds is, in [0, 1].

        One pass of the template's network; the state stays as it is. A tracker that cannot tell
        says 1, and its score alone decides.
        """
        yield from ()
        return 1.0

    @abstractmethod
    def rescale(self, sx: float, sy: float) -> None:
        """Go on in images of the same view that are sx times as wide and sy times as high."""

    def track(self, image: UInt8Image) -> Estimate:
        """`following`, run alone."""
        estimate, times = run_alone(self.following(image))
        return dataclasses.replace(estimate, times=times)

    def likeness(self, image: UInt8Image, box: Box) -> float:
        """`comparing`, run alone."""
        return run_alone(self.comparing(image, box))[0]

    def look_at(self, image: UInt8Image, cx: float, cy: float) -> Estimate:
        """`looking`, run alone."""
        estimate, times = run_alone(self.looking(image, cx, cy))
        return dataclasses.replace(estimate, times=times)
