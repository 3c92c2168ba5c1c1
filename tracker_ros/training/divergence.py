"""Training that goes wrong: numbers that are none, and a loss that goes up for good."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tracker_ros.errors import TrackerRosError


class DivergedError(TrackerRosError):
    """Training stopped because the loss is no longer a number, or only goes up."""


class Watch:
    """Whether the smoothed loss is over `factor` times its least for `steps` steps in a row.

    A factor of 0 never says so, nor does a loss that has been 0 or less.
    """

    def __init__(self, factor: float, steps: int) -> None:
        self.factor, self.steps = factor, steps
        self.best = math.inf
        self.over = 0
        """Steps in a row that it has been over."""

    def see(self, loss: float) -> bool:
        """Take in the smoothed loss of a step; True: stop."""
        if self.factor <= 0:
            return False
        self.best = min(self.best, loss)
        self.over = self.over + 1 if loss > self.factor * self.best > 0 else 0
        return self.over >= self.steps

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {"best": self.best, "over": self.over}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where another one was."""
        self.best, self.over = state["best"], state["over"]


def save_batch(batch: object, path: Path) -> None:
    """Write a batch as torch.load(path, weights_only=True) reads it.

    Tensors, numbers, words, and what holds them: tuples and dataclasses as lists and dicts by the
    names of their fields, arrays as tensors; of anything else, what it prints as.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(_plain(batch), path)


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "_asdict"):
        return {key: _plain(part) for key, part in value._asdict().items()}
    if hasattr(value, "__dataclass_fields__"):
        return {key: _plain(getattr(value, key)) for key in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        return str(value)
