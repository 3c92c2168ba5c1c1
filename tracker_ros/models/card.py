"""Model cards: what a model is, where its files are, how it tracks and how good it is.

A card is a YAML file. Those in this folder ship with the package; the user's own folder holds
what was imported or trained here, and comes first. `read_card` also takes the path of a card. The
files of a card lie in weights/ beside it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tracker_ros.errors import ModelError, program
from tracker_ros.models.reading import NAME, read_fields

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
    """Which tracker runs it: siamrpnpp, siamfc, spm, atom, famnet."""
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
    training: Mapping[str, Any] = field(default_factory=dict)
    """How the weights were made: recipe, version, seed, steps, minutes, device, teacher."""
    measured: Mapping[str, Any] = field(default_factory=dict)
    notes: str = ""
    origin: str = ""
    """The files that the weights of an imported model come from."""
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
                f"model '{self.name}' has no weights here; see `{program()} models show "
                f"{self.name}` for where to get them"
            )
        if role not in self.files:
            raise ModelError(
                f"model '{self.name}' has no '{role}' graph; it has {sorted(self.files)}"
            )
        path = self.graph_path(role)
        again = "install the package again"
        if self.folder != MODELS:
            again = "import, export or train it again"
        if not os.path.isfile(path):
            raise ModelError(f"model '{self.name}': the file {path} is missing; {again}")
        try:
            found = file_sha256(path)
        except OSError as error:
            raise ModelError(f"model '{self.name}': {path} cannot be read: {error}") from error
        if found != self.files[role]:
            raise ModelError(
                f"model '{self.name}': {path} is damaged (sha256 {found[:12]}..., its card says "
                f"{self.files[role][:12]}...); {again}"
            )
        return path

    def graph_path(self, role: str) -> Path:
        """Where the graph of a role lies, or would."""
        return self.folder / "weights" / f"{self.name}.{role}.onnx"

    @property
    def weights_path(self) -> Path:
        """Where the weights lie that an imported model was exported from, or would."""
        return self.folder / "weights" / f"{self.name}.safetensors"

    @property
    def graphs_here(self) -> bool:
        """Whether every graph on the card has its file; their content is not looked at."""
        return bool(self.files) and all(os.path.isfile(self.graph_path(r)) for r in self.files)

    def as_yaml(self) -> str:
        """The text of the card's file. What is empty and may be left out is left out."""
        content = {}
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Checkpoint):
                value = {key: v for key, v in dataclasses.asdict(value).items() if v}
            required = each.default is dataclasses.MISSING is each.default_factory
            if each.name != "folder" and (value or required):
                content[each.name] = _as_lists(value)
        return yaml.safe_dump(content, sort_keys=False, width=100, allow_unicode=True)


def _as_lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_lists(item) for key, item in value.items()}
    return [_as_lists(item) for item in value] if isinstance(value, (tuple, list)) else value


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


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
        path = own if os.path.isfile(own) else MODELS / f"{name}.yaml"
        if not NAME.fullmatch(name) or not os.path.isfile(path):
            raise ModelError(f"no model '{name}'; there are {', '.join(card_names())}")
    elif not os.path.isfile(path):
        raise ModelError(
            f"no model '{name}' ({path} does not exist); there are {', '.join(card_names())}"
        )
    fields = read_fields(path)
    if "checkpoint" in fields:
        fields["checkpoint"] = Checkpoint(**fields["checkpoint"])
    return Card(**fields, folder=path.parent)
