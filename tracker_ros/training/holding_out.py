"""The tracks that are not trained on: those that the command line names, or the recipe's."""

from __future__ import annotations

import sys
from pathlib import Path

from tracker_ros.training.distributed import is_main
from tracker_ros.training.pictures import Collection, FrameTrack, require_known


def hold_out(
    collection: Collection, names: list[str], given: bool, recipe: Path
) -> tuple[Collection, list[FrameTrack]]:
    """The collection without these tracks' footage, and the tracks.

    given: whether they were named with --held-out; else they are the recipe's, a file. Raises
    DataError for one that is not there.
    """
    reason = "" if given else f" (none was given, and those names are the recipe's, {recipe})"
    require_known(names, {track.name for track in collection.tracks}, reason)
    return collection.split(names)


def warn_of_one(held: list[FrameTrack], given: bool, recipe: Path) -> None:
    """Say on stderr what it means that one footage alone chooses."""
    if len({track.footage for track in held}) < 2 and is_main():
        source = "--held-out names" if given else f"the recipe {recipe} holds out"
        print(
            f"warning: {source} tracks of one footage alone, {', '.join(t.name for t in held)}: "
            "tracking values and thresholds are fitted to it, and may not do for other targets; "
            "hold out two unlike tracks or more",
            file=sys.stderr, flush=True,
        )  # fmt: skip
