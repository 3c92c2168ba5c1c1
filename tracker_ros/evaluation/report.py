"""Results of a comparison: as a table for people and as JSON for programs."""

from __future__ import annotations

import math
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
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.evaluation.options import without_nan
from tracker_ros.evaluation.protocol import Column, Figures, Scored

TIMING = (
    Column("fps", "fps", "frames per second of the tracker's calls", digits=1, width=7),
    Column("ms_median", "ms", "milliseconds of a call, median", digits=1),
    Column("ms_p95", "p95", "milliseconds that 95 % of the calls keep within", digits=1),
)
"""What is reported of the time that `track` takes, without reading images."""


@dataclass(frozen=True)
class TrackerResult:
    """A tracker's figures on every sequence, and on all of them."""

    tracker: str
    about: str
    """What exactly ran: model, engine, precision; or which results were scored."""
    scored: Scored
    seconds: Mapping[str, FloatArray] = field(default_factory=dict)
    """Wall time of each `track` call on each sequence; empty where results were read."""

    @property
    def sequences(self) -> dict[str, Figures]:
        """The figures of every sequence, with those of the time where there are any."""
        return {
            name: {**figures, **timing(self.seconds[name])} if self.seconds else figures
            for name, figures in self.scored.sequences.items()
        }

    @property
    def summary(self) -> Figures:
        """The protocol's; frames per second are their mean, milliseconds those of all calls."""
        if not self.seconds:
            return self.scored.summary
        every = timing(np.concatenate(list(self.seconds.values())))
        fps = float(np.mean([timing(seconds)["fps"] for seconds in self.seconds.values()]))
        return {**self.scored.summary, **every, "fps": fps}


def timing(seconds: FloatArray) -> dict[str, float]:
    """Frames per second, and median and 95th percentile of the milliseconds of calls; or nan."""
    if not len(seconds):
        return {column.key: float("nan") for column in TIMING}
    return {
        "fps": float(len(seconds) / seconds.sum()),
        "ms_median": float(1000 * np.median(seconds)),
        "ms_p95": float(1000 * np.percentile(seconds, 95)),
    }


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
    format: str
    protocol: str
    convention: str
    limit: int | None
    all_frames: bool
    threads: int
    frames: Mapping[str, int]
    """Scored frames of each sequence."""
    versions: Mapping[str, str] = field(default_factory=library_versions)
    cpu: str = field(default_factory=describe_cpu)


def as_json(
    results: Sequence[TrackerResult], conditions: Conditions, summary: str
) -> dict[str, Any]:
    """`sequences` and the summary of the first tracker; with several, `trackers` holds all."""
    document = first_on_top(
        {
            result.tracker: {"sequences": result.sequences, summary: result.summary}
            for result in results
        }
    )
    document["run"] = {
        **asdict(conditions),
        "models": {result.tracker: result.about for result in results},
    }
    plain = without_nan(document)
    assert isinstance(plain, dict)
    return plain


def first_on_top(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Tracker -> figures as a JSON document: the first's at its top, all in `trackers`."""
    first = next(iter(figures))
    document: dict[str, Any] = {"tracker": first, **figures[first]}
    if len(figures) > 1:
        document["trackers"] = figures
    return document


def as_table(results: Sequence[TrackerResult], columns: Sequence[Column], summary: str) -> str:
    """One line a sequence and their summary; the trackers side by side."""
    shown = (*columns, *TIMING) if any(result.seconds for result in results) else tuple(columns)
    frames = results[0].scored.frames
    first = max(len(name) for name in (*frames, "sequence", summary))
    heading = " ".join(f"{column.title:>{column.width}}" for column in shown)
    width = max(len(heading), *(len(result.tracker) for result in results))
    lines = [
        " " * (first + 8) + "".join(f"   {result.tracker:>{width}}" for result in results),
        f"{'sequence':<{first}}  frames" + f"   {heading:>{width}}" * len(results),
    ]
    rows = [(n, number, [r.sequences[n] for r in results]) for n, number in frames.items()]
    rows.append((summary, sum(frames.values()), [result.summary for result in results]))
    for name, number, figures in rows:
        cells = "".join(f"   {_cells(row, shown):>{width}}" for row in figures)
        lines.append(f"{name:<{first}}  {number:>6}{cells}")
    return "\n".join(lines)


def _cells(figures: Figures, columns: Sequence[Column]) -> str:
    return " ".join(cell(figures[column.key], column) for column in columns)


def cell(value: float, column: Column) -> str:
    """A figure as the table has it: '-' where there is none."""
    if math.isnan(value):
        return f"{'-':>{column.width}}"
    digits = column.digits if column.digits or value == int(value) else 1
    return f"{value:{column.width}.{digits}f}"
