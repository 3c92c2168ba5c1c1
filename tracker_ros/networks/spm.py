"""SPM-Tracker (Wang et al., CVPR 2019): coarse matching proposes, fine matching decides.

`cm` is a SiamRPN with an up-channel correlation on a padded AlexNet; `fm` compares the pooled
features of proposals with the target's. Module names are those of the authors' code: the keys of
its file cm_stage.pt behind `cm.`, those of fm_stage.pt behind `fm.`. Source: specs, sections 2-4.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tracker_ros.networks.backbones.alexnet import PAPER_WIDTHS
from tracker_ros.networks.backbones.alexnet_padded import PaddedAlexNet
from tracker_ros.networks.correlation import up_channel
from tracker_ros.networks.roi import linear_samples, pool

ANCHORS = 5
MEAN = (104.0, 117.0, 123.0)
"""B, G, R taken off the crops."""
STRIDE, POOLED = 8, 6
TEMPLATE_CELLS, SEARCH_CELLS = 6, 24
"""Middle of conv5 that a network without padding would have of 127 and of 271 px."""
KERNEL_SCALE = 0.001
TEMPLATE_MARGIN = 40
"""Pixels of a template, a whole number of cells, that training leaves out on every side: half the
work. What is left holds what the target's features see, but for a rim of the longest boxes."""


class CoarseHead(nn.Module):
    """Kernels of the template, one for each anchor and output, slide over the search region."""

    def __init__(self, inputs: int, hidden: int, kernel_scale: float) -> None:
        super().__init__()
        self.hidden, self.kernel_scale = hidden, kernel_scale
        self.z_cls_conv = nn.Conv2d(inputs, hidden * ANCHORS * 2, 3)
        self.z_bbox_conv = nn.Conv2d(inputs, hidden * ANCHORS * 4, 3)
        self.x_cls_conv = nn.Sequential(nn.Conv2d(inputs, hidden, 3))
        self.x_bbox_conv = nn.Sequential(nn.Conv2d(inputs, hidden, 3))
        self.bbox_refine = nn.Conv2d(ANCHORS * 4, ANCHORS * 4, 1)
        self.cls_bias = nn.Parameter(torch.zeros(1, ANCHORS * 2, 1, 1))

    def kernels(self, template: Tensor) -> tuple[Tensor, Tensor]:
        """Kernels (10, hidden, 4, 4) and (20, hidden, 4, 4) of one template (1, C, 6, 6)."""
        cls, bbox = self.z_cls_conv(template), self.z_bbox_conv(template)
        side = TEMPLATE_CELLS - 2
        shape = (-1, self.hidden, side, side)
        return cls.reshape(shape) * self.kernel_scale, bbox.reshape(shape) * self.kernel_scale

    def match(self, kernels: Sequence[Tensor], features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits (B, 10, 19, 19) and deltas (B, 20, 19, 19)."""
        cls = functional.conv2d(features[0], kernels[0]) + self.cls_bias
        return cls, self.bbox_refine(functional.conv2d(features[1], kernels[1]))

    def forward(self, template: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and deltas as `match` gives them, of pairs: (B, C, 6, 6) and (B, C, 24, 24)."""
        batch, (cls, bbox) = len(template), self.kernels(template)
        kernels = [kernel.unflatten(0, (batch, -1)) for kernel in (cls, bbox)]
        found = up_channel(kernels[0], self.x_cls_conv(search)) + self.cls_bias
        return found, self.bbox_refine(up_channel(kernels[1], self.x_bbox_conv(search)))


class CoarseStage(nn.Module):
    """Coarse matching: the backbone of both stages, and the head."""

    def __init__(self, backbone: PaddedAlexNet, inputs: int, head: int, scale: float) -> None:
        super().__init__()
        self.z_net = backbone
        self.rpn_head = CoarseHead(inputs, head, scale)


class RegionFeatures(nn.Module):
    """conv4 and conv2, each through a normalisation of its own: what regions are pooled of."""

    def __init__(self, conv2: int, conv4: int) -> None:
        super().__init__()
        self.bn_list = nn.ModuleList([nn.BatchNorm2d(conv4), nn.BatchNorm2d(conv2)])

    def forward(self, conv2: Tensor, conv4: Tensor) -> Tensor:
        """One map (B, conv4 + conv2, H, W)."""
        return torch.cat([self.bn_list[0](conv4), self.bn_list[1](conv2)], dim=1)


class Relation(nn.Module):
    """Compares the target's region with others."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        conv = nn.Conv2d(2 * inputs, hidden, 3, padding=1)
        self.roi_conv = nn.Sequential(OrderedDict(roi_conv0=conv, roi_relu0=nn.ReLU()))
        self.linear_layers = nn.Sequential(
            OrderedDict(
                linear0=nn.Linear(hidden * POOLED * POOLED, hidden), relu0=nn.ReLU(),
                linear1=nn.Linear(hidden, hidden), relu1=nn.ReLU(),
            )
        )  # fmt: skip

    def of_target(self, target: Tensor) -> Tensor:
        """The target's share of the convolution, (B, hidden, 6, 6), of its region (B, C, 6, 6).

        The convolution of two maps side by side is the sum of two, one of them the same in every
        frame.
        """
        conv = self.roi_conv[0]
        return functional.conv2d(target, conv.weight[:, : target.shape[1]], conv.bias, padding=1)

    def of_regions(self, regions: Tensor) -> Tensor:
        """The share (B, N, hidden, 6, 6) of regions (B, N, C, 6, 6)."""
        count, channels = int(regions.shape[1]), int(regions.shape[2])
        weight = self.roi_conv[0].weight[:, channels:]
        share = functional.conv2d(regions.reshape(-1, channels, POOLED, POOLED), weight, padding=1)
        return share.reshape(-1, count, int(share.shape[1]), POOLED, POOLED)

    def forward(self, of_target: Tensor, regions: Tensor) -> Tensor:
        """Relation (B * N, hidden) of regions (B, N, C, 6, 6) to what `of_target` gave."""
        return self.compare(of_target, self.of_regions(regions))

    def compare(self, of_target: Tensor, of_regions: Tensor) -> Tensor:
        """The same of the shares of both."""
        both = (of_regions + of_target.unsqueeze(1)).relu()
        relation: Tensor = self.linear_layers(both.reshape(-1, both.shape[2] * POOLED * POOLED))
        return relation


class FineStage(nn.Module):
    """Fine matching: whether a proposal is the target, and where exactly it is."""

    def __init__(self, conv2: int, conv4: int, hidden: int) -> None:
        super().__init__()
        self.feat_extractor = RegionFeatures(conv2, conv4)
        self.siam_fusion = Relation(conv2 + conv4, hidden)
        self.rcnn_cls = nn.Linear(hidden, 2)
        self.rcnn_bbox = nn.Linear(hidden, 4)

    def forward(self, of_target: Tensor, of_regions: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, N, 2) and deltas (B, N, 4) of the shares that Relation gave."""
        relation = self.siam_fusion.compare(of_target, of_regions)
        count = int(of_regions.shape[1])
        cls, bbox = self.rcnn_cls(relation), self.rcnn_bbox(relation)
        return cls.reshape(-1, count, 2), bbox.reshape(-1, count, 4)


class Matched(NamedTuple):
    """What both stages need of a batch of pairs to be trained."""

    cls: Tensor
    """Coarse logits (B, 10, 19, 19)."""
    bbox: Tensor
    """Coarse deltas (B, 20, 19, 19)."""
    target: Tensor
    """(B, hidden, 6, 6), the targets' share of the fine stage."""
    map: Tensor
    """(B, C, 34, 34), to pool regions from."""


class SPM(nn.Module):
    """Both stages of SPM-Tracker. Crops are (B, 3, 271, 271), BGR in 0..255, of one scale.

    The template is cropped as a search region is: the target is its middle. norm: of the backbone,
    channel (the authors') or batch; kernel_scale: factor on the kernels. Raises ValueError for an
    unknown norm.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = PAPER_WIDTHS,
        hidden: int = 256,
        *,
        norm: str = "channel",
        kernel_scale: float = KERNEL_SCALE,
    ) -> None:
        super().__init__()
        self.cm = CoarseStage(PaddedAlexNet(widths, norm), widths[4], hidden, kernel_scale)
        self.fm = FineStage(widths[1], widths[3], hidden)
        mean = torch.tensor(MEAN).reshape(1, 3, 1, 1)
        self.register_buffer("mean", mean, persistent=False)

    def template(self, image: Tensor, box: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Kernels (10, hidden, 4, 4), (20, hidden, 4, 4) and `target` (1, hidden, 6, 6).

        box: the target in the crop (1, 1, 4), x1, y1, x2, y2 in its pixels.
        """
        middle, regions = self._maps(image, TEMPLATE_CELLS)
        kernels = self.cm.rpn_head.kernels(middle)
        return *kernels, self.fm.siam_fusion.of_target(self.regions(regions, box)[:, 0])

    def features(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Cls and bbox features (B, hidden, 22, 22), and the map (B, C, 34, 34) to pool from."""
        middle, regions = self._maps(image, SEARCH_CELLS)
        head = self.cm.rpn_head
        return head.x_cls_conv(middle), head.x_bbox_conv(middle), regions

    def match(self, kernels: Sequence[Tensor], features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Coarse logits (B, 10, 19, 19) and deltas (B, 20, 19, 19).

        Channels of the logits: background of the five anchors, then foreground. Of the deltas:
        anchor * 4 + coordinate.
        """
        return self.cm.rpn_head.match(kernels, features)

    def refine(self, target: Tensor, features: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, N, 2) and deltas (B, N, 4) of boxes (B, N, 4) in crop pixels.

        target: of `template`; features: the map of `features`.
        """
        shares: Tensor = self.fm.siam_fusion.of_regions(self.regions(features, boxes))
        found: tuple[Tensor, Tensor] = self.fm(target, shares)
        return found

    def forward(self, template: Tensor, box: Tensor, search: Tensor) -> Matched:
        """The coarse stage of pairs of crops, and what the fine one compares proposals with.

        box: the targets in their templates (B, 4), x1, y1, x2, y2. In training only.
        """
        margin = slice(TEMPLATE_MARGIN, -TEMPLATE_MARGIN)
        middle, shown = self._maps(template[..., margin, margin], TEMPLATE_CELLS)
        region = self.regions(shown, (box - TEMPLATE_MARGIN)[:, None])[:, 0]
        searched, shown = self._maps(search, SEARCH_CELLS)
        cls, bbox = self.cm.rpn_head(middle, searched)
        return Matched(cls, bbox, self.fm.siam_fusion.of_target(region), shown)

    def regions(self, features: Tensor, boxes: Tensor) -> Tensor:
        """Pooled regions (B, N, C, 6, 6) of boxes (B, N, 4)."""
        x1, y1, x2, y2 = (boxes / STRIDE).unbind(-1)
        rows = linear_samples(y1, y2, POOLED, int(features.shape[2]))
        columns = linear_samples(x1, x2, POOLED, int(features.shape[3]))
        return pool(features, rows, columns)

    def _maps(self, image: Tensor, cells: int) -> tuple[Tensor, Tensor]:
        conv2, conv4, middle = self.cm.z_net(image - self.mean, cells)
        return middle, self.fm.feat_extractor(conv2, conv4)
