"""What every protocol of single-object tracking can do: run, read, write and score."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import VideoSequence
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.sot.tracker import Tracker

Run = TypeVar("Run")
"""What a tracker did with a sequence."""
Figures = Mapping[str, float]
"""Key of a column -> value; nan where there is none."""


@dataclass(frozen=True)
class Column:
    """A figure of a report."""

    key: str
    """In the JSON."""
    title: str
    """In the table."""
    about: str
    """What it is, for the line under the table."""
    digits: int = 3
    width: int = 6


@dataclass(frozen=True)
class Scored:
    """The figures of one tracker on a data set."""

    sequences: Mapping[str, Figures]
    summary: Figures
    """Of all sequences together; what that means is the protocol's."""
    frames: Mapping[str, int]
    """How many frames of each sequence were scored."""


class Protocol(ABC, Generic[Run]):
    """How a tracker is run over a sequence, and what is measured."""

    name: str
    columns: tuple[Column, ...]
    summary: str = "mean"
    """What the summary is called."""
    convention: str
    """What is scored, in words."""

    @abstractmethod
    def calls(self, sequence: VideoSequence) -> int:
        """How many frames a tracker is asked for at most, for the progress."""

    @abstractmethod
    def run(
        self,
        new_tracker: Callable[[], Tracker],
        sequence: VideoSequence,
        on_frame: Callable[[], object],
    ) -> Run:
        """Run a tracker; `on_frame` is called `calls` times. Raises DataError and TargetError."""

    @abstractmethod
    def seconds(self, run: Run) -> FloatArray:
        """Wall time of each `track` call; empty where a result was read."""

    @abstractmethod
    def score(self, runs: Sequence[tuple[VideoSequence, Run]]) -> Scored:
        """The figures of a tracker over all sequences."""

    @abstractmethod
    def read(self, folder: Path, sequence: VideoSequence) -> Run:
        """A tracker's result, from its folder. Raises DataError, naming file, line and value."""

    @abstractmethod
    def write(self, folder: Path, tracker: str, sequence: VideoSequence, run: Run) -> None:
        """Write a result below `folder` in the benchmark's own layout. Raises OSError."""

    def notes(self, scored: Sequence[Scored]) -> list[str]:
        """What a reader of the table has to know besides the convention, in sentences."""
        return []


def require_length(path: Path, lines: int, sequence: VideoSequence) -> None:
    """Raise DataError, with both lengths, unless a result has a line for every frame.

    Of a sequence that was cut to its first frames a result may be as long as it was before.
    """
    if lines not in (len(sequence), sequence.whole):
        cut = "" if sequence.whole is None else f", of which --limit takes {len(sequence)}"
        raise DataError(
            f"{path} has {lines} lines but the truth of '{sequence.name}' "
            f"{sequence.whole or len(sequence)} frames{cut}; expected one line for every frame"
        )


def find_result(folder: Path, names: Sequence[str], sequence: str) -> Path:
    """The first of the file names that is there. Raises DataError, naming them, when none is.

    A name of a target is found in the spellings of various toolkits: Jogging-1, Jogging_1 and
    Jogging.1.
    """
    for spelling in dict.fromkeys([sequence, *_spellings(sequence)]):
        for name in names:
            path = folder / name.format(spelling)
            if path.is_file():
                return path
    expected = " or ".join(name.format(sequence) for name in names)
    raise DataError(
        f"{folder} holds no result of '{sequence}'; expected {expected}; "
        "--sequences NAME ... scores some only"
    )


def find_repetitions(folder: Path, names: Sequence[str], sequence: str) -> list[Path]:
    """What `find_result` finds and, where that is NAME_001.txt, NAME_002.txt and so on beside it.

    Raises DataError also when one between them is missing.
    """
    first = find_result(folder, names, sequence)
    stem = first.stem.removesuffix("_001")
    if first.stem in (stem, sequence, *_spellings(sequence)):
        return [first]
    numbered = {}
    for path in first.parent.iterdir():
        match = re.fullmatch(rf"{re.escape(stem)}_([0-9]{{3}})\.txt", path.name)
        if match:
            numbered[int(match[1])] = path
    for number in range(1, max(numbered) + 1):
        if number not in numbered:
            raise DataError(
                f"{numbered[max(numbered)]} is there but {stem}_{number:03d}.txt is not; "
                "repetitions are numbered from 001 up without a gap"
            )
    return [numbered[number] for number in sorted(numbered) if number]


def _spellings(sequence: str) -> list[str]:
    stem, last = sequence[:-2], sequence[-2:]
    if len(sequence) < 3 or last[0] not in "-_." or not last[1].isdecimal():
        return []
    return [f"{stem}{mark}{last[1]}" for mark in "-_."]
