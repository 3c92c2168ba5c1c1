"""The trackers that can be measured, by the names that the command line knows them by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tracker_ros.engines.upgrade import paced, to_stderr
from tracker_ros.errors import ModelError
from tracker_ros.evaluation.opencv_trackers import NANOTRACK, OPENCV_TRACKERS, OpenCVTracker
from tracker_ros.models.card import card_names
from tracker_ros.sot import TRACKERS, load_model
from tracker_ros.sot.backends import AUTO
from tracker_ros.sot.tracker import Tracker


@dataclass(frozen=True)
class Contestant:
    """A tracker that is ready to be measured."""

    name: str
    """What tables and JSON call it."""
    about: str
    """What exactly runs: model, engine and its actual precision."""
    new_tracker: Callable[[], Tracker]
    """A tracker without a target yet: one for every sequence."""


def open_contestant(
    name: str, *, threads: int = 0, backend: str = AUTO, nanotrack: Path | None = None
) -> Contestant:
    """Load a tracker of ours, a model card by name or .yaml path, or one of OpenCV's.

    backend: what runs the networks of ours, see sot.backends. nanotrack: the folder of NanoTrack's
    networks; with it there is the tracker nanotrack, too. Raises ModelError when there is none of
    that name or it cannot be loaded, as without weights.
    """
    if name in OPENCV_TRACKERS:
        OpenCVTracker(name)  # an OpenCV without it is refused here, before anything runs
        return Contestant(name, "OpenCV, default parameters", lambda: OpenCVTracker(name))
    if name == NANOTRACK:
        OpenCVTracker(name, nanotrack=nanotrack)
        about = f"OpenCV, networks of {nanotrack}"
        return Contestant(name, about, lambda: OpenCVTracker(name, nanotrack=nanotrack))
    is_path = name.endswith((".yaml", ".yml"))
    if name not in TRACKERS and name not in card_names() and not is_path:
        choices = dict.fromkeys((*TRACKERS, *card_names(), *OPENCV_TRACKERS, NANOTRACK))
        raise ModelError(
            f"no tracker '{name}'; there are {', '.join(choices)}, or the path of a card (.yaml)"
        )
    loaded = load_model(name, threads=threads, backend=backend, tell=paced(to_stderr))
    return Contestant(
        name=loaded.model if is_path else name,
        about=f"{loaded.model}, {loaded.backend} {loaded.precision}",
        new_tracker=loaded.new_tracker,
    )


def open_contestants(
    names: Sequence[str], *, threads: int = 0, backend: str = AUTO, nanotrack: Path | None = None
) -> tuple[Contestant, ...]:
    """Load all of them. Raises ModelError as `open_contestant`, and when two have one name."""
    contestants: dict[str, Contestant] = {}
    for name in names:
        contestant = open_contestant(name, threads=threads, backend=backend, nanotrack=nanotrack)
        if contestant.name in contestants:
            raise ModelError(f"--tracker {name}: '{contestant.name}' is named twice")
        contestants[contestant.name] = contestant
    return tuple(contestants.values())
