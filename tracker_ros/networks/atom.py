"""ATOM: overlap prediction modulated by the target (Danelljan et al., CVPR 2019).

The backbone and the overlap network only; the classifier is learnt online, from these features
(tracker_ros.sot.atom). Module names are those of the released checkpoint. Source: specs of ATOM,
section 1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tracker_ros.networks.backbones.resnet18 import MEAN, PAPER_WIDTHS, STD, ResNet18
from tracker_ros.networks.prroi import prroi_pool

SCALES = (1 / 8, 1 / 16)
"""Cells per pixel of layers 2 and 3."""
REFERENCE_BINS, TEST_BINS = (3, 1), (5, 3)
"""Bins along a side in layers 2 and 3, of the target and of what is compared with it."""


class Modulation(NamedTuple):
    """What the overlap network knows of a target: a factor for every channel."""

    third: Tensor
    """(B, hidden), of the test features of stride 8."""
    fourth: Tensor
    """(B, hidden), of those of stride 16."""


def _conv(inputs: int, outputs: int, side: int = 3, padding: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, padding=padding),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class LinearBlock(nn.Module):
    """A linear layer on pooled features, normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, outputs) of (N, C, bins, bins)."""
        y = self.bn(self.linear(x.flatten(1))[..., None, None])
        return functional.relu(y).flatten(1)


class OverlapNetwork(nn.Module):
    """From features, the target's modulation and boxes to their overlap with the target."""

    def __init__(self, second: int, third: int, hidden: int) -> None:
        super().__init__()
        self.conv3_1r = _conv(second, 128)
        self.conv4_1r = _conv(third, hidden)
        self.fc3_1r = _conv(128, hidden, padding=0)
        self.fc34_3r = _conv(2 * hidden, hidden, side=1, padding=0)
        self.fc34_4r = _conv(2 * hidden, hidden, side=1, padding=0)
        self.conv3_1t = _conv(second, hidden)
        self.conv3_2t = _conv(hidden, hidden)
        self.conv4_1t = _conv(third, hidden)
        self.conv4_2t = _conv(hidden, hidden)
        self.fc3_rt = LinearBlock(hidden * TEST_BINS[0] ** 2, hidden)
        self.fc4_rt = LinearBlock(hidden * TEST_BINS[1] ** 2, hidden)
        self.iou_predictor = nn.Linear(2 * hidden, 1)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, mode="fan_in")
                nn.init.zeros_(module.bias)

    def modulation(self, second: Tensor, third: Tensor, boxes: Tensor) -> Modulation:
        """Of the targets in boxes (B, 4) of layers 2 and 3, (B, C, h, w)."""
        return self.modulation_of(*self.reference_features(second, third), boxes)

    def reference_features(self, second: Tensor, third: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 128, h, w) and (B, hidden, h, w), strides 8 and 16, of layers 2 and 3."""
        return self.conv3_1r(second), self.conv4_1r(third)

    def modulation_of(self, r3: Tensor, r4: Tensor, boxes: Tensor) -> Modulation:
        """Of the targets in boxes (B, 4) of reference features."""
        (p3, p4), (s3, s4), places = REFERENCE_BINS, SCALES, boxes[:, None]
        roi3 = prroi_pool(r3, places, p3, s3)[:, 0]
        roi4 = prroi_pool(r4, places, p4, s4)[:, 0]
        both = torch.cat((self.fc3_1r(roi3), roi4), 1)
        return Modulation(self.fc34_3r(both).flatten(1), self.fc34_4r(both).flatten(1))

    def test_features(self, second: Tensor, third: Tensor) -> tuple[Tensor, Tensor]:
        """(B, hidden, h, w), strides 8 and 16, of layers 2 and 3."""
        return self.conv3_2t(self.conv3_1t(second)), self.conv4_2t(self.conv4_1t(third))

    def overlap(self, c3: Tensor, c4: Tensor, target: Modulation, boxes: Tensor) -> Tensor:
        """Predicted overlap (B, N), 2 IoU - 1, of boxes (B, N, 4) in test features.

        Differentiable in the boxes; `atom_parts.Refinement` has the gradient written out.
        """
        (p3, p4), (s3, s4) = TEST_BINS, SCALES
        # Pooling is linear: a channel's factor may as well come after it, where there is less.
        roi3 = prroi_pool(c3, boxes, p3, s3) * target.third[:, None, :, None, None]
        roi4 = prroi_pool(c4, boxes, p4, s4) * target.fourth[:, None, :, None, None]
        both = torch.cat((self.fc3_rt(roi3.flatten(0, 1)), self.fc4_rt(roi4.flatten(0, 1))), 1)
        overlap: Tensor = self.iou_predictor(both).reshape(boxes.shape[:2])
        return overlap


class ATOM(nn.Module):
    """The two parts of ATOM that are trained offline. The backbone stays as it was pre-trained.

    `widths`: of the backbone; `hidden`: channels of the overlap network. The defaults are the
    paper's.
    """

    def __init__(self, widths: tuple[int, ...] = PAPER_WIDTHS, hidden: int = 256) -> None:
        super().__init__()
        self.feature_extractor = ResNet18(widths)
        self.bb_regressor = OverlapNetwork(widths[2], widths[3], hidden)
        mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) * 255 for v in (MEAN, STD))
        # Not of the checkpoint: constants.
        self.register_buffer("_mean", mean, persistent=False)
        self.register_buffer("_std", std, persistent=False)

    def features(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Layers 2 and 3 of images (B, 3, S, S), RGB in 0..255."""
        second, third = self.feature_extractor((image - self._mean) / self._std)
        return second, third

    def forward(self, reference: Tensor, box: Tensor, test: Tensor, boxes: Tensor) -> Tensor:
        """Predicted overlap (B, N) of boxes (B, N, 4) in test images, as in training.

        reference, test: (B, 3, S, S), RGB in 0..255; box (B, 4): the target in `reference`.
        The backbone is not trained.
        """
        with torch.no_grad():
            first, second = self.features(reference), self.features(test)
        regressor = self.bb_regressor
        target = regressor.modulation(*first, box)
        overlap: Tensor = regressor.overlap(*regressor.test_features(*second), target, boxes)
        return overlap

    def train(self, mode: bool = True) -> ATOM:
        """Training mode of all but the backbone, whose batch statistics stay."""
        super().train(mode)
        self.feature_extractor.eval()
        return self
