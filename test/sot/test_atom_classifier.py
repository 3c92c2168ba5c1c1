"""ATOM's classifier: its convolution, the Jacobian's products, the steps, what it learns."""

import numpy as np
import pytest

from tracker_ros.sot.atom_classifier import (
    ALPHA,
    Classifier,
    Linearised,
    activation,
    conjugate_gradient,
)
from tracker_ros.sot.atom_memory import MOST_PRODUCTS, Memory, SampleMaps, pieces_of
from tracker_ros.sot.atom_parameters import AtomParameters
from tracker_ros.sot.atom_samples import label, normalised

PARAMETERS = AtomParameters()
CELLS = PARAMETERS.cells


def filled(channels: int, count: int, seed: int, strength: float = 1.0) -> Memory:
    """A memory of random features, with labels around the middle."""
    rng = np.random.default_rng(seed)
    features = np.maximum(rng.normal(size=(count, channels, CELLS, CELLS)), 0).astype(np.float32)
    places = rng.uniform(100, 188, (count, 2))
    # At the target the first channels are strong: something that can be learnt.
    labels = [label(PARAMETERS, x, y) for x, y in places]
    for feature, wanted in zip(features, labels, strict=True):
        feature[: channels // 4] += 3 * wanted
    memory = Memory(channels, CELLS, 40, 0.25)
    memory.start([*(np.float32(strength) * normalised(features))], labels)
    return memory


def plainly(maps: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """The 4x4 convolution of (C, cells, cells), padded by two before and one behind, as a loop."""
    padded = np.pad(maps, ((0, 0), (2, 1), (2, 1)))
    total = np.zeros(maps.shape[1:])
    for row in range(4):
        for column in range(4):
            window = padded[:, row : row + maps.shape[1], column : column + maps.shape[2]]
            total += np.einsum("c,cij->ij", kernels[4 * row + column], window)
    return total


@pytest.mark.parametrize("cells, channels", [(18, 64), (18, 256), (14, 64)])
def test_the_response_of_many_samples_is_the_convolution_of_each(cells: int, channels: int) -> None:
    rng = np.random.default_rng(1)
    maps = SampleMaps(channels, cells, 5)
    samples = rng.normal(size=(3, channels, cells, cells)).astype(np.float32)
    for slot in (2, 0, 1):
        maps.store(slot, samples[slot])
    kernels = rng.normal(size=(16, channels)).astype(np.float32)
    for count in (3, 2):
        scores = maps.respond(kernels, count).reshape(count, maps.row, maps.row)
        for score, sample in zip(scores, samples, strict=False):
            assert np.allclose(score[:cells, :cells], plainly(sample, kernels), atol=1e-3)


def test_correlating_is_the_transpose_of_responding() -> None:
    rng = np.random.default_rng(2)
    memory = filled(64, 7, 2)
    maps = memory.maps
    kernels = rng.normal(size=(16, 64)).astype(np.float32)
    values = (rng.normal(size=(7, maps.row, maps.row)) * maps.inside).astype(np.float32).ravel()
    there = float(maps.respond(kernels, 7).astype(np.float64) @ values)
    back = float((maps.correlate(values, 7).astype(np.float64) * kernels).sum())
    assert there == pytest.approx(back, rel=1e-4)
    assert abs(there) > 1


def test_no_product_is_large_enough_to_wake_the_threads_of_blas() -> None:
    for columns, rows, channels in ((400, 16, 64), (400, 16, 256), (256, 16, 64), (64, 18, 256)):
        pieces = pieces_of(columns, rows, channels)
        assert columns % pieces == 0
        assert rows * channels * columns // pieces <= MOST_PRODUCTS


def test_the_activation_is_the_identity_above_zero_and_levels_off_below() -> None:
    t = np.array([-10, -0.1, -0.01, 0, 0.3], np.float32)
    value, slope = activation(t)
    assert np.allclose(value[:3], ALPHA * (np.exp(t[:3] / ALPHA) - 1), atol=1e-7)
    assert value[3:].tolist() == t[3:].tolist()
    assert slope[3:].tolist() == [1, 1]
    step = np.float32(1e-3)
    assert np.allclose(
        slope[1:3], (activation(t + step)[0] - activation(t - step)[0])[1:3] / (2 * step), rtol=1e-2
    )


@pytest.mark.parametrize("preconditioned", [False, True])
def test_conjugate_gradient_reaches_the_solution_of_the_normal_equations(
    preconditioned: bool,
) -> None:
    rng = np.random.default_rng(3)
    jacobian = rng.normal(size=(60, 12))
    target = rng.normal(size=60)
    matrix = (jacobian.T @ jacobian + 0.1 * np.eye(12)).astype(np.float32)
    right = (jacobian.T @ target).astype(np.float32)
    diagonal = np.diag(matrix).copy() if preconditioned else None
    solution = np.linalg.solve(matrix, right)
    found = conjugate_gradient(lambda p: matrix @ p, right, 12, diagonal)
    assert np.allclose(found, solution, rtol=1e-3, atol=1e-4)
    halfway = conjugate_gradient(lambda p: matrix @ p, right, 3, diagonal)
    assert not np.allclose(halfway, solution, rtol=1e-3, atol=1e-4)


def test_the_diagonal_makes_up_for_unknowns_of_very_different_scales() -> None:
    diagonal = np.array([1e-4, 0.1, 1, 30], np.float32)
    right = np.array([1, -1, 2, 3], np.float32)
    with_it = conjugate_gradient(lambda p: diagonal * p, right, 1, diagonal)
    assert np.allclose(with_it, right / diagonal, rtol=1e-5)
    assert not np.allclose(conjugate_gradient(lambda p: diagonal * p, right, 1), with_it, rtol=0.1)


def test_conjugate_gradient_stops_at_a_solution_and_at_numbers_that_are_none() -> None:
    zeros = np.zeros(4, np.float32)
    assert conjugate_gradient(lambda p: p, zeros, 5).tolist() == [0, 0, 0, 0]
    nothing = np.full(4, np.nan, np.float32)
    assert conjugate_gradient(lambda p: p, nothing, 5).tolist() == [0, 0, 0, 0]


def test_an_update_with_enough_steps_solves_the_linearised_problem() -> None:
    memory = filled(4, 6, 4, strength=0.05)  # weak, so that the kernel's own square counts
    classifier = Classifier(4, 4, np.random.default_rng(0))
    around, kernels = Linearised(memory, classifier.kernels), classifier.kernels
    units = np.eye(64, dtype=np.float32).reshape(64, 16, 4)
    matrix = np.array([around.product(unit).ravel() for unit in units]) + 0.1 * np.eye(64)
    assert np.allclose(matrix, matrix.T, atol=1e-4)
    right = -(around.gradient() + 0.1 * kernels).ravel()
    expected = np.linalg.solve(matrix, right).reshape(16, 4)
    classifier.update(memory, 64)
    error = np.linalg.norm(classifier.kernels - kernels - expected)
    assert error < 1e-3 * np.linalg.norm(expected)
    without = np.linalg.solve(matrix - 0.1 * np.eye(64), right).reshape(16, 4)
    assert np.linalg.norm(without - expected) > 0.01 * np.linalg.norm(expected)


def test_the_gradient_is_that_of_the_loss() -> None:
    memory = filled(4, 6, 5)
    rng = np.random.default_rng(6)
    kernels = rng.normal(0, 0.1, (16, 4)).astype(np.float32)
    direction = rng.normal(size=(16, 4)).astype(np.float32)
    slope = 2 * float((Linearised(memory, kernels).gradient() * direction).sum())
    step = np.float32(1e-3)
    ahead = Linearised(memory, kernels + step * direction).loss
    behind = Linearised(memory, kernels - step * direction).loss
    assert slope == pytest.approx((ahead - behind) / (2 * step), rel=1e-2)


def test_the_product_is_that_with_the_jacobian_and_its_transpose() -> None:
    memory = filled(4, 6, 11)
    rng = np.random.default_rng(7)
    kernels = rng.normal(0, 0.05, (16, 4)).astype(np.float32)
    direction = rng.normal(size=(16, 4)).astype(np.float32)
    inside = memory.maps.inside.astype(bool)

    def residuals(kernels: np.ndarray) -> np.ndarray:
        shape = (6, memory.maps.row, memory.maps.row)
        scores = memory.maps.respond(kernels.astype(np.float32), 6).reshape(shape)[:, inside]
        return activation(scores)[0].astype(np.float64) * np.sqrt(1 / 6)

    step = 1e-3
    slopes = (residuals(kernels + step * direction) - residuals(kernels - step * direction)) / (
        2 * step
    )
    product = Linearised(memory, kernels).product(direction)
    assert float((product * direction).sum()) == pytest.approx((slopes**2).sum(), rel=1e-2)


def test_gauss_newton_on_both_layers_lowers_the_true_objective_step_by_step() -> None:
    first = filled(32, 30, 7)
    classifier = Classifier(32, 8, np.random.default_rng(1))
    values = [classifier.objective(first)]
    for _ in range(4):
        classifier.learn(first, 1, 10)
        values.append(classifier.objective(first))
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.5 * values[0]


def test_the_step_of_both_layers_solves_the_joint_problem() -> None:
    first = filled(3, 5, 8)
    rng = np.random.default_rng(2)
    classifier = Classifier(3, 2, rng)
    classifier.kernels = rng.normal(0, 0.2, (16, 2)).astype(np.float32)
    w1, w2 = classifier.reduction.astype(np.float64), classifier.kernels.astype(np.float64)
    around = Linearised(first, (w2 @ w1).astype(np.float32))

    def jacobian(p: np.ndarray) -> np.ndarray:
        """Change of the product w2 w1, (16, 3), for a change of both."""
        return w2 @ p[:6].reshape(2, 3) + p[6:].reshape(16, 2) @ w1

    units = np.eye(38)
    inner = np.array([jacobian(unit).ravel() for unit in units])
    outer = np.array(
        [around.product(row.reshape(16, 3).astype(np.float32)).ravel() for row in inner]
    )
    own = np.r_[np.full(6, 1e-4), np.full(32, 0.1)]
    right = -(inner @ around.gradient().ravel() + own * np.r_[w1.ravel(), w2.ravel()])
    expected = np.linalg.solve(outer @ inner.T + np.diag(own), right)
    classifier.learn(first, 1, 200)
    assert np.allclose(classifier.kernels - w2, expected[6:].reshape(16, 2), atol=2e-2)
    change = classifier.kernels @ classifier.reduction - w2 @ w1
    assert np.abs(change).max() > 0.05


def test_what_was_learnt_has_its_peak_at_the_target() -> None:
    first = filled(32, 30, 9)
    classifier = Classifier(32, 8, np.random.default_rng(3))
    classifier.learn(first, 6, 10)
    memory = Memory(8, CELLS, 60, 0.25)
    rng = np.random.default_rng(10)
    features = np.maximum(rng.normal(size=(32, CELLS, CELLS)), 0).astype(np.float32)
    features[:8] += 3 * label(PARAMETERS, 143.5 + 48, 143.5 - 32)  # three cells right, two up
    sample = classifier.reduce(normalised(features))
    scores = classifier.scores(sample)
    assert divmod(int(scores.argmax()), CELLS) == (9 - 2, 9 + 3)
    assert scores.max() > 0.4
    # Told that there is nothing of the kind, it unlearns it.
    memory.start([sample] * 30, [np.zeros((CELLS, CELLS), np.float32)] * 30)
    classifier.update(memory, 5)
    assert classifier.scores(sample).max() < 0.5 * scores.max()


def test_reducing_multiplies_every_cell() -> None:
    rng = np.random.default_rng(4)
    classifier = Classifier(256, 64, rng)
    features = rng.normal(size=(256, CELLS, CELLS)).astype(np.float32)
    expected = np.einsum("rc,cij->rij", classifier.reduction, features)
    assert np.allclose(classifier.reduce(features), expected, atol=1e-4)


def test_other_kernels_can_be_asked() -> None:
    rng = np.random.default_rng(5)
    classifier = Classifier(16, 8, rng)
    sample = rng.normal(size=(8, CELLS, CELLS)).astype(np.float32)
    others = rng.normal(size=(16, 8)).astype(np.float32)
    assert np.allclose(classifier.scores(sample, others), plainly(sample, others), atol=1e-4)
    assert np.allclose(classifier.scores(sample), plainly(sample, classifier.kernels), atol=1e-4)
