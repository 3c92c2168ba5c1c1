"""MobileNetV2 of SiamRPN++: dilated, total stride 8, no padding where it strides.

Unlike the usual one, every block expands, also the first. Source: specs of SiamRPN++, section 1.2.
"""

from __future__ import annotations

from torch import Tensor, nn

STAGES = (
    (1, 16, 1, 1, 1),
    (6, 24, 2, 2, 1),
    (6, 32, 3, 2, 1),
    (6, 64, 4, 1, 2),
    (6, 96, 3, 1, 2),
    (6, 160, 3, 1, 4),
    (6, 320, 1, 1, 4),
)
"""Expansion, channels before the width, blocks, stride and dilation of layer1 to layer7."""
STEM = 32
USED = (3, 5, 7)
"""The layers whose outputs are features."""


class InvertedResidual(nn.Module):
    """1x1 that expands, depthwise 3x3, 1x1 without an activation; a skip where shapes allow."""

    def __init__(
        self, inputs: int, outputs: int, *, stride: int, expansion: int, dilation: int
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        padding = dilation if dilation > 1 else 2 - stride
        self.skips = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(
                hidden, hidden, 3, stride=stride, padding=padding, dilation=dilation,
                groups=hidden, bias=False,
            ),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(B, outputs, h, w) of (B, inputs, H, W)."""
        out: Tensor = self.conv(x)
        return x + out if self.skips else out


class MobileNetV2(nn.Module):
    """Three feature maps of the same size: 127 px gives 15x15, 255 px 31x31.

    Input (B, 3, H, W) BGR in 0..255. `width` multiplies every number of channels, 1.4 in the
    published model, whose features have 44, 134 and 448.
    """

    def __init__(self, width: float = 1.4) -> None:
        super().__init__()
        if not width > 0 or int(STEM * width) < 1 or int(STAGES[0][1] * width) < 1:
            raise ValueError(f"width {width} of MobileNetV2 leaves layers without channels")
        channels = int(STEM * width)
        self.layer0 = nn.Sequential(
            nn.Conv2d(3, channels, 3, stride=2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU6(inplace=True),
        )
        before, widths = 1, []
        for number, (expansion, base, blocks, stride, dilation) in enumerate(STAGES, start=1):
            outputs = int(base * width)
            layers = []
            for block in range(blocks):
                # The first block of a stage that dilates more than the one before takes half.
                starts = block == 0 and dilation != before
                layers.append(
                    InvertedResidual(
                        channels,
                        outputs,
                        stride=stride if block == 0 else 1,
                        expansion=expansion,
                        dilation=max(dilation // 2, 1) if starts else dilation,
                    )
                )
                channels = outputs
            before = dilation
            self.add_module(f"layer{number}", nn.Sequential(*layers))
            widths.append(outputs)
        self.out_channels = tuple(widths[number - 1] for number in USED)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Features (B, out_channels[i], h, w) of images (B, 3, H, W)."""
        x, outputs = self.layer0(image), []
        for number in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"layer{number}")(x)
            if number in USED:
                outputs.append(x)
        return tuple(outputs)
