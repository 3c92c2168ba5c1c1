"""The parts of a network that a tracker runs: what is exported, and what runs in torch itself.

One definition for both, so that a graph and the eager network have the same inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn

TEMPLATE = 127


@dataclass(frozen=True)
class Part:
    """A function of a network: the graph of one role."""

    module: nn.Module
    """Takes `inputs` in their order, gives a tuple of tensors: `outputs` in theirs."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    arguments: tuple[Tensor, ...]
    """Inputs of the right shapes."""
    batches: bool = False
    """Whether the first axis of every input and output is free."""


Parts = Mapping[str, Part]
"""Role -> part."""


class Siamese(Protocol):
    """A network of two branches and their correlation: three graphs."""

    def template(self, image: Tensor) -> tuple[Tensor, ...]:
        """Kernels of a template crop."""

    def features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Features of search crops."""

    def match(self, kernels: Sequence[Tensor], features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Outputs of the head."""


class Function(nn.Module):
    """One of the functions of a network as a module of its own."""

    def __init__(self, network: nn.Module, function: Callable[..., tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.network, self._function = network, function

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """What the function gives."""
        return self._function(*inputs)


def siamese_parts(
    network: nn.Module, instance: int, outputs: Sequence[str], *, rows: int = 1
) -> Parts:
    """template, search and match of a Siamese network.

    template (1, 3, 127, 127) -> kernel_0, ...; search (batch, 3, instance, instance) ->
    feature_0, ...; these kernels and features -> `outputs`. Features are the costly part, and
    batches of any size share a pass; `match` is of one target, whose search has `rows` crops.
    """
    network = network.eval().cpu().float()
    siamese = cast(Siamese, network)
    template = torch.zeros(1, 3, TEMPLATE, TEMPLATE)
    search = torch.zeros(rows, 3, instance, instance)
    with torch.no_grad():
        kernels, features = siamese.template(template), siamese.features(search)
    names = tuple(f"kernel_{i}" for i in range(len(kernels)))
    found = tuple(f"feature_{i}" for i in range(len(features)))

    def match(*inputs: Tensor) -> tuple[Tensor, ...]:
        return siamese.match(inputs[: len(names)], inputs[len(names) :])

    return {
        "template": Part(Function(network, siamese.template), ("template",), names, (template,)),
        "search": Part(
            Function(network, siamese.features), ("search",), found, (search,), batches=True
        ),
        "match": Part(
            Function(network, match), (*names, *found), tuple(outputs), (*kernels, *features)
        ),
    }
