"""SPM-Tracker: both stages together. Source: specs of SPM-Tracker, section 6."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tracker_ros.training.recipe import Recipe
from tracker_ros.training.sampling import Sampling
from tracker_ros.training.spm_losses import (
    Fine,
    anchors,
    coarse_loss,
    counted,
    fine_loss,
    proposals,
    regions_around,
    strange,
)
from tracker_ros.training.task import Batch, Figures, Level, Precision, Task, images_of

CLOSE, LOOSE = 4, 4
"""Regions drawn around every target, beside its own box and eight proposals."""


class SPMTask(Task):
    """SPM-Tracker. Template and search crops are 271 px, targets at the scale of 127 px.

    The proposals of the coarse stage, and regions around the target, train the fine one. What it
    must tell apart besides: the other object of a negative pair, and the target of another pair.
    """

    tracker = "spm"

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self._anchors = anchors()

    def check(self, sampling: Sampling) -> None:
        """Both crops have 271 px: other sizes lie elsewhere on the maps."""
        super().check(sampling)
        if (sampling.template_size, sampling.search_size, sampling.region) != (271, 271, "context"):
            raise self.refused(sampling, 271, 271, "context", "trains SPM-Tracker")

    @property
    def backbone(self) -> nn.Module:
        """PaddedAlexNet."""
        backbone: nn.Module = self.network.cm.z_net
        return backbone

    def levels(self, images: Tensor) -> tuple[Level, ...]:
        """All of conv5: padded, so that cell j looks at pixel 8 j."""
        centred = images - self.network.mean.to(images.device)
        return (Level(self.network.cm.z_net.whole(centred), 8, 0.0),)

    def loss(self, batch: Batch, trainer: Precision) -> tuple[Tensor, Figures]:
        """Coarse and fine stage. There is one object with a name in a search crop, the target.

        Other objects of its kind, which the paper's coarse stage is to find as well, would need
        their boxes.
        """
        crop = int(batch.search.shape[1])
        boxes, positive = counted(batch.box, crop), batch.positive
        first = counted(batch.template_box, crop)
        network = self.network
        with trainer.autocast():
            cls, bbox, target, shown = network(
                images_of(batch.template), first, images_of(batch.search)
            )
            cls, bbox = cls.float(), bbox.float()
            around = regions_around(boxes, CLOSE, LOOSE)
            regions = torch.cat((around, proposals(cls, bbox)), 1)
            shares = network.fm.siam_fusion.of_regions(network.regions(shown, regions))
            found = network.fm(target, shares)
            apart = strange(batch.scenes)
            others, _ = network.fm(target.roll(1, 0)[apart], shares[apart, : 1 + CLOSE])
        coarse, figures = coarse_loss(cls, bbox, self._anchors.to(cls.device), boxes, positive)
        fine, more = fine_loss(
            Fine(*(part.float() for part in found)), regions, boxes, positive,
            others.flatten(0, 1).float(),
        )  # fmt: skip
        return coarse + fine, {**figures, **more}
