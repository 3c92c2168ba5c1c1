"""The rank-1 power iteration: goldens, monotony, symmetry, and optima found by trying all."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from tracker_ros.mot.assignment import (
    Hypotheses,
    enumerate_hypotheses,
    marginals,
    normalised,
    objective,
    power_iteration,
    round_last,
    uniform,
)

Float64 = npt.NDArray[np.float64]


def complete(*sizes: int) -> Hypotheses:
    """All hypotheses of real candidates alone, as in the papers' formulation."""
    window = enumerate_hypotheses([np.ones(pair, bool) for pair in itertools.pairwise(sizes)])
    real = window.nodes.min(axis=1) > 0
    layers = []
    for layer in window.layers:
        kept, of = np.unique(layer.of_hypothesis[real], return_inverse=True)
        layers.append(type(layer)(layer.source[kept], layer.target[kept], of.ravel(), layer.shape))
    return Hypotheses(window.nodes[real], tuple(layers))


def of_tensor(window: Hypotheses, tensor: Float64) -> Float64:
    return tensor[tuple((window.nodes - 1).T)]


# Golden of specs/famnet.md section 2: C = 0.1 + 0.9 [a = b = c], 3 candidates, rows only.
GOLDEN_VALUES = (0.666667, 0.933333, 0.992459, 0.999236, 0.999923)
GOLDEN_OBJECTIVES = (0.6, 1.5, 2.652, 2.95943, 2.995873)


@pytest.mark.parametrize("steps", range(1, 6))
def test_the_golden_iteration_of_the_specification(steps: int) -> None:
    window = complete(3, 3, 3)
    tensor = np.full((3, 3, 3), 0.1)
    tensor[range(3), range(3), range(3)] = 1.0
    before = power_iteration(window, of_tensor(window, tensor), iterations=steps - 1, dual=False)
    after = power_iteration(window, of_tensor(window, tensor), iterations=steps, dual=False)
    assert objective(window, of_tensor(window, tensor), before) == pytest.approx(
        GOLDEN_OBJECTIVES[steps - 1], abs=1e-5
    )
    for layer, value in zip(window.layers, after, strict=True):
        assert layer.dense(value)[1, 1] == pytest.approx(GOLDEN_VALUES[steps - 1], abs=1e-6)


@pytest.mark.parametrize("frames", [2, 3, 4, 5])
def test_normalising_rows_alone_the_objective_never_falls(frames: int) -> None:
    rng = np.random.default_rng(frames)
    window = complete(*[4] * frames)
    for _ in range(10):
        affinity = rng.uniform(size=len(window))
        values = [uniform(layer) for layer in window.layers]
        last = objective(window, affinity, values)
        for _ in range(15):
            steps = zip(window.layers, values, marginals(window, affinity, values), strict=True)
            values = [normalised(la, v * m, v, by_column=False) for la, v, m in steps]
            now = objective(window, affinity, values)
            assert now >= last - 1e-12
            last = now


def test_rows_of_real_candidates_sum_to_one_and_gates_stay_shut() -> None:
    rng = np.random.default_rng(1)
    gates = [rng.uniform(size=(6, 5)) < 0.5, rng.uniform(size=(5, 7)) < 0.5]
    window = enumerate_hypotheses(gates)
    values = power_iteration(window, rng.uniform(size=len(window)))
    for layer, value, gate in zip(window.layers, values, gates, strict=True):
        dense = layer.dense(value)
        assert dense[1:].sum(axis=1) == pytest.approx(np.ones(len(dense) - 1))
        assert not dense[1:, 1:][~gate].any()


def test_hypotheses_are_all_the_gates_allow_and_no_more() -> None:
    gates = [np.array([[True, False], [True, True]]), np.array([[False], [True]])]
    window = enumerate_hypotheses(gates)
    assert sorted(map(tuple, window.nodes.tolist())) == sorted(
        [
            (1, 0, 0), (2, 0, 0), (0, 1, 0), (0, 2, 0), (0, 0, 1),  # seen once
            (1, 1, 0), (2, 1, 0), (2, 2, 0), (0, 2, 1),  # twice
            (2, 2, 1),  # three times
        ]
    )  # fmt: skip


@pytest.mark.parametrize("sizes", [(0, 0, 0), (3, 0, 2), (0, 0, 4), (1, 1, 1), (0, 2, 0)])
def test_empty_frames_and_single_targets_are_windows_too(sizes: tuple[int, ...]) -> None:
    window = enumerate_hypotheses([np.ones(pair, bool) for pair in itertools.pairwise(sizes)])
    values = power_iteration(window, np.full(len(window), 0.8))
    pairs = round_last(window, values, accept=0.2)
    assert len(pairs) == min(sizes[-2], sizes[-1])
    assert all(np.isfinite(value).all() for value in values)


def test_the_order_of_candidates_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    sizes = (4, 5, 3)
    orders = [rng.permutation(size) for size in sizes]
    gates = [rng.uniform(size=pair) < 0.7 for pair in itertools.pairwise(sizes)]
    tensor = rng.uniform(size=[size + 1 for size in sizes])
    window = enumerate_hypotheses(gates)
    values = power_iteration(window, tensor[tuple(window.nodes.T)])
    turned = enumerate_hypotheses(
        [gate[np.ix_(orders[k], orders[k + 1])] for k, gate in enumerate(gates)]
    )
    back = [np.concatenate(([0], order + 1)) for order in orders]
    affinity = tensor[tuple(back[k][turned.nodes[:, k]] for k in range(3))]
    for k, value in enumerate(power_iteration(turned, affinity)):
        expected = window.layers[k].dense(values[k])[np.ix_(back[k], back[k + 1])]
        assert turned.layers[k].dense(value) == pytest.approx(expected, abs=1e-12)


def best_of_all(tensor: Float64) -> float:
    size = len(tensor)
    orders = list(itertools.permutations(range(size)))
    rows = np.arange(size)
    return max(float(tensor[rows, a, b].sum()) for a in orders for b in orders)


@pytest.mark.parametrize(("bonus", "least"), [(0.6, 0.60), (1.0, 0.95)])
def test_the_optimum_of_small_problems_is_found(bonus: float, least: float) -> None:
    """Against trying all: noise U(0, 1) and a planted solution, as in specs section 2."""
    rng = np.random.default_rng(11)
    window = complete(4, 4, 4)
    found = 0
    for _ in range(40):
        tensor = rng.uniform(size=(4, 4, 4))
        tensor[range(4), rng.permutation(4), rng.permutation(4)] += bonus
        values = power_iteration(window, of_tensor(window, tensor) / 2, iterations=31)
        first, second = (
            dict(zip(*rounded(layer.dense(value)[1:, 1:]), strict=True))
            for layer, value in zip(window.layers, values, strict=True)
        )
        total = sum(tensor[a, first[a], second[first[a]]] for a in range(4))
        found += total == pytest.approx(best_of_all(tensor))
    assert found / 40 >= least


def rounded(matrix: Float64) -> tuple[list[int], list[int]]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(matrix, maximize=True)
    return rows.tolist(), columns.tolist()


def test_a_trajectory_that_fits_none_is_a_birth_and_an_end() -> None:
    window = enumerate_hypotheses([np.ones((1, 1), bool), np.ones((1, 1), bool)])
    through = (window.nodes > 0).sum(axis=1) == 3
    ends = (window.nodes == [1, 1, 0]).all(axis=1)
    born = (window.nodes == [0, 0, 1]).all(axis=1)
    continued = np.where(through, 0.9, 0.1)
    assert round_last(window, power_iteration(window, continued)) == [
        (0, 0, pytest.approx(1.0, abs=0.1))
    ]
    parted = np.where(ends | born, 0.9, 0.1)
    assert round_last(window, power_iteration(window, parted)) == []


def test_hypotheses_grow_with_the_open_gates_not_with_all_combinations() -> None:
    rng = np.random.default_rng(0)
    gate = np.eye(200, dtype=bool)
    for _ in range(3):
        gate[np.arange(200), rng.integers(0, 200, 200)] = True
    window = enumerate_hypotheses([gate, gate])
    assert len(window) < 200 * (1 + 4 + 4 * 4) * 3 < 200**3 / 500
