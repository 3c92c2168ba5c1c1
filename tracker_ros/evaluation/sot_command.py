"""`tracker_ros eval sot`: score single-object trackers on sequences with truth, side by side."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tracker_ros.errors import DataError
from tracker_ros.evaluation.contestants import Contestant, open_contestants
from tracker_ros.evaluation.datasets import VideoSequence
from tracker_ros.evaluation.formats import FORMATS, DataSet, load_sequences
from tracker_ros.evaluation.one_pass import warm_up
from tracker_ros.evaluation.one_pass_protocols import GOT10K, LASOT, OTB, VISIBLE
from tracker_ros.evaluation.opencv_trackers import NANOTRACK, OPENCV_TRACKERS
from tracker_ros.evaluation.options import (
    add_shared_options,
    at_least_one,
    is_file_name,
    opencv_threads,
    progress,
    require_writable_json,
    where_the_truth_is,
    write_json,
)
from tracker_ros.evaluation.protocol import Protocol
from tracker_ros.evaluation.report import Conditions, TrackerResult, as_json, as_table
from tracker_ros.evaluation.vot_multistart import MultiStartProtocol
from tracker_ros.evaluation.vot_supervised import CHALLENGES, SupervisedProtocol
from tracker_ros.sot import TRACKERS, trackers_with_weights
from tracker_ros.sot.backends import AUTO, BACKENDS, ONNXRUNTIME, TENSORRT

PROTOCOLS = ("visible", "otb", "lasot", "got10k", "vot-supervised", "vot-multistart")

DESCRIPTION = f"""\
Run trackers over sequences with truth (--data), or score results that lie on disk (--results).

Data come in the form of OTB, LaSOT, GOT-10k, VOT or pysot's JSON, which is found out, or in
the project's own: NAME/img/*.jpg (or png) and NAME/groundtruth.txt, a line x,y,w,h (0-based pixels)
for every image, nan,nan,nan,nan where the target is not visible. Each form is scored as its
benchmark does it, unless --protocol says otherwise:

  visible         success AUC over 21 overlap thresholds; P@20, the share of frames whose centre
                  is at most 20 px off. Of the frames,
                  {VISIBLE.convention}
  otb             the same of all frames, absent ones as failures (also: --all-frames)
  lasot           and normalised precision, at 0.20 and its mean over 0 to 0.5
  got10k          AO, SR.5 and SR.75
  vot-supervised  accuracy, failures, robustness and EAO of polygons; started anew after a failure
  vot-multistart  accuracy, robustness and EAO of runs forward and backward from anchors

The first four make one pass: a tracker gets the box of the first frame that shows the target and
follows to the end. fps, ms (median) and p95 are of the tracker's calls alone, without reading
images, after 20 calls to warm up. The bare tracker is measured: the node's monitor, which says
when a target is LOST, has no part.
"""

EPILOG = """\
examples:
  tracker_ros eval sot --data sequences --limit 300
  tracker_ros eval sot --data sequences --tracker siamrpnpp --tracker kcf --json result.json
  tracker_ros eval sot --data sequences --tracker nanotrack --nanotrack nanotrack_v2
  tracker_ros eval sot --data OTB100 --save results
  tracker_ros eval sot --data vot2018 --tracker siamrpnpp --challenge vot2018 --save results
  tracker_ros eval sot --results results/siamrpnpp --truth VOT2018.json
  tracker_ros eval sot --results theirs ours --data GOT-10k/val --json result.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `eval sot`."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    add_shared_options(parser, data_required=False)
    parser.add_argument(
        "--format", choices=("auto", *FORMATS), default="auto", help="form of the data or truth"
    )
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, help="how to run and score (default: as the form's "
        "benchmark does)",
    )  # fmt: skip
    parser.add_argument(
        "--tracker",
        action="append",
        metavar="NAME",
        help=f"{', '.join((*TRACKERS, *OPENCV_TRACKERS, NANOTRACK))}, a model card's name, or the "
        "path of a card (.yaml); repeat it to compare (default: those of "
        f"{', '.join(TRACKERS)} whose weights are here)",
    )
    parser.add_argument(
        "--backend", choices=(AUTO, *BACKENDS), default=AUTO,
        help=f"what runs the networks of ours (default: {AUTO}: {TENSORRT} where it can be used, "
        f"else {ONNXRUNTIME})",
    )  # fmt: skip
    parser.add_argument(
        "--nanotrack", type=Path, metavar="DIR",
        help="folder of NanoTrack's backbone and head (ONNX), for --tracker nanotrack",
    )  # fmt: skip
    parser.add_argument(
        "--results", nargs="+", type=Path, metavar="DIR",
        help="score these results, a folder for each tracker, and run nothing",
    )  # fmt: skip
    parser.add_argument(
        "--truth", type=Path, metavar="PATH",
        help="with --results, in place of --data: a folder of NAME.txt, a JSON file, or a data set",
    )  # fmt: skip
    parser.add_argument(
        "--save", type=Path, metavar="DIR",
        help="write the results there, in the layout of the protocol's benchmark",
    )  # fmt: skip
    parser.add_argument(
        "--all-frames",
        action="store_true",
        help="count the first frame and frames without a visible target, too: --protocol otb",
    )
    parser.add_argument(
        "--challenge", choices=tuple(CHALLENGES), metavar="NAME",
        help=f"vot-supervised: {', '.join(CHALLENGES)}, whose lengths the EAO is taken over "
        "(default: the one that the data's path names, else vot2018)",
    )  # fmt: skip
    parser.add_argument(
        "--repeat", type=at_least_one, default=1, metavar="N",
        help="vot-supervised: runs of a tracker; VOT has 15 for those that are not deterministic",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Check everything, then measure or read, print the table and write the JSON."""
    require_writable_json(args.json)
    path = where_the_truth_is(
        args, threads=args.threads > 0, backend=args.backend != AUTO, repeat=args.repeat > 1
    )
    if args.nanotrack is not None and NANOTRACK not in (args.tracker or ()):
        raise DataError(
            f"--nanotrack {args.nanotrack}: add --tracker {NANOTRACK}, else nothing uses it"
        )
    data = load_sequences(
        path, args.format, args.sequences, args.limit, with_images=args.results is None
    )
    protocol = _protocol(args, data)
    write = _writer(args.save, protocol)
    if args.results is None:
        contestants = open_contestants(
            args.tracker or trackers_with_weights(), threads=args.threads,
            backend=args.backend, nanotrack=args.nanotrack,
        )  # fmt: skip
        for contestant in contestants:  # a card says what its model is called
            if args.save is not None and not is_file_name(contestant.name):
                raise DataError(
                    f"--save: a tracker named {contestant.name!r} has no folder of that name; "
                    "rename it in its card"
                )
        with opencv_threads(args.threads):
            results = compare(contestants, data.sequences, protocol, write)
    else:
        results = score_results(args.results, data.sequences, protocol, write)
    conditions = Conditions(
        str(data.path), data.form.name, protocol.name, protocol.convention, args.limit,
        args.all_frames, args.threads, results[0].scored.frames,
    )  # fmt: skip
    print(as_table(results, protocol.columns, protocol.summary))
    for result in results:
        print(f"{result.tracker}: {result.about}")
    for column in protocol.columns:
        print(f"{column.title}: {column.about}")
    print(f"Scored, {protocol.name}: {protocol.convention}.")
    for line in (*protocol.notes([result.scored for result in results]), *_notes(data, protocol)):
        print(line)
    write_json(args.json, as_json(results, conditions, protocol.summary))
    return 0


def compare(
    contestants: Sequence[Contestant],
    sequences: Sequence[VideoSequence],
    protocol: Protocol[Any],
    write: Callable[[str, VideoSequence, Any], None] = lambda tracker, sequence, run: None,
) -> list[TrackerResult]:
    """Run every tracker over every sequence; `write` gets what it did as it is done."""
    results = []
    to_track = sum(protocol.calls(sequence) for sequence in sequences)
    with progress(len(contestants) * to_track) as (say, tick):
        for contestant in contestants:
            runs = []
            warm_up(contestant.new_tracker(), sequences[0])
            for sequence in sequences:
                say(f"{contestant.name} on {sequence.name}")
                done = protocol.run(contestant.new_tracker, sequence, tick)
                write(contestant.name, sequence, done)
                runs.append((sequence, done))
            seconds = {sequence.name: protocol.seconds(done) for sequence, done in runs}
            results.append(
                TrackerResult(contestant.name, contestant.about, protocol.score(runs), seconds)
            )
    return results


def score_results(
    folders: Sequence[Path],
    sequences: Sequence[VideoSequence],
    protocol: Protocol[Any],
    write: Callable[[str, VideoSequence, Any], None] = lambda tracker, sequence, run: None,
) -> list[TrackerResult]:
    """Score results on disk, a folder for each tracker, which is named as the folder is."""
    results: dict[str, TrackerResult] = {}
    with progress(len(folders) * len(sequences), "results") as (say, tick):
        for folder in folders:
            name = folder.resolve().name.removesuffix("_tracking_result")
            if not folder.is_dir():
                raise DataError(f"--results {folder}: no such folder; expected a tracker's results")
            if name in results:
                raise DataError(f"--results {folder}: two folders are named '{name}'; rename one")
            runs = []
            for sequence in sequences:
                say(f"{name} on {sequence.name}")
                runs.append((sequence, protocol.read(folder, sequence)))
                write(name, *runs[-1])
                tick()
            results[name] = TrackerResult(name, f"results in {folder}", protocol.score(runs))
    return list(results.values())


def _protocol(args: argparse.Namespace, data: DataSet) -> Protocol[Any]:
    name = args.protocol or ("otb" if args.all_frames else data.protocol)
    if args.all_frames and name != "otb":
        raise DataError(f"--all-frames is --protocol otb; leave one of it and {name} out")
    if name != "vot-supervised" and (args.challenge or args.repeat > 1):
        raise DataError(f"--challenge and --repeat belong to vot-supervised, not to {name}")
    if name == "vot-supervised":
        parts = [part.lower() for part in data.path.resolve().parts]
        named = [name for name in CHALLENGES if any(name in part for part in parts)]
        told = args.challenge or (named[0] if len(named) == 1 else None)
        return SupervisedProtocol(told or "vot2018", args.repeat, assumed=told is None)
    if name == "vot-multistart":
        return MultiStartProtocol()
    one_pass = {protocol.name: protocol for protocol in (VISIBLE, OTB, LASOT, GOT10K)}
    return one_pass[name]


def _writer(
    folder: Path | None, protocol: Protocol[Any]
) -> Callable[[str, VideoSequence, Any], None]:
    """What writes results below the folder. Raises DataError when it cannot be made."""
    if folder is None:
        return lambda tracker, sequence, run: None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--save {folder} cannot be made: {error.strerror}") from None

    def write(tracker: str, sequence: VideoSequence, run: Any) -> None:
        try:
            protocol.write(folder, tracker.replace(":", "-"), sequence, run)
        except OSError as error:
            raise DataError(f"--save {folder}: {error.strerror}: {error.filename}") from None

    return write


def _notes(data: DataSet, protocol: Protocol[Any]) -> list[str]:
    unknown = sum(sequence.size is None for sequence in data.sequences)
    if not unknown or protocol.name in ("visible", "otb", "lasot"):
        return []
    return [f"The image size of {unknown} sequences is not known: nothing was clipped there."]
