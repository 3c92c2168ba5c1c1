"""End to end: the real node in its own process, and a camera that waits for the tracks.

Loopback only, in a ROS domain of their own. Everything ends by itself.
"""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tracker_ros.demo.processes import ChildProcesses, ros_environment
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.models.card import read_card
from tracker_ros.sot import DEFAULT_MODELS
from tracker_ros.sot.backends import AUTO

PATIENCE = 90.0
"""Seconds for the node to load its model and for everybody to meet, beside the frames' time."""


@dataclass(frozen=True)
class NodeTask:
    """One run of a node."""

    tracker: str
    """siamrpnpp, siamfc, or the name or path of a model card."""
    width: int
    height: int
    boxes: tuple[Box, ...]
    """Targets in the scene's first frame."""
    frames: int
    """That count, after the warm-up."""
    rate: float
    """Hertz, of the camera."""
    reliability: str
    """best_effort or reliable."""
    threads: int
    backend: str = AUTO
    """What runs the networks."""


@dataclass(frozen=True)
class NodeFigures:
    """What the probe measured. Times in milliseconds; ages and stages are the node's own words."""

    tracker: str
    backend: str
    size: str
    targets: int
    rate: float
    """Hertz of the camera, as asked for."""
    achieved_rate: float
    """What the camera reached."""
    reliability: str
    frames: int
    """Published."""
    lost: int
    """Of them, those whose tracks never came."""
    received: int
    """Frames that the node received, from the first to the last of those that it answered."""
    dropped: int
    """Frames that the node received and dropped for newer ones."""
    latency_median: float
    """From the image's stamp to the reception of its tracks."""
    latency_p95: float
    latency_max: float
    rest_median: float
    """Latency without the network's time: what everything else takes."""
    rest_p95: float
    frame_age_median: float
    """From the node's reception of the image to its publication."""
    frame_age_p95: float
    frame_age_max: float
    decode_median: float
    preprocess_median: float
    inference_median: float
    postprocess_median: float
    publish_median: float
    cpu_percent: float
    """Of one core, all threads of the node."""
    memory_mb: float
    """Resident memory of the node at the end."""
    latencies: list[float]
    """Of every frame whose tracks came."""


def require_ros() -> None:
    """Raise DataError where nodes cannot be started."""
    if importlib.util.find_spec("rclpy") is None:
        raise DataError("--node needs ROS 2: source a ROS 2 installation, or start with ./run")


def measure_node(task: NodeTask) -> NodeFigures:
    """Start the node and the probe, and give what the probe found.

    Raises DataError, with the end of its log, when a process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        with ChildProcesses(ros_environment(os.environ)) as processes:
            node = processes.start(
                "node", "tracker_ros.cli", ["sot", "--ros-args", *_parameters(task)],
                Path(folder) / "node.log",
            )  # fmt: skip
            probe = processes.start(
                "probe", "tracker_ros.nodes.latency_probe",
                [
                    "--size", f"{task.width}x{task.height}",
                    *(f"--box={box.x},{box.y},{box.w},{box.h}" for box in task.boxes),
                    "--frames", str(task.frames), "--rate", str(task.rate),
                    "--reliability", task.reliability, "--node-pid", str(node.process.pid),
                    "--out", str(out),
                ],
                Path(folder) / "probe.log",
            )  # fmt: skip
            end = time.monotonic() + PATIENCE + 3 * task.frames / task.rate
            while probe.exit_code is None and node.exit_code is None and time.monotonic() < end:
                time.sleep(0.1)
            if probe.exit_code != 0:
                failed = node if node.exit_code is not None else probe
                how = "takes too long" if failed.exit_code is None else "failed"
                words = failed.last_words(lines=3).strip() or "its log is empty"
                raise DataError(f"the {failed.name} process {how}: {words}")
        found = json.loads(out.read_text())
    return NodeFigures(
        tracker=task.tracker if task.tracker in DEFAULT_MODELS else Path(task.tracker).stem,
        backend=task.backend,
        size=f"{task.width}x{task.height}",
        targets=len(task.boxes),
        rate=task.rate,
        reliability=task.reliability,
        **found,
    )


def _parameters(task: NodeTask) -> list[str]:
    card = read_card(DEFAULT_MODELS.get(task.tracker, task.tracker))
    values = {
        "tracker": card.tracker,
        "model": str(card.folder / f"{card.name}.yaml"),
        "max_targets": len(task.boxes),
        "threads": task.threads,
        "backend": task.backend,
        "engine_wait": "true",
    }
    if task.tracker in DEFAULT_MODELS:
        del values["model"]
    return [word for name, value in values.items() for word in ("-p", f"{name}:={value}")]
