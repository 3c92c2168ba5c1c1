"""SiamFC: fully-convolutional Siamese network (Bertinetto et al., ECCV-W 2016)."""

from __future__ import annotations

from collections.abc import Sequence

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

    def template(self, image: Tensor) -> tuple[Tensor]:
        """Template features (B, C, 6, 6) of crops (B, 3, 127, 127), RGB in 0..255."""
        return (self.backbone(image),)

    def features(self, image: Tensor) -> tuple[Tensor]:
        """Features (B, C, h, w) of search crops (B, 3, S, S), RGB in 0..255."""
        return (self.backbone(image),)

    def match(self, kernels: Sequence[Tensor], features: Sequence[Tensor]) -> tuple[Tensor]:
        """Response (B, 1, h, w) of search features to a template."""
        return (cross_correlation(kernels[0], features[0]) * OUTPUT_SCALE,)

    def forward(self, template_image: Tensor, search_image: Tensor) -> Tensor:
        """Response of pairs of crops, as in training."""
        return self.match(self.template(template_image), self.features(search_image))[0]
