"""The neck of SiamRPN++: every level to as many channels as the head takes, or two merged."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

CENTRE = 7
"""Cells of the template that are kept, in the middle of 15x15."""
LARGEST_TEMPLATE = 20
"""Maps with fewer columns are templates, of which only the middle is kept."""


class AdjustLayer(nn.Module):
    """1x1 convolution and normalisation; of a template the middle 7x7 cells."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, outputs, h, w) of (B, inputs, h, w); (B, outputs, 7, 7) where w is under 20."""
        return centre(self.downsample(features))


def centre(features: Tensor) -> Tensor:
    """The middle 7x7 cells of a template; a larger map as it is."""
    if features.shape[3] >= LARGEST_TEMPLATE:
        return features
    first = (features.shape[3] - CENTRE) // 2
    return features[:, :, first : first + CENTRE, first : first + CENTRE]


class AdjustAllLayer(nn.Module):
    """An AdjustLayer for every level; the first level is called 2, as the stage of ResNet-50."""

    def __init__(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        super().__init__()
        for level, (given, wanted) in enumerate(zip(inputs, outputs, strict=True), start=2):
            self.add_module(f"downsample{level}", AdjustLayer(given, wanted))

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The features of every level, adjusted."""
        return tuple(layer(x) for layer, x in zip(self.children(), features, strict=True))


class Pyramid(nn.Module):
    """Maps of stride 8 and 16 as one of stride 8, as in a feature pyramid.

    The first row and column are left out, so that what remains has its middle where the crop has
    its own: cells look at 8, 16, ... 248 px of 255. Of a template the 7x7 cells around the middle.
    """

    def __init__(self, fine: int, coarse: int, outputs: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(fine, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        # Learnt upsampling: each coarse cell becomes 2x2.
        self.coarse = nn.Sequential(
            nn.ConvTranspose2d(coarse, outputs, 2, stride=2, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """(B, outputs, h - 1, w - 1) of (B, fine, h, w) and (B, coarse, h / 2, w / 2)."""
        merged = self.fine(fine) + self.coarse(coarse)
        return centre(merged[:, :, 1:, 1:])
