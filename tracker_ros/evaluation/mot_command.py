"""`tracker_ros eval mot`: score multi-object trackers on MOTChallenge folders, side by side."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from tracker_ros.errors import DataError
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.evaluation.mot_datasets import DETECTIONS, MotSequence, load_mot_dataset
from tracker_ros.evaluation.mot_files import write_tracks
from tracker_ros.evaluation.mot_metrics import load_trackeval
from tracker_ros.evaluation.mot_report import MotConditions, MotResult, as_json, as_table, notes
from tracker_ros.evaluation.mot_run import (
    ABLATIONS,
    MotContestant,
    open_multi_contestants,
    score,
    track_sequence,
)
from tracker_ros.evaluation.options import (
    add_shared_options,
    not_negative,
    opencv_threads,
    progress,
    require_writable_json,
    write_json,
)
from tracker_ros.mot import MULTI_TRACKERS

DESCRIPTION = """\
Score multi-object trackers on MOTChallenge folders: NAME/{seqinfo.ini,img1,det/det.txt,gt/gt.txt},
or one such sequence. Where there is no img1, boxes and motion alone decide.

All trackers get the same detections: those of det/det.txt, or (gt-noisy) the truth with noise.
MOTA, IDF1, HOTA, ID switches and fragments are TrackEval's; fps is the tracker's calls alone,
without reading images. 'mean' is that of the sequences, 'combined' takes them as one.
"""

EPILOG = """\
examples:
  tracker_ros eval mot --data MOT15/train --detections det
  tracker_ros eval mot --data MOT17/train --detections det --tracker famnet --tracker sort
  tracker_ros eval mot --data MOT15/train --detections gt-noisy --seed 3 --ablate --json result.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `eval mot`."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    add_shared_options(parser)
    parser.add_argument(
        "--detections", choices=DETECTIONS, required=True, help="det/det.txt, or truth with noise"
    )
    parser.add_argument(
        "--tracker",
        action="append",
        metavar="NAME",
        help=f"{', '.join(MULTI_TRACKERS)}, or the path of a model card (.yaml); repeat it to "
        "compare (default: all three)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write the tracks to DIR/TRACKER/NAME.txt"
    )
    parser.add_argument(
        "--seed", type=not_negative, default=0, metavar="N", help="of gt-noisy (default: 0)"
    )
    parser.add_argument(
        "--ablate", action="store_true", help=f"measure {', '.join(ABLATIONS)}, too"
    )


def run(args: argparse.Namespace) -> int:
    """Check everything, then measure, print the table, write the JSON and the tracks."""
    load_trackeval()  # where it is missing nothing needs to run first
    require_writable_json(args.json)
    sequences = load_mot_dataset(
        args.data, args.detections, args.sequences, limit=args.limit, seed=args.seed
    )
    names = list(args.tracker or MULTI_TRACKERS)
    if args.ablate:
        names += [name for name in ABLATIONS if name not in names]
    with opencv_threads(args.threads):
        contestants = open_multi_contestants(names, threads=args.threads)
        write = _writer(args.out, contestants)
        results = compare(contestants, sequences, write)
    conditions = MotConditions.of(
        sequences, data=str(args.data), detections=args.detections, seed=args.seed,
        limit=args.limit, threads=args.threads,
    )  # fmt: skip
    print(as_table(results, conditions))
    for result in results:
        print(f"{result.tracker}: {result.about.removeprefix(f'{result.tracker}: ')}")
    for line in notes(conditions):
        print(line)
    write_json(args.json, as_json(results, conditions))
    return 0


def compare(
    contestants: Sequence[MotContestant],
    sequences: Sequence[MotSequence],
    write: Callable[[str, str, FloatArray], None] = lambda tracker, sequence, tracks: None,
) -> list[MotResult]:
    """Run every tracker over every sequence; `write` gets the tracks of each as they are done."""
    results = []
    frames = {sequence.name: sequence.frames for sequence in sequences}
    with progress(len(contestants) * sum(frames.values())) as (say, tick):
        for contestant in contestants:
            figures, seconds = {}, {}
            for sequence in sequences:
                say(f"{contestant.name} on {sequence.name}")
                tracked = track_sequence(contestant.new_tracker(), sequence, tick)
                figures[sequence.name] = score(sequence, tracked.tracks)
                seconds[sequence.name] = float(tracked.seconds.sum())
                write(contestant.name, sequence.name, tracked.tracks)
            results.append(MotResult(contestant.name, contestant.about, figures, seconds, frames))
    return results


def _writer(
    out: Path | None, contestants: Sequence[MotContestant]
) -> Callable[[str, str, FloatArray], None]:
    """What writes OUT/TRACKER/NAME.txt. Raises DataError when the folders cannot be made."""
    if out is None:
        return lambda tracker, sequence, tracks: None
    # No colon in the name of a folder: rsync takes what is before it for a host.
    folders = {c.name: out / c.name.replace(":", "-") for c in contestants}
    for folder in folders.values():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"--out {folder} cannot be made: {error.strerror}") from None
    return lambda tracker, sequence, tracks: write_tracks(
        folders[tracker] / f"{sequence}.txt", tracks
    )
