"""The two AlexNets of the Siamese trackers: no padding, total stride 8.

Both map a 127 px template to 6x6 cells and a 255 px search region to 22x22. Feature cell j
looks at pixel 8 j + 43 of its crop. `widths` are the channels of the five convolutions;
the defaults are those of the papers, so that official checkpoints load.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PAPER_WIDTHS = (96, 256, 384, 384, 256)


class AlexNet(nn.Module):
    """AlexNet of SiamRPN++ (pysot's "legacy" layer order, whose keys released weights carry).

    Input (B, 3, H, W) BGR in 0..255, output (B, widths[4], h, w) after batch normalisation,
    without a last ReLU. Source: specs of SiamRPN++, section 1.3.
    """

    def __init__(self, widths: tuple[int, ...] = PAPER_WIDTHS) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = widths
        self.out_channels = c5
        self.features = nn.Sequential(
            nn.Conv2d(3, c1, 11, stride=2),
            nn.BatchNorm2d(c1),
            nn.MaxPool2d(3, stride=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(c1, c2, 5),
            nn.BatchNorm2d(c2),
            nn.MaxPool2d(3, stride=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(c2, c3, 3),
            nn.BatchNorm2d(c3),
            nn.ReLU(inplace=True),
            nn.Conv2d(c3, c4, 3),
            nn.BatchNorm2d(c4),
            nn.ReLU(inplace=True),
            nn.Conv2d(c4, c5, 3),
            nn.BatchNorm2d(c5),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Features (B, widths[4], h, w) of images (B, 3, H, W)."""
        features: Tensor = self.features(image)
        return features


def _block(conv: nn.Conv2d, *, pool: bool) -> nn.Sequential:
    layers: list[nn.Module] = [
        conv,
        nn.BatchNorm2d(conv.out_channels, eps=1e-6, momentum=0.05),
        nn.ReLU(inplace=True),
    ]
    return nn.Sequential(*layers, nn.MaxPool2d(3, stride=2)) if pool else nn.Sequential(*layers)


class AlexNetV1(nn.Module):
    """AlexNet of SiamFC, with the keys of the PyTorch port whose checkpoint we load.

    Input (B, 3, H, W) RGB in 0..255, output (B, widths[4], h, w) of a bare convolution.
    `groups` divides conv2, conv4 and conv5 (2 in the paper). Source: specs of SiamFC, section 1.
    """

    def __init__(self, widths: tuple[int, ...] = PAPER_WIDTHS, groups: int = 2) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = widths
        self.out_channels = c5
        self.conv1 = _block(nn.Conv2d(3, c1, 11, stride=2), pool=True)
        self.conv2 = _block(nn.Conv2d(c1, c2, 5, groups=groups), pool=True)
        self.conv3 = _block(nn.Conv2d(c2, c3, 3), pool=False)
        self.conv4 = _block(nn.Conv2d(c3, c4, 3, groups=groups), pool=False)
        self.conv5 = nn.Sequential(nn.Conv2d(c4, c5, 3, groups=groups))

    def forward(self, image: Tensor) -> Tensor:
        """Features (B, widths[4], h, w) of images (B, 3, H, W)."""
        x: Tensor = self.conv2(self.conv1(image))
        x = self.conv5(self.conv4(self.conv3(x)))
        return x

    def start_from(self, other: AlexNet) -> None:
        """Take the weights of an AlexNet of the same widths; needs `groups` 1.

        Its input is BGR where ours is RGB, and its last batch normalisation, in evaluation
        mode a scale and an offset, goes into our last convolution, which has none.
        """
        ours = (self.conv1, self.conv2, self.conv3, self.conv4)
        with torch.no_grad():
            for block, index in zip(ours, (0, 4, 8, 11), strict=True):
                block[0].load_state_dict(other.features[index].state_dict())
                block[1].load_state_dict(other.features[index + 1].state_dict())
            first = self.conv1[0].weight
            first.copy_(first.flip(1))
            conv, norm = other.features[14], other.features[15]
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            self.conv5[0].weight.copy_(conv.weight * scale[:, None, None, None])
            self.conv5[0].bias.copy_((conv.bias - norm.running_mean) * scale + norm.bias)
