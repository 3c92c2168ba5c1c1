"""`tracker_ros bench`: how long every stage of a frame takes, tracker beside tracker."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from tracker_ros.bench.encodings import ENCODINGS
from tracker_ros.bench.films import MOST_TARGETS
from tracker_ros.bench.machine import describe_machine
from tracker_ros.bench.plan import measure_memories, measure_nodes, prepare
from tracker_ros.bench.report import Benchmark, as_json, as_text, make_row
from tracker_ros.bench.rounds import ROUND, UNTIMED, WARM_UP, round_sizes, run_rounds
from tracker_ros.evaluation.opencv_trackers import NANOTRACK, OPENCV_TRACKERS
from tracker_ros.evaluation.options import (
    not_negative,
    opencv_threads,
    progress,
    require_writable_json,
    write_json,
)
from tracker_ros.mot.open import MULTI_TRACKERS
from tracker_ros.sot import TRACKERS
from tracker_ros.sot.backends import BACKENDS, ONNXRUNTIME, TENSORRT

DESCRIPTION = f"""\
Measure how long a frame takes, stage by stage: receive, decode, crop, network, post-processing and
publish, from a serialized image message to the serialized messages of its tracks. It is the code
that the nodes run, without ROS; --node measures real nodes over DDS as well, end to end.

All trackers run in one process on the same frames, in rounds of {ROUND} frames and in a changing
order. The first {WARM_UP} frames do not count, nor does the first one of a round. Ratios compare
what ran in the same rounds, on an idle machine: where others take a core, a tracker that uses
several loses more than one that does not, unless --threads 1 gives each only one. What others used
meanwhile stands above the table. How well the target was followed stands beside how long it took:
a tracker that has lost its target may well be fast.

Default: those of {", ".join(TRACKERS)} whose weights are here, on the rendered scene, 640x480,
with 1 and with 4 targets, which share the passes of their network.
"""

EPILOG = """\
examples:
  tracker_ros bench                                   half a minute
  tracker_ros bench --targets 1 --no-memory --frames 10     in a hurry: some seconds
  tracker_ros bench --size 640x480 1280x720 1920x1080 --encoding bgr8 jpeg
  tracker_ros bench --against opencv --nanotrack nanotrack_v2 --targets 1
  tracker_ros bench --tracker famnet sort --detections 10 50 200 --size 1280x720
  tracker_ros bench --tracker siamrpnpp --node --size 1920x1080 --reliability reliable
  tracker_ros bench --tracker siamrpnpp --data sequences/Girl --threads 1 --json figures.json
  tracker_ros bench --tracker siamrpn_r50_l234_dwxcorr --untrained 0 --backend onnxruntime torch
  tracker_ros bench --tracker siamrpnpp --frames 10000 --no-memory     does memory grow?

The table is Markdown. Measure on a machine that does nothing else.
"""
SIDES = (64, 4096)
"""Smallest and largest side of a picture, pixels."""
FRAMES = (ROUND, 1_000_000)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `bench`."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    what = parser.add_argument_group("what is measured")
    what.add_argument(
        "--tracker", nargs="+", action="extend", metavar="NAME",
        help=f"{', '.join(TRACKERS)}, a model card, {', '.join(OPENCV_TRACKERS)}, {NANOTRACK}; "
        f"of several objects {', '.join(MULTI_TRACKERS)}, with variants as famnet:k=1",
    )  # fmt: skip
    what.add_argument(
        "--backend", nargs="+", default=["auto"], metavar="NAME",
        help=f"what runs the networks: {', '.join(BACKENDS)}, or auto for {TENSORRT} where it can "
        f"be used, else {ONNXRUNTIME} (default: auto); several stand side by side",
    )  # fmt: skip
    what.add_argument(
        "--untrained", type=not_negative, metavar="SEED",
        help="our models with random weights in place of theirs, which need not be here: they "
        "take as long and track nothing (needs torch)",
    )  # fmt: skip
    what.add_argument(
        "--against", choices=("opencv",), help="OpenCV's trackers, too, on the same frames"
    )
    what.add_argument(
        "--nanotrack", type=Path, metavar="DIR",
        help="folder of NanoTrack's backbone and head (ONNX), for --against or --tracker nanotrack",
    )  # fmt: skip
    what.add_argument("--mot", action="store_true", help=f"{', '.join(MULTI_TRACKERS)}, too")
    what.add_argument(
        "--node", action="store_true", help="real nodes, too, end to end over DDS (needs ROS 2)"
    )
    frames = parser.add_argument_group("on which frames")
    frames.add_argument(
        "--size", nargs="+", type=_size, metavar="WxH", help="of the scene (default: 640x480)"
    )
    frames.add_argument(
        "--targets", nargs="+", type=_targets, default=[1, 4], metavar="N",
        help=f"followed at a time, 1 to {MOST_TARGETS} (default: 1 4)",
    )  # fmt: skip
    frames.add_argument(
        "--detections", nargs="+", type=_detections, default=[10, 50], metavar="N",
        help="objects in a frame, for trackers of several objects (default: 10 50)",
    )  # fmt: skip
    frames.add_argument(
        "--encoding", nargs="+", choices=ENCODINGS, default=["bgr8"], metavar="NAME",
        help=f"of the images: {', '.join(ENCODINGS)} (default: bgr8)",
    )  # fmt: skip
    frames.add_argument(
        "--frames", type=_frames, default=100, metavar="N",
        help=f"that count, after {WARM_UP} of warm-up (default: 100)",
    )  # fmt: skip
    frames.add_argument(
        "--data", type=Path, metavar="DIR",
        help="sequences with truth in place of the scene, in any form that eval sot reads",
    )  # fmt: skip
    how = parser.add_argument_group("how, and where to")
    how.add_argument(
        "--threads", type=not_negative, default=0, metavar="N",
        help="CPU threads of every tracker (default: what the engine and OpenCV choose)",
    )  # fmt: skip
    how.add_argument(
        "--rate", type=_rate, default=30.0, metavar="HZ",
        help="of the camera, with --node (default: 30)",
    )  # fmt: skip
    how.add_argument(
        "--reliability", choices=("best_effort", "reliable"), default="best_effort",
        help="of the camera, with --node (default: best_effort, as real cameras are)",
    )  # fmt: skip
    how.add_argument(
        "--no-memory", action="store_true",
        help="leave out the memory of each tracker, which takes a process of its own",
    )  # fmt: skip
    how.add_argument(
        "--json", type=Path, metavar="FILE", help="write every figure and the machine there"
    )


def run(args: argparse.Namespace) -> int:
    """Check everything, then measure, print the tables and write the JSON."""
    require_writable_json(args.json)
    with opencv_threads(args.threads), TemporaryDirectory() as folder:
        benchmark = _measure(args, Path(folder))
        print(as_text(benchmark))
        write_json(args.json, as_json(benchmark))
    return 0


def _measure(args: argparse.Namespace, folder: Path) -> Benchmark:
    machine = describe_machine(args.threads)
    plan = prepare(args, folder)
    lanes = [lane for heat in plan.heats for lane in heat.lanes]
    with progress(len(lanes) * sum(round_sizes(args.frames))) as (say, tick):
        surroundings = run_rounds(plan.heats, args.frames, say, tick)
        memories = {} if args.no_memory else measure_memories(plan.heats, say)
        nodes = measure_nodes(plan.nodes, say)
    rows = [
        make_row(lane, plan.reference(lane), plan.with_one_target(lane), memories.get(lane))
        for lane in sorted(lanes, key=plan.order)
    ]
    options = {
        "frames": args.frames,
        "warm_up": WARM_UP,
        "round": ROUND,
        "untimed": UNTIMED,
        "threads": args.threads,
        "untrained": args.untrained,
        "data": None if args.data is None else str(args.data),
    }
    return Benchmark(machine, options, rows, surroundings, nodes)


def _whole(text: str, limits: tuple[int, int], what: str) -> int:
    low, high = limits
    if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"'{text}' is not {what}: a whole number, {low} to {high}")
    return int(text)


def _targets(text: str) -> int:
    return _whole(text, (1, MOST_TARGETS), "a number of targets")


def _detections(text: str) -> int:
    return _whole(text, (1, 1000), "a number of objects")


def _frames(text: str) -> int:
    return _whole(text, FRAMES, "a number of frames")


def _size(text: str) -> tuple[int, int]:
    low, high = SIDES
    sides = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text, re.ASCII)
    if sides is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no size; give width x height, as 640x480")
    width, height = int(sides[1]), int(sides[2])
    if not (low <= width <= high and low <= height <= high) or width % 2 or height % 2:
        raise argparse.ArgumentTypeError(
            f"'{text}': both sides must be even and from {low} to {high} pixels"
        )
    return width, height


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 1 <= rate <= 240:
        raise argparse.ArgumentTypeError(f"'{text}' is not a rate: a number of hertz, 1 to 240")
    return rate
