"""The merged report of many bags: a page for people, and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tracker_ros.replay.outcome import Outcome, means
from tracker_ros.replay.report import write_index
from tracker_ros.replay.whole_file import write_whole_file

INDEX, SUMMARY = "index.html", "summary.json"


def write_merged(folder: Path, outcomes: Sequence[Outcome], *, unfinished: int = 0) -> None:
    """Write INDEX and SUMMARY into a folder, each whole or not at all.

    unfinished: bags that an interrupt kept from ending. Raises DataError when it cannot be.
    """
    every = len(outcomes) + unfinished
    document = {
        "bags": every,
        "unfinished": unfinished,
        "failed": [outcome.bag for outcome in outcomes if outcome.error],
        "passed": not unfinished and all(outcome.passed for outcome in outcomes),
        "means": means(outcomes),
        "outcomes": [outcome.as_json() for outcome in outcomes],
    }
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    write_whole_file(folder / SUMMARY, text, "the summary")
    title = "Replays"
    if unfinished:
        title = f"Replays, interrupted: {len(outcomes)} of {every} bags"
    write_index(folder / INDEX, outcomes, title)
