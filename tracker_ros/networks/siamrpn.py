"""SiamRPN++ (Li et al., CVPR 2019): depthwise correlation and a region proposal head.

This file holds the network with one feature level (the AlexNet backbone); module names are
those of pysot, so that its checkpoints load strictly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from tracker_ros.networks.backbones.alexnet import PAPER_WIDTHS, AlexNet
from tracker_ros.networks.correlation import depthwise, depthwise_by_taps

ANCHORS = 5
Correlation = Callable[[Tensor, Tensor], Tensor]


def _conv_bn_relu(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class DepthwiseBranch(nn.Module):
    """One branch of the head: correlate a template kernel with search features, then predict."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.conv_kernel = _conv_bn_relu(inputs, hidden, 3)
        self.conv_search = _conv_bn_relu(inputs, hidden, 3)
        self.head = nn.Sequential(*_conv_bn_relu(hidden, hidden, 1), nn.Conv2d(hidden, outputs, 1))

    def forward(self, kernel: Tensor, features: Tensor, correlation: Correlation) -> Tensor:
        """Prediction (B, outputs, s, s) from a kernel (B, hidden, k, k) and search features.

        features: (B, hidden, h, w), what `conv_search` gave.
        """
        prediction: Tensor = self.head(correlation(kernel, features))
        return prediction


class DepthwiseRPN(nn.Module):
    """Classification (2 x 5 channels) and box regression (4 x 5) over anchors."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.cls = DepthwiseBranch(inputs, hidden, 2 * ANCHORS)
        self.loc = DepthwiseBranch(inputs, hidden, 4 * ANCHORS)


class SiamRPN(nn.Module):
    """SiamRPN++ with the AlexNet backbone.

    A 127 px template gives kernels of 4x4; a 255 px search region gives maps of 17x17, a
    287 px one 21x21. cls channels: 0-4 background, 5-9 foreground of the five anchors; loc
    channels: coordinate * 5 + anchor, coordinates dx, dy, dw, dh. Source: specs, section 2.
    """

    def __init__(self, widths: tuple[int, ...] = PAPER_WIDTHS, hidden: int = 256) -> None:
        super().__init__()
        self.backbone = AlexNet(widths)
        self.rpn_head = DepthwiseRPN(self.backbone.out_channels, hidden)

    def template(self, image: Tensor) -> tuple[Tensor, ...]:
        """Kernels (cls, loc), each (B, hidden, 4, 4), of crops (B, 3, 127, 127), BGR 0..255."""
        features = self.backbone(image)
        return self.rpn_head.cls.conv_kernel(features), self.rpn_head.loc.conv_kernel(features)

    def features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Search features (cls, loc), each (B, hidden, h, w), of crops (B, 3, S, S)."""
        features = self.backbone(image)
        return self.rpn_head.cls.conv_search(features), self.rpn_head.loc.conv_search(features)

    def match(
        self, kernels: Sequence[Tensor], features: Sequence[Tensor],
        correlation: Correlation = depthwise,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Logits (B, 10, s, s) and offsets (B, 20, s, s)."""
        cls = self.rpn_head.cls(kernels[0], features[0], correlation)
        loc = self.rpn_head.loc(kernels[1], features[1], correlation)
        return cls, loc

    def forward(self, template_image: Tensor, search_image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and offsets of pairs of crops, as in training."""
        kernels, features = self.template(template_image), self.features(search_image)
        return self.match(kernels, features, depthwise_by_taps)
