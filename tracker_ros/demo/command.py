"""`./run demo`: a camera, the tracker node and an operator, three processes over DDS."""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from tracker_ros.demo.processes import Child, ChildProcesses
from tracker_ros.demo.sources import (
    add_source_arguments,
    box_argument,
    first_target,
    open_source,
    source_arguments,
)
from tracker_ros.errors import DataError, TrackerRosError
from tracker_ros.sot import TRACKERS

DESCRIPTION = """\
Follow a target through a video that is published as a camera topic over real ROS 2.

Three processes are started: a camera that publishes sensor_msgs/Image on `image`, the tracker
node, and an operator who points at the target in the first picture and listens. When the video
ends, annotated.mp4, picture.jpg, tracks.csv and summary.json are in the output folder.
"""
EXIT_INTERRUPTED = 130
PICTURES = (".jpg", ".jpeg", ".png")
WHEN_HEARD = ("--wait-for-subscriber", "--info-subscribers", "2")
"""When the camera begins."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `demo`."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_source_arguments(parser)
    parser.add_argument(
        "--box",
        type=box_argument,
        metavar="X,Y,W,H",
        help="target in the first picture, pixels, from the top-left "
        "(needed where the input has no groundtruth.txt)",
    )
    parser.add_argument(
        "--tracker", choices=TRACKERS, default="siamrpnpp", help="default: %(default)s"
    )
    parser.add_argument(
        "--reliability",
        choices=("best_effort", "reliable"),
        default="best_effort",
        help="of the camera's topic (default: %(default)s, as real cameras are)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), metavar="DIR", help="default: %(default)s/"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="sheet of key moments (default: in DIR)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0 only when the target was set and tracks came back."""
    # SIGINT too: a script's background job inherits it ignored, and would not end on it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        # A camera is left to the camera process: two cannot have it.
        truth = open_source(args).truth if args.camera is None else None
        first_target(truth, args.box)
        if args.picture is not None and args.picture.suffix.lower() not in PICTURES:
            raise DataError(f"--picture {args.picture}: expected a name ending in .jpg or .png")
        logs = args.out / "logs"
        logs.mkdir(parents=True, exist_ok=True)
    except (TrackerRosError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    environment = ros_environment(os.environ)
    print(
        f"demo: camera -> tracker node ({args.tracker}) -> operator over DDS, "
        f"ROS_DOMAIN_ID={environment['ROS_DOMAIN_ID']}; results go to {args.out}/",
        flush=True,
    )
    try:
        with ChildProcesses(environment) as processes:
            return _follow(args, processes, logs)
    except KeyboardInterrupt:
        print("\ndemo: stopped")
        return EXIT_INTERRUPTED


def _follow(args: argparse.Namespace, processes: ChildProcesses, logs: Path) -> int:
    source = source_arguments(args)
    film = ["--record", str(args.out / "camera.mp4")] if args.camera is not None else []
    # With "=": a box over the left border begins with a minus, like an option.
    box = ["--box=" + ",".join(str(value) for value in args.box)] if args.box else []
    picture = ["--picture", str(args.picture)] if args.picture else []
    ready = logs / "ready"
    ready.unlink(missing_ok=True)
    node = processes.start(
        "node",
        "tracker_ros.cli",
        ["sot", "--ros-args", "-r", "__node:=sot", "-p", f"tracker:={args.tracker}"],
        logs / "node.log",
    )
    operator = processes.start(
        "operator",
        "tracker_ros.nodes.operator_client",
        [*source, *box, *picture, *film, "--out", str(args.out), "--ready", str(ready)],
        None,
    )
    # The first picture, where the operator points, must not pass before somebody can point.
    while not ready.exists() and operator.exit_code is None and node.exit_code is None:
        time.sleep(0.02)
    camera = processes.start(
        "camera",
        "tracker_ros.cli",
        # The node and the operator both listen to camera_info: neither may miss the beginning.
        ["camera", *source, *film, "--reliability", args.reliability, *WHEN_HEARD],
        logs / "camera.log",
    )
    try:
        _wait(operator, node, camera)
    except KeyboardInterrupt:
        if args.camera is None or camera.exit_code is not None:
            raise
        # Filming live has no other end than this one; what was filmed is worth keeping.
        print("\ndemo: filming ends; Ctrl-C again to stop at once")
        processes.end(camera)
        _wait(operator, node, camera)
    if operator.exit_code == 0:
        return 0
    for child in (node, camera):
        words = child.last_words()
        if words:
            print(f"\nlast lines of {child.log}:\n{words}", file=sys.stderr)
    print("\ndemo: failed", file=sys.stderr)
    return 1


def _wait(operator: Child, node: Child, camera: Child) -> None:
    """Wait for the operator; return at once when it cannot succeed any more."""
    while operator.exit_code is None:
        for child in (node, camera):
            # The camera ends first when all is well; the node never does.
            if child.exit_code is not None and (child is node or child.exit_code != 0):
                code = child.exit_code
                print(f"\ndemo: the {child.name} process ended with code {code}", file=sys.stderr)
                return
        time.sleep(0.05)


def ros_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Make the environment of the demo's processes: they meet each other and nobody else.

    A ROS_DOMAIN_ID that the user has set is kept; otherwise a free one is taken.
    """
    result = dict(environment)
    if not result.get("ROS_DOMAIN_ID"):
        result["ROS_DOMAIN_ID"] = str(free_domain_id())
    if result.get("ROS_DISTRO") == "humble":
        result["ROS_LOCALHOST_ONLY"] = "1"
    else:
        result["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    return result


def free_domain_id() -> int:
    """Choose a ROS domain in which no participant of this machine is seen.

    Domains 1 to 100 keep clear of the ephemeral ports; the first participant of domain d binds
    the UDP ports 7400 + 250 d and 7410 + 250 d (RTPS specification, 9.6.1.1).
    """
    domains = list(range(1, 101))
    random.shuffle(domains)
    return next((domain for domain in domains if _is_free(domain)), domains[0])


def _is_free(domain: int) -> bool:
    for port in (7400 + 250 * domain, 7410 + 250 * domain):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
