"""`./run demo --web`: the operator's page, for somebody to point at targets on."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from pathlib import Path

from tracker_ros.demo.processes import ChildProcesses, ros_environment
from tracker_ros.demo.sources import source_arguments

IDENTITIES, DETECTIONS = "mot/tracks", "detector/detections"
HISTORY = 150
"""Images: 5 s of most cameras, for boxes that are made with the keys."""


def run(args: argparse.Namespace, model: Mapping[str, str], logs: Path) -> int:
    """Start camera, nodes and page, and stay until Ctrl-C; 1 when one of them ends before.

    model: the parameters of the single-object node. logs: a folder that is there.
    """
    environment = ros_environment(os.environ)
    print(
        f"demo: open http://localhost:{args.web} and draw a box round what is to be followed, or "
        f"click on it; Ctrl-C ends this (ROS_DOMAIN_ID={environment['ROS_DOMAIN_ID']})",
        flush=True,
    )
    with ChildProcesses(environment) as processes:
        started = [
            processes.start(name, "tracker_ros.cli", words, logs / f"{name}.log")
            for name, words in commands(args, model).items()
        ]
        while True:
            for child in started:
                if child.exit_code is not None:
                    hint = "; here: --web PORT" if child.name == "operator" else ""
                    print(
                        f"demo: the {child.name} process ended with code {child.exit_code}; last "
                        f"lines of {child.log}:\n{child.last_words()}{hint}"
                    )
                    return 1
            time.sleep(0.1)


def commands(args: argparse.Namespace, model: Mapping[str, str]) -> dict[str, list[str]]:
    """What is started: a name for each process, and its words after `tracker_ros`."""
    parameters = [word for key, value in model.items() for word in ("-p", f"{key}:={value}")]
    page = ["-p", f"port:={args.web}", "-p", f"record_folder:={args.out / 'recordings'}"]
    history = ["-p", f"history_frames:={HISTORY}"]
    found = {
        "sot": ["sot", *_node("sot", IDENTITIES), *history, *parameters],
        "operator": ["operator", *_node("operator", DETECTIONS), *page],
        "camera": ["camera", *source_arguments(args), "--loop", "--reliability", args.reliability],
    }
    if args.task == "mot":
        found["mot"] = ["mot", *_node("mot", DETECTIONS), "-p", f"tracker:={args.tracker}"]
        found["detector"] = ["detector", *_node("detector", "detections")]
    return found


def _node(name: str, detections: str) -> list[str]:
    return ["--ros-args", "-r", f"__node:={name}", "-r", f"detections:={detections}"]
