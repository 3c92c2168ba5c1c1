"""Results of a comparison of multi-object trackers: a table for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import scipy

from tracker_ros.evaluation.mot_datasets import MotSequence
from tracker_ros.evaluation.mot_metrics import MotFigures, combined
from tracker_ros.evaluation.mot_noise import CONVENTION
from tracker_ros.evaluation.report import describe_cpu, first_on_top, library_versions


@dataclass(frozen=True)
class MotScores:
    """A tracker's figures on one sequence, their mean, or those of all sequences together."""

    mota: float
    idf1: float
    hota: float
    idsw: float
    frag: float
    fps: float
    """Frames per second of the tracker's `update` calls."""

    @classmethod
    def of(cls, figures: MotFigures, fps: float) -> MotScores:
        """What is reported of all the figures there are."""
        return cls(figures.mota, figures.idf1, figures.hota, figures.idsw, figures.frag, fps)


@dataclass(frozen=True)
class MotResult:
    """A tracker's figures on every sequence."""

    tracker: str
    about: str
    """What exactly ran: model, engine, precision."""
    figures: Mapping[str, MotFigures]
    seconds: Mapping[str, float]
    """Time of all `update` calls on each sequence."""
    frames: Mapping[str, int]

    @property
    def sequences(self) -> dict[str, MotScores]:
        """The figures of every sequence."""
        return {
            name: MotScores.of(figures, self.frames[name] / self.seconds[name])
            for name, figures in self.figures.items()
        }

    @property
    def mean(self) -> MotScores:
        """Unweighted mean over the sequences."""
        columns = zip(*(asdict(scores).values() for scores in self.sequences.values()), strict=True)
        return MotScores(*(float(np.mean(column)) for column in columns))

    @property
    def combined(self) -> MotScores:
        """Those of all sequences as of one: what was counted is added up."""
        fps = sum(self.frames.values()) / sum(self.seconds.values())
        return MotScores.of(combined(list(self.figures.values())), fps)


def _versions() -> dict[str, str]:
    return {**library_versions(), "scipy": scipy.__version__, "trackeval": version("trackeval")}


@dataclass(frozen=True)
class MotConditions:
    """What the figures depend on besides the trackers."""

    data: str
    detections: str
    seed: int
    limit: int | None
    threads: int
    frames: Mapping[str, int]
    """Of each sequence."""
    without_images: Sequence[str]
    """Sequences that were tracked by their boxes alone."""
    too_small: Mapping[str, int]
    """Detections with a side under 2 px, which were left out, where there are any."""
    versions: Mapping[str, str] = field(default_factory=_versions)
    cpu: str = field(default_factory=describe_cpu)

    @classmethod
    def of(cls, sequences: Sequence[MotSequence], **options: Any) -> MotConditions:
        """Those of a run over these sequences; options: data, detections, seed, limit, threads."""
        return cls(
            **options,
            frames={sequence.name: sequence.frames for sequence in sequences},
            without_images=[sequence.name for sequence in sequences if not sequence.images],
            too_small={s.name: s.too_small for s in sequences if s.too_small},
        )

    @property
    def convention(self) -> str:
        """What was detected and scored, in words."""
        source = "det/det.txt" if self.detections == "det" else f"{CONVENTION}, seed {self.seed}"
        return (
            f"detections: {source}; truth: rows whose 7th value is not 0, from MOT16 on "
            "pedestrians only, without tracks on distractors"
        )


def as_json(results: Sequence[MotResult], conditions: MotConditions) -> dict[str, Any]:
    """`sequences` and `mean` of the first tracker; with several, `trackers` holds all of them."""
    document = first_on_top(
        {
            result.tracker: {
                "sequences": {name: asdict(scores) for name, scores in result.sequences.items()},
                "mean": asdict(result.mean),
                "combined": asdict(result.combined),
            }
            for result in results
        }
    )
    document["run"] = {
        **asdict(conditions),
        "convention": conditions.convention,
        "models": {result.tracker: result.about for result in results},
    }
    return document


def as_table(results: Sequence[MotResult], conditions: MotConditions) -> str:
    """A block a sequence, their mean and all together; in each a line for every tracker."""
    first = max(len(name) for name in (*conditions.frames, "sequence"))
    second = max(len(name) for name in (*(result.tracker for result in results), "tracker"))
    lines = [
        f"{'sequence':<{first}}  frames  {'tracker':<{second}}   MOTA   IDF1   HOTA   IDsw   Frag"
        f"      fps"
    ]
    total = sum(conditions.frames.values())
    blocks = [
        (name, frames, [result.sequences[name] for result in results])
        for name, frames in conditions.frames.items()
    ]
    blocks.append(("mean", total, [result.mean for result in results]))
    blocks.append(("combined", total, [result.combined for result in results]))
    for name, frames, scores in blocks:
        heads = [f"{name:<{first}}  {frames:>6}"] + [" " * (first + 8)] * (len(results) - 1)
        for head, result, row in zip(heads, results, scores, strict=True):
            lines.append(f"{head}  {result.tracker:<{second}} {_cells(row)}")
    return "\n".join(lines)


def notes(conditions: MotConditions) -> list[str]:
    """What a reader of the table has to know, in sentences."""
    lines = [f"Scored: {conditions.convention}."]
    if conditions.without_images:
        names = ", ".join(conditions.without_images)
        lines.append(f"Without images, by boxes and motion alone: {names}.")
    for name, number in conditions.too_small.items():
        lines.append(f"{name}: {number} detections with a side under 2 px were left out.")
    return lines


def _cells(s: MotScores) -> str:
    counts = " ".join(f"{n:6.0f}" if n == int(n) else f"{n:6.1f}" for n in (s.idsw, s.frag))
    return f"{s.mota:6.3f} {s.idf1:6.3f} {s.hota:6.3f} {counts} {s.fps:8.1f}"
