"""Truths as tests give them, and a bag that they are of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from replays import replay_of, stamp_of, timeline_of, write_arrays

from tracker_ros.geometry import Box
from tracker_ros.replay.annotations import CrowdTruth, TargetTruth
from tracker_ros.replay.result import ReplayResult
from tracker_ros.replay.truth import load_truth

NAN = [math.nan] * 4


def annotated_bag(folder: Path) -> Path:
    """A bag with truth on two topics, of images 0 to 3."""
    return write_arrays(
        folder / "drive",
        {
            "/truth": {
                stamp_of(0): [("7", "person", Box(10, 20, 30, 40))],
                stamp_of(1): [],
                stamp_of(3): [("7", "person", Box(12, 20, 30, 40))],
            },
            "/crowd": {
                stamp_of(0): [("7", "person", Box(0, 0, 5, 6)), ("b", "car", Box(50, 0, 5, 6))],
                stamp_of(2): [("b", "car", Box(51, 0, 5, 6))],
            },
        },
    )


def images(numbers: Sequence[int], **fields: object) -> ReplayResult:
    """A replay in which those images were answered."""
    return replay_of(timeline_of(lambda image: [], numbers), **fields)


def written(folder: Path, text: str, name: str = "truth.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def target(spec: str | Path, bag: Path) -> TargetTruth:
    truth = load_truth(str(spec), "sot", bag)
    assert isinstance(truth, TargetTruth)
    return truth


def crowd(spec: str | Path, bag: Path) -> CrowdTruth:
    truth = load_truth(str(spec), "mot", bag)
    assert isinstance(truth, CrowdTruth)
    return truth
