"""VOT's multi-start experiment (2020 to 2022): from every anchor to an end of the sequence.

From some anchors the sequence runs forward, from others backward; nothing starts the tracker anew.
Kristan et al., "The Eighth Visual Object Tracking VOT2020 Challenge Results", ECCV workshops
2020. This is for boxes and polygons; the masks of VOT2020 and 2021 are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tracker_ros.errors import DataError, TargetError
from tracker_ros.evaluation.datasets import VideoSequence
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.evaluation.one_pass import run_one_pass
from tracker_ros.evaluation.options import write_whole
from tracker_ros.evaluation.polygons import polygon_overlaps, rectangles
from tracker_ros.evaluation.protocol import Column, Figures, Protocol, Scored, find_result
from tracker_ros.evaluation.vot_files import (
    ANCHORS,
    STARTED,
    TRACKED,
    MarkedRegions,
    known_regions,
    marked_lines,
    read_marked,
    truth_regions,
)
from tracker_ros.sot.tracker import Tracker

SPACING = 50
"""Frames between anchors where a sequence brings none."""
FAILURE_OVERLAP = 0.1
FAILURE_FRAMES = 10
"""A run has failed where the overlap is at most that for so many frames in a row."""
INTERVAL = (115, 755)
"""Lengths, in frames, over which the expected overlap is averaged."""


@dataclass(frozen=True, eq=False)
class MultiStart:
    """What a tracker did from each anchor of a sequence."""

    runs: Mapping[int, MarkedRegions]
    """Anchor -> regions in the order of the run: the first is the anchor's, backwards or not."""
    seconds: FloatArray


@dataclass(frozen=True, eq=False)
class AnchorRun:
    """The overlaps of a run."""

    overlap: FloatArray
    """In the order of the run; 0 in the given frame and after a failure, as in VOT's toolkit."""
    progress: int
    """Frames before the failure; all where there is none, 0 where the target was lost at once."""

    @property
    def failed(self) -> bool:
        """Whether the target was lost for good."""
        return self.progress < len(self.overlap)


class MultiStartProtocol(Protocol[MultiStart]):
    """Accuracy, robustness and EAO of runs from anchors."""

    name = "vot-multistart"
    summary = "overall"
    columns = (
        Column("accuracy", "A", "mean overlap before the failure"),
        Column("robustness", "R", "share of the frames before the failure"),
        Column("failures", "fail", "runs that failed", digits=0, width=5),
        Column("eao", "EAO", "expected average overlap, of all sequences together"),
    )
    convention = (
        f"runs forward and backward from anchors, failed where the overlap is at most "
        f"{FAILURE_OVERLAP} for {FAILURE_FRAMES} frames, EAO over {INTERVAL[0]} to {INTERVAL[1]} "
        f"frames; a sequence without {ANCHORS} has an anchor every {SPACING} frames"
    )

    def calls(self, sequence: VideoSequence) -> int:
        """How many frames a tracker is asked for, at most."""
        return sum(len(part) - 1 for _, part in anchor_runs(sequence))

    def run(
        self,
        new_tracker: Callable[[], Tracker],
        sequence: VideoSequence,
        on_frame: Callable[[], object],
    ) -> MultiStart:
        """Follow the target from every anchor."""
        runs, seconds = {}, []
        for anchor, part in anchor_runs(sequence):
            try:
                followed = run_one_pass(new_tracker(), part, on_frame)
            except TargetError as error:
                raise DataError(
                    f"'{sequence.name}', anchor in frame {anchor + 1}: no tracker can start on "
                    f"{error}"
                ) from None
            markers = np.full(len(part), TRACKED, np.int8)
            markers[0] = STARTED
            regions = rectangles(followed.boxes)
            regions[0] = np.nan
            runs[anchor] = MarkedRegions(markers, regions)
            seconds.append(followed.seconds)
        return MultiStart(runs, np.concatenate(seconds))

    def seconds(self, run: MultiStart) -> FloatArray:
        """Wall time of each `track` call; empty where a result was read."""
        return run.seconds

    def score(self, runs: Sequence[tuple[VideoSequence, MultiStart]]) -> Scored:
        """Robustness weighted by the sequences' lengths, accuracy by the frames before failures."""
        parts: dict[str, list[AnchorRun]] = {}
        for sequence, run in runs:
            pieces = dict(anchor_runs(sequence))
            parts[sequence.name] = [
                measured(result, pieces[anchor]) for anchor, result in run.runs.items()
            ]
        frames = {sequence.name: len(sequence) for sequence, _ in runs}
        figures = {name: _figures(part) for name, part in parts.items()}
        every = [run for part in parts.values() for run in part]
        # Beyond the end of the longest run only those that failed would be left.
        long_enough = any(len(run.overlap) > INTERVAL[1] for run in every)
        lengths = np.array([frames[name] for name in parts], np.float64)
        robustness = np.array([figures[name]["robustness"] for name in parts])
        overall = {
            **_figures(every),
            "robustness": float((robustness * lengths).sum() / lengths.sum()),
            "eao": average_over(expected_overlaps(every)) if long_enough else float("nan"),
        }
        return Scored(figures, overall, frames)

    def notes(self, scored: Sequence[Scored]) -> list[str]:
        """Why there is no EAO, where there is none."""
        if not any(np.isnan(result.summary["eao"]) for result in scored):
            return []
        return [
            f"No EAO: no run has more than {INTERVAL[1]} frames, so that the expected overlap of "
            "that length is not known; it needs longer sequences."
        ]

    def read(self, folder: Path, sequence: VideoSequence) -> MultiStart:
        """Read [baseline/]NAME/NAME_ANCHOR.txt; the folders may be left out."""
        runs = {}
        for anchor, part in anchor_runs(sequence):
            file = f"{{0}}_{anchor:08d}.txt"
            names = (f"baseline/{{0}}/{file}", f"{{0}}/{file}", file)
            path = find_result(folder, names, sequence.name)
            result = read_marked(path)
            if len(result) not in (len(part), part.whole):
                raise DataError(
                    f"{path} has {len(result)} lines but a run from frame {anchor + 1} of "
                    f"'{sequence.name}' ({len(sequence)} frames) has {len(part)}; is "
                    "anchor.value the one that it was run with?"
                )
            runs[anchor] = result.until(len(part))
        return MultiStart(runs, np.empty(0))

    def write(self, folder: Path, tracker: str, sequence: VideoSequence, run: MultiStart) -> None:
        """TRACKER/baseline/NAME/NAME_ANCHOR.txt, in the order of the run."""
        place = folder / tracker / "baseline" / sequence.name
        place.mkdir(parents=True, exist_ok=True)
        for anchor, result in run.runs.items():
            lines = "".join(f"{line}\n" for line in marked_lines(result))
            write_whole(place / f"{sequence.name}_{anchor:08d}.txt", lines)


def anchor_runs(sequence: VideoSequence) -> list[tuple[int, VideoSequence]]:
    """Each anchor's frame, and the sequence from there on, turned round where it runs backward.

    A sequence that brings no anchors gets one every `SPACING` frames and on the last one, each
    running to where more frames are. Raises DataError when the target is not visible in an anchor.
    """
    anchors = default_anchors(sequence) if sequence.anchors is None else sequence.anchors
    runs = []
    for anchor in np.flatnonzero(anchors).tolist():
        order = np.arange(anchor, len(sequence))
        if anchors[anchor] < 0:
            order = np.arange(anchor, -1, -1)
        if not sequence.visible[anchor]:
            raise DataError(
                f"'{sequence.name}': the anchor in frame {anchor + 1} has no visible target to "
                "start on; correct anchor.value"
            )
        if len(order) > 1:
            runs.append((anchor, _reordered(sequence, order)))
    if not runs:
        raise DataError(f"'{sequence.name}' has no anchor with a frame after it to score")
    return runs


def default_anchors(sequence: VideoSequence) -> FloatArray:
    """1 and -1 at the anchors of a sequence that brings none, shape (frames,).

    Where the target is not visible the anchor moves on, in the direction of its run.
    """
    count = len(sequence)
    anchors = np.zeros(count)
    for place in (*range(0, count - 1, SPACING), count - 1):
        direction = 1 if count - 1 - place >= place else -1
        shown = np.flatnonzero(sequence.visible[place::direction])
        if len(shown):
            anchors[place + direction * int(shown[0])] = direction
    return anchors


def measured(result: MarkedRegions, part: VideoSequence) -> AnchorRun:
    """The overlaps of a run, both regions clipped to the image, and where it failed."""
    truth = truth_regions(part)
    overlap = polygon_overlaps(result.regions, truth, part.size)
    # VOT's toolkit counts the given frame as one without overlap: a failure may begin with it.
    overlap[0] = 0.0
    low = (overlap <= FAILURE_OVERLAP) & known_regions(truth)
    progress = len(overlap)
    if len(low) >= FAILURE_FRAMES:
        streaks = np.convolve(low, np.ones(FAILURE_FRAMES), mode="valid") > FAILURE_FRAMES - 0.5
        progress = int(streaks.argmax()) if streaks.any() else progress
    overlap[progress:] = 0
    return AnchorRun(overlap, progress)


def expected_overlaps(runs: Sequence[AnchorRun], high: int = INTERVAL[1]) -> FloatArray:
    """The overlap to expect of runs of each length, shape (high + 1,); nan where none is so long.

    Value j is the mean over the runs of their mean overlap in frames 1 to j. Runs that end before
    without having failed are left out; of those that had failed the sum is divided by j - 1, as
    in VOT's toolkit.
    """
    table = np.full((len(runs), high + 1), np.nan)
    steps = np.arange(1, high + 1)
    for row, run in zip(table, runs, strict=True):
        sums = np.cumsum(run.overlap[1:])[:high]
        row[1 : len(sums) + 1] = sums / steps[: len(sums)]
        if run.failed and len(sums):
            row[len(sums) + 1 :] = sums[-1] / (steps[len(sums) :] - 1)
    number = np.isfinite(table).sum(axis=0)
    total = np.nan_to_num(table).sum(axis=0)
    curve = np.full(high + 1, np.nan)
    np.divide(total, number, out=curve, where=number > 0)
    return curve


def average_over(curve: FloatArray, low: int = INTERVAL[0]) -> float:
    """EAO: mean of the curve from `low` frames to its end; nan where some of it is not known."""
    return float(curve[low:].mean())


def _reordered(sequence: VideoSequence, order: FloatArray) -> VideoSequence:
    images = tuple(sequence.images[index] for index in order) if sequence.images else ()
    regions = None if sequence.regions is None else sequence.regions[order]
    whole = sequence.whole
    if whole is not None:  # a run backward ends with the first frame, whether it was cut or not
        whole = whole - int(order[0]) if order[0] < order[-1] else None
    return replace(
        sequence,
        images=images,
        truth=sequence.truth[order],
        regions=regions,
        anchors=None,
        whole=whole,
    )


def _figures(runs: Sequence[AnchorRun]) -> Figures:
    progress = sum(run.progress for run in runs)
    total = sum(len(run.overlap) for run in runs)
    followed = float(sum(run.overlap[: run.progress].sum() for run in runs))
    return {
        "accuracy": followed / progress if progress else 0.0,
        "robustness": progress / total,
        "failures": float(sum(run.failed for run in runs)),
        "eao": float("nan"),
    }
