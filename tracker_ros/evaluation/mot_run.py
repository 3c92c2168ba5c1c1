"""Run multi-object trackers over sequences, frame by frame, as a camera would."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tracker_ros.errors import ModelError
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.evaluation.mot_datasets import MotSequence
from tracker_ros.evaluation.mot_metrics import MotFigures, evaluate_tracks, without_distractors
from tracker_ros.evaluation.mot_results import MotAnswer
from tracker_ros.mot import open_multi_tracker
from tracker_ros.mot.tracker import MultiTracker, believed

ABLATIONS = ("famnet:k=1", "famnet:k=3", "famnet:recover=off")
"""What `--ablate` measures besides: other numbers of frames, and no single-object trackers."""


@dataclass(frozen=True)
class MotContestant:
    """A multi-object tracker that is ready to be measured."""

    name: str
    """What tables and JSON call it."""
    about: str
    """What exactly runs: model, engine, precision."""
    new_tracker: Callable[[], MultiTracker]
    """A tracker without targets: one for every sequence, whose ids begin with 1."""


@dataclass(frozen=True, eq=False)
class TrackedSequence:
    """What a tracker did with a sequence."""

    tracks: FloatArray
    """The boxes that it vouches for, shape (n, 7): frame, id, x, y, w, h, score."""
    seconds: FloatArray
    """Wall time of each `update`, shape (frames,)."""


def open_multi_contestants(names: Sequence[str], *, threads: int = 0) -> tuple[MotContestant, ...]:
    """Open all of them once. Raises ModelError when one cannot be, or two have one name."""
    contestants: dict[str, MotContestant] = {}
    for name in names:
        shown = Path(name).stem if name.endswith((".yaml", ".yml")) else name
        if shown in contestants:
            raise ModelError(f"--tracker {name}: '{shown}' is named twice")
        about = open_multi_tracker(name, threads=threads).about
        contestants[shown] = MotContestant(
            shown, about, partial(open_multi_tracker, name, threads=threads)
        )
    return tuple(contestants.values())


def track_sequence(
    tracker: MultiTracker, sequence: MotSequence, on_frame: Callable[[], object] = lambda: None
) -> TrackedSequence:
    """Run a tracker over a sequence; `on_frame` is called after every frame.

    One image is in memory at a time. Raises DataError when one cannot be read.
    """
    rows, seconds = [], []
    for frame in range(1, sequence.frames + 1):
        image, detections = sequence.read(frame), sequence.detections(frame)
        began = time.perf_counter()
        tracks = tracker.update(image, detections, frame / sequence.frame_rate)
        seconds.append(time.perf_counter() - began)
        rows += [(frame, int(t.id), *t.box, t.evidence.score) for t in believed(tracks)]
        on_frame()
    return TrackedSequence(np.array(rows, np.float64).reshape(-1, 7), np.array(seconds, np.float64))


def score(sequence: MotSequence | MotAnswer, tracks: FloatArray) -> MotFigures:
    """Score tracks, shape (n, 6) or wider: frame, id, x, y, w, h, by the rules of the benchmark."""
    truth = sequence.truth
    kept = without_distractors(truth.rows, truth.distractor, tracks)
    return evaluate_tracks(truth.scored, kept)
