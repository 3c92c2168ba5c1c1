"""From a trained FAMNet to its five ONNX graphs, each of a fixed size, padded and masked.

frame -> features: the backbone over a whole picture.
features, rows, columns, mask -> template, search: candidates sampled from that map.
crops -> template, search: candidates from crops of their own.
template, search, figures, seen, mask -> logits: pairs of candidates.
figures, mask -> logits: three candidates of a hypothesis.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tracker_ros.networks.export import export_graph
from tracker_ros.networks.famnet import (
    CELLS,
    GEOMETRY,
    KERNEL,
    LONG_TERM,
    MARGIN,
    STRIDE,
    FAMNet,
    sample_cells,
)

MASKED = -1e4
"""Logit of what is masked out."""


@dataclass(frozen=True)
class Sizes:
    """What the graphs hold at most at a time; the tracker runs them as often as it takes."""

    canvas: tuple[int, int] = (640, 480)
    """Width and height of the picture; a margin of 43 pixels is added around."""
    candidates: int = 64
    crops: int = 8
    pairs: int = 256
    triples: int = 512


class _Frame(nn.Module):
    def __init__(self, network: FAMNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, frame: Tensor) -> Tensor:
        features: Tensor = self.network.feature.backbone(frame)
        return features


class _Sample(nn.Module):
    def __init__(self, network: FAMNet) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, features: Tensor, rows: Tensor, columns: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        template, search = self.network.embed(sample_cells(features, rows, columns))
        return template.flatten(1) * mask[:, None], search.flatten(1) * mask[:, None]


class _Crop(nn.Module):
    def __init__(self, network: FAMNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        template, search = self.network.embed(self.network.feature.backbone(crops))
        return template.flatten(1), search.flatten(1)


class _Pair(nn.Module):
    def __init__(self, network: FAMNet) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, template: Tensor, search: Tensor, figures: Tensor, seen: Tensor, mask: Tensor
    ) -> Tensor:
        shape = (-1, self.network.hidden, KERNEL**2)
        correlation = self.network.correlation(template.reshape(shape), search.reshape(shape))
        return torch.where(mask > 0.5, self.network.phi(correlation, figures, seen), MASKED)


class _Triple(nn.Module):
    def __init__(self, network: FAMNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, figures: Tensor, mask: Tensor) -> Tensor:
        return torch.where(mask > 0.5, self.network.long_term(figures), MASKED)


def export_famnet(network: FAMNet, sizes: Sizes, stem: Path) -> tuple[str, ...]:
    """Write STEM.ROLE.onnx for every role and return the roles."""
    network = network.eval().cpu().float()
    width, height = (side + 2 * MARGIN for side in sizes.canvas)
    frame = torch.zeros(1, 3, height, width)
    with torch.no_grad():
        features = network.feature.backbone(frame)
    n, p, t = sizes.candidates, sizes.pairs, sizes.triples
    embedding = network.hidden * KERNEL**2
    side = CELLS * STRIDE + 2 * MARGIN - STRIDE + 1
    cells = torch.zeros(n, CELLS)
    vectors = torch.zeros(p, embedding)
    graphs: dict[str, tuple[nn.Module, tuple[Tensor, ...], list[str], list[str]]] = {
        "frame": (_Frame(network), (frame,), ["frame"], ["features"]),
        "sample": (
            _Sample(network),
            (features, cells, cells, torch.zeros(n)),
            ["features", "rows", "columns", "mask"],
            ["template", "search"],
        ),
        "crop": (
            _Crop(network),
            (torch.zeros(sizes.crops, 3, side, side),),
            ["crops"],
            ["template", "search"],
        ),
        "pair": (
            _Pair(network),
            (vectors, vectors, torch.zeros(p, GEOMETRY), torch.zeros(p), torch.zeros(p)),
            ["template", "search", "figures", "seen", "mask"],
            ["logits"],
        ),
        "triple": (
            _Triple(network),
            (torch.zeros(t, LONG_TERM), torch.zeros(t)),
            ["figures", "mask"],
            ["logits"],
        ),
    }
    for role, (module, arguments, inputs, outputs) in graphs.items():
        path = stem.with_name(f"{stem.name}.{role}.onnx")
        export_graph(module.eval(), arguments, inputs, outputs, path)
    return tuple(graphs)
