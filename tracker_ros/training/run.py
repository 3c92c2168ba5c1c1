"""A training run: distil the backbone, train the whole on pairs, export."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
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
from tracker_ros.training.recipe import Recipe, Respond
from tracker_ros.training.recipe_keys import require_keys, section
from tracker_ros.training.sampling import Sampling, sampling_in
from tracker_ros.training.session import Session
from tracker_ros.training.task import (
    Batch,
    Figures,
    Task,
    backbone_in,
    load_strictly,
    read_weights,
)
from tracker_ros.training.tasks import TASKS
from tracker_ros.training.teacher import TaughtPairs, Teacher, TeacherFiles
from tracker_ros.training.trainer import Trainer

FINE_TUNING_RATE = 0.1
"""Of the recipe's learning rate: the recipe's own would first undo what the weights have learnt."""
GIVEN = ("seed", "device")
"""Fields of `Trainer` that the command line gives."""
PAIRS_SEED = 1000
"""Added to the seed of the run, so that pairs are not drawn as the crops of distillation are."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run may use, and where it keeps its files."""

    session: Session
    device: str = "cpu"
    teacher: Path | None = None
    """File or folder of the teacher; None trains from scratch."""
    weights: Path | None = None
    """Of a network of this recipe, to go on from; then nothing is distilled."""
    backbone: Path | None = None
    """A backbone to start from instead of distilling."""
    precision: str | None = None
    """Of matrix products, instead of the recipe's."""
    seed: int = 0
    scale: float = 1.0
    """Factor on the number of steps, for a quick try."""

    def trainer(self, values: Mapping[str, Any], recipe: str = "", stage: str = "") -> Trainer:
        """The loop of a stage, with this run's seed, device and number of steps.

        recipe, stage: its file and section, for what is wrong in the values (ModelError).
        """
        values = require_keys(
            values, Trainer, recipe or "the recipe", stage or "train", without=GIVEN
        )
        if self.precision is not None:
            values = {**values, "precision": self.precision}
        trainer = Trainer(**values, seed=self.seed, device=self.device)
        rate = trainer.learning_rate * (1 if self.weights is None else FINE_TUNING_RATE)
        steps = max(1, round(trainer.steps * self.scale))
        return dataclasses.replace(trainer, steps=steps, learning_rate=rate)

    @property
    def distils(self) -> bool:
        """Whether a teacher trains the backbone first."""
        return self.teacher is not None and self.weights is None and self.backbone is None


def task_of(recipe: Recipe) -> Task:
    """The recipe's network with fresh weights. Raises ModelError for a tracker of no recipe."""
    require_tracker(recipe)
    return TASKS[recipe.tracker](recipe)


def require_tracker(recipe: Recipe) -> None:
    """Raise ModelError for a tracker that no recipe trains."""
    if recipe.tracker not in TASKS:
        raise ModelError(
            f"recipe '{recipe.name}' trains '{recipe.tracker}'; known are {', '.join(TASKS)}"
        )


def check(recipe: Recipe, run: Run) -> None:
    """Raise ModelError for what would stop the run later: before anything takes its time."""
    _check_start(check_recipe(recipe, run), run)
    check_machine(run)


def check_machine(run: Run) -> None:
    """Raise ModelError for a device or a folder that cannot be used; makes the folder."""
    try:
        torch.zeros(1, device=run.device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"--device {run.device} cannot be used: {error}") from error
    try:
        run.session.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"the run's folder, --out, cannot be made: {error}") from error


def check_recipe(recipe: Recipe, run: Run) -> Task:
    """Raise ModelError for what is wrong in the recipe itself; its network, untrained."""
    name = recipe.where
    require_tracker(recipe)
    task = section(name, "network", lambda: task_of(recipe))
    require_keys(recipe.respond, Respond, name, "respond")
    section(name, "respond", lambda: float(recipe.respond.get("weight", 0)))
    sampling = sampling_in(recipe.sampling, recipe.where)
    task.check(sampling)
    section(name, "distil", lambda: run.trainer(recipe.distil, name, "distil"))
    trainer = section(name, "train", lambda: run.trainer(recipe.train, name, "train"))
    section(name, "train", lambda: trainer.require_parts(task.network))
    _try(task, sampling, trainer)
    where = f"{name}, section tracking"
    known = PAPERS[recipe.tracker].parameters
    section(name, "tracking", lambda: checked(known, recipe.tracking, where))
    return task


def _try(task: Task, sampling: Sampling, trainer: Trainer) -> None:
    """Two pairs of black crops go through the network. Raises ModelError for too small ones."""
    sides = sampling.template_size, sampling.search_size
    template, search = (torch.zeros(2, side, side, 3, dtype=torch.uint8) for side in sides)
    boxes = (torch.tensor([[side / 2, side / 2, 40.0, 40.0]] * 2) for side in sides)
    batch = Batch(
        template, next(boxes), search, next(boxes), torch.tensor([True, True]),
        torch.zeros(2, 2, dtype=torch.int64),
    )  # fmt: skip
    try:
        with torch.no_grad():
            task.loss(batch, dataclasses.replace(trainer, device="cpu", precision="fp32"))
    except RuntimeError as error:
        raise ModelError(
            f"{task.recipe.where}, section sampling: crops of {sides[0]} and {sides[1]} px "
            f"do not go through the network: {error}"
        ) from error


def _check_start(task: Task, run: Run) -> None:
    """What the weights begin with."""
    recipe = task.recipe
    if run.weights is not None and run.backbone is not None:
        raise ModelError("--weights has the backbone in it: leave out --backbone")
    _start(task, run)
    if run.teacher is not None:
        files = TeacherFiles.at(run.teacher)
        Teacher(files)
        if recipe.respond and files.head is None:
            raise ModelError(
                f"recipe '{recipe.name}' learns from a teacher's responses, and {run.teacher} has "
                "no head; give the folder with both files, or leave out the section respond"
            )
    if run.teacher is None and run.backbone is None and run.weights is None:
        if task.rests:
            raise ModelError(
                f"the backbone of '{recipe.name}' is not trained on pairs: go on from weights that "
                "are here, --weights, give a backbone, --backbone, or let a teacher train it, "
                "--teacher"
            )
        begun = sorted((run.session.folder / "checkpoints").glob("distil-*.pt"))
        if run.session.resume and begun:
            raise ModelError(
                f"the run in {run.session.folder} began with a teacher ({begun[-1].name}); give "
                "the same --teacher to go on with it"
            )


def _start(task: Task, run: Run) -> None:
    """Give the network what it begins with. Raises ModelError where that does not fit."""
    if run.weights is not None:
        state = read_weights(run.weights, "--weights")
        load_strictly(task.network, state, task.recipe.name, "network")
    if run.backbone is not None:
        task.start_from(backbone_in(read_weights(run.backbone, "--backbone")))


def train(recipe: Recipe, collection: Collection, run: Run) -> Task:
    """Both stages. With the session's `resume` they go on where they stopped, or are done."""
    folder = run.session.folder
    torch.manual_seed(run.seed)
    task = task_of(recipe)
    _start(task, run)
    trainer = run.trainer(recipe.train)
    # Before distillation: data that do not fit the recipe are refused here.
    data: Dataset[Batch] = PairBatches(
        collection, sampling_in(recipe.sampling, recipe.where), trainer.batch, run.seed + PAIRS_SEED
    )
    if run.distils:
        assert run.teacher is not None
        files = TeacherFiles.at(run.teacher)
        distill(task, collection, files, run.trainer(recipe.distil), run.session)
        task.network.cpu()
        _save(task.backbone, folder / "backbone.safetensors")
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
