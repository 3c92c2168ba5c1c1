"""From the name of a multi-object tracker to a tracker that is ready to run."""

from __future__ import annotations

from tracker_ros.errors import ModelError
from tracker_ros.mot.sort import SortTracker
from tracker_ros.mot.tracker import MultiTracker

MULTI_TRACKERS = ("famnet", "hungarian", "sort")


def open_multi_tracker(name: str, *, threads: int = 0) -> MultiTracker:
    """A tracker without targets yet.

    name: famnet, hungarian (its pairwise affinity alone), sort, or the path of a model card.
    threads: CPU threads of the networks, 0 for the engine's choice. Raises ModelError when the
    card or a file of it is missing, damaged or does not fit.
    """
    if name == "sort":
        return SortTracker()
    raise ModelError(f"no multi-object tracker '{name}'; there are {', '.join(MULTI_TRACKERS)}")
