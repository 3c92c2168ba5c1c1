"""Multi-dimensional assignment by a rank-1 power iteration, on gated hypotheses only.

A window is K+1 frames of candidates. A hypothesis is one candidate in each frame; its affinity
says how well it looks like one trajectory. The affinities are approximated by the product of K
local assignment matrices, one for each pair of neighbouring frames, which a power iteration
finds. Candidate 0 of a frame is virtual: the trajectory begins later, or has ended.

The problem and the iteration follow Chu and Ling, FAMNet (ICCV 2019), as far as its abstract
tells, and Shi et al., Rank-1 Tensor Approximation (IJCV 2019); virtual candidates, gating by
sparsity and rounding are ours. See docs/famnet.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.intp]
Bool = npt.NDArray[np.bool_]

ITERATIONS = 11
"""Odd: the last step normalises rows."""
ACCEPT = 0.5
"""An assignment with less of the row's mass is none."""
_TINY = 1e-12


@dataclass(frozen=True)
class Layer:
    """The gated pairs between two neighbouring frames."""

    source: Int
    """Candidate in the earlier frame, of each pair (E,); 0 is virtual, real ones count from 1."""
    target: Int
    """Candidate in the later frame, of each pair (E,)."""
    of_hypothesis: Int
    """Which pair each hypothesis goes through (N,)."""
    shape: tuple[int, int]
    """Candidates of both frames, the virtual one counted."""

    def dense(self, values: Float64) -> Float64:
        """The values (E,) of the pairs as a matrix of `shape`, 0 where the gate is shut."""
        matrix = np.zeros(self.shape)
        matrix[self.source, self.target] = values
        return matrix


@dataclass(frozen=True)
class Hypotheses:
    """All hypotheses of a window that the gates allow."""

    nodes: Int
    """Candidate of each hypothesis in each frame (N, K + 1); 0 is virtual."""
    layers: tuple[Layer, ...]
    """One for each pair of neighbouring frames, K of them."""

    def __len__(self) -> int:
        return len(self.nodes)


def enumerate_hypotheses(gates: Sequence[Bool]) -> Hypotheses:
    """Every hypothesis through the open gates, those of births and ends with it.

    gates: K matrices (I_k-1, I_k) of the real candidates, True where a pair is possible. A
    trajectory is real from its first to its last frame: it may begin with virtual candidates and
    end with them, but has none between; that of a target not seen for a while goes through its
    last observations. The number of hypotheses grows with the open gates alone.
    """
    sizes = [gates[0].shape[0], *(gate.shape[1] for gate in gates)]
    paths = list(_paths(gates, sizes))
    nodes = np.concatenate(paths) if paths else np.zeros((0, len(sizes)), np.intp)
    layers = []
    for k in range(len(gates)):
        width = sizes[k + 1] + 1
        keys, of_hypothesis = np.unique(nodes[:, k] * width + nodes[:, k + 1], return_inverse=True)
        source, target = np.divmod(keys, width)
        layers.append(Layer(source, target, of_hypothesis.ravel(), (sizes[k] + 1, width)))
    return Hypotheses(nodes, tuple(layers))


def _paths(gates: Sequence[Bool], sizes: list[int]) -> Iterator[Int]:
    """Real stretches from each frame to each later one, with virtual candidates around."""
    frames = len(sizes)
    for first in range(frames):
        stretch = np.arange(1, sizes[first] + 1, dtype=np.intp)[:, None]
        for last in range(first, frames):
            if last > first:
                stretch = _extend(stretch, gates[last - 1])
            yield np.pad(stretch, ((0, 0), (first, frames - 1 - last)))


def _extend(stretch: Int, gate: Bool) -> Int:
    """Every stretch with every candidate of the next frame that its last one may go to."""
    source, target = np.nonzero(gate)
    starts = np.searchsorted(source, np.arange(gate.shape[0] + 1))
    last = stretch[:, -1] - 1
    counts = starts[last + 1] - starts[last]
    rows = np.repeat(np.arange(len(stretch)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    following = target[starts[last[rows]] + within] + 1
    return np.column_stack((stretch[rows], following))


def power_iteration(
    hypotheses: Hypotheses, affinity: Float64, *, iterations: int = ITERATIONS, dual: bool = True
) -> list[Float64]:
    """The local assignments that approximate the affinities.

    affinity: (N,), in [0, 1]. Returns the value in [0, 1] of every pair of every layer: K arrays
    (E,). All layers step together; even steps normalise rows, odd ones, with `dual`, columns.
    Without `dual` the objective never falls. A virtual candidate has room for any number of
    trajectories: its row and its column are never normalised.
    """
    values = [uniform(layer) for layer in hypotheses.layers]
    for step in range(iterations):
        by_column = dual and step % 2 == 1
        values = [
            normalised(layer, value * marginal, value, by_column=by_column)
            for layer, value, marginal in zip(
                hypotheses.layers, values, marginals(hypotheses, affinity, values), strict=True
            )
        ]
    return values


def uniform(layer: Layer) -> Float64:
    """Every pair of a row the same: where the iteration starts."""
    degree = np.bincount(layer.source, minlength=layer.shape[0])
    value: Float64 = 1.0 / degree[layer.source]
    value[layer.source == 0] = 1.0
    return value


def marginals(
    hypotheses: Hypotheses, affinity: Float64, values: Sequence[Float64]
) -> list[Float64]:
    """For each layer and pair: the affinities through it, weighted by the other layers."""
    chosen = [
        value[layer.of_hypothesis] for layer, value in zip(hypotheses.layers, values, strict=True)
    ]
    result = []
    for k, layer in enumerate(hypotheses.layers):
        weight = affinity
        for other, factor in enumerate(chosen):
            if other != k:
                weight = weight * factor
        total = np.bincount(layer.of_hypothesis, weight, minlength=len(layer.source))
        result.append(total.astype(np.float64, copy=False))  # whole numbers, of no hypothesis
    return result


def normalised(layer: Layer, product: Float64, before: Float64, *, by_column: bool) -> Float64:
    """Rows, or columns, of real candidates divided by their sum; those of virtual ones kept."""
    index, size = (layer.target, layer.shape[1]) if by_column else (layer.source, layer.shape[0])
    total = np.bincount(index, product, minlength=size)
    scaled = product / (total[index] + _TINY)
    return np.where(index == 0, before, scaled)


def objective(hypotheses: Hypotheses, affinity: Float64, values: Sequence[Float64]) -> float:
    """What the iteration maximises: the affinities, weighted by the product of all layers."""
    weight = affinity
    for layer, value in zip(hypotheses.layers, values, strict=True):
        weight = weight * value[layer.of_hypothesis]
    return float(weight.sum())


def round_last(
    hypotheses: Hypotheses, values: Sequence[Float64], *, accept: float = ACCEPT
) -> list[tuple[int, int, float]]:
    """Who is who in the last frame: (candidate of the frame before, of the last, value), 0-based.

    The Hungarian method on the real part of the last layer; a pair with a value under `accept`
    is none.
    """
    layer = hypotheses.layers[-1]
    real = layer.dense(values[-1])[1:, 1:]
    rows, columns = linear_sum_assignment(real, maximize=True)
    return [
        (int(a), int(b), float(real[a, b]))
        for a, b in zip(rows, columns, strict=True)
        if real[a, b] >= accept
    ]
