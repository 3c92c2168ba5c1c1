"""Results of a comparison of multi-object trackers: a table for people, JSON for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import scipy

from tracker_ros.evaluation.mot_datasets import MotSequence
from tracker_ros.evaluation.mot_metrics import MotFigures, combined
from tracker_ros.evaluation.mot_noise import CONVENTION
from tracker_ros.evaluation.protocol import Column, Figures
from tracker_ros.evaluation.report import cell, describe_cpu, first_on_top, library_versions

MOT_COLUMNS = (
    Column("mota", "MOTA", "1 - (FN + FP + IDsw) / true boxes"),
    Column("idf1", "IDF1", "F1 of the boxes with the right identity"),
    Column("hota", "HOTA", "detection and association over overlaps of 0.05 to 0.95"),
    Column("recall", "Rcll", "share of the true boxes that were found"),
    Column("precision", "Prcn", "share of the boxes that found one"),
    Column("motp", "MOTP", "mean overlap of the boxes found, as MOTChallenge has it"),
    Column("motp_distance", "dist", "1 - MOTP, which motmetrics calls MOTP"),
    Column("fp", "FP", "boxes on nothing", digits=0),
    Column("fn", "FN", "true boxes missed", digits=0),
    Column("idsw", "IDsw", "ID switches", digits=0),
    Column("frag", "Frag", "fragments", digits=0),
    Column("mt", "MT", "targets found in more than 80 % of their frames", digits=0, width=5),
    Column("pt", "PT", "in 20 to 80 %", digits=0, width=5),
    Column("ml", "ML", "in less than 20 %", digits=0, width=5),
)
FPS = Column("fps", "fps", "frames per second of the tracker's calls", digits=1, width=8)


def reported(figures: MotFigures) -> dict[str, float]:
    """What is reported of all the figures there are, by the keys of `MOT_COLUMNS`."""
    clear = figures.counts["clear"]
    return {
        "mota": figures.mota,
        "idf1": figures.idf1,
        "hota": figures.hota,
        "recall": float(clear["CLR_Re"]),
        "precision": float(clear["CLR_Pr"]),
        "motp": figures.motp,
        "motp_distance": 1 - figures.motp,
        "fp": figures.fp,
        "fn": figures.fn,
        "idsw": figures.idsw,
        "frag": figures.frag,
        "mt": figures.mostly_tracked,
        "pt": int(clear["PT"]),
        "ml": figures.mostly_lost,
    }


@dataclass(frozen=True)
class MotResult:
    """A tracker's figures on every sequence."""

    tracker: str
    about: str
    """What exactly ran: model, engine, precision; or which results were scored."""
    figures: Mapping[str, MotFigures]
    frames: Mapping[str, int]
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time of all `update` calls on each sequence; empty where results were read."""

    @property
    def sequences(self) -> dict[str, Figures]:
        """The figures of every sequence, with frames per second where a tracker ran."""
        return {name: self._timed(figures, [name]) for name, figures in self.figures.items()}

    @property
    def mean(self) -> Figures:
        """Unweighted mean over the sequences."""
        rows = list(self.sequences.values())
        return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}

    @property
    def combined(self) -> Figures:
        """Those of all sequences as of one: what was counted is added up."""
        return self._timed(combined(list(self.figures.values())), list(self.figures))

    def _timed(self, figures: MotFigures, names: Sequence[str]) -> Figures:
        if not self.seconds:
            return reported(figures)
        fps = sum(self.frames[name] for name in names) / sum(self.seconds[name] for name in names)
        return {**reported(figures), FPS.key: fps}


def _versions() -> dict[str, str]:
    return {**library_versions(), "scipy": scipy.__version__, "trackeval": version("trackeval")}


@dataclass(frozen=True)
class MotConditions:
    """What the figures depend on besides the trackers."""

    data: str
    detections: str | None
    """det or gt-noisy; None where results were scored."""
    seed: int | None
    limit: int | None
    threads: int
    frames: Mapping[str, int]
    """Of each sequence."""
    without_images: Sequence[str] = ()
    """Sequences that were tracked by their boxes alone."""
    too_small: Mapping[str, int] = field(default_factory=dict)
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
        given = {None: "", "det": "detections: det/det.txt; "}
        noise = f"detections: {CONVENTION}, seed {self.seed}; "
        return (
            f"{given.get(self.detections, noise)}truth: rows whose 7th value is not 0, from MOT16 "
            "on pedestrians only, without tracks on distractors"
        )


def as_json(results: Sequence[MotResult], conditions: MotConditions) -> dict[str, Any]:
    """`sequences` and `mean` of the first tracker; with several, `trackers` holds all of them."""
    document = first_on_top(
        {
            result.tracker: {
                "sequences": result.sequences,
                "mean": result.mean,
                "combined": result.combined,
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
    shown = (*MOT_COLUMNS, FPS) if any(result.seconds for result in results) else MOT_COLUMNS
    heading = " ".join(f"{column.title:>{column.width}}" for column in shown)
    first = max(len(name) for name in (*conditions.frames, "sequence"))
    second = max(len(name) for name in (*(result.tracker for result in results), "tracker"))
    lines = [f"{'sequence':<{first}}  frames  {'tracker':<{second}} {heading}"]
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
            cells = " ".join(cell(row[column.key], column) for column in shown)
            lines.append(f"{head}  {result.tracker:<{second}} {cells}")
    return "\n".join(lines)


def notes(conditions: MotConditions) -> list[str]:
    """What a reader of the table has to know, in sentences."""
    words = "; ".join(f"{column.title}: {column.about}" for column in MOT_COLUMNS)
    lines = [*textwrap.wrap(f"{words}.", 100), f"Scored: {conditions.convention}."]
    if conditions.without_images:
        names = ", ".join(conditions.without_images)
        lines.append(f"Without images, by boxes and motion alone: {names}.")
    for name, number in conditions.too_small.items():
        lines.append(f"{name}: {number} detections with a side under 2 px were left out.")
    return lines
