"""`tracker_ros eval mot`: score multi-object trackers, or results on disk, side by side."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path

from tracker_ros.errors import DataError
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.evaluation.mot_datasets import DETECTIONS, MotSequence, load_mot_dataset
from tracker_ros.evaluation.mot_files import COLUMNS, write_tracks
from tracker_ros.evaluation.mot_metrics import load_trackeval
from tracker_ros.evaluation.mot_report import MotConditions, MotResult, as_json, as_table, notes
from tracker_ros.evaluation.mot_results import MotAnswer, load_answers
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
    where_the_truth_is,
    write_json,
)
from tracker_ros.mot import MULTI_TRACKERS

DESCRIPTION = """\
Run multi-object trackers over MOTChallenge folders (--data), or score results (--results).

Data: NAME/{seqinfo.ini,img1,det/det.txt,gt/gt.txt}, or one such sequence. Where there is no img1,
boxes and motion alone decide. All trackers get the same detections: those of det/det.txt, or
(gt-noisy) the truth with noise.

Results: a folder for each tracker with a file NAME.txt for every sequence, lines
frame,id,x,y,w,h,score (1-based); or one file where there is one sequence.

MOTA, IDF1, HOTA, ID switches and fragments, recall and precision, MT, PT, ML and MOTP are
TrackEval's; fps is the tracker's calls alone, without reading images. 'mean' is that of the
sequences, 'combined' takes them as one.
"""

EPILOG = """\
examples:
  tracker_ros eval mot --data MOT15/train --detections det
  tracker_ros eval mot --data MOT17/train --detections det --tracker famnet --tracker sort
  tracker_ros eval mot --data MOT15/train --detections gt-noisy --seed 3 --ablate --json result.json
  tracker_ros eval mot --data MOT15/train --detections det --save results
  tracker_ros eval mot --results theirs results/famnet --data MOT15/train
  tracker_ros eval mot --results tracks.txt --truth gt.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `eval mot`."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    add_shared_options(parser, data_required=False)
    parser.add_argument(
        "--detections", choices=DETECTIONS,
        help="det/det.txt, or truth with noise (needed unless --results)",
    )  # fmt: skip
    parser.add_argument(
        "--tracker",
        action="append",
        metavar="NAME",
        help=f"{', '.join(MULTI_TRACKERS)}, or the path of a model card (.yaml); repeat it to "
        "compare (default: all three)",
    )
    parser.add_argument(
        "--results", nargs="+", type=Path, metavar="PATH",
        help="score these results, a folder for each tracker or a file of one sequence, and run "
        "nothing",
    )  # fmt: skip
    parser.add_argument(
        "--truth", type=Path, metavar="PATH",
        help="with --results, in place of --data: a gt.txt, a folder of NAME.txt, or a data set",
    )  # fmt: skip
    parser.add_argument(
        "--save", "--out", type=Path, metavar="DIR",
        help="write the tracks in MOTChallenge's form to DIR/TRACKER/NAME.txt",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=not_negative, default=0, metavar="N", help="of gt-noisy (default: 0)"
    )
    parser.add_argument(
        "--ablate", action="store_true", help=f"measure {', '.join(ABLATIONS)}, too"
    )


def run(args: argparse.Namespace) -> int:
    """Check everything, then measure or read, print the table, write the JSON and the tracks."""
    load_trackeval()  # where it is missing nothing needs to run first
    require_writable_json(args.json)
    path = where_the_truth_is(
        args,
        detections=args.detections is not None,
        ablate=args.ablate,
        seed=args.seed > 0,
        threads=args.threads > 0,
    )
    results, conditions = _scored(args, path) if args.results else _measured(args, path)
    print(as_table(results, conditions))
    for result in results:
        print(f"{result.tracker}: {result.about.removeprefix(f'{result.tracker}: ')}")
    for line in notes(conditions):
        print(line)
    write_json(args.json, as_json(results, conditions))
    return 0


def _measured(args: argparse.Namespace, path: Path) -> tuple[list[MotResult], MotConditions]:
    """Run trackers. Raises DataError and ModelError before anything runs."""
    if args.detections is None:
        raise DataError(
            f"--detections {' or '.join(DETECTIONS)} is needed to run trackers: what they are given"
        )
    sequences = load_mot_dataset(
        path, args.detections, args.sequences, limit=args.limit, seed=args.seed
    )
    names = list(args.tracker or MULTI_TRACKERS)
    if args.ablate:
        names += [name for name in ABLATIONS if name not in names]
    with opencv_threads(args.threads):
        contestants = open_multi_contestants(names, threads=args.threads)
        write = _writer(args.save, [contestant.name for contestant in contestants])
        results = compare(contestants, sequences, write)
    return results, MotConditions.of(
        sequences, data=str(path), detections=args.detections, seed=args.seed,
        limit=args.limit, threads=args.threads,
    )  # fmt: skip


def _scored(args: argparse.Namespace, path: Path) -> tuple[list[MotResult], MotConditions]:
    """Score what lies on disk. Raises DataError where some of it cannot be used."""
    answers = load_answers(path, args.sequences, args.limit)
    results = score_results(_by_tracker(args.results, answers), answers, args.save)
    return results, MotConditions(
        data=str(path), detections=None, seed=None, limit=args.limit, threads=args.threads,
        frames=results[0].frames,
    )  # fmt: skip


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
            results.append(MotResult(contestant.name, contestant.about, figures, frames, seconds))
    return results


def score_results(
    paths: Mapping[str, Path], answers: Sequence[MotAnswer], save: Path | None = None
) -> list[MotResult]:
    """Score results on disk, by the trackers' names. Raises DataError naming file and line."""
    tracks = {}
    with progress(len(paths) * len(answers), "results") as (say, tick):
        for tracker, answer in product(paths, answers):
            say(f"{tracker} on {answer.name}")
            tracks[tracker, answer.name] = answer.read(paths[tracker])
            tick()
    write = _writer(save, list(paths))  # nothing is written where one of them cannot be read
    for (tracker, sequence), rows in tracks.items():
        write(tracker, sequence, rows[:, :COLUMNS])
    frames = {answer.name: answer.frames for answer in answers}
    return [
        MotResult(
            tracker,
            f"results in {path}",
            {answer.name: score(answer, tracks[tracker, answer.name]) for answer in answers},
            frames,
        )
        for tracker, path in paths.items()
    ]


def _by_tracker(paths: Sequence[Path], answers: Sequence[MotAnswer]) -> dict[str, Path]:
    """Results by the name of their tracker, which is that of the folder or file."""
    named: dict[str, Path] = {}
    for path in paths:
        is_file = path.is_file()
        if is_file and len(answers) > 1:
            raise DataError(
                f"--results {path} is one file, but the truth has {len(answers)} sequences; give a "
                "folder of NAME.txt, or choose with --sequences NAME"
            )
        name = path.stem if is_file else path.resolve().name
        if name in named:
            raise DataError(f"--results {path}: two results are named '{name}'; rename one")
        named[name] = path
    return named


def _writer(save: Path | None, trackers: Sequence[str]) -> Callable[[str, str, FloatArray], None]:
    """What writes SAVE/TRACKER/NAME.txt. Raises DataError when the folders cannot be made."""
    if save is None:
        return lambda tracker, sequence, tracks: None
    # No colon in the name of a folder: rsync takes what is before it for a host.
    folders = {tracker: save / tracker.replace(":", "-") for tracker in trackers}
    for folder in folders.values():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"--save {folder} cannot be made: {error.strerror}") from None
    return lambda tracker, sequence, tracks: write_tracks(
        folders[tracker] / f"{sequence}.txt", tracks
    )
