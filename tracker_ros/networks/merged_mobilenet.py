"""MobileNetV2 as it is exported: the same features, in channels that fill whole blocks.

ONNX Runtime has fast convolutions for channels in whole blocks of 16 and slow ones for others: of
the depthwise convolutions those over 534 channels take seven times as long as over 544. So every
layer gets channels of zeros until its blocks are full.

The last layer ends in a 1x1 convolution without activation, and the neck begins with one: they
are one convolution here.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from tracker_ros.networks.backbones.mobilenetv2 import STAGES, USED, InvertedResidual, MobileNetV2
from tracker_ros.networks.merging import Affine, after, conv_of, folded, padded, whole


class _Block(nn.Module):
    """An inverted residual with padded channels; `then` is a 1x1 convolution after it."""

    def __init__(self, block: InvertedResidual, inputs: int, then: Affine | None) -> None:
        super().__init__()
        layers = list(block.conv)
        expand, spread = folded(layers[0:2]), folded(layers[3:5])
        project = folded(layers[6:8])
        project = project if then is None else after(project, then)
        hidden, outputs = whole(expand[0].shape[0]), whole(project[0].shape[0])
        depthwise = layers[3]
        self.conv = nn.Sequential(
            conv_of(padded(expand, hidden, inputs)),
            nn.ReLU6(),
            conv_of(
                padded(spread, hidden, 1), stride=depthwise.stride[0], groups=hidden,
                padding=depthwise.padding[0], dilation=depthwise.dilation[0],
            ),
            nn.ReLU6(),
            conv_of(padded(project, outputs, hidden)),
        )  # fmt: skip
        self.skips, self.outputs = block.skips, outputs

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.skips else out


class MergedMobileNetV2(nn.Module):
    """The features of a MobileNetV2, the last of them after the 1x1 convolution `neck`.

    out_channels: of the three features, each with zeros after those of the backbone.
    """

    def __init__(self, backbone: MobileNetV2, neck: Affine) -> None:
        super().__init__()
        first = folded(list(cast(nn.Sequential, backbone.layer0)))
        channels = whole(first[0].shape[0])
        self.first = nn.Sequential(
            conv_of(padded(first, channels, first[0].shape[1]), stride=2), nn.ReLU6()
        )
        self.layers = nn.ModuleList()
        widths = []
        for number in range(1, len(STAGES) + 1):
            blocks = list(backbone.get_submodule(f"layer{number}"))
            layer = nn.Sequential()
            for block in blocks:
                last = number == len(STAGES) and block is blocks[-1]
                layer.append(_Block(block, channels, neck if last else None))
                channels = layer[-1].outputs
            self.layers.append(layer)
            widths.append(channels)
        self.out_channels = tuple(widths[number - 1] for number in USED)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Features (B, out_channels[i], h, w) of images (B, 3, H, W)."""
        x, outputs = self.first(image), []
        for number, layer in enumerate(self.layers, start=1):
            x = layer(x)
            if number in USED:
                outputs.append(x)
        return tuple(outputs)
