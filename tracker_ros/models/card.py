"""Model cards: what a model is, where its files are, how it tracks and how good it is.

A card is a YAML file. Those in this folder ship with the package; the user's own folder holds
what was imported or trained here, and comes first. `read_card` also takes the path of a card. The
files of a card lie in weights/ beside it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tracker_ros.errors import ModelError

MODELS = Path(__file__).parent


@dataclass(frozen=True)
class Checkpoint:
    """Weights as their authors publish them: what `tracker_ros models` fetches and imports."""

    layout: str
    """Whose key names they have: pysot, siamfc-pytorch, spm-tracker, pytracking."""
    page: str
    """Where the authors offer them."""
    licence: str
    files: tuple[str, ...]
    """Names of the files there."""
    urls: tuple[str, ...] = ()
    """Direct download of each file; empty where there is only the page."""
    sha256: tuple[str, ...] = ()
    """Of each file with a direct download."""


@dataclass(frozen=True)
class Card:
    """One model. Keys are those of the YAML file."""

    name: str
    tracker: str
    """Which tracker runs it: siamfc, siamrpnpp."""
    paper: str
    backbone: str
    licence: str
    trained_on: tuple[str, ...]
    files: Mapping[str, str]
    """Role of an ONNX graph (`template`, `search`) -> its sha256; the file is NAME.ROLE.onnx.

    Empty where the weights are not here yet: a published configuration, to import."""
    network: Mapping[str, Any] = field(default_factory=dict)
    tracking: Mapping[str, Any] = field(default_factory=dict)
    monitor: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    notes: str = ""
    checkpoint: Checkpoint | None = None
    """The official weights of a published configuration."""
    folder: Path = MODELS

    def graph(self, role: str) -> Path:
        """Path of a graph, its content verified.

        Raises ModelError when the card names no such graph, the file is missing or its sha256
        is not the card's.
        """
        if not self.files:
            raise ModelError(
                f"model '{self.name}' has no weights here; see `tracker_ros models show "
                f"{self.name}` for where to get them"
            )
        if role not in self.files:
            raise ModelError(
                f"model '{self.name}' has no '{role}' graph; it has {sorted(self.files)}"
            )
        path = self.folder / "weights" / f"{self.name}.{role}.onnx"
        if not path.exists():
            raise ModelError(
                f"model '{self.name}': the file {path} is missing; install the package again, "
                "or make it with `./run train`"
            )
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != self.files[role]:
            raise ModelError(
                f"model '{self.name}': {path} is damaged (sha256 {found[:12]}..., its card says "
                f"{self.files[role][:12]}...); install the package again"
            )
        return path


def user_folder() -> Path:
    """Where imported models are kept: $TRACKER_ROS_MODELS, or below the user's data folder."""
    named = os.environ.get("TRACKER_ROS_MODELS")
    if named:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "tracker_ros" / "models"


def card_names() -> tuple[str, ...]:
    """Names of the cards that ship with the package, and of the user's own."""
    folders = (MODELS, user_folder())
    return tuple(sorted({path.stem for folder in folders for path in folder.glob("*.yaml")}))


def read_card(name: str) -> Card:
    """The card of that name, or at that path if it ends in .yaml. Raises ModelError."""
    path = Path(name)
    if not name.endswith((".yaml", ".yml")):
        own = user_folder() / f"{name}.yaml"
        path = own if own.exists() else MODELS / f"{name}.yaml"
    if not path.exists():
        raise ModelError(
            f"no model '{name}' ({path} does not exist); there are {', '.join(card_names())}"
        )
    try:
        content = yaml.safe_load(path.read_text())
        content["trained_on"] = tuple(content["trained_on"])
        checkpoint = content.pop("checkpoint", None)
        if checkpoint is not None:
            given: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in checkpoint.items()
            }
            content["checkpoint"] = Checkpoint(**given)
        return Card(**content, folder=path.parent)
    except (yaml.YAMLError, OSError, UnicodeDecodeError, TypeError, KeyError) as error:
        raise ModelError(f"the model card {path} is not valid: {error}") from error
