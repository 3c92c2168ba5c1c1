"""`tracker_ros eval`: score trackers on sequences with truth, side by side."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
from tqdm import tqdm

from tracker_ros.errors import DataError
from tracker_ros.evaluation.contestants import Contestant, open_contestants
from tracker_ros.evaluation.datasets import VideoSequence, load_dataset
from tracker_ros.evaluation.metrics import accuracy
from tracker_ros.evaluation.one_pass import run_one_pass
from tracker_ros.evaluation.opencv_trackers import OPENCV_TRACKERS
from tracker_ros.evaluation.report import (
    CONVENTIONS,
    Conditions,
    Scores,
    TrackerResult,
    as_json,
    as_table,
)
from tracker_ros.sot import TRACKERS

DESCRIPTION = f"""\
Score trackers on sequences with truth: NAME/img/*.jpg (or png) and NAME/groundtruth.txt, a line
x,y,w,h (0-based pixels) for every image, nan,nan,nan,nan where the target is not visible.

One pass: a tracker gets the box of the first frame that shows the target and follows to the end.
AUC is the success AUC over 21 overlap thresholds, P@20 the share of frames whose centre is at most
20 px off, fps the tracker's calls alone, without reading images. Of the scores,
{CONVENTIONS[False]};
--all-frames counts them, as the OTB toolkit does.

The bare tracker is measured: the node's monitor, which says when a target is LOST, has no part.
"""

EPILOG = """\
examples:
  tracker_ros eval sot --data sequences --limit 300
  tracker_ros eval sot --data sequences --tracker siamrpnpp --tracker kcf --json result.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `eval`."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("task", choices=("sot",), help="what is scored: single-object trackers")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of the sequences"
    )
    parser.add_argument(
        "--tracker",
        action="append",
        metavar="NAME",
        help=f"{', '.join((*TRACKERS, *OPENCV_TRACKERS))}, a model card's name, or the path of a "
        f"card (.yaml); repeat it to compare (default: {' and '.join(TRACKERS)})",
    )
    parser.add_argument(
        "--sequences", nargs="+", default=(), metavar="NAME", help="only these (default: all)"
    )
    parser.add_argument(
        "--limit", type=_at_least_two, metavar="N", help="first N frames of each sequence"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument(
        "--threads",
        type=_not_negative,
        default=0,
        metavar="N",
        help="CPU threads of every tracker (default: what the engine and OpenCV choose)",
    )
    parser.add_argument(
        "--all-frames",
        action="store_true",
        help="count the first frame and frames without a visible target, too",
    )


def run(args: argparse.Namespace) -> int:
    """Check everything, then measure, print the table and write the JSON."""
    if args.json is not None and (args.json.is_dir() or not args.json.absolute().parent.is_dir()):
        raise DataError(f"--json {args.json} cannot be written: its folder must exist")
    sequences = load_dataset(args.data, args.sequences, args.limit)
    contestants = open_contestants(args.tracker or TRACKERS, threads=args.threads)
    threads_before = cv2.getNumThreads()
    if args.threads:
        cv2.setNumThreads(args.threads)
    try:
        frames, results = compare(contestants, sequences, all_frames=args.all_frames)
    finally:
        cv2.setNumThreads(threads_before)
    conditions = Conditions(str(args.data), args.limit, args.all_frames, args.threads, frames)
    print(as_table(results, conditions))
    for result in results:
        print(f"{result.tracker}: {result.about}")
    print(f"Scored: {CONVENTIONS[args.all_frames]}.")
    if args.json is not None:
        _write(args.json, json.dumps(as_json(results, conditions), indent=2) + "\n")
    return 0


def compare(
    contestants: Sequence[Contestant], sequences: Sequence[VideoSequence], *, all_frames: bool
) -> tuple[dict[str, int], list[TrackerResult]]:
    """Run every tracker over every sequence: how many frames were scored, and the figures."""
    frames: dict[str, int] = {}
    results = []
    to_track = sum(len(sequence) - sequence.start - 1 for sequence in sequences)
    with tqdm(
        total=len(contestants) * to_track,
        unit=" frames",
        # A log gets a line now and then, not ten a second.
        mininterval=0.1 if sys.stderr.isatty() else 10.0,
    ) as bar:
        for contestant in contestants:
            figures = {}
            for sequence in sequences:
                bar.set_description(f"{contestant.name} on {sequence.name}")
                followed = run_one_pass(contestant.new_tracker(), sequence, bar.update)
                scored = accuracy(
                    followed.boxes, sequence.truth[followed.start :], all_frames=all_frames
                )
                frames[sequence.name] = scored.frames
                figures[sequence.name] = Scores(scored.auc, scored.precision, followed.fps)
            results.append(TrackerResult(contestant.name, contestant.about, figures))
    return frames, results


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise DataError(f"--json {path} cannot be written: {error}") from None


def _at_least_two(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a whole number of at least 2: a frame to start on and one to score"
        )
    return int(text)


def _not_negative(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of 0 or more")
    return int(text)
