"""Training of FAMNet: heads and affinities through the unrolled assignment, backbone frozen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from tracker_ros.errors import ModelError
from tracker_ros.networks.export_famnet import Sizes, export_famnet
from tracker_ros.networks.famnet import FAMNet
from tracker_ros.training import distributed
from tracker_ros.training.association import AUXILIARY, Association
from tracker_ros.training.crowds import FPS, HEIGHT, WIDTH, Crowds
from tracker_ros.training.footage import CANVAS, CellReader, Film, detected, film_of
from tracker_ros.training.mot_films import film_of_sequence
from tracker_ros.training.pictures import Collection
from tracker_ros.training.recipe import require_words
from tracker_ros.training.recipe_keys import read_sections
from tracker_ros.training.session import Session
from tracker_ros.training.task import read_weights
from tracker_ros.training.trainer import Trainer
from tracker_ros.training.windows import Window, draw_window, side_by_side

CONFUSED = 0.2
"""Share of the candidates that are given the looks of another one."""
BLIND = 0.15
"""Share of batches without pictures: the network must also do with boxes alone."""
CHECKED = 60
"""Batches of windows that the held-out figures are taken on."""


@dataclass(frozen=True)
class FamnetRecipe:
    """Everything that decides what a training run gives; keys are those of the YAML file."""

    name: str
    tracker: str
    paper: str
    backbone: str
    network: Mapping[str, Any]
    past_frames: int
    """K."""
    held_out: list[str]
    """Tracks of the collection that are never trained on."""
    held_out_sequences: list[str]
    """Sequences of MOTChallenge that are never trained on."""
    crowds: Mapping[str, int]
    """`films`, and `frames` of each."""
    shares: list[float]
    train: Mapping[str, Any]
    """Fields of `trainer.Trainer`."""


def read_famnet_recipe(path: Path) -> FamnetRecipe:
    """Read a recipe whose tracker is famnet. Raises ModelError."""
    try:
        recipe = FamnetRecipe(**read_sections(path, FamnetRecipe))
        if set(recipe.crowds) != {"films", "frames"} or len(recipe.shares) != 3:
            raise ValueError(
                "crowds needs films and frames, shares one for each of 3 kinds of film"
            )
    except (TypeError, ValueError) as error:
        raise ModelError(f"the recipe {path} is not valid: {error}") from error
    require_words(recipe, path)
    return recipe


def start_network(recipe: FamnetRecipe, weights: Path) -> FAMNet:
    """The network with backbone and head of a trained SiamRPN++ (.safetensors).

    Raises ModelError naming what is missing or of another shape.
    """
    arguments = dict(recipe.network)
    network = FAMNet(tuple(arguments.pop("widths")), **arguments)
    given = read_weights(weights, "--backbone")
    own = network.feature.state_dict()
    wrong = [key for key in own if key not in given or given[key].shape != own[key].shape]
    if wrong:
        raise ModelError(
            f"{weights} is not of the recipe's network: {len(wrong)} tensors are missing or of "
            f"another shape, the first is {wrong[0]}"
        )
    network.feature.load_state_dict({key: given[key] for key in own})
    return network


@dataclass(frozen=True)
class Films:
    """What a run trains or is checked on, by kind."""

    crowds: list[Film] = field(default_factory=list)
    pictures: list[Film] = field(default_factory=list)
    boxes: list[Film] = field(default_factory=list)

    @property
    def all(self) -> list[Film]:
        """One after the other."""
        return [*self.crowds, *self.pictures, *self.boxes]


def compose_films(
    collection: Collection, reader: CellReader, count: int, frames: int, seed: int
) -> list[Film]:
    """Films of composed crowds with noisy detections."""
    rng = np.random.default_rng(seed)
    crowds = Crowds(collection, seed)
    films = []
    for _ in tqdm(range(count), desc="composing", unit="film"):

        def frame_by_frame() -> Iterator[tuple[int, Any, Any, Any, Any]]:
            for number, frame in enumerate(crowds.film(frames)):
                objects = [
                    (o.identity, np.array([o.box.cx, o.box.cy, o.box.w, o.box.h]), o.seen)
                    for o in frame.objects
                ]
                yield number, frame.image, *detected(objects, rng, WIDTH, HEIGHT)

        films.append(film_of(frame_by_frame(), FPS, reader))
    return films


def read_sequences(
    folders: Sequence[Path], reader: CellReader, seed: int
) -> tuple[list[Film], list[Film]]:
    """The films of MOTChallenge sequences: those with pictures, and those of boxes alone."""
    pictures: list[Film] = []
    boxes: list[Film] = []
    for number, folder in enumerate(tqdm(folders, desc="reading", unit="sequence")):
        film = film_of_sequence(folder, reader, seed + number)
        (boxes if film.cells is None else pictures).append(film)
    return pictures, boxes


class Drawn(NamedTuple):
    """What a step learns from: windows side by side, and how they are shown."""

    window: Window
    way: int
    """0: the cells of crops, 1: those of the whole frame."""
    blind: bool
    """Boxes alone."""
    early: bool
    """Whether the pairs by themselves still teach as much."""


class WindowBatches:
    """The windows of every step, drawn from (seed, step, rank) and nothing else."""

    def __init__(self, recipe: FamnetRecipe, films: Films, trainer: Trainer) -> None:
        self._recipe, self._films, self._trainer = recipe, films.all, trainer
        self._kinds = _choices(recipe, films)

    def __getitem__(self, step: int) -> Drawn:
        trainer = self._trainer
        rng = np.random.default_rng((trainer.seed, step, distributed.rank()))
        window = _batch(self._films, self._kinds, self._recipe.past_frames, trainer.batch, rng)
        way, blind = int(rng.integers(2)), bool(rng.random() < BLIND)
        return Drawn(window, way, blind, step < trainer.steps / 3)


def train_famnet(
    recipe: FamnetRecipe,
    network: FAMNet,
    films: Films,
    trainer: Trainer,
    session: Session | None = None,
) -> dict[str, float]:
    """Train in place; returns the smoothed figures of the training windows."""
    association = Association(network, films.all, trainer.device)

    def loss(drawn: Drawn) -> tuple[Tensor, dict[str, float]]:
        window, way, blind, early = drawn
        solved = association.solve(window, way=way, blind=blind, confuse=CONFUSED)
        weight = AUXILIARY if early else AUXILIARY / 5
        value = torch.stack([layer.loss(weight) for layer in solved]).sum()
        return value, {"right": solved[-1].recall}

    data = WindowBatches(recipe, films, trainer)
    return trainer.run(network, data, loss, name=recipe.name, session=session)


def _choices(recipe: FamnetRecipe, films: Films) -> list[tuple[float, range]]:
    """Share and numbers of the films of each kind that there are any of."""
    kinds, start = [], 0
    for share, some in zip(recipe.shares, (films.crowds, films.pictures, films.boxes), strict=True):
        if some and share > 0:
            kinds.append((share, range(start, start + len(some))))
        start += len(some)
    return kinds


def _batch(
    films: Sequence[Film], kinds: Sequence[tuple[float, range]], past: int, count: int,
    rng: np.random.Generator,
) -> Window:  # fmt: skip
    shares = np.array([share for share, _ in kinds])
    drawn = []
    for _ in range(count):
        numbers = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))][1]
        film = int(rng.choice(numbers))
        drawn.append((film, draw_window(films[film], past + 1, rng)))
    return side_by_side(drawn)


@torch.no_grad()
def check_famnet(network: FAMNet, films: Sequence[Film], past: int) -> dict[str, float]:
    """Share of the right pairs that windows of held-out films are solved with, by each way."""
    association = Association(network.eval(), films)
    figures = {}
    for name, way, blind in (("crops", 0, False), ("frame", 1, False), ("boxes", 0, True)):
        rng = np.random.default_rng(7)
        kinds = [(1.0, range(len(films)))]
        found = [
            association.solve(_batch(films, kinds, past, 4, rng), way=way, blind=blind)[-1]
            for _ in range(CHECKED)
        ]
        figures[f"held_out_windows_{name}"] = round(
            float(np.mean([layer.recall for layer in found])), 4
        )
    return figures


def export(network: FAMNet, recipe: FamnetRecipe, stem: Path) -> dict[str, Any]:
    """Write the graphs; returns the card's `network` section."""
    sizes = Sizes(canvas=CANVAS)
    export_famnet(network, sizes, stem)
    return {
        "hidden": network.hidden,
        "canvas": list(sizes.canvas),
        "candidates": sizes.candidates,
        "crops": sizes.crops,
        "pairs": sizes.pairs,
        "triples": sizes.triples,
        "birth": network.birth.item(),
        "end": network.end.item(),
        "temperature": network.log_temperature.exp().item(),
    }


def save(network: FAMNet, path: Path) -> None:
    """Write the weights."""
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, path)
