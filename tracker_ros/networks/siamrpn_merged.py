"""SiamRPN++ of several levels as it is exported: the same maps from fewer, larger convolutions.

Exact algebra, no approximation (tracker_ros.networks.merging):

* normalisations go into the convolutions before them;
* cls and loc of a level share their input, so one convolution computes the features of both;
* between the neck's 1x1 convolution and the head's 3x3 there is neither an activation nor padding,
  so the two are one 3x3 convolution of the backbone's channels. That is done where it saves
  products: at levels of few channels;
* the weights of the levels go into their last convolutions, whose outputs are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from tracker_ros.networks import merging
from tracker_ros.networks.backbones.mobilenetv2 import MobileNetV2
from tracker_ros.networks.correlation import depthwise
from tracker_ros.networks.merged_mobilenet import MergedMobileNetV2
from tracker_ros.networks.merging import Affine
from tracker_ros.networks.neck import AdjustLayer, centre
from tracker_ros.networks.parts import Parts, siamese_parts
from tracker_ros.networks.siamrpn import ANCHORS, MultiRPN, SiamRPN

OUTPUTS = merging.whole(4 * ANCHORS)
"""Channels of the last convolution for cls and for loc: whole blocks."""


class _Features(nn.Module):
    """Neck and first convolution of the head of a level, cls and loc stacked.

    neck: None where the backbone has done it.
    """

    def __init__(self, inputs: int, neck: Affine | None, head: Sequence[nn.Sequential]) -> None:
        super().__init__()
        second = merging.stacked([merging.folded(list(part)) for part in head])
        outputs, middle = second[0].shape[:2]
        if neck is None:
            steps = [second]
        # Products for each cell: the 1x1 and the 3x3 against a 3x3 of all the channels.
        elif middle * inputs + 9 * outputs * middle < 9 * outputs * inputs:
            steps = [merging.padded(neck, middle, inputs), second]
        else:
            steps = [merging.padded(merging.after(neck, second), outputs, inputs)]
        self.steps = nn.Sequential(*(merging.conv_of(step) for step in steps), nn.ReLU())

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.steps(centre(features))
        return found


class MergedSiamRPN(nn.Module):
    """What a SiamRPN of several levels computes, for inference.

    Kernels and features are one tensor (B, 2 * hidden, ...) a level: cls, then loc.
    """

    def __init__(self, network: SiamRPN) -> None:
        super().__init__()
        head = cast(MultiRPN, network.rpn_head)
        levels = head.levels()
        layers = [cast(AdjustLayer, layer) for layer in cast(nn.Module, network.neck).children()]
        necks: list[Affine | None] = [merging.folded(list(layer.downsample)) for layer in layers]
        self.backbone: nn.Module = network.backbone
        if isinstance(network.backbone, MobileNetV2):
            self.backbone = MergedMobileNetV2(network.backbone, cast(Affine, necks[-1]))
            necks[-1] = None
        each = list(zip(self.backbone.out_channels, necks, levels, strict=True))
        self.kernels = nn.ModuleList(
            _Features(inputs, neck, [rpn.cls.conv_kernel, rpn.loc.conv_kernel])
            for inputs, neck, rpn in each
        )
        self.searches = nn.ModuleList(
            _Features(inputs, neck, [rpn.cls.conv_search, rpn.loc.conv_search])
            for inputs, neck, rpn in each
        )
        of_cls, of_loc = head.shares()
        last_cls = merging.mean([rpn.cls.head[3] for rpn in levels], of_cls)
        last_loc = merging.mean([rpn.loc.head[3] for rpn in levels], of_loc)
        self.heads = nn.ModuleList()
        for rpn, *last in zip(levels, last_cls, last_loc, strict=True):
            pair = [merging.folded(list(branch.head)[:2]) for branch in (rpn.cls, rpn.loc)]
            whole = [merging.padded(part, OUTPUTS, part[0].shape[1]) for part in last]
            self.heads.append(
                nn.Sequential(
                    merging.conv_of(merging.stacked(pair), groups=2),
                    nn.ReLU(),
                    merging.conv_of(merging.stacked(whole), groups=2),
                )
            )

    def template(self, image: Tensor) -> tuple[Tensor, ...]:
        """Kernels (B, 2 * hidden, 5, 5) of every level, of crops (B, 3, 127, 127)."""
        levels = self.backbone(image)
        return tuple(part(x) for part, x in zip(self.kernels, levels, strict=True))

    def features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Features (B, 2 * hidden, h, w) of every level, of search crops (B, 3, S, S)."""
        levels = self.backbone(image)
        return tuple(part(x) for part, x in zip(self.searches, levels, strict=True))

    def match(self, kernels: Sequence[Tensor], features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits (B, 10, s, s) and offsets (B, 20, s, s)."""
        parts = zip(kernels, features, self.heads, strict=True)
        first, *others = (head(depthwise(kernel, feature)) for kernel, feature, head in parts)
        maps = first
        for other in others:
            maps = maps + other
        return maps[:, : 2 * ANCHORS], maps[:, OUTPUTS : OUTPUTS + 4 * ANCHORS]


def siamrpn_parts(network: SiamRPN, instance: int, lost_instance: int = 0) -> Parts:
    """template, search and match of SiamRPN++ for search crops of `instance` pixels.

    Outputs cls (1, 10, s, s) and loc (1, 20, s, s). lost_instance: of a long-term model, the side
    of the crop in which a lost target is searched; gives search_wide and match_wide besides.
    """
    network = network.eval().cpu().float()
    several = isinstance(network.rpn_head, MultiRPN)
    merged: nn.Module = MergedSiamRPN(network) if several else network
    parts = dict(siamese_parts(merged, instance, ["cls", "loc"]))
    if lost_instance:
        wide = siamese_parts(merged, lost_instance, ["cls", "loc"])
        parts |= {"search_wide": wide["search"], "match_wide": wide["match"]}
    return parts
