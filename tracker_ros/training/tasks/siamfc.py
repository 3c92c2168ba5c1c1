"""SiamFC: one response, balanced logistic loss. Source: specs of SiamFC, section 3."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from tracker_ros.errors import ModelError
from tracker_ros.networks.backbones.alexnet import PAPER_WIDTHS, AlexNet
from tracker_ros.training.losses import siamfc_loss
from tracker_ros.training.sampling import EXEMPLAR, Sampling
from tracker_ros.training.task import (
    Batch,
    Figures,
    Level,
    Precision,
    Task,
    images_of,
    load_strictly,
)


class SiamFCTask(Task):
    """SiamFC with an AlexNet without padding: cell j looks at pixel 8 j + 43."""

    tracker = "siamfc"

    def check(self, sampling: Sampling) -> None:
        """Templates are those of the tracker."""
        super().check(sampling)
        if (sampling.template_size, sampling.region) != (EXEMPLAR, "context"):
            raise self.refused(sampling, EXEMPLAR, sampling.search_size, "context", "trains SiamFC")

    @property
    def backbone(self) -> nn.Module:
        """AlexNetV1."""
        backbone: nn.Module = self.network.backbone
        return backbone

    def levels(self, images: Tensor) -> tuple[Level, ...]:
        """Its only one; the network takes RGB."""
        return (Level(self.backbone(images.flip(1)), 8, 43.0),)

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights of a distilled backbone, of SiamFC or of SiamRPN++ with AlexNet."""
        if not any(key.startswith("features.") for key in state):
            super().start_from(state)
            return
        groups = self.network.backbone.conv2[0].groups
        if groups != 1:
            raise ModelError(
                f"recipe '{self.recipe.name}': a backbone of SiamRPN++ has no groups, and the "
                f"section network asks for {groups}; write groups: 1"
            )
        other = AlexNet(tuple(self.recipe.network.get("widths", PAPER_WIDTHS)))
        load_strictly(other, state, self.recipe.name)
        self.network.backbone.start_from(other)

    def loss(self, batch: Batch, trainer: Precision) -> tuple[Tensor, Figures]:
        """The target may be anywhere in the search crop, the paper's is in its middle."""
        with trainer.autocast():
            template, search = images_of(batch.template), images_of(batch.search)
            response = self.network(template.flip(1), search.flip(1))
        size = int(batch.search.shape[1])
        return siamfc_loss(response.float(), batch.box, batch.positive, size), {}
