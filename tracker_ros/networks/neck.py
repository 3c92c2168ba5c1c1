"""The neck of SiamRPN++: every level to as many channels as the head takes."""

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
