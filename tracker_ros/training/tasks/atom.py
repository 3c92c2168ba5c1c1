"""ATOM: overlaps of boxes around the target, squared error. Source: specs of ATOM, section 6."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tracker_ros.errors import ModelError
from tracker_ros.networks.atom import ATOM
from tracker_ros.training.box_proposals import proposals
from tracker_ros.training.recipe import Recipe
from tracker_ros.training.sampling import Sampling
from tracker_ros.training.task import Batch, Figures, Level, Precision, Task, images_of

BOXES = 16
"""Boxes tried around each target."""
BGR_PREFIX = "stages."
"""Of the keys of a ResNet-18 that takes BGR, as SiamRPN++'s does (PictureResNet18)."""


class AtomTask(Task):
    """The overlap network. The backbone is frozen: a teacher trains it beforehand."""

    tracker = "atom"
    rests = True

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        if int(recipe.train.get("batch", 2)) < 2:
            raise ModelError(
                f"recipe '{recipe.name}', section train: batch is {recipe.train['batch']}; ATOM "
                "normalises what it knows of targets over a batch: take at least 2"
            )

    def check(self, sampling: Sampling) -> None:
        """Both crops are as large as the tracker's samples, and show as much."""
        super().check(sampling)
        size = int(self.recipe.tracking.get("sample", 288))
        if (sampling.template_size, sampling.search_size, sampling.region) != (size, size, "area"):
            raise self.refused(sampling, size, size, "area", "trains ATOM")

    @property
    def backbone(self) -> nn.Module:
        """ResNet-18 up to layer 3, of normalised RGB."""
        backbone: nn.Module = self.network.feature_extractor
        return backbone

    def levels(self, images: Tensor) -> tuple[Level, ...]:
        """Layers 2 and 3; the network takes RGB."""
        second, third = self.network.features(images.flip(1))
        return Level(second, 8, 0.0), Level(third, 16, 0.0)

    @property
    def levels_taught(self) -> int:
        """Both: the box comes from both."""
        return 2

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights of a distilled backbone, of ATOM or of SiamRPN++ with ResNet-18.

        The latter's take BGR, and their keys begin with `stages.`.
        """
        if any(key.startswith(BGR_PREFIX) for key in state):
            state = {key.removeprefix(BGR_PREFIX): value for key, value in state.items()}
            first = state.get("conv1.weight")
            if first is not None:
                state["conv1.weight"] = first.flip(1)
        super().start_from(state)

    def loss(self, batch: Batch, trainer: Precision) -> tuple[Tensor, Figures]:
        """Squared error of 2 IoU - 1. Negative pairs do not count: there is nothing to overlap.

        Both crops go through the backbone together, without a gradient. Pooling and what follows
        is in float32: it is little work, and the weights of the cells at a box's edge need digits.
        """
        network: ATOM = self.network
        regressor, pairs = network.bb_regressor, len(batch.box)
        boxes, overlap = proposals(batch.box, BOXES)
        with trainer.autocast():
            with torch.no_grad():
                crops = images_of(torch.cat((batch.template, batch.search))).flip(1)
                second, third = network.features(crops)
            reference = regressor.reference_features(second[:pairs], third[:pairs])
            test = regressor.test_features(second[pairs:], third[pairs:])
        r3, r4, c3, c4 = (part.float() for part in (*reference, *test))
        target = regressor.modulation_of(r3, r4, corner_boxes(batch.template_box))
        predicted = regressor.overlap(c3, c4, target, corner_boxes(boxes))
        error = predicted - (2 * overlap - 1)
        counted = batch.positive[:, None].to(error.dtype)
        number = (counted.sum() * BOXES).clamp(min=1)
        off = (error.detach().abs() * counted).sum() / (2 * number)
        return (error.square() * counted).sum() / number, {"off": off}


def corner_boxes(boxes: Tensor) -> Tensor:
    """x, y, w, h as the network takes boxes, of boxes (..., 4) cx, cy, w, h.

    cx and cy are middles of pixels, and so are x and y: those of a box's first pixel.
    """
    centre, size = boxes.split(2, -1)
    return torch.cat((centre - (size - 1) / 2, size), -1)
