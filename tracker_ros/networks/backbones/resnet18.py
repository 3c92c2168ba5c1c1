"""ResNet-18 up to its third stage, as ATOM uses it: strides 8 and 16.

Cell i of a map of stride s looks at pixel s * i.

Module names are torchvision's, so that checkpoints of that layout load. Source: He et al., CVPR
2016; specs of ATOM, section 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

PAPER_WIDTHS = (64, 64, 128, 256)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB in 0..1, as everything trained on ImageNet with torchvision expects it."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a short cut, which is a 1x1 convolution where sizes change."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, outputs, H / stride, W / stride) of (B, inputs, H, W)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class ResNet18(nn.Module):
    """The stem and the stages 1 to 3 of ResNet-18, two blocks each.

    `widths`: channels of the stem and of the three stages; the defaults are the paper's.
    """

    def __init__(self, widths: tuple[int, ...] = PAPER_WIDTHS) -> None:
        super().__init__()
        stem, first, second, third = widths
        self.conv1 = nn.Conv2d(3, stem, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.layer1 = _stage(stem, first, 1)
        self.layer2 = _stage(first, second, 2)
        self.layer3 = _stage(second, third, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Layers 2 (stride 8) and 3 (stride 16) of normalised images (B, 3, H, W)."""
        x = functional.relu(self.bn1(self.conv1(image)))
        x = self.layer1(functional.max_pool2d(x, 3, 2, padding=1))
        second: Tensor = self.layer2(x)
        third: Tensor = self.layer3(second)
        return second, third


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))


class PictureResNet18(nn.Module):
    """The same of images (B, 3, H, W), BGR in 0..255."""

    def __init__(self, widths: tuple[int, ...] = PAPER_WIDTHS) -> None:
        super().__init__()
        self.stages = ResNet18(widths)
        self.out_channels = (widths[2], widths[3])
        mean, std = (torch.tensor(v[::-1]).reshape(1, 3, 1, 1) * 255 for v in (MEAN, STD))
        self.register_buffer("_mean", mean, persistent=False)
        self.register_buffer("_std", std, persistent=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Layers 2 (stride 8) and 3 (stride 16)."""
        second, third = self.stages((image - self._mean) / self._std)
        return second, third
