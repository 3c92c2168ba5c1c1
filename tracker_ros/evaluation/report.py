"""Results of a comparison: as a table for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

from tracker_ros import __version__

CONVENTIONS = {
    False: "the given box (frame 1) and frames where the target is not visible are left out",
    True: "all frames from the given box on; frames where the target is not visible are failures",
}
"""By `all_frames`: which frames are scored, in words."""


@dataclass(frozen=True)
class Scores:
    """A tracker's figures on one sequence, or their mean."""

    auc: float
    """Success AUC in [0, 1]."""
    precision: float
    """Precision at 20 px in [0, 1]."""
    fps: float
    """Frames per second of the tracker's `track` calls."""


@dataclass(frozen=True)
class TrackerResult:
    """A tracker's figures on every sequence."""

    tracker: str
    about: str
    """What exactly ran: model, engine, precision."""
    sequences: Mapping[str, Scores]

    @property
    def mean(self) -> Scores:
        """Unweighted mean over the sequences."""
        columns = zip(*(asdict(scores).values() for scores in self.sequences.values()), strict=True)
        return Scores(*(float(np.mean(column)) for column in columns))


def library_versions() -> dict[str, str]:
    """The versions of what figures depend on, this package's first."""
    return {
        "tracker_ros": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "onnxruntime": str(onnxruntime.__version__),
    }


def describe_cpu() -> str:
    """Model of the CPU and how many cores this process may use."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


@dataclass(frozen=True)
class Conditions:
    """What the figures depend on besides the trackers."""

    data: str
    limit: int | None
    all_frames: bool
    threads: int
    frames: Mapping[str, int]
    """Scored frames of each sequence."""
    versions: Mapping[str, str] = field(default_factory=library_versions)
    cpu: str = field(default_factory=describe_cpu)


def as_json(results: Sequence[TrackerResult], conditions: Conditions) -> dict[str, Any]:
    """`sequences` and `mean` of the first tracker; with several, `trackers` holds all of them."""
    figures = {
        result.tracker: {
            "sequences": {name: asdict(scores) for name, scores in result.sequences.items()},
            "mean": asdict(result.mean),
        }
        for result in results
    }
    document = first_on_top(figures)
    document["run"] = {
        **asdict(conditions),
        "convention": CONVENTIONS[conditions.all_frames],
        "models": {result.tracker: result.about for result in results},
    }
    return document


def first_on_top(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Tracker -> figures as a JSON document: the first's at its top, all in `trackers`."""
    first = next(iter(figures))
    document: dict[str, Any] = {"tracker": first, **figures[first]}
    if len(figures) > 1:
        document["trackers"] = figures
    return document


def as_table(results: Sequence[TrackerResult], conditions: Conditions) -> str:
    """One line a sequence and their mean; the trackers side by side."""
    first = max(len(name) for name in (*conditions.frames, "sequence"))
    width = max(21, *(len(result.tracker) for result in results))
    heading = " ".join(f"{name:>6}" for name in ("AUC", "P@20")) + f" {'fps':>7}"
    lines = [
        " " * (first + 8) + "".join(f"   {result.tracker:>{width}}" for result in results),
        f"{'sequence':<{first}}  frames" + f"   {heading:>{width}}" * len(results),
    ]
    for name, frames in conditions.frames.items():
        row = "".join(f"   {_cell(result.sequences[name]):>{width}}" for result in results)
        lines.append(f"{name:<{first}}  {frames:>6}{row}")
    means = "".join(f"   {_cell(result.mean):>{width}}" for result in results)
    lines.append(f"{'mean':<{first}}  {sum(conditions.frames.values()):>6}{means}")
    return "\n".join(lines)


def _cell(scores: Scores) -> str:
    return f"{scores.auc:6.3f} {scores.precision:6.3f} {scores.fps:7.1f}"
