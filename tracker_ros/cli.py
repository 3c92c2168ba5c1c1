"""The `tracker_ros` command: one subcommand for each thing that one can do with a tracker.

A subcommand is a module with `add_arguments(parser)` and `run(args) -> int`. It is imported only
when it is chosen, so that `tracker_ros eval` needs no ROS 2 and `tracker_ros --help` is fast. One
that runs a node declares `--ros-args` with `nargs=argparse.REMAINDER` and hands that to ROS.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

from tracker_ros import __version__
from tracker_ros.errors import TrackerRosError, program


class Command(NamedTuple):
    """A subcommand: its name, the module that implements it, and what it does in one line."""

    name: str
    module: str
    summary: str


COMMANDS = (
    Command("demo", "tracker_ros.demo.command", "watch targets being followed over ROS 2"),
    Command("eval", "tracker_ros.evaluation.command", "score trackers, or results; convert data"),
    Command("replay", "tracker_ros.replay.command", "replay bags: tracks and score, repeatable"),
    Command("bench", "tracker_ros.bench.command", "how long every stage of a frame takes"),
    Command("models", "tracker_ros.zoo.command", "list models; import official weights; export"),
    Command("data", "tracker_ros.training.data_command", "check, prepare, show training data"),
    Command("train", "tracker_ros.training.command", "train a network (needs torch)"),
    Command("calibrate", "tracker_ros.training.calibrate_command", "when a target is called lost"),
    Command("doctor", "tracker_ros.doctor.command", "what this machine has; known troubles"),
    Command("sot", "tracker_ros.nodes.sot_node", "the node that follows a target"),
    Command("mot", "tracker_ros.nodes.mot_node", "the node that gives detections identities"),
    Command("detector", "tracker_ros.nodes.detector_node", "the node that detects objects"),
    Command("operator", "tracker_ros.nodes.operator_node", "a web page to point at targets on"),
    Command("camera", "tracker_ros.nodes.camera_node", "publish a film as a camera"),
    Command("play", "tracker_ros.nodes.player_node", "play a bag, as ros2 bag play does"),
    Command("trax", "tracker_ros.evaluation.trax_command", "serve a tracker to the VOT toolkit"),
)

DESCRIPTION = "Follow what a robot's camera sees, and say honestly when the target is gone."

EPILOG = """\
examples:
  tracker_ros demo                            a rendered scene: nothing to prepare
  tracker_ros demo --video street.mp4 --box 300,120,80,60
  tracker_ros sot --ros-args -r image:=/camera/image_raw
  tracker_ros mot --ros-args -r image:=/camera/image_raw -r detections:=/detector/detections
  tracker_ros eval sot --data sequences --limit 300

'tracker_ros COMMAND --help' describes a command.
"""

TRAIN = "./run setup train installs it; elsewhere: pip install 'tracker_ros[train]'"
INSTALL = {
    "rclpy": "source a ROS 2 installation, or start with ./run",
    "onnxruntime": "pip install 'onnxruntime>=1.15'",
    **dict.fromkeys(("torch", "onnx", "safetensors", "tensorboard", "matplotlib"), TRAIN),
    "tqdm": "pip install tqdm",
    "aiohttp": "pip install 'aiohttp>=3.8'",
    "trax": "./run trax installs it; elsewhere: pip install 'vot-trax>=4.0'",
    "ray": "./run replay --ray installs it; elsewhere: pip install 'tracker_ros[ray]'",
    "jinja2": "pip install 'jinja2>=3.0'",
    # Without its dependencies: among them is an OpenCV that would overwrite ours.
    "trackeval": "./run eval mot installs it; elsewhere: pip install --no-deps trackeval==1.3.0",
}
"""Libraries that a machine may lack, and how they come."""
REFUSED = 2
"""Exit code when the input was refused, as argparse uses it for a wrong command line."""
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tracker_ros ARGUMENTS`; returns the exit code.

    0 is success, 2 a wrong command line or refused input (one line on stderr says what), 130 an
    interrupt; what else a command returns is its own.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog=program(),
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tracker_ros {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((command for command in COMMANDS if command.name in arguments[:1]), None)
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name, help=command.summary, description=command.summary.capitalize() + "."
        )
        if command is chosen:
            return _run(command, parser, subparser, arguments)
    parser.parse_args(arguments)  # prints the help, the version or what is wrong, and exits
    return 0


def _run(
    command: Command,
    parser: argparse.ArgumentParser,
    subparser: argparse.ArgumentParser,
    arguments: list[str],
) -> int:
    """Import the chosen command, let it read its arguments and run it."""
    try:
        module = importlib.import_module(command.module)
        module.add_arguments(subparser)
        return int(module.run(parser.parse_args(arguments)))
    except ModuleNotFoundError as error:
        if error.name not in INSTALL:
            raise
        print(
            f"error: {command.name} needs {error.name}, which this Python does not have: "
            f"{INSTALL[error.name]}",
            file=sys.stderr,
        )
        return REFUSED
    except TrackerRosError as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
