"""`tracker_ros eval sot`: score single-object trackers on sequences with truth, side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tracker_ros.evaluation.contestants import Contestant, open_contestants
from tracker_ros.evaluation.datasets import VideoSequence, load_dataset
from tracker_ros.evaluation.metrics import accuracy
from tracker_ros.evaluation.one_pass import run_one_pass
from tracker_ros.evaluation.opencv_trackers import OPENCV_TRACKERS
from tracker_ros.evaluation.options import (
    add_shared_options,
    opencv_threads,
    progress,
    require_writable_json,
    write_json,
)
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
    """Declare the options of `eval sot`."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    add_shared_options(parser)
    parser.add_argument(
        "--tracker",
        action="append",
        metavar="NAME",
        help=f"{', '.join((*TRACKERS, *OPENCV_TRACKERS))}, a model card's name, or the path of a "
        f"card (.yaml); repeat it to compare (default: {' and '.join(TRACKERS)})",
    )
    parser.add_argument(
        "--all-frames",
        action="store_true",
        help="count the first frame and frames without a visible target, too",
    )


def run(args: argparse.Namespace) -> int:
    """Check everything, then measure, print the table and write the JSON."""
    require_writable_json(args.json)
    sequences = load_dataset(args.data, args.sequences, args.limit)
    contestants = open_contestants(args.tracker or TRACKERS, threads=args.threads)
    with opencv_threads(args.threads):
        frames, results = compare(contestants, sequences, all_frames=args.all_frames)
    conditions = Conditions(str(args.data), args.limit, args.all_frames, args.threads, frames)
    print(as_table(results, conditions))
    for result in results:
        print(f"{result.tracker}: {result.about}")
    print(f"Scored: {CONVENTIONS[args.all_frames]}.")
    write_json(args.json, as_json(results, conditions))
    return 0


def compare(
    contestants: Sequence[Contestant], sequences: Sequence[VideoSequence], *, all_frames: bool
) -> tuple[dict[str, int], list[TrackerResult]]:
    """Run every tracker over every sequence: how many frames were scored, and the figures."""
    frames: dict[str, int] = {}
    results = []
    to_track = sum(len(sequence) - sequence.start - 1 for sequence in sequences)
    with progress(len(contestants) * to_track) as (say, tick):
        for contestant in contestants:
            figures = {}
            for sequence in sequences:
                say(f"{contestant.name} on {sequence.name}")
                followed = run_one_pass(contestant.new_tracker(), sequence, tick)
                scored = accuracy(
                    followed.boxes, sequence.truth[followed.start :], all_frames=all_frames
                )
                frames[sequence.name] = scored.frames
                figures[sequence.name] = Scores(scored.auc, scored.precision, followed.fps)
            results.append(TrackerResult(contestant.name, contestant.about, figures))
    return frames, results
