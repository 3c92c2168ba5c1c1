"""`tracker_ros replay`: bag in, tracks and score out, the same on every run."""

from __future__ import annotations

import argparse
import glob
import math
import os
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import yaml
from tqdm import tqdm

from tracker_ros.errors import DataError, TrackerRosError
from tracker_ros.mot.open import MULTI_TRACKERS
from tracker_ros.replay.figures import FIGURES, names_for, parse_limits, shown
from tracker_ros.replay.job import MOT, RATES, SOT, Job, parse_wish
from tracker_ros.replay.junit import write_junit
from tracker_ros.replay.many import Fleet, replay_many
from tracker_ros.replay.outcome import Outcome
from tracker_ros.replay.requests import read_requests
from tracker_ros.replay.run import Progress
from tracker_ros.replay.work import run_job
from tracker_ros.sot import TRACKERS

DESCRIPTION = """\
Replay ROS 2 bags (mcap, sqlite3, zstd) through the code that the nodes run, frame by frame in
simulated time: no frame is dropped, no robot, no ROS and no DDS is needed, it goes as fast as the
machine can, and the same bag and model give the same tracks on every run, byte by byte.

Without --detections a target is followed, as by sot_node: that of --target, or the one that --gt
shows. With --detections TOPIC all objects get identities, as by mot_node.

For each bag a folder is written, OUT or replay/BAG:
  bag/         the bag with the tracks and the status added
  tracks.csv   every track of every frame; mot.txt: MOTChallenge's form; vot/: VOT's
  report.html  curves, states over time, the worst moments with pictures, latency
  result.json  the figures
"""
EPILOG = """\
examples:
  tracker_ros replay drive.mcap --target 300,120,80,60
  tracker_ros replay drive.mcap --target 300,120,80,60@+12.5 --tracker siamfc --out /tmp/try
  tracker_ros replay drive.mcap --gt boxes.txt --fail-below auc=0.6 --junit junit.xml
  tracker_ros replay crowd.mcap --detections /detector/detections --gt gt.txt --fail-below idf1=0.5
  tracker_ros replay 'bags/*.mcap' --gt 'truth/{name}.txt' --jobs 4

Exit code: 0; 1 when a figure broke its limit or one of several bags could not be replayed; 2 when
the input was refused; 130 after Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `replay`."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add(
        "bags",
        nargs="+",
        metavar="BAG",
        help="folder or file of a bag, or a quoted pattern of them",
    )
    add("--out", type=Path, metavar="DIR", help="folder of the results (default: replay/BAG); with "
        "several bags, of a folder for each")  # fmt: skip

    what = parser.add_argument_group("what is followed")
    add = what.add_argument
    add("--topic", default="", metavar="NAME",
        help="image topic (default: that with the most messages)")  # fmt: skip
    add("--target", action="append", default=[], metavar="X,Y,W,H[@T]",
        help="follow what is in this box of the first image stamped T seconds or later; @+T: T "
        "seconds after the first image (default: of the first image); may be repeated")  # fmt: skip
    add("--detections", default="", metavar="TOPIC",
        help="give these detections (vision_msgs/Detection2DArray) identities")  # fmt: skip
    add("--from", dest="begin", type=_seconds, default=0.0, metavar="S",
        help="leave out the first S seconds of the recording")  # fmt: skip
    add("--to", dest="end", type=_seconds, default=math.inf, metavar="S",
        help="stop S seconds after the recording began")  # fmt: skip

    how = parser.add_argument_group("how")
    add = how.add_argument
    add("--tracker", metavar="NAME",
        help=f"{', '.join(TRACKERS)}; with --detections {', '.join(MULTI_TRACKERS)}")  # fmt: skip
    add("--params-file", type=Path, metavar="FILE",
        help="ROS parameters of the node, as for the launch files")  # fmt: skip
    add("--set", action="append", default=[], metavar="NAME=VALUE",
        help="overrides a parameter, as monitor.patience=15; may be repeated")  # fmt: skip
    add("--rate", choices=RATES, default="max",
        help="max: every frame; real: at the pace of the recording, dropping frames that come "
        "while the tracker is busy, as a live robot would on this machine")  # fmt: skip

    score = parser.add_argument_group("score")
    add = score.add_argument
    add("--gt", default="", metavar="FILE|TOPIC",
        help="the truth: for a target a line x,y,w,h for every image, or CSV with the columns "
        "stamp,x,y,w,h; for identities MOTChallenge's gt.txt; or a topic of the bag with "
        "Detection2DArray (TOPIC#ID: one of several). {name} is the bag's name")  # fmt: skip
    add("--fail-below", metavar="F=V,...",
        help="fail where a figure is lower: " + _figures("higher"))  # fmt: skip
    add("--fail-above", metavar="F=V,...",
        help="fail where a figure is higher: " + _figures("lower"))  # fmt: skip
    add("--junit", type=Path, metavar="FILE", help="write the verdicts as JUnit XML there")

    many = parser.add_argument_group("many bags")
    add = many.add_argument
    add("--jobs", type=_count, default=0, metavar="N",
        help="bags at a time, each in a process with its share of the cores (default: one after "
        "the other; with --ray as many as the cluster takes)")  # fmt: skip
    add("--ray", default="", metavar="ADDRESS",
        help="replay on the Ray cluster at auto, HOST:PORT or ray://HOST:PORT; its nodes must see "
        "the bags at the same paths")  # fmt: skip
    add("--retries", type=_count, default=1, metavar="N",
        help="how often a bag is replayed anew after a crash or the loss of its worker (default: "
        "%(default)s)")  # fmt: skip
    add("--resume", action="store_true",
        help="keep the results that are there, where bag, options, models and versions are still "
        "the same")  # fmt: skip

    left = parser.add_argument_group("what is left behind")
    add = left.add_argument
    add("--bag", dest="keep", choices=("all", "outputs", "none"), default="all",
        help="what the written bag holds: the input's topics and the tracks (default), only what "
        "was published, or nothing: no bag")  # fmt: skip
    add("--storage", choices=("mcap", "sqlite3"), default="mcap", help="of the written bag")
    add("--no-report", dest="report", action="store_false", help="write no report.html")


def run(args: argparse.Namespace) -> int:
    """Replay, tell, and say by the exit code whether all limits were kept."""
    jobs = read_jobs(args)
    if _are_many(args):
        fleet = Fleet(args.jobs, args.ray, args.retries, args.resume)
        return replay_many(jobs, args.out or Path("replay"), fleet, args.junit)
    try:
        outcome = _run_one(jobs[0])
    except TrackerRosError as error:
        if args.junit is not None:  # not the verdict of a run before
            write_junit(args.junit, [Outcome(str(jobs[0].bag), error=str(error))])
        raise
    print(as_table(outcome))
    print(f"results in {jobs[0].out}")
    if args.junit is not None:
        write_junit(args.junit, [outcome])
    return 0 if outcome.passed else 1


def read_jobs(args: argparse.Namespace) -> list[Job]:
    """A job for every bag. Raises DataError, ParameterError."""
    paths = bags_of(args.bags)
    if args.junit is not None and not args.junit.absolute().parent.is_dir():
        raise DataError(f"--junit {args.junit} cannot be written: its folder must exist")
    kind = MOT if args.detections else SOT
    if kind == MOT and args.target:
        raise DataError("--target and --detections cannot be had together: replay the bag twice")
    if args.begin >= args.end:
        raise DataError(f"--from {args.begin:g} --to {args.end:g} leaves nothing to replay")
    settings = dict(_setting(text) for text in args.set)
    if args.tracker:
        of_other = MULTI_TRACKERS if kind == SOT else TRACKERS
        if args.tracker.partition(":")[0] in of_other:
            wants = "needs" if kind == SOT else "follows a target, without"
            raise DataError(f"--tracker {args.tracker} {wants} --detections")
        settings["tracker"] = args.tracker
    job = Job(
        bag=Path(), out=Path(), kind=kind, topic=args.topic, detections=args.detections,
        params_file=args.params_file, settings=settings,
        wishes=tuple(parse_wish(text) for text in args.target),
        begin=args.begin, end=args.end, rate=args.rate, keep=args.keep, storage=args.storage,
        report=args.report,
        limits=parse_limits(args.fail_below, args.fail_above, kind, truth=bool(args.gt)),
    )  # fmt: skip
    names = names_of(paths)
    if args.out is None:
        folders = [Path("replay", name) for name in names]
    else:
        folders = [args.out / name for name in names] if _are_many(args) else [args.out]
    jobs = [
        replace(job, bag=path, out=folder, gt=args.gt.replace("{name}", name))
        for path, folder, name in zip(paths, folders, names, strict=True)
    ]
    return jobs if args.target or args.gt or args.detections else [asked_again(j) for j in jobs]


def asked_again(job: Job) -> Job:
    """A job that does what the operator asked for. Raises DataError where there was none."""
    requests = read_requests(job)
    if not requests.wishes:
        raise DataError(
            "what is to be followed? --target X,Y,W,H names a box of the first image, --gt starts "
            f"on the truth, --detections TOPIC follows all; no operator asked for it in {job.bag}"
        )
    settings = {"max_targets": requests.most_targets, **job.settings}
    return replace(job, wishes=tuple(requests.wishes), settings=settings, again=True)


def _are_many(args: argparse.Namespace) -> bool:
    """Whether results lie as those of many bags do, also where a pattern finds just one."""
    pattern = any(glob.has_magic(bag) and not os.path.exists(bag) for bag in args.bags)
    return len(args.bags) > 1 or pattern or bool(args.ray) or args.resume


def as_table(outcome: Outcome) -> str:
    """The figures of a bag, and which limits they broke."""
    lines = [f"{outcome.bag}: {outcome.duration:.1f} s in {outcome.wall:.1f} s"]
    if outcome.damage:
        lines.append(f"damaged: {outcome.damage}")
    for name, value in outcome.figures.items():
        lines.append(f"  {name:<22} {shown(name, value):>8}  {FIGURES[name].about}")
    for cause, trouble in outcome.troubles.items():
        first = trouble.first.splitlines()[0]
        lines.append(f"  {'trouble':<22} {trouble.count:>8}  {cause}; the first: {first}")
    if outcome.broken:
        lines.append("  FAIL the tracker raised an error; result.json holds its trace")
    lines += [f"  {'PASS' if check.passed else 'FAIL'} {check}" for check in outcome.checks]
    lines.append(f"  sha256 of the tracks   {outcome.digest}")
    return "\n".join(lines)


def _run_one(job: Job) -> Outcome:
    """Replay a bag behind a progress bar, which comes when everything is open."""
    with ExitStack() as stack:
        bars: list[tqdm[NoReturn]] = []

        def begin(images: int) -> None:
            # A log gets a line now and then, not ten a second.
            interval = 0.1 if sys.stderr.isatty() else 10.0
            bar = tqdm(
                total=images or None, unit=" frames", desc=job.bag.name, mininterval=interval
            )
            bars.append(stack.enter_context(bar))

        return run_job(job, Progress(begin, lambda: bars[0].update()))


def bags_of(patterns: Sequence[str]) -> list[Path]:
    """The bags that paths and patterns name, each once. Raises DataError where one names none."""
    paths: list[Path] = []
    for pattern in patterns:
        is_pattern = not os.path.exists(pattern) and glob.has_magic(pattern)
        found = sorted(glob.glob(pattern)) if is_pattern else [pattern]
        if not found:
            raise DataError(f"no bag is called {pattern}")
        paths += map(Path, found)
    return list({path.resolve(): path for path in paths}.values())


def names_of(paths: Sequence[Path]) -> list[str]:
    """A name for each bag, all of them different: its own, else with its folders, else numbered."""
    own = [path.resolve().name for path in paths]
    short = [re.sub(r"\.(mcap|db3)(\.zstd)?$", "", name) for name in own]
    names = short if len(set(short)) == len(short) else own
    if len(set(names)) < len(names):
        names = ["_".join(path.resolve().parts[1:]) for path in paths]
    if len(set(names)) < len(names):
        names = [f"{name}_{number}" for number, name in enumerate(names, 1)]
    return names


def _setting(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        equals = ""
    if not equals or not name:
        raise DataError(f"--set {text}: expected NAME=VALUE, as in monitor.patience=15")
    return name, "" if parsed is None else parsed


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds from 0 up")
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 0 up")
    return int(text)


def _figures(better: str) -> str:
    words = (better, "") if better == "higher" else (better,)
    kinds = ((kind, names_for(kind, truth=True)) for kind in (SOT, MOT))
    return "; ".join(
        f"{kind}: " + ", ".join(name for name in names if FIGURES[name].better in words)
        for kind, names in kinds
    )
