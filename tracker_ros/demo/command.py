"""`./run demo`: one target or, with `mot`, everybody, followed over DDS."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tracker_ros.demo import mot_command, web_command
from tracker_ros.demo.processes import (
    ChildProcesses,
    interrupt_on_signals,
    ros_environment,
    wait_for,
)
from tracker_ros.demo.sources import (
    add_source_arguments,
    box_argument,
    first_target,
    open_source,
    source_arguments,
)
from tracker_ros.errors import DataError, TrackerRosError
from tracker_ros.models.card import card_names, read_card
from tracker_ros.mot.open import MULTI_TRACKERS
from tracker_ros.sot import DEFAULT_MODELS, DEFAULT_TRACKER, TRACKERS

DESCRIPTION = f"""\
demo, demo sot

Follow a target through a video that is published as a camera topic over real ROS 2.

Three processes are started: a camera that publishes sensor_msgs/Image on `image`, the tracker
node, and an operator who points at the target in the first picture and listens. When the video
ends, annotated.mp4, picture.jpg, tracks.csv and summary.json are in the output folder.

{mot_command.DESCRIPTION}"""
PORT = 8080
"""Of the operator's page."""
EXIT_INTERRUPTED = 130
PICTURES = (".jpg", ".jpeg", ".png")
WHEN_HEARD = ("--wait-for-subscriber", "--info-subscribers", "2")
"""When the camera begins."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `demo`."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "task", nargs="?", choices=("sot", "mot"), default="sot",
        help="follow one target, or keep the identities of all (default: %(default)s)",
    )  # fmt: skip
    add_source_arguments(parser)
    parser.add_argument(
        "--box",
        type=box_argument,
        metavar="X,Y,W,H",
        help="sot: target in the first picture, pixels, from the top-left "
        "(needed where the input has no groundtruth.txt)",
    )
    parser.add_argument(
        "--tracker",
        metavar="NAME",
        help=f"sot: {', '.join(TRACKERS)}, a model card's name, or the path of a card (.yaml) "
        f"(default: {DEFAULT_TRACKER}); "
        f"mot: {', '.join(MULTI_TRACKERS)} (default: {mot_command.TRACKER})",
    )
    parser.add_argument(
        "--detections",
        choices=mot_command.DETECTIONS,
        help="mot: OpenCV's pedestrian detector, or det/det.txt of the folder "
        "(default: det where it is there)",
    )
    parser.add_argument(
        "--web", type=port_argument, nargs="?", const=PORT, metavar="PORT",
        help="point at targets yourself, on a page in the browser, for as long as you like "
        "(default port: %(const)s)",
    )  # fmt: skip
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


def port_argument(text: str) -> int:
    """A port that a browser can be told of."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"port '{text}' is not a number from 1 to 65535")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0 only when the target was set and tracks came back."""
    interrupt_on_signals()
    if args.web is not None:
        return _serve(args)
    if args.task == "mot":
        return mot_command.run(args)
    args.tracker = args.tracker or DEFAULT_TRACKER
    try:
        model = node_model(args.tracker)
        if args.detections is not None:
            raise DataError(f"--detections {args.detections} is for demo mot; give a --box here")
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
            return _follow(args, model, processes, logs)
    except KeyboardInterrupt:
        print("\ndemo: stopped")
        return EXIT_INTERRUPTED


def _serve(args: argparse.Namespace) -> int:
    """Show the camera on a page, and follow what is pointed at there."""
    model: Mapping[str, str] = {}
    try:
        if args.picture is not None:
            raise DataError(f"--picture {args.picture}: with --web no sheet is made; leave one out")
        if args.task == "mot":
            mot_command.prepare(args)
        else:
            args.tracker = args.tracker or DEFAULT_TRACKER
            model = node_model(args.tracker)
            if args.camera is None:
                open_source(args)
        logs = args.out / "logs"
        logs.mkdir(parents=True, exist_ok=True)
    except (TrackerRosError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    try:
        return web_command.run(args, model, logs)
    except KeyboardInterrupt:
        print("\ndemo: ended")
        return 0


def node_model(name: str) -> dict[str, str]:
    """The node's parameters for a tracker, or a model card by its name or path.

    Raises DataError when it is none of a single target, ModelError when its card or its weights are
    not there.
    """
    choices = f"{', '.join(TRACKERS)}, or a model card of theirs by name or path (.yaml)"
    if name not in (*TRACKERS, *card_names()) and not name.endswith((".yaml", ".yml")):
        raise DataError(f"--tracker {name}: choose one of {choices}")
    card = read_card(DEFAULT_MODELS.get(name, name))
    if card.tracker not in TRACKERS:
        raise DataError(f"--tracker {name} is a model of {card.tracker}; choose one of {choices}")
    for role in card.files or ("search",):
        card.graph(role)  # what is missing is told here, not in the log of the node
    if name in TRACKERS:
        return {"tracker": name}
    return {"tracker": card.tracker, "model": str((card.folder / f"{card.name}.yaml").resolve())}


def _follow(
    args: argparse.Namespace, model: Mapping[str, str], processes: ChildProcesses, logs: Path
) -> int:
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
        [
            "sot",
            "--ros-args",
            "-r",
            "__node:=sot",
            *(word for key, value in model.items() for word in ("-p", f"{key}:={value}")),
        ],
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
        wait_for(operator, [node], camera)
    except KeyboardInterrupt:
        if args.camera is None or camera.exit_code is not None:
            raise
        # Filming live has no other end than this one; what was filmed is worth keeping.
        print("\ndemo: filming ends; Ctrl-C again to stop at once")
        processes.end(camera)
        wait_for(operator, [node], camera)
    if operator.exit_code == 0:
        return 0
    for child in (node, camera):
        words = child.last_words()
        if words:
            print(f"\nlast lines of {child.log}:\n{words}", file=sys.stderr)
    print("\ndemo: failed", file=sys.stderr)
    return 1
