"""A small network that learns which points are in the unit circle: for tests of the loop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tracker_ros.training.trainer import Trainer


class Points:
    """Batches of points of the plane, and whether they are in the unit circle."""

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        points = torch.randn(16, 2, generator=torch.Generator().manual_seed(step))
        return points, (points.norm(dim=1) < 1).float()


def classifier() -> nn.Module:
    torch.manual_seed(3)
    parts = {
        "backbone": nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU()),
        "head": nn.Linear(16, 1),
    }
    return nn.ModuleDict(parts)


def logits(model: Any, points: Tensor) -> Tensor:
    return model["head"](model["backbone"](points))[:, 0]


def loss_of(model: nn.Module) -> Any:
    def loss(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        points, inside = batch
        found = logits(model, points).float()
        value = nn.functional.binary_cross_entropy_with_logits(found, inside)
        return value, {"right": ((found > 0) == (inside > 0.5)).float().mean()}

    return loss


def trained(trainer: Trainer, data: Any = None) -> tuple[nn.Module, dict[str, float]]:
    model = classifier()
    return model, trainer.run(model, data or Points(), loss_of(model), name="points")
