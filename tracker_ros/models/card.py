"""Model cards: what a model is, where its files are, how it tracks and how good it is.

A card is a YAML file. Those in this folder ship with the package; `read_card` also takes the
path of a card of the user's own, whose files lie beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tracker_ros.errors import ModelError

MODELS = Path(__file__).parent


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
    """Role of an ONNX graph (`template`, `search`) -> its sha256; the file is NAME.ROLE.onnx."""
    network: Mapping[str, Any] = field(default_factory=dict)
    tracking: Mapping[str, Any] = field(default_factory=dict)
    monitor: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    notes: str = ""
    folder: Path = MODELS

    def graph(self, role: str) -> Path:
        """Path of a graph, its content verified.

        Raises ModelError when the card names no such graph, the file is missing or its sha256
        is not the card's.
        """
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


def card_names() -> tuple[str, ...]:
    """Names of the cards that ship with the package."""
    return tuple(sorted(path.stem for path in MODELS.glob("*.yaml")))


def read_card(name: str) -> Card:
    """The card of that name, or at that path if it ends in .yaml. Raises ModelError."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else MODELS / f"{name}.yaml"
    if not path.exists():
        raise ModelError(
            f"no model '{name}' ({path} does not exist); there are {', '.join(card_names())}"
        )
    try:
        content = yaml.safe_load(path.read_text())
        content["trained_on"] = tuple(content["trained_on"])
        return Card(**content, folder=path.parent)
    except (yaml.YAMLError, OSError, UnicodeDecodeError, TypeError, KeyError) as error:
        raise ModelError(f"the model card {path} is not valid: {error}") from error
