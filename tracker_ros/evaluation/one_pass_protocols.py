"""How OTB, LaSOT and GOT-10k score one pass over a sequence, and their files of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import VideoSequence, parse_numbers, read_lines
from tracker_ros.evaluation.metrics import (
    FloatArray,
    accuracy,
    average_overlap,
    got10k_overlaps,
    normalized_errors,
    normalized_precision,
    normalized_precision_auc,
    success_rate,
)
from tracker_ros.evaluation.one_pass import OnePass, run_one_pass
from tracker_ros.evaluation.options import write_whole
from tracker_ros.evaluation.protocol import (
    Column,
    Figures,
    Protocol,
    Scored,
    find_repetitions,
    find_result,
    require_length,
)
from tracker_ros.sot.tracker import Tracker

AUC = Column("auc", "AUC", "success, mean over 21 overlap thresholds")
PRECISION = Column("precision", "P@20", "share of frames whose centre is at most 20 px off")
NORMALIZED = Column(
    "normalized_precision",
    "NP@.2",
    "share of frames whose centre is at most 0.20 sides of the true box off (pysot, pytracking)",
)
NORMALIZED_AUC = Column(
    "normalized_precision_auc", "NPauc", "the mean of it over 0 to 0.5 (got10k)"
)
AO = Column("ao", "AO", "mean overlap")
SR_50 = Column("sr_50", "SR.5", "share of frames that overlap by more than 0.5")
SR_75 = Column("sr_75", "SR.75", "share of frames that overlap by more than 0.75")


@dataclass
class OnePassProtocol(Protocol[OnePass]):
    """One pass, scored by a benchmark's rules."""

    name: str
    columns: tuple[Column, ...]
    convention: str
    figures: Callable[[FloatArray, VideoSequence, int], tuple[Figures, int]]
    """Boxes from frame `start` on, the sequence and `start` -> figures, and frames scored."""
    layout: str
    """Where the result of a sequence goes: {tracker}, {sequence} and, of several, {number}."""

    def calls(self, sequence: VideoSequence) -> int:
        """How many frames a tracker is asked for, at most."""
        return len(sequence) - sequence.start - 1

    def run(
        self,
        new_tracker: Callable[[], Tracker],
        sequence: VideoSequence,
        on_frame: Callable[[], object],
    ) -> OnePass:
        """Follow the target from its first frame to the end."""
        return run_one_pass(new_tracker(), sequence, on_frame)

    def seconds(self, run: OnePass) -> FloatArray:
        """Wall time of each `track` call; empty where a result was read."""
        return run.seconds

    def score(self, runs: Sequence[tuple[VideoSequence, OnePass]]) -> Scored:
        """Figures of every sequence, and their unweighted mean."""
        scored = {s.name: self.figures(run.boxes, s, run.start) for s, run in runs}
        figures = {name: values for name, (values, _) in scored.items()}
        mean = {
            column.key: float(np.mean([values[column.key] for values in figures.values()]))
            for column in self.columns
        }
        return Scored(figures, mean, {name: frames for name, (_, frames) in scored.items()})

    def read(self, folder: Path, sequence: VideoSequence) -> OnePass:
        """Read NAME.txt, NAME/NAME_001.txt or NAME_001.txt: x,y,w,h for every frame."""
        path = find_result(folder, _FILES, sequence.name)
        return OnePass(sequence.start, _read_result(path, sequence), np.empty(0))

    def write(self, folder: Path, tracker: str, sequence: VideoSequence, run: OnePass) -> None:
        """x,y,w,h a line, nan before the frame that it began on; GOT-10k's times beside it."""
        for number, found in enumerate((run.boxes, *run.others), 1):
            name = self.layout.format(tracker=tracker, sequence=sequence.name, number=number)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            boxes = np.vstack([np.full((run.start, 4), np.nan), found])
            boxes[:, :2] += sequence.one_based
            write_whole(path, "".join(",".join(f"{v:.4f}" for v in box) + "\n" for box in boxes))
        if self.name == "got10k" and len(run.seconds):
            times = np.concatenate([np.zeros(run.start + 1), run.seconds])
            lines = "".join(f"{spent:.6f}\n" for spent in times)
            write_whole(path.with_name(f"{sequence.name}_time.txt"), lines)


class Got10kProtocol(OnePassProtocol):
    """GOT-10k: the summary is that of the frames of all sequences and repetitions together."""

    summary = "overall"

    def score(self, runs: Sequence[tuple[VideoSequence, OnePass]]) -> Scored:
        """Figures of every sequence, and those of all frames as of one sequence."""
        every = {
            sequence.name: np.concatenate(
                [
                    _counted_overlaps(boxes, sequence, run.start)
                    for boxes in (run.boxes, *run.others)
                ]
            )
            for sequence, run in runs
        }
        figures = {name: _got10k_figures(overlap) for name, overlap in every.items()}
        overall = _got10k_figures(np.concatenate(list(every.values())))
        return Scored(figures, overall, super().score(runs).frames)

    def read(self, folder: Path, sequence: VideoSequence) -> OnePass:
        """Read NAME/NAME_001.txt, or as the others, and NAME_002.txt and so on beside it."""
        paths = find_repetitions(folder, _FILES, sequence.name)
        first, *others = [_read_result(path, sequence) for path in paths]
        return OnePass(sequence.start, first, np.empty(0), tuple(others))


_FILES = ("{0}.txt", "{0}/{0}_001.txt", "{0}_001.txt")


def _read_result(path: Path, sequence: VideoSequence) -> FloatArray:
    """Boxes from the first frame of a sequence on that shows the target, 0-based."""
    boxes = read_boxes(path)
    require_length(path, len(boxes), sequence)
    boxes[:, :2] -= sequence.one_based
    return boxes[sequence.start : len(sequence)]


def read_boxes(path: Path) -> FloatArray:
    """A tracker's boxes as they stand, (frames, 4); nan where it reported none.

    Unlike in a truth, sides may be 0 or negative: such a box overlaps nothing. Raises DataError
    naming file, line and value.
    """
    rows = []
    for number, line in enumerate(read_lines(path, "a line x,y,w,h for every frame"), 1):
        where = f"{path}, line {number}"
        row = parse_numbers(line, where, "x,y,w,h in pixels")
        if len(row) != 4:
            hint = "; is it a result of VOT? --protocol vot-supervised" if len(row) == 1 else ""
            raise DataError(f"{where}: '{line}' holds {len(row)} values, not 4: x,y,w,h{hint}")
        finite = np.isfinite(row)
        if not finite.all() and not np.isnan(row).all():
            raise DataError(
                f"{where}: '{line}' is neither a box nor nan,nan,nan,nan; write four numbers, "
                "or nan for all where the tracker reported none"
            )
        rows.append(row)
    return np.array(rows, np.float64).reshape(-1, 4)


def _visible(boxes: FloatArray, sequence: VideoSequence, start: int) -> tuple[Figures, int]:
    scored = accuracy(boxes, sequence.truth[start:])
    return {"auc": scored.auc, "precision": scored.precision}, scored.frames


def _otb(boxes: FloatArray, sequence: VideoSequence, start: int) -> tuple[Figures, int]:
    scored = accuracy(boxes, sequence.truth[start:], all_frames=True)
    return {"auc": scored.auc, "precision": scored.precision}, scored.frames


def _lasot(boxes: FloatArray, sequence: VideoSequence, start: int) -> tuple[Figures, int]:
    truth = sequence.truth[start:]
    boxes = np.vstack([truth[:1], boxes[1:]])
    scored = accuracy(boxes, truth, all_frames=True)
    error = normalized_errors(boxes, truth)
    return {
        "auc": scored.auc,
        "precision": scored.precision,
        "normalized_precision": normalized_precision(error),
        "normalized_precision_auc": normalized_precision_auc(error),
    }, scored.frames


def _got10k(boxes: FloatArray, sequence: VideoSequence, start: int) -> tuple[Figures, int]:
    overlap = _counted_overlaps(boxes, sequence, start)
    return _got10k_figures(overlap), len(overlap)


def _counted_overlaps(boxes: FloatArray, sequence: VideoSequence, start: int) -> FloatArray:
    return got10k_overlaps(boxes, sequence.truth[start:], sequence.size)


def _got10k_figures(overlap: FloatArray) -> Figures:
    return {
        "ao": average_overlap(overlap),
        "sr_50": success_rate(overlap, 0.5),
        "sr_75": success_rate(overlap, 0.75),
    }


VISIBLE = OnePassProtocol(
    "visible",
    (AUC, PRECISION),
    "the given box (frame 1) and frames where the target is not visible are left out",
    _visible,
    "{tracker}/{sequence}.txt",
)
OTB = OnePassProtocol(
    "otb",
    (AUC, PRECISION),
    "all frames from the given box on; frames where the target is not visible are failures",
    _otb,
    "{tracker}/{sequence}.txt",
)
LASOT = OnePassProtocol(
    "lasot",
    (AUC, PRECISION, NORMALIZED, NORMALIZED_AUC),
    "all frames from the given box on, which counts as found; where the target is fully covered or "
    "out of view they are failures",
    _lasot,
    "{tracker}_tracking_result/{sequence}.txt",
)
GOT10K = Got10kProtocol(
    "got10k",
    (AO, SR_50, SR_75),
    "boxes clipped to the image; the given box (frame 1) and frames where the target is not "
    "visible are left out; 'overall' takes the frames of all sequences as one, unlike the server's "
    "mean over classes",
    _got10k,
    "{tracker}/{sequence}/{sequence}_{number:03d}.txt",
)
