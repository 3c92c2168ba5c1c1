"""SiamFC: fully-convolutional Siamese network (Bertinetto et al., ECCV-W 2016)."""

from __future__ import annotations

from torch import Tensor, nn

from tracker_ros.networks.backbones.alexnet import PAPER_WIDTHS, AlexNetV1
from tracker_ros.networks.correlation import cross_correlation

OUTPUT_SCALE = 0.001
"""What the response is multiplied by; the released weights have no other calibration."""


class SiamFC(nn.Module):
    """Response of a template in a search region: 127 px against 255 px gives 17x17."""

    def __init__(self, widths: tuple[int, ...] = PAPER_WIDTHS, groups: int = 2) -> None:
        super().__init__()
        self.backbone = AlexNetV1(widths, groups)

    def template(self, image: Tensor) -> Tensor:
        """Template features (B, C, 6, 6) of crops (B, 3, 127, 127), RGB in 0..255."""
        features: Tensor = self.backbone(image)
        return features

    def search(self, image: Tensor, template: Tensor) -> Tensor:
        """Response (B, 1, h, w) of crops (B, 3, S, S), RGB in 0..255, to a template."""
        return cross_correlation(template, self.backbone(image)) * OUTPUT_SCALE

    def forward(self, template_image: Tensor, search_image: Tensor) -> Tensor:
        """Response of pairs of crops, as in training."""
        return self.search(search_image, self.template(template_image))
