"""Recipes: everything that decides what a training run gives, in one YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tracker_ros.errors import ModelError
from tracker_ros.models.reading import NAME
from tracker_ros.training.recipe_keys import read_sections

RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Respond:
    """The keys of the section `respond`."""

    weight: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """One network, how its pairs are drawn, and the two stages of its training."""

    name: str
    """Of the model that comes out."""
    tracker: str
    paper: str
    backbone: str
    network: Mapping[str, Any]
    """Arguments of the network's class."""
    held_out: list[str]
    """Tracks that are never trained on; they choose the tracking values."""
    sampling: Mapping[str, Any]
    """Fields of `pairs.Sampling`."""
    distil: Mapping[str, Any]
    train: Mapping[str, Any]
    """Fields of `trainer.Trainer`, of the two stages."""
    tracking: Mapping[str, Any]
    """Values of the tracker, before the held-out tracks improve them."""
    respond: Mapping[str, Any] = field(default_factory=dict)
    """`weight`: of the likeness to a teacher's responses in the loss; without it there is none."""
    path: str = field(default="", metadata={"told": True})
    """Its file; no key of it."""

    @property
    def where(self) -> str:
        """What it is called where something is wrong in it."""
        return self.path or f"recipe '{self.name}'"


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with the package."""
    return tuple(sorted(path.stem for path in RECIPES.glob("*.yaml")))


def recipe_path(name: str) -> Path:
    """The file of the recipe of that name, or that path if it ends in .yaml. Raises ModelError."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else RECIPES / f"{name}.yaml"
    if not path.exists():
        raise ModelError(
            f"no recipe '{name}' ({path} does not exist); there are {', '.join(recipe_names())}"
        )
    return path


def is_famnet(path: Path) -> bool:
    """Whether a recipe trains FAMNet, which has a form of its own. Raises ModelError."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, OSError, ValueError) as error:
        raise ModelError(f"the recipe {path} is not valid: {error}") from error
    return isinstance(values, Mapping) and values.get("tracker") == "famnet"


def require_words(recipe: Any, path: Path) -> None:
    """Raises ModelError for what no model or card can say, before training takes its hours."""
    if not isinstance(recipe.name, str) or not NAME.fullmatch(recipe.name):
        raise ModelError(
            f"{path}: a recipe has the name {recipe.name!r}, which its model would have: letters, "
            "digits, _, + and - make one"
        )
    for key in ("tracker", "paper", "backbone"):
        if not isinstance(getattr(recipe, key), str):
            raise ModelError(f"{path}: {key} is {getattr(recipe, key)!r}; expected a text")
    held_out = recipe.held_out
    if not isinstance(held_out, list) or not all(isinstance(name, str) for name in held_out):
        raise ModelError(f"{path}: held_out is {held_out!r}; expected a list of tracks")


def read_recipe(name: str) -> Recipe:
    """The recipe of that name, or at that path if it ends in .yaml. Raises ModelError."""
    path = recipe_path(name)
    recipe = Recipe(**read_sections(path, Recipe), path=str(path))
    require_words(recipe, path)
    return recipe
