"""SiamRPN++ (Li et al., CVPR 2019): depthwise correlation and a region proposal head.

One feature level with AlexNet, three with ResNet-50 and MobileNetV2. Module names are those of
pysot, so that its checkpoints load strictly. ResNet-18, whose two levels are merged into one before
a single head, is ours: for small computers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tracker_ros.networks.backbones.alexnet import PAPER_WIDTHS, AlexNet
from tracker_ros.networks.backbones.mobilenetv2 import MobileNetV2
from tracker_ros.networks.backbones.resnet18 import PAPER_WIDTHS as RESNET18_WIDTHS
from tracker_ros.networks.backbones.resnet18 import PictureResNet18
from tracker_ros.networks.backbones.resnet50 import ResNet50
from tracker_ros.networks.correlation import depthwise, trained_depthwise
from tracker_ros.networks.neck import AdjustAllLayer, Pyramid

ANCHORS = 5
BACKBONES = ("alexnet", "resnet18", "resnet50", "mobilenetv2")
Correlation = Callable[[Tensor, Tensor], Tensor]


def _conv_bn_relu(inputs: int, outputs: int, kernel: int, padding: int = 0) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class DepthwiseBranch(nn.Module):
    """One branch of the head: correlate a template kernel with search features, then predict.

    tower: 3x3 convolutions between the two; the paper has none.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, tower: int = 0) -> None:
        super().__init__()
        self.conv_kernel = _conv_bn_relu(inputs, hidden, 3)
        self.conv_search = _conv_bn_relu(inputs, hidden, 3)
        self.tower = nn.Sequential(
            *(_conv_bn_relu(hidden, hidden, 3, padding=1) for _ in range(tower))
        )
        self.head = nn.Sequential(*_conv_bn_relu(hidden, hidden, 1), nn.Conv2d(hidden, outputs, 1))

    def forward(self, kernel: Tensor, features: Tensor, correlation: Correlation) -> Tensor:
        """Prediction (B, outputs, s, s) from a kernel (B, hidden, k, k) and search features.

        features: (B, hidden, h, w), what `conv_search` gave.
        """
        prediction: Tensor = self.head(self.tower(correlation(kernel, features)))
        return prediction


class DepthwiseRPN(nn.Module):
    """Classification (2 x 5 channels) and box regression (4 x 5) over anchors."""

    def __init__(self, inputs: int, hidden: int, tower: int = 0) -> None:
        super().__init__()
        self.cls = DepthwiseBranch(inputs, hidden, 2 * ANCHORS, tower)
        self.loc = DepthwiseBranch(inputs, hidden, 4 * ANCHORS, tower)


class MultiRPN(nn.Module):
    """A DepthwiseRPN for every level, and the mean of what they give.

    weighted: each level has a learned weight in that mean, one for cls and one for loc; they
    count as their softmax.
    """

    cls_weight: Tensor
    loc_weight: Tensor

    def __init__(self, widths: Sequence[int], *, weighted: bool) -> None:
        super().__init__()
        self._levels = range(2, 2 + len(widths))
        for level, width in zip(self._levels, widths, strict=True):
            self.add_module(f"rpn{level}", DepthwiseRPN(width, width))
        self.weighted = weighted
        if weighted:
            self.cls_weight = nn.Parameter(torch.ones(len(widths)))
            self.loc_weight = nn.Parameter(torch.ones(len(widths)))

    def levels(self) -> list[DepthwiseRPN]:
        """The heads, from the first level to the last."""
        return [self.get_submodule(f"rpn{level}") for level in self._levels]

    def shares(self) -> tuple[Tensor, Tensor]:
        """What each level counts in the mean of cls and of loc, (levels,) each, with sum 1."""
        if self.weighted:
            return self.cls_weight.softmax(0), self.loc_weight.softmax(0)
        even = torch.full((len(self._levels),), 1 / len(self._levels))
        return even, even


class SiamRPN(nn.Module):
    """SiamRPN++ with AlexNet, ResNet-18, ResNet-50 or MobileNetV2.

    backbone: alexnet, resnet18, resnet50 or mobilenetv2. With AlexNet and ResNet-18, which give one
    level: `widths` are the channels of their convolutions or stages, `hidden` those of the head;
    `tower` is the number of 3x3 convolutions in ResNet-18's head, after the correlation.
    With the others, which have three: `neck` is the channels of each level's head, `weighted`
    whether levels count by learned weights, `width` the multiplier of MobileNetV2. Raises
    ValueError for what does not go together.

    A 127 px template gives kernels of 4x4 (AlexNet) or 5x5 cells. AlexNet gives maps of 17x17 for
    a search region of 255 px and 21x21 for 287; the others 25x25 for 255 and 97x97 for 831. cls
    channels: 0-4 background, 5-9 foreground of the five anchors; loc channels: coordinate * 5 +
    anchor, coordinates dx, dy, dw, dh. Source: specs, section 2.
    """

    def __init__(
        self,
        widths: tuple[int, ...] | None = None,
        hidden: int | None = None,
        *,
        backbone: str = "alexnet",
        width: float | None = None,
        neck: tuple[int, ...] | None = None,
        weighted: bool = False,
        tower: int = 0,
    ) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"no backbone '{backbone}'; there are {', '.join(BACKBONES)}")
        if width is not None and backbone != "mobilenetv2":
            raise ValueError(f"width is MobileNetV2's, not that of {backbone}")
        self.rpn_head: DepthwiseRPN | MultiRPN
        self.neck: AdjustAllLayer | Pyramid | None = None
        one_level = backbone in ("alexnet", "resnet18")
        if one_level and (neck is not None or weighted):
            raise ValueError(f"neck and weighted are of several levels; {backbone} has one")
        if backbone == "resnet18":
            self.backbone = PictureResNet18(RESNET18_WIDTHS if widths is None else widths)
            hidden = hidden or 256
            self.neck = Pyramid(*self.backbone.out_channels, hidden)
            self.rpn_head = DepthwiseRPN(hidden, hidden, tower)
            return
        if tower:
            raise ValueError(f"a tower is ResNet-18's; the head of {backbone} has none")
        if backbone == "alexnet":
            self.backbone = AlexNet(PAPER_WIDTHS if widths is None else widths)
            self.rpn_head = DepthwiseRPN(self.backbone.out_channels, hidden or 256)
            return
        if widths is not None or hidden is not None:
            raise ValueError(f"widths and hidden are of one level; {backbone} takes neck")
        if backbone == "mobilenetv2":
            self.backbone = MobileNetV2(1.4 if width is None else width)
        else:
            self.backbone = ResNet50()
        widths = (256, 256, 256) if neck is None else neck
        if len(widths) != len(self.backbone.out_channels):
            raise ValueError(f"neck {list(widths)} is not one number of channels for each level, 3")
        self.neck = AdjustAllLayer(self.backbone.out_channels, widths)
        self.rpn_head = MultiRPN(widths, weighted=weighted)

    def template(self, image: Tensor) -> tuple[Tensor, ...]:
        """Kernels cls, loc of every level, (B, hidden, k, k), of crops (B, 3, 127, 127).

        Crops are BGR in 0..255.
        """
        pairs = zip(self._heads(), self._levels(image), strict=True)
        return tuple(
            branch.conv_kernel(x) for head, x in pairs for branch in (head.cls, head.loc)
        )  # fmt: skip

    def features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Search features cls, loc of every level, (B, hidden, h, w), of crops (B, 3, S, S)."""
        pairs = zip(self._heads(), self._levels(image), strict=True)
        return tuple(
            branch.conv_search(x) for head, x in pairs for branch in (head.cls, head.loc)
        )  # fmt: skip

    def match(
        self, kernels: Sequence[Tensor], features: Sequence[Tensor],
        correlation: Correlation = depthwise,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Logits (B, 10, s, s) and offsets (B, 20, s, s)."""
        found = [
            (
                head.cls(kernels[2 * i], features[2 * i], correlation),
                head.loc(kernels[2 * i + 1], features[2 * i + 1], correlation),
            )
            for i, head in enumerate(self._heads())
        ]
        if isinstance(self.rpn_head, DepthwiseRPN):
            return found[0]
        of_cls, of_loc = self.rpn_head.shares()
        cls = sum(share * pair[0] for share, pair in zip(of_cls, found, strict=True))
        loc = sum(share * pair[1] for share, pair in zip(of_loc, found, strict=True))
        return cls, loc

    def forward(self, template_image: Tensor, search_image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and offsets of pairs of crops, as in training."""
        kernels, features = self.template(template_image), self.features(search_image)
        return self.match(kernels, features, trained_depthwise)

    def _levels(self, image: Tensor) -> tuple[Tensor, ...]:
        if self.neck is None:
            return (self.backbone(image),)
        if isinstance(self.neck, Pyramid):
            return (self.neck(*self.backbone(image)),)
        return self.neck(self.backbone(image))

    def _heads(self) -> list[DepthwiseRPN]:
        head = self.rpn_head
        return head.levels() if isinstance(head, MultiRPN) else [head]
