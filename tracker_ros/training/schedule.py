"""The training loop that every recipe shares: schedule, mixed precision, averaging, progress."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from tracker_ros.errors import TrackerRosError

BatchT = TypeVar("BatchT")


class DivergedError(TrackerRosError):
    """Training stopped because the loss is no longer a number."""


@dataclass(frozen=True)
class Trainer:
    """How to train: AdamW, linear warm-up, cosine decay to zero, averaged weights."""

    steps: int
    batch: int
    learning_rate: float
    backbone_scale: float = 1.0
    """Factor on the learning rate of parameters under a module named `backbone`."""
    weight_decay: float = 1e-4
    warm_up: int = 200
    average: float = 0.998
    """Decay of the exponential moving average of the weights; 0 switches it off."""
    clip: float = 10.0
    seed: int = 0
    device: str = "cpu"

    def autocast(self) -> AbstractContextManager[Any]:
        """Matrix products in bfloat16, the rest in float32, on the CPU as on a GPU."""
        return torch.autocast(self.device, torch.bfloat16)

    def rate(self, step: int) -> float:
        """Factor on the learning rate at a step: warm-up, then half a cosine."""
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        progress = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))

    def groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """Parameter groups: decay on matrices only, another rate for the backbone."""
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            key = (name.startswith("backbone"), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
        return [
            {
                "params": parameters,
                "lr": self.learning_rate * (self.backbone_scale if backbone else 1.0),
                "weight_decay": self.weight_decay if matrix else 0.0,
            }
            for (backbone, matrix), parameters in groups.items()
        ]

    def run(
        self,
        model: nn.Module,
        batches: Iterator[BatchT],
        loss: Callable[[BatchT], tuple[Tensor, dict[str, float]]],
        *,
        name: str,
    ) -> dict[str, float]:
        """Train `model` in place and leave it with the averaged weights, in eval mode.

        `loss` returns the scalar to minimise and named figures for the progress bar. Returns the
        smoothed figures. Raises DivergedError at the first loss that is not finite: by then the
        statistics of the normalisation layers are no numbers either, and so is their average.
        """
        torch.manual_seed(self.seed)
        model.to(self.device).to(memory_format=torch.channels_last)
        model.train()
        optimizer = torch.optim.AdamW(self.groups(model))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate)
        averaged = AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(self.average), use_buffers=True
        )
        smooth: dict[str, float] = {}
        with tqdm(total=self.steps, desc=name, unit="step") as bar:
            for step in range(self.steps):
                value, figures = loss(next(batches))
                optimizer.zero_grad(set_to_none=True)
                if not torch.isfinite(value):
                    raise DivergedError(
                        f"{name}: the loss is {value.item()} in step {step}; "
                        "lower the recipe's learning_rate, or look for NaN in the boxes"
                    )
                torch.autograd.backward(value)
                nn.utils.clip_grad_norm_(model.parameters(), self.clip)
                optimizer.step()
                schedule.step()
                averaged.update_parameters(model)
                figures = {"loss": float(value.detach()), **figures}
                for key, figure in figures.items():
                    smooth[key] = 0.98 * smooth.get(key, figure) + 0.02 * figure
                bar.update()
                if step % 20 == 0:
                    bar.set_postfix({key: f"{figure:.3f}" for key, figure in smooth.items()})
        if self.average > 0:
            model.load_state_dict(averaged.module.state_dict())
        model.eval()
        return smooth
