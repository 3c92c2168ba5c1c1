"""SiamRPN++: classification and boxes over anchors. Source: specs of SiamRPN++, section 5."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tracker_ros.anchors import AnchorGrid
from tracker_ros.networks.backbones.alexnet import AlexNet
from tracker_ros.networks.backbones.resnet18 import PictureResNet18
from tracker_ros.training.losses import rpn_loss
from tracker_ros.training.recipe import Recipe
from tracker_ros.training.sampling import EXEMPLAR, Sampling
from tracker_ros.training.task import Batch, Figures, Level, Precision, Task, images_of
from tracker_ros.training.teacher import response_loss


class SiamRPNTask(Task):
    """SiamRPN++ with a backbone that a teacher can train: AlexNet or ResNet-18."""

    tracker = "siamrpnpp"

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self._anchors: dict[int, Tensor] = {}

    def check(self, sampling: Sampling) -> None:
        """Templates are those of the tracker."""
        super().check(sampling)
        if (sampling.template_size, sampling.region) != (EXEMPLAR, "context"):
            raise self.refused(
                sampling, EXEMPLAR, sampling.search_size, "context", "trains SiamRPN++"
            )

    @property
    def levels_taught(self) -> int:
        """Both maps of ResNet-18, the one of AlexNet."""
        return 2 if isinstance(self.backbone, PictureResNet18) else 1

    @property
    def backbone(self) -> nn.Module:
        """AlexNet or ResNet-18, without neck and head."""
        backbone: nn.Module = self.network.backbone
        return backbone

    def levels(self, images: Tensor) -> tuple[Level, ...]:
        """AlexNet's map of stride 8; ResNet-18's of stride 8 and 16."""
        features = self.backbone(images)
        if isinstance(self.backbone, AlexNet):
            return (Level(features, 8, 43.0),)
        if isinstance(self.backbone, PictureResNet18):
            return Level(features[0], 8, 0.0), Level(features[1], 16, 0.0)
        return tuple(Level(level, 8, 7.0) for level in features)

    def loss(self, batch: Batch, trainer: Precision) -> tuple[Tensor, Figures]:
        """Of anchors; with a teacher's responses, their likeness to it besides."""
        with trainer.autocast():
            cls, loc = self.network(images_of(batch.template), images_of(batch.search))
        cls, loc = cls.float(), loc.float()
        anchors = self._anchors_of(int(batch.search.shape[1]), int(cls.shape[-1]), trainer.device)
        loss, of_parts = rpn_loss(cls, loc, anchors, batch.box, batch.positive)
        figures: Figures = {**of_parts}
        if batch.taught:
            weight = float(self.recipe.respond.get("weight", 1.0))
            taught = response_loss(cls, anchors[0, 0, 0], batch.taught[0])
            loss = loss + weight * taught
            figures["taught"] = taught.detach()
        return loss, figures

    def _anchors_of(self, size: int, cells: int, device: str) -> Tensor:
        """(4, 5, cells, cells) cx, cy, w, h in pixels of a search crop."""
        if cells not in self._anchors:
            table = torch.from_numpy(AnchorGrid(cells).table())
            table[:2] += (size - 1) / 2
            self._anchors[cells] = table.to(device)
        return self._anchors[cells]
