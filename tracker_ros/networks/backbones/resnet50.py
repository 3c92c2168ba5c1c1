"""ResNet-50 of SiamRPN++: dilated, total stride 8, no padding where it strides.

Its first convolution and the stride of the second stage take no padding, and the third and fourth
stage dilate instead of striding. The shortcuts of those three stages are 3x3 convolutions, so
weights of an ImageNet ResNet-50 do not fit them. Source: specs of SiamRPN++, section 1.1.
"""

from __future__ import annotations

from torch import Tensor, nn

STAGES = (3, 4, 6, 3)
"""Blocks of the four stages."""
EXPANSION = 4
"""Channels of a block's output over those within it."""


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 beside a shortcut.

    dilation: of the 3x3 convolution, whose padding is the dilation, or 0 where it strides.
    """

    def __init__(
        self,
        inputs: int,
        planes: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        shortcut: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        padding = dilation if dilation > 1 else 2 - stride
        self.conv2 = nn.Conv2d(
            planes, planes, 3, stride=stride, padding=padding, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * EXPANSION, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * EXPANSION)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(B, planes * 4, h, w) of (B, inputs, H, W)."""
        residual = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out)) + residual
        result: Tensor = self.relu(out)
        return result


def _stage(inputs: int, planes: int, blocks: int, *, stride: int, dilation: int) -> nn.Sequential:
    """A stage; its first block has the stride, and half of the dilation."""
    first = max(dilation // 2, 1)
    if stride == 1 and dilation == 1:
        conv = nn.Conv2d(inputs, planes * EXPANSION, 1, bias=False)
    else:
        padding = first if dilation > 1 else 0
        conv = nn.Conv2d(
            inputs, planes * EXPANSION, 3, stride=stride, padding=padding, dilation=first,
            bias=False,
        )  # fmt: skip
    shortcut = nn.Sequential(conv, nn.BatchNorm2d(planes * EXPANSION))
    layers = [Bottleneck(inputs, planes, stride=stride, dilation=first, shortcut=shortcut)]
    layers += [Bottleneck(planes * EXPANSION, planes, dilation=dilation) for _ in range(blocks - 1)]
    return nn.Sequential(*layers)


class ResNet50(nn.Module):
    """Three feature maps of the same size: 127 px gives 15x15, 255 px 31x31, 831 px 103x103.

    Input (B, 3, H, W) BGR in 0..255, outputs of the stages 2, 3 and 4 after their ReLU.
    """

    out_channels = (512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, STAGES[0], stride=1, dilation=1)
        self.layer2 = _stage(256, 128, STAGES[1], stride=2, dilation=1)
        self.layer3 = _stage(512, 256, STAGES[2], stride=1, dilation=2)
        self.layer4 = _stage(1024, 512, STAGES[3], stride=1, dilation=4)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (B, 512, h, w), (B, 1024, h, w), (B, 2048, h, w) of images (B, 3, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        second = self.layer2(self.layer1(x))
        third = self.layer3(second)
        return second, third, self.layer4(third)
