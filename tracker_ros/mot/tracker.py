"""The one interface of every multi-object tracker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tracker_ros.engines.network import Networks
from tracker_ros.engines.upgrade import Upgrade
from tracker_ros.geometry import UInt8Image
from tracker_ros.mot.detections import Detection
from tracker_ros.track import StageTimes, Track, TrackState


class MultiTracker(Protocol):
    """Gives every detected object a lasting identity.

    Touches no files, no ROS and no threads; not thread-safe. Ids are decimal numbers from 1 up,
    never given twice, also not after `forget`.
    """

    name: str
    """famnet, hungarian, sort."""
    times: StageTimes
    """Of the last `update`."""
    parts: tuple[Networks, ...]
    """Its networks; () where there are none."""
    upgrade: Upgrade | None
    """Engines that they may get while it tracks; not begun yet."""

    @property
    def about(self) -> str:
        """What exactly runs: model, engine, precision."""

    @property
    def backend(self) -> str:
        """What runs the networks: onnxruntime, ...; empty where there are none."""

    @property
    def precision(self) -> str:
        """That they compute in: fp32, ...; empty where there are none."""

    def update(
        self, image: UInt8Image | None, detections: Sequence[Detection], time: float
    ) -> list[Track]:
        """Associate the detections of the image taken at `time`.

        image: (height, width, 3) uint8 BGR; None when there is none: boxes and motion alone then
        decide. detections: none that `detections.fault` finds wrong; what is not wanted is left
        to the tracker. time: seconds, later than that of the update before.

        Returns every living target: TENTATIVE ones, which are not to be believed yet, and LOST
        ones, whose box is where they are expected, as well. A target that has ended is not in it.
        """

    def predict(self, time: float) -> list[Track]:
        """Where the targets are expected at `time`, seconds, without any evidence.

        Changes nothing. Those seen a moment ago are UNCERTAIN, for want of evidence.
        """

    def forget(self) -> None:
        """End all targets: what comes is not after what was."""


def believed(tracks: Sequence[Track]) -> list[Track]:
    """The tracks to publish: neither TENTATIVE nor LOST."""
    hidden = (TrackState.TENTATIVE, TrackState.LOST)
    return [track for track in tracks if track.state not in hidden]
