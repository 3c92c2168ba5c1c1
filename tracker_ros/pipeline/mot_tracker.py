"""A multi-object tracker, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass

from tracker_ros.engines.network import Networks
from tracker_ros.engines.upgrade import Upgrade
from tracker_ros.mot.tracker import MultiTracker


@dataclass(frozen=True)
class RunningTracker:
    """A tracker, and what a node or a replay says of it."""

    runs: MultiTracker

    @property
    def parts(self) -> tuple[Networks, ...]:
        """The networks that change their engines together."""
        return self.runs.parts

    @property
    def upgrade(self) -> Upgrade | None:
        """Engines that they may get while it tracks; not begun yet."""
        return self.runs.upgrade

    @property
    def tracker(self) -> str:
        """famnet, hungarian, sort."""
        return self.runs.name

    @property
    def model(self) -> str:
        """What exactly runs, in words: model, engine, precision."""
        return self.runs.about

    @property
    def backend(self) -> str:
        """What runs the network; empty where there is none."""
        return self.runs.backend

    @property
    def precision(self) -> str:
        """That it computes in."""
        return self.runs.precision
