"""`./run demo mot`: a camera, a detector, the multi-object node and a listener, over DDS."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tracker_ros.demo.mot_sources import MotFolderSource, detections_of
from tracker_ros.demo.processes import (
    Child,
    ChildProcesses,
    interrupt_on_signals,
    ros_environment,
    wait_for,
)
from tracker_ros.demo.sources import open_source, source_arguments
from tracker_ros.errors import DataError, TrackerRosError
from tracker_ros.mot.open import MULTI_TRACKERS

DESCRIPTION = """\
demo mot

Keep the identity of everybody in a video: people who cross a square, unless you give another.

Four processes are started: a camera, OpenCV's pedestrian detector (or, for a folder of
MOTChallenge, a player of its det/det.txt), the multi-object node, and a listener. When the video
ends, annotated.mp4, picture.jpg, tracks.txt and summary.json are in the output folder.
"""
TRACKER = "famnet"
DETECTIONS = ("hog", "det")
RATE = 8.0
"""Frames per second, unless --fps says another: the detector looks at every image, on two cores."""
EXIT_INTERRUPTED = 130
PICTURES = (".jpg", ".jpeg", ".png")


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0 only when tracks came."""
    interrupt_on_signals()
    try:
        detections = prepare(args)
        logs = args.out / "logs"
        logs.mkdir(parents=True, exist_ok=True)
    except (TrackerRosError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    environment = ros_environment(os.environ)
    pace = "as recorded" if args.bag is not None else f"{args.fps:g} Hz"
    print(
        f"demo: camera ({pace}) -> {'detector' if detections == 'hog' else 'det.txt'} -> "
        f"multi-object node ({args.tracker}) -> listener over DDS, "
        f"ROS_DOMAIN_ID={environment['ROS_DOMAIN_ID']}; results go to {args.out}/",
        flush=True,
    )
    try:
        with ChildProcesses(environment) as processes:
            return _watch(args, detections, processes, logs)
    except KeyboardInterrupt:
        print("\ndemo: stopped")
        return EXIT_INTERRUPTED


def prepare(args: argparse.Namespace) -> str:
    """Fill in what was not given, and check it; gives back where detections come from.

    Raises TrackerRosError when it cannot be done.
    """
    args.tracker = args.tracker or TRACKER
    if args.tracker not in MULTI_TRACKERS:
        raise DataError(f"--tracker {args.tracker}: choose one of {', '.join(MULTI_TRACKERS)}")
    if args.box is not None:
        raise DataError("--box names one target: leave out mot, or leave out --box")
    if args.picture is not None and args.picture.suffix.lower() not in PICTURES:
        raise DataError(f"--picture {args.picture}: expected a name ending in .jpg or .png")
    given = (args.sequence, args.video, args.camera, args.bag)
    if all(source is None for source in given):
        args.scene = args.scene or "square"
    if args.bag is None:
        args.fps = args.fps or RATE
    detections = detections_of(args)
    if args.camera is None:  # that one is left to the camera process: two cannot have it
        source = open_source(args)
        if isinstance(source, MotFolderSource):  # a mistake there is told now, not after the film
            source.people()
            if detections == "det":
                source.detections()
    return detections


def _watch(args: argparse.Namespace, detections: str, processes: ChildProcesses, logs: Path) -> int:
    source = source_arguments(args)
    film = ["--record", str(args.out / "camera.mp4")] if args.camera is not None else []
    picture = ["--picture", str(args.picture)] if args.picture else []
    ready = logs / "ready"
    ready.unlink(missing_ok=True)
    node = processes.start(
        "node",
        "tracker_ros.cli",
        ["mot", "--ros-args", "-r", "__node:=mot", "-r", "detections:=/detector/detections",
         "-p", f"tracker:={args.tracker}"],
        logs / "node.log",
    )  # fmt: skip
    if detections == "hog":
        words = ["detector", "--ros-args", "-r", "__node:=detector", "-p", "detector:=hog"]
        detector = processes.start("detector", "tracker_ros.cli", words, logs / "detector.log")
    else:
        player, words = "tracker_ros.nodes.detection_player", [f"--sequence={args.sequence}"]
        detector = processes.start("detections", player, words, logs / "detections.log")
    listener = processes.start(
        "listener",
        "tracker_ros.nodes.mot_listener",
        [*source, *picture, *film, "--detections", detections, "--out", str(args.out),
         "--ready", str(ready)],
        None,
    )  # fmt: skip
    others = [node, detector]
    # The first pictures would pass before somebody looks at them.
    while not ready.exists() and all(child.exit_code is None for child in (*others, listener)):
        time.sleep(0.02)
    # The node and the detector both look at the images; the player of det.txt does not.
    images = 2 if detections == "hog" else 1
    camera = processes.start(
        "camera",
        "tracker_ros.cli",
        ["camera", *source, *film, "--reliability", args.reliability, "--wait-for-subscriber",
         "--image-subscribers", str(images), "--info-subscribers", "3"],
        logs / "camera.log",
    )  # fmt: skip
    try:
        wait_for(listener, others, camera)
    except KeyboardInterrupt:
        if args.camera is None or camera.exit_code is not None:
            raise
        # Filming live has no other end than this one; what was filmed is worth keeping.
        print("\ndemo: filming ends; Ctrl-C again to stop at once")
        processes.end(camera)
        wait_for(listener, others, camera)
    if listener.exit_code == 0:
        return 0
    _report_failure([*others, camera])
    return 1


def _report_failure(children: list[Child]) -> None:
    for child in children:
        words = child.last_words()
        if words:
            print(f"\nlast lines of {child.log}:\n{words}", file=sys.stderr)
    print("\ndemo: failed", file=sys.stderr)
