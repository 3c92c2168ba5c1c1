"""AlexNet as SPM-Tracker uses it: Caffe's layers, padded, so that cells keep their place.

A 271 px crop gives maps of 34x34 cells of 8 px from conv2 on. Module names are those of the
authors' code, so that its checkpoints load strictly. Source: specs of SPM-Tracker, section 2.

Trained here it has batch normalisation instead of the authors' across channels: without weights
of ImageNet to start from it learns in a fraction of the steps, and engines fold it away.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from tracker_ros.networks.backbones.alexnet import PAPER_WIDTHS

NEIGHBOURS, STRENGTH = 5, 1e-4
NORMS = ("channel", "batch")


class ChannelNorm(nn.Module):
    """Local response normalisation: x / (1 + 1e-4 * mean of x^2 over 5 channels) ^ 0.75.

    Written out in plain operators: as one it is exported as a pooling in three dimensions. The
    sum over channels is a convolution with ones. The factor goes in before the square, so that
    half precision does not overflow, and the power is taken by roots, which are fast.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        at = torch.arange(channels)
        near = (at[:, None] - at[None, :]).abs() <= NEIGHBOURS // 2
        self.register_buffer("near", near.float()[..., None, None], persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Normalised features of the same shape (B, C, H, W)."""
        small = features * (STRENGTH / NEIGHBOURS) ** 0.5
        root = (functional.conv2d(small * small, self.near) + 1).sqrt()
        return features / (root * root.sqrt())


def _block(norm: str, conv: nn.Conv2d, *, pool: bool = False) -> nn.Sequential:
    shrink, relu = ("pool", nn.MaxPool2d(3, stride=2, padding=1)), ("relu", nn.ReLU())
    layers: list[tuple[str, nn.Module]] = [("conv", conv)]
    if norm == "batch":  # after pooling, where it has a quarter of the cells to go through
        layers += [*([shrink] if pool else []), ("bn", nn.BatchNorm2d(conv.out_channels)), relu]
    else:
        normed = ("norm", ChannelNorm(conv.out_channels))
        layers += [relu, *([shrink, normed] if pool else [])]
    return nn.Sequential(OrderedDict(layers))


class PaddedAlexNet(nn.Module):
    """Maps of conv2, conv4 and conv5 of crops (B, 3, S, S), BGR with its mean taken off.

    `widths` are the channels of the five convolutions; conv2, conv4 and conv5 have two groups.
    norm: channel, the authors', after the two poolings; or batch, after every convolution. From
    conv2 on, cell j looks at pixel 8 j. Raises ValueError for another norm.
    """

    def __init__(self, widths: tuple[int, ...] = PAPER_WIDTHS, norm: str = "channel") -> None:
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"no norm '{norm}'; there are {', '.join(NORMS)}")
        c1, c2, c3, c4, c5 = widths
        self.conv1 = _block(norm, nn.Conv2d(3, c1, 11, stride=2, padding=5), pool=True)
        self.conv2 = _block(norm, nn.Conv2d(c1, c2, 5, padding=2, groups=2), pool=True)
        self.conv3 = _block(norm, nn.Conv2d(c2, c3, 3, padding=1))
        self.conv4 = _block(norm, nn.Conv2d(c3, c4, 3, padding=1, groups=2))
        self.conv5 = _block(norm, nn.Conv2d(c4, c5, 3, padding=1, groups=2))

    def forward(self, image: Tensor, cells: int) -> tuple[Tensor, Tensor, Tensor]:
        """conv2 (B, c2, s, s), conv4 (B, c4, s, s), and the middle of conv5 (B, c5, cells, cells).

        Only that middle and a ring around it are computed; the ring, which saw padding where the
        map goes on, is cut off.
        """
        conv2: Tensor = self.conv2(self.conv1(image))
        conv4: Tensor = self.conv4(self.conv3(conv2))
        first = (int(conv4.shape[-1]) - cells) // 2 - 1
        if first < 0:
            raise ValueError(f"{cells} cells and a ring of one more: a larger crop is needed")
        ring = slice(first, first + cells + 2)
        conv5: Tensor = self.conv5(conv4[..., ring, ring])
        return conv2, conv4, conv5[..., 1:-1, 1:-1]

    def whole(self, image: Tensor) -> Tensor:
        """All of conv5, (B, c5, s, s), as a teacher's features train it."""
        conv5: Tensor = self.conv5(self.conv4(self.conv3(self.conv2(self.conv1(image)))))
        return conv5
