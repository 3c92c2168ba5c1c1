"""What a worker makes of an image, and what is said with it."""

from __future__ import annotations

import math
import threading
from typing import Protocol

from tracker_ros.geometry import UInt8Image
from tracker_ros.pipeline.cdr import Stamped
from tracker_ros.track import StageTimes, Track

CLOCKS_AGREE = (-0.1, 60.0)
"""Seconds from stamp to publication outside which camera and node have different clocks."""


class About(Protocol):
    """What runs, in words."""

    @property
    def tracker(self) -> str:
        """siamfc, siamrpnpp, famnet, ..."""

    @property
    def model(self) -> str:
        """Name of the model card."""

    @property
    def backend(self) -> str:
        """What runs the network."""

    @property
    def precision(self) -> str:
        """The precision the network is computed in."""


class Answer(Protocol):
    """What became of one image."""

    @property
    def header(self) -> Stamped:
        """Of the image."""

    @property
    def received(self) -> float:
        """When the image came, by the worker's clock."""

    @property
    def image(self) -> UInt8Image | None:
        """Its pixels, where there are any."""

    @property
    def tracks(self) -> list[Track]:
        """Every target, the lost ones too."""

    @property
    def decode(self) -> float:
        """Seconds from message to array."""

    @property
    def times(self) -> StageTimes:
        """Summed over the targets."""


class Counters:
    """Frames since activation; counted by two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.received = self.processed = self.dropped = self.rejected = 0

    def count(self, name: str, by: int = 1) -> None:
        """Count frames as received, processed, dropped or rejected."""
        with self._lock:
            setattr(self, name, getattr(self, name) + by)


def latency(header: Stamped, now: int) -> float:
    """Seconds from an image's stamp to `now`, in nanoseconds; NaN where the clocks differ."""
    seconds = (now - header.ns) / 1e9
    return seconds if CLOCKS_AGREE[0] <= seconds <= CLOCKS_AGREE[1] else math.nan
