"""A training run: distil the backbone, train the whole on pairs, export."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import Dataset

from tracker_ros.errors import ModelError
from tracker_ros.networks.zoo import export_network
from tracker_ros.sot.model import PAPERS
from tracker_ros.sot.ranges import checked
from tracker_ros.training.distill import distill
from tracker_ros.training.distributed import is_main
from tracker_ros.training.pairs import PairBatches
from tracker_ros.training.pictures import Collection
from tracker_ros.training.recipe import Recipe
from tracker_ros.training.sampling import Sampling
from tracker_ros.training.session import Session
from tracker_ros.training.task import Batch, Figures, Task
from tracker_ros.training.tasks import TASKS
from tracker_ros.training.teacher import TaughtPairs, Teacher, TeacherFiles
from tracker_ros.training.trainer import Trainer

T = TypeVar("T")
PAIRS_SEED = 1000
"""Added to the seed of the run, so that pairs are not drawn as the crops of distillation are."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run may use, and where it keeps its files."""

    session: Session
    device: str = "cpu"
    teacher: Path | None = None
    """File or folder of the teacher; None trains from scratch."""
    backbone: Path | None = None
    """A distilled backbone to start from instead of distilling."""
    precision: str | None = None
    """Of matrix products, instead of the recipe's."""
    seed: int = 0
    scale: float = 1.0
    """Factor on the number of steps, for a quick try."""

    def trainer(self, values: Mapping[str, Any]) -> Trainer:
        """The loop of a stage, with this run's seed, device and number of steps."""
        if self.precision is not None:
            values = {**values, "precision": self.precision}
        trainer = Trainer(**values, seed=self.seed, device=self.device)
        return dataclasses.replace(trainer, steps=max(1, round(trainer.steps * self.scale)))


def task_of(recipe: Recipe) -> Task:
    """The recipe's network with fresh weights. Raises ModelError for a tracker of no recipe."""
    if recipe.tracker not in TASKS:
        raise ModelError(
            f"recipe '{recipe.name}' trains '{recipe.tracker}'; known are {', '.join(TASKS)}"
        )
    return TASKS[recipe.tracker](recipe)


def check(recipe: Recipe, run: Run) -> None:
    """Raise ModelError for what would stop the run later: before anything takes its time."""
    _check_start(check_recipe(recipe, run), run)
    try:
        torch.zeros(1, device=run.device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"--device {run.device} cannot be used: {error}") from error


def check_recipe(recipe: Recipe, run: Run) -> Task:
    """Raise ModelError for what is wrong in the recipe itself; its network, untrained."""

    def made(section: str, make: Callable[[], T]) -> T:
        try:
            return make()
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise ModelError(f"recipe '{recipe.name}', section {section}: {error}") from error

    task = made("network", lambda: task_of(recipe))
    made("respond", lambda: float(recipe.respond.get("weight", 0)))
    made("sampling", lambda: task.check(Sampling(**recipe.sampling)))
    made("distil", lambda: run.trainer(recipe.distil))
    made("train", lambda: run.trainer(recipe.train)).require_parts(task.network)
    where = f"recipe '{recipe.name}', section tracking"
    made("tracking", lambda: checked(PAPERS[recipe.tracker].parameters, recipe.tracking, where))
    return task


def _check_start(task: Task, run: Run) -> None:
    """What the weights begin with."""
    recipe = task.recipe
    if run.backbone is not None:
        task.start_from(_weights(run.backbone))
    if run.teacher is not None:
        files = TeacherFiles.at(run.teacher)
        Teacher(files)
        if recipe.respond and files.head is None:
            raise ModelError(
                f"recipe '{recipe.name}' learns from a teacher's responses, and {run.teacher} has "
                "no head; give the folder with both files, or leave out the section respond"
            )
    if run.teacher is None and run.backbone is None:
        if task.rests:
            raise ModelError(
                f"the backbone of '{recipe.name}' is not trained on pairs: give one that is, "
                "--backbone, or let a teacher train it, --teacher"
            )
        begun = sorted((run.session.folder / "checkpoints").glob("distil-*.pt"))
        if run.session.resume and begun:
            raise ModelError(
                f"the run in {run.session.folder} began with a teacher ({begun[-1].name}); give "
                "the same --teacher to go on with it"
            )


def _weights(path: Path) -> dict[str, Tensor]:
    """What a file of safetensors holds. Raises ModelError."""
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read as weights (--backbone): {error}") from error


def train(recipe: Recipe, collection: Collection, run: Run) -> Task:
    """Both stages. With the session's `resume` they go on where they stopped, or are done."""
    folder = run.session.folder
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(run.seed)
    task = task_of(recipe)
    if run.backbone is not None:
        task.start_from(_weights(run.backbone))
    elif run.teacher is not None:
        files = TeacherFiles.at(run.teacher)
        distill(task, collection, files, run.trainer(recipe.distil), run.session)
        task.network.cpu()
        _save(task.backbone, folder / "backbone.safetensors")
    trainer = run.trainer(recipe.train)
    data: Dataset[Batch] = PairBatches(
        collection, Sampling(**recipe.sampling), trainer.batch, run.seed + PAIRS_SEED
    )
    if run.teacher is not None and recipe.respond:
        data = TaughtPairs(data, TeacherFiles.at(run.teacher))

    def loss(batch: Batch) -> tuple[Tensor, Figures]:
        return task.loss(batch, trainer)

    trainer.run(task.network, data, loss, name=recipe.name, session=run.session)
    task.network.cpu()
    _save(task.network, folder / "network.safetensors")
    return task


def export(task: Task, stem: Path) -> tuple[str, ...]:
    """Write the graphs STEM.ROLE.onnx and return their roles."""
    return export_network(task.tracker, task.network, task.recipe.tracking, stem)


def _save(network: nn.Module, path: Path) -> None:
    """Write the weights, whole or not at all, in the first process alone.

    Training keeps them channels last, which safetensors does not take.
    """
    if is_main():
        part = path.with_suffix(".part")
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, part)
        os.replace(part, path)
