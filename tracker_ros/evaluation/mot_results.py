"""Results that lie on disk in MOTChallenge's form, and the truth alone that they are scored by.

A truth is a data set of MOTChallenge, of which neither images nor detections are read, a folder of
NAME.txt, or one file. A tracker's results are a folder of NAME.txt (or data/NAME.txt, TrackEval's
layout), or one file where there is one sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import sequence_folders
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.evaluation.mot_datasets import (
    MotTruth,
    SequenceInfo,
    read_mot_truth,
    require_scored,
)
from tracker_ros.evaluation.mot_files import read_tracks
from tracker_ros.evaluation.protocol import find_result

HOLDS = "NAME/{seqinfo.ini,gt/gt.txt} or NAME.txt"


@dataclass(frozen=True, eq=False)
class MotAnswer:
    """What is right of a sequence, without what a tracker would be given."""

    name: str
    frames: int
    """How many are scored; they count from 1."""
    length: int
    """How many there are: no result may be of a later one."""
    end: str
    """Who says where it ends, in words."""
    truth: MotTruth

    def read(self, results: Path) -> FloatArray:
        """A tracker's tracks, shape (n, 7) or wider, up to the last frame that is scored.

        results: its folder, or the file itself. Raises DataError naming file, line and value.
        """
        if results.is_file():
            path = results
        elif results.is_dir():
            path = find_result(results, ("{0}.txt", "data/{0}.txt"), self.name)
        else:
            raise DataError(
                f"--results {results}: no such folder or file; expected {self.name}.txt in it"
            )
        rows = read_tracks(path, frames=self.length, end=self.end)
        return rows[rows[:, 0] <= self.frames]


def load_answers(
    path: Path, names: Sequence[str] = (), limit: int | None = None
) -> tuple[MotAnswer, ...]:
    """The truth of all sequences, sorted by name, or that of `names` in that order.

    limit: only the first frames of each are scored. Raises DataError, naming file, line and value,
    when any of them cannot be used: none is skipped.
    """
    found = _find(path)
    for name in names:
        if name not in found:
            raise DataError(f"no sequence '{name}' in {path}; there are {', '.join(found)}")
    return tuple(_load(name, found[name], limit) for name in dict.fromkeys(names or found))


def _find(path: Path) -> dict[str, Path]:
    """Sequence -> its folder, or the file of its truth where there is nothing else."""
    if path.is_file():
        folder = path.resolve().parent
        if folder.name == "gt":
            folder = folder.parent
            if (folder / "seqinfo.ini").is_file():
                return {folder.name: folder}
        return {folder.name if path.stem == "gt" else path.stem: path}
    alone = (path / "seqinfo.ini").exists()
    if not alone and not any(path.glob("*/seqinfo.ini")):
        flat = {file.stem: file for file in sorted(path.glob("*.txt")) if file.name[0] != "."}
        if flat:
            return flat
    return {p.resolve().name: p for p in sequence_folders(path, (), is_sequence=alone, holds=HOLDS)}


def _load(name: str, path: Path, limit: int | None) -> MotAnswer:
    if path.is_dir():
        info, file = SequenceInfo.read(path / "seqinfo.ini"), path / "gt/gt.txt"
        length, end = info.length, f"seqLength in {path / 'seqinfo.ini'} is {info.length}"
        truth = read_mot_truth(file, length, mot20=info.is_mot20)
    else:
        file = path
        truth = read_mot_truth(file, mot20=name.startswith("MOT20"))
        length = int(truth.rows[:, 0].max(initial=0))
        end = (
            f"its truth, {file}, ends with frame {length}; where the film is longer, give the "
            "truth as NAME/gt/gt.txt beside NAME/seqinfo.ini"
        )
    frames = min(length, limit or length)
    truth = truth.until(frames)
    require_scored(truth, file, frames)
    return MotAnswer(name, frames, length, end, truth)
