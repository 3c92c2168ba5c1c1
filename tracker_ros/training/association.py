"""FAMNet's loss: through embeddings, affinities and the unrolled assignment, end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from tracker_ros.mot.affinity import compare_pairs, compare_triples
from tracker_ros.networks.famnet import FAMNet, power_iteration
from tracker_ros.training.footage import Film
from tracker_ros.training.windows import Slot, Window

Int = npt.NDArray[np.intp]
UNROLLED = 7
"""Iterations in training; odd: the last one normalises rows."""
AUXILIARY = 0.25
"""Weight of the loss on pairs alone, which is there while the solver does not converge yet."""


@dataclass(frozen=True)
class Embedded:
    """The candidates of a slot as the network sees them."""

    template: Tensor
    """(n, hidden, 16)."""
    search: Tensor
    seen: Tensor
    """(n,): 1 where there is a picture."""


@dataclass(frozen=True)
class Solved:
    """One layer of a window as the network solves it."""

    logits: Tensor
    """(P,) of the real pairs."""
    logits_truth: Tensor
    values: Tensor
    """(E,) of all pairs but those of two virtual candidates."""
    truth: Tensor

    @property
    def recall(self) -> float:
        """Share of the right pairs, births and ends with it, that have most of their mass."""
        found = self.truth * (self.values > 0.5)
        return float(found.sum() / self.truth.sum().clamp(min=1))

    def loss(self, auxiliary: float) -> Tensor:
        """Cross-entropy of the assignment and, with the weight `auxiliary`, of the pairs."""
        value = balanced_entropy(self.values.clamp(1e-6, 1 - 1e-6), self.truth)
        if auxiliary > 0:
            pairs = torch.sigmoid(self.logits).clamp(1e-6, 1 - 1e-6)
            value = value + auxiliary * balanced_entropy(pairs, self.logits_truth)
        return value


def balanced_entropy(probability: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy, positives and negatives averaged apart."""
    entropy = functional.binary_cross_entropy(probability, truth, reduction="none")
    positive = (entropy * truth).sum() / truth.sum().clamp(min=1)
    negative = (entropy * (1 - truth)).sum() / (1 - truth).sum().clamp(min=1)
    return positive + negative


class Association:
    """Solves windows with a network; holds the films that their candidates are of."""

    def __init__(self, network: FAMNet, films: Sequence[Film], device: str = "cpu") -> None:
        self._network, self._films, self._device = network, films, device

    def solve(
        self, window: Window, *, way: int, blind: bool, confuse: float = 0.0,
        iterations: int = UNROLLED,
    ) -> list[Solved]:  # fmt: skip
        """Solve a window. way: 0 cells from crops, 1 from frames; blind: boxes alone.

        confuse: share of candidates that are given the looks of another one, as real ones have it
        that hide each other: what looks wrong is not always wrong.
        """
        network, layers = self._network, window.hypotheses.layers
        slots = [
            self._confused(self._embed(slot, films, way, blind), confuse)
            for slot, films in zip(window.slots, window.films, strict=True)
        ]
        costs, found = [], []
        for k, layer in enumerate(layers):
            real = np.flatnonzero((layer.source > 0) & (layer.target > 0))
            logits = self._logits(window, slots, k, k + 1, layer.source[real], layer.target[real])
            births = self._tensor((layer.source == 0) & (layer.target > 0))
            ends = self._tensor((layer.source > 0) & (layer.target == 0))
            cost = births * functional.logsigmoid(network.birth)
            cost = cost + ends * functional.logsigmoid(network.end)
            costs.append(cost.index_add(0, self._index(real), functional.logsigmoid(logits)))
            found.append((logits, self._tensor(window.truth[k][real])))
        total = self._tensor(np.zeros(len(window.hypotheses)))
        for cost, layer in zip(costs, layers, strict=True):
            total = total + cost[self._index(layer.of_hypothesis)]
        for k in range(len(slots) - 2):
            total = self._add_long_term(total, window, slots, k)
        indices = [
            (self._index(la.source), self._index(la.target), self._index(la.of_hypothesis))
            for la in layers
        ]
        values = power_iteration(network.affinity(total), indices, iterations)
        solved = []
        for k, layer in enumerate(layers):
            counted = self._index(np.flatnonzero((layer.source > 0) | (layer.target > 0)))
            truth = self._tensor(window.truth[k])
            solved.append(Solved(*found[k], values[k][counted], truth[counted]))
        return solved

    def _logits(
        self, window: Window, slots: Sequence[Embedded], i: int, j: int, a: Int, b: Int
    ) -> Tensor:
        """Logits of pairs of slots i and j; a, b count from 1."""
        figures = compare_pairs(
            window.slots[i].candidates, window.slots[j].candidates, a - 1, b - 1
        )
        rows, columns = self._index(a - 1), self._index(b - 1)
        template, search = slots[i].template[rows], slots[j].search[columns]
        return self._network.phi(
            self._network.correlation(template, search),
            self._tensor(figures),
            slots[i].seen[rows] * slots[j].seen[columns],
        )

    def _add_long_term(
        self, total: Tensor, window: Window, slots: Sequence[Embedded], k: int
    ) -> Tensor:
        """Add the long-term logits of frames k, k+1 and k+2 where all three are real."""
        nodes = window.hypotheses.nodes[:, k : k + 3]
        real = np.flatnonzero(nodes.min(axis=1) > 0)
        if not len(real):
            return total
        a, b, c = nodes[real].T
        skip = self._logits(window, slots, k, k + 2, a, c)
        first, second, third = (window.slots[k + i].candidates for i in range(3))
        nothing = np.zeros(len(real))
        figures = self._tensor(
            compare_triples(first, second, third, np.column_stack((a, b, c)) - 1, nothing)
        )
        figures = torch.cat((figures[:, :-1], (skip / 4).clamp(-4, 4)[:, None]), 1)
        value = functional.logsigmoid(self._network.long_term(figures))
        return total.index_add(0, self._index(real), value)

    def _confused(self, slot: Embedded, share: float) -> Embedded:
        """Give some candidates the looks of others; drawn from torch's generator."""
        count = len(slot.seen)
        if share <= 0 or count < 2:
            return slot
        whose = torch.arange(count, device=self._device)
        chosen = torch.rand(count, device=self._device) < share
        whose = torch.where(chosen, torch.randint(count, (count,), device=self._device), whose)
        return Embedded(slot.template[whose], slot.search[whose], slot.seen * slot.seen[whose])

    def _embed(self, slot: Slot, films: Int, way: int, blind: bool) -> Embedded:
        count, hidden = len(slot.rows), self._network.hidden
        seen = np.zeros(count, np.bool_)
        parts = []
        for film in np.unique(films):
            where = np.flatnonzero(films == film)
            cells = self._films[film].cells
            if cells is not None and not blind:
                seen[where] = True
                parts.append((where, cells[way, slot.rows[where]].astype(np.float32)))
        template = torch.zeros(count, hidden, 16, device=self._device)
        search = torch.zeros_like(template)
        if parts:
            where = self._index(np.concatenate([where for where, _ in parts]))
            cells = torch.from_numpy(np.concatenate([cells for _, cells in parts]))
            one, other = self._network.embed(cells.to(self._device))
            template, search = (
                template.index_copy(0, where, one),
                search.index_copy(0, where, other),
            )
        return Embedded(template, search, self._tensor(seen))

    def _tensor(self, array: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.asarray(array, np.float32)).to(self._device)

    def _index(self, array: Int) -> Tensor:
        return torch.from_numpy(np.asarray(array, np.int64)).to(self._device)
