"""VOT's supervised experiment (2013 to 2019): a tracker that loses its target is started anew.

A failure is an overlap of 0 with the truth; five frames later the tracker is initialised again.
Accuracy, robustness and expected average overlap (EAO) follow pysot's toolkit, with exact areas
in place of counted pixels (see polygons.py). Kristan et al., "A Novel Performance Evaluation
Methodology for Single-Target Trackers", PAMI 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from tracker_ros.errors import DataError, TargetError
from tracker_ros.evaluation.datasets import VideoSequence
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.evaluation.one_pass import timed_track
from tracker_ros.evaluation.options import write_whole
from tracker_ros.evaluation.polygons import polygon_overlaps, rectangles
from tracker_ros.evaluation.protocol import (
    Column,
    Protocol,
    Scored,
    find_repetitions,
    require_length,
)
from tracker_ros.evaluation.vot_files import (
    FAILED,
    SKIPPED,
    STARTED,
    TRACKED,
    MarkedRegions,
    known_regions,
    marked_lines,
    read_marked,
    stacked,
    truth_regions,
)
from tracker_ros.geometry import Box
from tracker_ros.sot.tracker import Tracker

CHALLENGES = {
    "vot2016": (108, 371),
    "vot2017": (100, 356),
    "vot2018": (100, 356),
    "vot2019": (46, 291),
}
"""Lengths, in frames, over which the expected overlap is averaged."""

BURN_IN = 10
"""Frames from each initialisation on that do not count for the accuracy."""
SKIP = 5
"""An initialisation follows so many frames after a failure."""
DECAY = 30.0
"""The robustness of the A-R plot is the chance to live through so many frames."""


@dataclass(frozen=True, eq=False)
class Supervised:
    """What a tracker did with a sequence, once or several times."""

    repetitions: tuple[MarkedRegions, ...]
    seconds: FloatArray
    """Wall time of each `track` call; empty where a result was read."""


@dataclass
class SupervisedProtocol(Protocol[Supervised]):
    """Accuracy, robustness and EAO."""

    challenge: str = "vot2018"
    repeat: int = 1
    """Runs of a tracker; fewer when the first two agree in every box."""
    assumed: bool = False
    """Whether nothing said which challenge it is."""

    name = "vot-supervised"
    summary = "overall"
    columns = (
        Column("accuracy", "A", f"mean overlap, {BURN_IN} frames from each start on left out"),
        Column("failures", "fail", "times that the overlap fell to 0", digits=0, width=5),
        Column("robustness", "R", "failures in 100 frames (pysot)"),
        Column("reliability", "R-AR", f"exp(-{DECAY:g} failures / frames), of the A-R plot"),
        Column("eao", "EAO", "expected average overlap, of all sequences together"),
    )

    def __post_init__(self) -> None:
        low, high = CHALLENGES[self.challenge]
        self.convention = (
            f"{self.challenge}{' (assumed)' * self.assumed}: polygons clipped to the image, a "
            f"start {SKIP} frames after each failure, EAO over {low} to {high} frames"
        )

    def calls(self, sequence: VideoSequence) -> int:
        """How many frames a tracker is asked for, at most."""
        return len(sequence) * self.repeat

    def run(
        self,
        new_tracker: Callable[[], Tracker],
        sequence: VideoSequence,
        on_frame: Callable[[], object],
    ) -> Supervised:
        """Follow the target, started anew after every failure."""
        done: list[MarkedRegions] = []
        seconds: list[float] = []
        for _ in range(self.repeat):
            if len(done) == 2 and same(*done):
                for _ in range(len(sequence)):
                    on_frame()
                continue
            result, spent = run_supervised(new_tracker(), sequence, on_frame)
            done.append(result)
            seconds += spent
        if len(done) == 2 and same(*done):
            done.pop()
        return Supervised(tuple(done), np.array(seconds, np.float64))

    def seconds(self, run: Supervised) -> FloatArray:
        """Wall time of each `track` call; empty where a result was read."""
        return run.seconds

    def score(self, runs: Sequence[tuple[VideoSequence, Supervised]]) -> Scored:
        """Accuracy over all frames, failures added up, EAO over all fragments."""
        tracked: list[FloatArray] = []
        pieces: list[tuple[FloatArray, bool]] = []
        weights: list[float] = []
        figures, frames, failures = {}, {}, 0.0
        for sequence, run in runs:
            every: list[FloatArray] = []
            lost = 0.0
            share = 1 / len(run.repetitions)
            for result in run.repetitions:
                every.append(counted_overlaps(result, sequence))
                lost += share * int((result.markers == FAILED).sum())
                parts = fragments(result, sequence)
                pieces += parts
                weights += [share] * len(parts)
            # A sequence weighs the same however often it was run.
            own = mean_of_repetitions(every)
            figures[sequence.name] = _figures(own, lost, len(sequence), np.nan)
            frames[sequence.name] = len(sequence)
            tracked.append(own)
            failures += lost
        curve = expected_overlaps(pieces, weights, max(frames.values()))
        eao = average_over(curve, *CHALLENGES[self.challenge])
        overall = _figures(np.concatenate(tracked), failures, sum(frames.values()), eao)
        return Scored(figures, overall, frames)

    def notes(self, scored: Sequence[Scored]) -> list[str]:
        """Which interval was assumed, and why there is no EAO, where that is so."""
        notes = []
        if self.assumed:
            notes.append(
                f"EAO: the interval of {self.challenge} is assumed; --challenge says which it is."
            )
        if any(np.isnan(result.summary["eao"]) for result in scored):
            notes.append(
                f"No EAO: no run reaches {CHALLENGES[self.challenge][1]} frames, so that the "
                "expected overlap of that length is not known; it needs longer sequences."
            )
        return notes

    def read(self, folder: Path, sequence: VideoSequence) -> Supervised:
        """Read [baseline/]NAME/NAME_001.txt, and so on; the folders may be left out."""
        results = []
        for path in find_repetitions(folder, _FILES, sequence.name):
            result = read_marked(path)
            require_length(path, len(result), sequence)
            result = result.until(len(sequence))
            if STARTED not in result.markers:
                raise DataError(
                    f"{path}: the tracker is never initialised; a result of VOT has a line '1' "
                    "where it is"
                )
            results.append(result)
        return Supervised(tuple(results), np.empty(0))

    def write(self, folder: Path, tracker: str, sequence: VideoSequence, run: Supervised) -> None:
        """TRACKER/baseline/NAME/NAME_001.txt, and so on for each repetition."""
        place = folder / tracker / "baseline" / sequence.name
        place.mkdir(parents=True, exist_ok=True)
        for number, result in enumerate(run.repetitions, 1):
            lines = "".join(f"{line}\n" for line in marked_lines(result))
            write_whole(place / f"{sequence.name}_{number:03d}.txt", lines)


_FILES = ("baseline/{0}/{0}_001.txt", "{0}/{0}_001.txt", "{0}_001.txt", "{0}.txt")


def run_supervised(
    tracker: Tracker, sequence: VideoSequence, on_frame: Callable[[], object] = lambda: None
) -> tuple[MarkedRegions, list[float]]:
    """Run a tracker over a sequence, with a new start after every failure.

    The regions reported, and the seconds of each `track` call. Where it is to start, but the truth
    is not known or no tracker can start on it, the next frame is tried. `on_frame` is called after
    every frame. Raises DataError when an image cannot be read.
    """
    truth = truth_regions(sequence)
    known, visible = known_regions(truth), sequence.visible
    markers = np.full(len(sequence), SKIPPED, np.int8)
    regions = [np.full((4, 2), np.nan) for _ in range(len(sequence))]
    seconds = []
    following, restart = False, 0
    for index in range(len(sequence)):
        if following:
            box, spent = timed_track(tracker, sequence, index)
            seconds.append(spent)
            region = rectangles(np.array([box], np.float64))
            overlap = polygon_overlaps(region, truth[index : index + 1], sequence.size)[0]
            following = bool(overlap > 0 or not known[index])
            markers[index] = TRACKED if following else FAILED
            if following:
                regions[index] = region[0]
            restart = index + SKIP
        elif index >= restart and visible[index]:
            try:
                tracker.init(sequence.read(index), Box(*sequence.truth[index].tolist()))
                following, markers[index] = True, STARTED
            except TargetError:  # too little of the target is in the image: the next frame, then
                pass
        on_frame()
    return MarkedRegions(markers, stacked(regions)), seconds


def region_overlaps(
    result: MarkedRegions, sequence: VideoSequence, margin: float = 0.0
) -> FloatArray:
    """Overlaps with the truth, (frames,); nan where nothing was tracked or the truth is unknown.

    Both are clipped to the image, less `margin` pixels in width and height.
    """
    truth = truth_regions(sequence)
    size = sequence.size and (sequence.size[0] - margin, sequence.size[1] - margin)
    overlap = polygon_overlaps(result.regions, truth, size)
    known = (result.markers == TRACKED) & known_regions(truth)
    return np.where(known, overlap, np.nan)


def counted_overlaps(result: MarkedRegions, sequence: VideoSequence) -> FloatArray:
    """Overlaps that count for the accuracy: `region_overlaps` without the burn-in."""
    overlap = region_overlaps(result, sequence)
    for start in np.flatnonzero(result.markers == STARTED):
        overlap[start : start + BURN_IN] = np.nan
    return overlap


def mean_of_repetitions(overlaps: Sequence[FloatArray]) -> FloatArray:
    """Per frame, over the repetitions in which it counts; frames that count in none are left out.

    overlaps: `counted_overlaps` of each repetition, (frames,) each.
    """
    table = np.array(overlaps, np.float64)
    counted = np.isfinite(table).any(axis=0)
    return np.asarray(np.nanmean(table[:, counted], axis=0), np.float64)


def fragments(result: MarkedRegions, sequence: VideoSequence) -> list[tuple[FloatArray, bool]]:
    """The overlaps from each start on, and whether that ended in a failure.

    A fragment reaches up to and with the frame of the next start; unknown overlaps are 0 in it.
    """
    # pysot's toolkit clips to one pixel less here than it does for the accuracy.
    overlap = np.nan_to_num(region_overlaps(result, sequence, margin=1.0))
    restarts = [int(i) + SKIP for i in np.flatnonzero(result.markers == FAILED)]
    starts = [0, *(start for start in restarts if start <= len(overlap))]
    parts = [(overlap[start : end + 1], True) for start, end in pairwise(starts)]
    return [*parts, (overlap[starts[-1] :], False)]


def expected_overlaps(
    pieces: Sequence[tuple[FloatArray, bool]], weights: Sequence[float], longest: int
) -> FloatArray:
    """The overlap to expect of runs of each length, shape (longest,); nan where none is so long.

    Value i is the mean over the fragments of their mean overlap in frames 1 to i; that of frame 0,
    which was given, does not count. Fragments that ended in a failure go on with overlap 0.
    """
    table = np.full((len(pieces), longest), np.nan)
    for row, (overlap, failed) in zip(table, pieces, strict=True):
        row[: len(overlap)] = overlap
        if failed:
            row[len(overlap) :] = 0
    means = np.cumsum(table[:, 1:], axis=1) / np.arange(1, longest)
    alive = np.isfinite(means) * np.array(weights, np.float64)[:, None]
    total = alive.sum(axis=0)
    expected = np.full(longest, np.nan)
    expected[0] = 1.0
    np.divide((np.nan_to_num(means) * alive).sum(axis=0), total, out=expected[1:], where=total > 0)
    return expected


def average_over(curve: FloatArray, low: int, high: int) -> float:
    """EAO: mean of the curve over runs of `low` to `high` frames; nan where it ends before."""
    return float(curve[low - 1 : high].mean()) if len(curve) >= high else float("nan")


def same(first: MarkedRegions, second: MarkedRegions) -> bool:
    """Whether two runs agree in every box."""
    return np.array_equal(first.markers, second.markers) and np.array_equal(
        first.regions, second.regions, equal_nan=True
    )


def _figures(overlap: FloatArray, failures: float, frames: int, eao: float) -> dict[str, float]:
    return {
        "accuracy": float(overlap.mean()) if len(overlap) else float("nan"),
        "failures": failures,
        "robustness": 100 * failures / frames,
        "reliability": float(np.exp(-DECAY * failures / frames)),
        "eao": eao,
    }
