"""What a card says of how its weights were made."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tracker_ros import __version__
from tracker_ros.errors import ModelError
from tracker_ros.models.card import file_sha256
from tracker_ros.training.curves import read_curve
from tracker_ros.training.task import require_weights
from tracker_ros.training.teacher import TeacherFiles

SHORT = 12
"""Digits of a sha256 or a commit that a card shows."""


def origins(
    teacher: Path | None, backbone: Path | None, weights: Path | None = None
) -> dict[str, str]:
    """What the weights begin with: name and sha256 of each file. Raises ModelError."""
    files: dict[str, Path] = {}
    if teacher is not None:
        parts = TeacherFiles.at(teacher)
        files["teacher"] = parts.backbone
        if parts.head is not None:
            files["teacher_head"] = parts.head
    for name, path in (("backbone", backbone), ("weights", weights)):
        if path is not None:
            require_weights(path, f"--{name}")
            files[name] = path
    try:
        return {name: f"{path.name} {file_sha256(path)[:SHORT]}" for name, path in files.items()}
    except OSError as error:
        raise ModelError(f"{error.filename} cannot be read as weights: {error.strerror}") from error


def graphs_of(name: str, folder: Path) -> dict[str, str]:
    """Role -> sha256 of the graphs of a model that a run has exported to its folder."""
    graphs = sorted((folder / "weights").glob(f"{name}.*.onnx"))
    roles = [graph.name.removeprefix(f"{name}.").removesuffix(".onnx") for graph in graphs]
    return dict(zip(roles, map(file_sha256, graphs), strict=True))


def record(
    recipe: str, folder: Path, batches: Mapping[str, int], device: str, seed: int,
    begun: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """The card's `training`: recipe, version and commit, steps, time, device, seed, origins.

    folder: of the run; batches: samples of a step of each stage. The time is the sum of all the
    steps, also of those before an interruption.
    """
    steps, minutes = {}, 0.0
    for path in sorted((folder / "curves").glob("*.csv")):
        curve = read_curve(path)
        steps[f"steps_{path.stem.replace('-', '_')}"] = int(curve["step"][-1]) + 1
        speed = np.array(curve["samples_per_second"])
        speed[speed <= 0] = speed[speed > 0].mean() if (speed > 0).any() else np.inf  # not told yet
        minutes += float(np.sum(batches.get(path.stem, 1) / speed)) / 60
    return {
        "recipe": recipe, "version": _version(), "seed": seed, **steps,
        "minutes": round(minutes, 1), "device": _device(device), **begun,
    }  # fmt: skip


def _version() -> str:
    """Of the package, and the commit where it lies in a git repository."""
    try:
        found = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return __version__
    return f"{__version__} ({found.stdout.strip()})"


def _device(device: str) -> str:
    if torch.device(device).type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
