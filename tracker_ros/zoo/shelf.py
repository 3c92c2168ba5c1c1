"""Puts models into a folder: the whole of one, tried, or nothing of it.

A model is made in a temporary folder beside the others and moved at the end, so that a full disk,
Ctrl-C or a network that does not run leave the folder as it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tracker_ros.errors import ModelError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.models.card import Card, file_sha256, read_card, user_folder
from tracker_ros.sot import load_model

TARGET = Box(200.0, 140.0, 60.0, 80.0)
"""Where the target of `still` is."""


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A temporary folder inside `folder`, which is made where it is not.

    Raises ModelError in place of an OSError: the folder cannot be written, the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=folder, prefix=".new_", ignore_cleanup_errors=True
        ) as stage:
            (Path(stage) / "weights").mkdir()
            yield Path(stage)
    except OSError as error:
        another = "$TRACKER_ROS_MODELS" if folder == user_folder() else "--out"
        raise ModelError(
            f"{folder} cannot be written: {error.strerror or error}; nothing was changed there. "
            f"{another} names another folder"
        ) from error


def files_of(name: str, folder: Path) -> list[Path]:
    """What a folder has of a model: weights and graphs, and the card last."""
    weights = sorted((folder / "weights").glob(f"{name}.*"))
    card = folder / f"{name}.yaml"
    return [*weights, card] if card.exists() else weights


def put(name: str, stage: Path, folder: Path) -> None:
    """Move a model from a stage into its folder. When that fails, what was there is there again."""
    replaced = stage / "replaced"
    done: list[tuple[Path, Path]] = []

    def move(source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        done.append((source, target))  # first: Ctrl-C may come right after the move
        os.replace(source, target)

    new = files_of(name, stage)
    try:
        for path in files_of(name, folder):
            move(path, replaced / path.relative_to(folder))
        for path in new:
            move(path, folder / path.relative_to(stage))
    except BaseException:
        for source, target in reversed(done):
            with contextlib.suppress(FileNotFoundError):  # the one that failed
                os.replace(target, source)
        raise


def require_free(name: str, folder: Path, *, force: bool) -> None:
    """Raises ModelError when a folder has a model of that name already, unless with `force`.

    The card of a published configuration, which has no weights yet, is none in this sense.
    """
    there = files_of(name, folder)
    card = folder / f"{name}.yaml"
    if force or not there or (there == [card] and not read_card(str(card)).files):
        return
    raise ModelError(f"there is a model '{name}' already ({there[-1]}); --force replaces it")


def make(card: Card, network: Any, stage: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write graphs, weights and card of a network into a stage, and try them.

    metadata: what the file of the weights is to say of them.
    Raises ModelError when the network cannot be exported, or does not run as it was exported.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from tracker_ros.networks.export import graph_path
    from tracker_ros.networks.zoo import export_network

    stem = stage / "weights" / card.name
    try:
        roles = export_network(card.tracker, network, card.tracking, stem, half=False)
        state = {key: value.contiguous() for key, value in network.state_dict().items()}
        save_file(state, f"{stem}.safetensors", metadata)
        shutil.copymode(graph_path(stem, roles[0]), f"{stem}.safetensors")  # it makes it private
    except (KeyError, ValueError, RuntimeError, SafetensorError) as error:
        words = " ".join(str(error).split())
        raise ModelError(f"the network of '{card.name}' cannot be exported: {words}") from error
    made = dataclasses.replace(card, folder=stage)
    made = dataclasses.replace(
        made, files={role: file_sha256(made.graph_path(role)) for role in roles}
    )
    path = stage / f"{card.name}.yaml"
    path.write_text(made.as_yaml(), encoding="utf-8")
    try_out(path)


def try_out(card: Path) -> None:
    """Follow a target on a synthetic image with a model. Raises ModelError when that gives none."""
    name = card.stem
    image = still()
    tracker = load_model(str(card), backend="onnxruntime").new_tracker()
    try:
        with np.errstate(all="ignore"):  # told below
            tracker.init(image, TARGET)
            estimate = tracker.track(image)
    except Exception as error:  # an engine fails with types of its own
        words = " ".join(str(error).split())
        raise ModelError(f"the graphs of '{name}' do not run: {words}") from error
    box = estimate.box
    if not all(map(math.isfinite, (box.x, box.y, box.w, box.h, estimate.evidence.score))):
        raise ModelError(
            f"the graphs of '{name}' give NaN or infinity: its weights are damaged, or were never "
            "trained"
        )


def still(seed: int = 0) -> UInt8Image:
    """A synthetic image (360, 480, 3) with a target at TARGET."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (12, 16, 3)).astype(np.float32)
    image = np.kron(coarse, np.ones((30, 30, 1), np.float32)) * 0.5
    x, y, w, h = (int(value) for value in (TARGET.x, TARGET.y, TARGET.w, TARGET.h))
    image[y : y + h, x : x + w] = random.integers(0, 256, (h, w, 3))
    return image.astype(np.uint8)
