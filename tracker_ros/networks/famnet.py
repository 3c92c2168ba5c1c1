"""FAMNet: features, affinity and multi-dimensional assignment in one network.

After Chu and Ling, FAMNet (ICCV 2019), of which no code and few details are public: the three
parts trained through the assignment are the paper's; layers, inputs and sizes are ours
(docs/famnet.md). The backbone is that of SiamRPN++ with one feature level.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tracker_ros.networks.backbones.alexnet import PAPER_WIDTHS, AlexNet
from tracker_ros.networks.siamrpn import DepthwiseBranch

CELLS = 6
"""Feature cells along a side of a candidate: those of a 127 px template crop."""
KERNEL = CELLS - 2
"""... after the 3x3 convolutions of the head."""
STRIDE = 8
MARGIN = 43
"""Pixels from the border of an unpadded input to the middle of its first cell."""
GEOMETRY = 12
"""Figures that compare two candidates' boxes; mot/affinity.py makes them."""
DROPOUT = 0.2
"""Share of the channels of a correlation that training leaves out."""
LONG_TERM = 7
"""Figures that compare three boxes of a hypothesis; mot/affinity.py makes them."""


class FAMNet(nn.Module):
    """Pairwise and long-term affinities of candidates, from their pictures and boxes.

    `feature.backbone` and `feature.rpn_head.cls` carry the keys of SiamRPN++, so that its
    checkpoint starts them.
    """

    def __init__(self, widths: tuple[int, ...] = PAPER_WIDTHS, hidden: int = 256) -> None:
        super().__init__()
        self.hidden = hidden
        self.feature = _Feature(widths, hidden)
        self.similarity = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(DROPOUT)
        self.unseen = nn.Parameter(torch.zeros(hidden))
        self.geometry = nn.Sequential(nn.Linear(GEOMETRY, 32), nn.ReLU())
        self.pair = nn.Sequential(nn.Linear(hidden + 32, 64), nn.ReLU(), nn.Linear(64, 1))
        self.triple = nn.Sequential(nn.Linear(LONG_TERM, 32), nn.ReLU(), nn.Linear(32, 1))
        self.birth = nn.Parameter(torch.zeros(()))
        self.end = nn.Parameter(torch.zeros(()))
        self.log_temperature = nn.Parameter(torch.zeros(()))

    def embed(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Template and search embeddings (N, hidden, 16) of feature cells (N, C, 6, 6)."""
        branch = self.feature.rpn_head["cls"]
        return branch.conv_kernel(cells).flatten(2), branch.conv_search(cells).flatten(2)

    def correlation(self, template: Tensor, search: Tensor) -> Tensor:
        """Depthwise correlation (..., hidden) of embeddings (..., hidden, 16), aligned."""
        value: Tensor = (template * search).mean(-1)
        return value

    def phi(self, correlation: Tensor, geometry: Tensor, seen: Tensor) -> Tensor:
        """Logit (...,) that two candidates are one object.

        correlation (..., hidden); geometry (..., 12); seen (...,) is 1 where both have a
        picture, 0 where boxes alone must do.
        """
        appearance = self.similarity(self.dropout(correlation))
        appearance = torch.where(seen[..., None] > 0.5, appearance, self.unseen)
        joined = torch.cat((appearance, self.geometry(geometry)), -1)
        logit: Tensor = self.pair(joined).squeeze(-1)
        return logit

    def long_term(self, figures: Tensor) -> Tensor:
        """Logit (...,) that three candidates move like one object; figures (..., 7)."""
        logit: Tensor = self.triple(figures).squeeze(-1)
        return logit

    def affinity(self, logits: Tensor) -> Tensor:
        """Affinity (N,) in (0, 1] of hypotheses, of the sum (N,) of their log-probabilities."""
        return torch.exp(logits * torch.exp(-self.log_temperature))


class _Feature(nn.Module):
    """Backbone and the classification branch of the head, under SiamRPN++'s names.

    They stay as SiamRPN++ trained them: tuned on little data they fit it alone.
    """

    def __init__(self, widths: tuple[int, ...], hidden: int) -> None:
        super().__init__()
        self.backbone = AlexNet(widths)
        branch = DepthwiseBranch(self.backbone.out_channels, hidden, 1)
        del branch.head  # the affinity takes its place
        self.rpn_head = nn.ModuleDict({"cls": branch})
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> _Feature:
        """Stay in evaluation mode: the statistics of normalisation are part of what was learned."""
        return super().train(False)


def sample_cells(features: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Bilinear samples (N, C, 6, 6) of a feature map (1, C, h, w), as two matrix products.

    rows, columns: (N, 6) coordinates of the samples in cells. What lies outside is 0. The
    matrices hold hat functions: out = A_row F A_column^T.
    """
    height, width = features.shape[-2:]
    along_y = _hats(rows, height)
    along_x = _hats(columns, width)
    by_row = torch.einsum("njy,cyx->ncjx", along_y, features[0])
    return torch.einsum("ncjx,nkx->ncjk", by_row, along_x)


def _hats(positions: Tensor, size: int) -> Tensor:
    cells = torch.arange(size, dtype=positions.dtype, device=positions.device)
    return functional.relu(1 - (positions[..., None] - cells).abs())


def power_iteration(
    affinity: Tensor,
    layers: Sequence[tuple[Tensor, Tensor, Tensor]],
    iterations: int,
    *,
    dual: bool = True,
) -> list[Tensor]:
    """The differentiable twin of mot.assignment.power_iteration, which documents it.

    affinity (N,); layers: (source (E,), target (E,), of_hypothesis (N,)) of each layer, int64.
    """
    values = []
    for source, _, _ in layers:
        degree = torch.bincount(source)[source].to(affinity)
        values.append(torch.where(source == 0, torch.ones_like(degree), 1 / degree))
    for step in range(iterations):
        chosen = [value[of] for value, (_, _, of) in zip(values, layers, strict=True)]
        following = []
        for k, (source, target, of) in enumerate(layers):
            weight = affinity
            for other, factor in enumerate(chosen):
                if other != k:
                    weight = weight * factor
            marginal = torch.zeros_like(values[k]).index_add(0, of, weight)
            product = values[k] * marginal
            index = target if dual and step % 2 == 1 else source
            size = int(index.max()) + 1 if len(index) else 0
            total = product.new_zeros(size).index_add(0, index, product)
            scaled = product / (total[index] + 1e-12)
            following.append(torch.where(index == 0, values[k], scaled))
        values = following
    return values
