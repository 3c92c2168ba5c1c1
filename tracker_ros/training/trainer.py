"""The training loop that every recipe shares; what to set in it is a section of a recipe."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from tracker_ros.errors import ModelError
from tracker_ros.training import distributed
from tracker_ros.training.session import Session
from tracker_ros.training.stage import Stage

DrawnT = TypeVar("DrawnT", covariant=True)
BatchT = TypeVar("BatchT")
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
CHOICES = {
    "optimiser": ("adamw", "sgd"),
    "schedule": ("cosine", "exponential", "step", "constant"),
    "precision": tuple(PRECISIONS),
}
RANGES = {
    "steps": (1, math.inf),
    "batch": (1, math.inf),
    "learning_rate": (1e-12, 1e3),
    "backbone_scale": (0, 1e3),
    "frozen_until": (0, 1),
    "weight_decay": (0, 1),
    "momentum": (0, 0.9999),
    "final": (0, 1),
    "step_every": (1e-3, 1),
    "step_factor": (0, 1),
    "warm_up": (0, math.inf),
    "warm_up_from": (0, 1),
    "average": (0, 0.99999),
    "clip": (0, math.inf),
    "diverged_factor": (0, math.inf),
    "diverged_steps": (1, math.inf),
    "seed": (0, 2**31),
}
"""Least and largest value of every number of a recipe's section."""
LEAST_EXPONENTIAL = 1e-4
"""What an exponential schedule goes down to where `final` is 0, which it cannot reach."""


class Batches(Protocol[DrawnT]):
    """Whole batches by the number of their step: a map-style Dataset, or a list."""

    def __getitem__(self, step: int, /) -> DrawnT:
        """The batch of that step, the same whenever and wherever it is asked for."""


@dataclass(frozen=True)
class Trainer:
    """How to train: steps, optimiser, schedule, averaged weights, precision.

    Raises ModelError naming the value that cannot be.
    """

    steps: int
    batch: int
    """Samples a step, of each process; for the speed, and for who draws the batches."""
    learning_rate: float
    backbone_scale: float = 1.0
    """Factor on the learning rate of what is under `backbone`."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """The same for any other part by its name in the network, as {backbone.layer1: 0}; the longest
    name that fits counts. What has 0 stays as it is, its normalisation's statistics too."""
    frozen_until: float = 0.0
    """Share of the steps in which everything under `backbone` stays as it is."""
    weight_decay: float = 1e-4
    """Of weights of two dimensions or more."""
    optimiser: str = "adamw"
    """adamw or sgd (with `momentum`)."""
    momentum: float = 0.9
    schedule: str = "cosine"
    """cosine (half a cosine), exponential (the same factor every step), both down to `final`;
    step (times `step_factor` after every `step_every`) or constant."""
    final: float = 0.0
    """Factor on the learning rate at the last step."""
    step_every: float = 0.3
    """Share of the steps."""
    step_factor: float = 0.2
    warm_up: int = 200
    """Steps, at most half of all of them."""
    warm_up_from: float = 0.0
    """Factor on the learning rate where the warm-up begins. From 0 it is linear, else it grows by
    the same factor every step."""
    average: float = 0.998
    """Decay of the exponential moving average of the weights; 0 switches it off."""
    clip: float = 10.0
    """Largest norm of the gradient; 0 switches it off."""
    precision: str = "bf16"
    """Of matrix products: bf16, fp16 (the loss is scaled) or fp32."""
    diverged_factor: float = 0.0
    """Stop where the smoothed loss is over this many times its least; 0 switches it off."""
    diverged_steps: int = 200
    """For so many steps in a row."""
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        for part in dataclasses.fields(self):
            value = getattr(self, part.name)
            if part.name in RANGES:
                _check_number(part.name, value, *RANGES[part.name], whole=part.type == "int")
            elif part.name in CHOICES and value not in CHOICES[part.name]:
                raise ModelError(
                    f"{part.name} is {value!r}; possible are {', '.join(CHOICES[part.name])}"
                )
        if not isinstance(self.rates, Mapping):
            raise ModelError(
                f"rates is {self.rates!r}; expected parts of the network with their factors, as "
                "{backbone.layer1: 0}"
            )
        for part_name, factor in self.rates.items():
            _check_number(f"rates: {part_name}", factor, 0, 1e3, whole=False)

    def autocast(self) -> AbstractContextManager[Any]:
        """A context in which matrix products are computed in the run's precision."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, PRECISIONS[self.precision])

    def rate(self, step: int) -> float:
        """Factor on the learning rate at a step: the warm-up, then the schedule."""
        warm_up = min(self.warm_up, self.steps // 2)
        if step < warm_up:
            if self.warm_up_from > 0:
                return float(self.warm_up_from ** (1 - step / warm_up))
            return (step + 1) / warm_up
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "step":
            falls = int(step / (self.steps * self.step_every) + 1e-9)
            return float(self.step_factor**falls)
        progress = (step - warm_up) / max(1, self.steps - warm_up)
        if self.schedule == "exponential":
            return float((self.final or LEAST_EXPONENTIAL) ** progress)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress))

    def factor(self, name: str) -> float:
        """Factor on the learning rate of the parameter of that name."""
        rates = {"backbone": self.backbone_scale, **self.rates}
        fitting = [part for part in rates if _is_in(name, part)]
        return rates[max(fitting, key=len)] if fitting else 1.0

    def frozen(self, step: int) -> bool:
        """Whether the backbone stays as it is in a step."""
        return step < self.frozen_until * self.steps

    def rests(self, name: str, step: int) -> bool:
        """Whether the parameter or module of that name stays as it is in a step."""
        return self.factor(name) == 0 or (_is_in(name, "backbone") and self.frozen(step))

    def require_parts(self, model: nn.Module) -> None:
        """Raise ModelError for a part with a rate of its own that the network does not have."""
        names = [name for name, _ in model.named_parameters()]
        named = ["backbone"] if self.backbone_scale != 1 or self.frozen_until > 0 else []
        for part in (*named, *self.rates):
            if not any(_is_in(name, part) for name in names):
                raise ModelError(
                    f"the rate of '{part}' is given, and the network has no such part; it has "
                    f"{', '.join(sorted({name.split('.')[0] for name in names}))}"
                )

    def run(
        self,
        model: nn.Module,
        data: Batches[BatchT],
        loss: Callable[[BatchT], tuple[Tensor, Mapping[str, float | Tensor]]],
        *,
        name: str,
        session: Session | None = None,
    ) -> dict[str, float]:
        """Train `model` in place and leave it on the device with averaged weights, in eval mode.

        data: item i is the whole batch of step i. Its tensors come to `loss` on the device.
        loss: the scalar to minimise, and named figures to show: numbers or detached tensors of no
            dimension (which are not fetched from a GPU at every step), the same names every time.
        name: of the stage: its files are called so.
        session: where files go; None keeps none, draws in this process, and leaves signals alone.

        Returns the smoothed figures, `loss` among them. Before every step the random numbers of
        torch start from seed, step and rank, so that nothing but these decides what it draws.

        Raises DivergedError for a loss or gradient that is not finite, or a loss that has gone up
        for good; ModelError for a checkpoint that is not of this run. SIGINT and SIGTERM write a
        checkpoint and end as KeyboardInterrupt and SystemExit(143); a run that began again writes
        none while it is too young to replace that of the run before.
        """
        torch.manual_seed(self.seed)
        model.to(self.device).to(memory_format=torch.channels_last)
        distributed.start_alike(model)
        return Stage(self, model, data, loss, name, session).run()


def _is_in(name: str, part: str) -> bool:
    """Whether the parameter or module of that name is a part of the network, or within it."""
    return f"{name}.".startswith(f"{part}.")


def _check_number(name: str, value: Any, low: float, high: float, *, whole: bool) -> None:
    """Raise ModelError for what is no number from `low` to `high`."""
    kinds = int if whole else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool) or not math.isfinite(value):
        hint = "; YAML takes 1e-3 for a word, write 1.0e-3" if isinstance(value, str) else ""
        raise ModelError(f"{name} is {value!r}; expected a {'whole ' if whole else ''}number{hint}")
    if not low <= value <= high:
        most = f"to {high:g}" if high < math.inf else "or more"
        raise ModelError(f"{name} is {value!r}; possible is {low:g} {most}")
