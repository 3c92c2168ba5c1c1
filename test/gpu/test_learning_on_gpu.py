"""ATOM's classifier learning on a GPU what NumPy learns, of samples that stay there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("yaml", reason="no PyYAML to read model cards with")
pytest.importorskip("onnx", reason="no onnx to write the graphs with")

from tracker_ros.engines.build import BuildOptions, open_tensorrt
from tracker_ros.engines.comparison import compare_outputs
from tracker_ros.engines.tensorrt import TensorRTEngine
from tracker_ros.sot.atom_classifier import NUMPY, Linearised
from tracker_ros.sot.atom_memory import Float32, Memory
from tracker_ros.sot.atom_optimiser import DeviceOptimiser
from tracker_ros.sot.atom_parameters import FIRST_SAMPLES, AtomParameters
from tracker_ros.sot.atom_samples import label

PARAMETERS = AtomParameters()
CHANNELS = 192
"""Of the features, as in the model that ships."""


@pytest.fixture(scope="module")
def engines() -> list[TensorRTEngine]:
    return []


@pytest.fixture(scope="module")
def optimiser(folder: Path, engines: list[TensorRTEngine]) -> DeviceOptimiser:
    def open_graph(graph: Path) -> TensorRTEngine:
        options = BuildOptions("fp32", folder)
        engines.append(open_tensorrt(graph, options, samples=list, tell=lambda progress: None))
        return engines[-1]

    return DeviceOptimiser(open_graph, PARAMETERS, CHANNELS)


def drawn(rng: np.random.Generator, channels: int) -> tuple[Float32, Float32]:
    wanted = label(PARAMETERS, *rng.uniform(100, 188, 2))
    sample = rng.standard_normal((channels, PARAMETERS.cells, PARAMETERS.cells), np.float32)
    sample[: channels // 4] += 3 * wanted
    return sample, wanted


def started(rng: np.random.Generator, channels: int, capacity: int) -> Memory:
    memory = Memory(channels, PARAMETERS.cells, capacity, PARAMETERS.initial_share)
    samples = [drawn(rng, channels) for _ in range(FIRST_SAMPLES)]
    memory.start([sample for sample, _ in samples], [wanted for _, wanted in samples])
    return memory


def kept(rng: np.random.Generator) -> tuple[Memory, Float32]:
    """What is learnt from frame by frame, and kernels."""
    memory = started(rng, PARAMETERS.reduced, PARAMETERS.memory)
    return memory, rng.normal(0, 1e-3, (16, PARAMETERS.reduced)).astype(np.float32)


def assert_near(found: Float32, expected: Float32) -> None:
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


def test_it_passes_the_check_of_every_start(
    optimiser: DeviceOptimiser, engines: list[TensorRTEngine]
) -> None:
    comparison = compare_outputs(optimiser.trials(), "NumPy", "the GPU")
    assert comparison.good, comparison.words
    assert [engine.precision for engine in engines] == ["fp32", "fp32"]


def test_targets_learn_side_by_side_from_what_stays_there(optimiser: DeviceOptimiser) -> None:
    """Ten new samples before each update: launched, recorded, replayed; slots are used again."""
    rng = np.random.default_rng(0)
    targets = [kept(rng) for _ in range(2)]
    for round_ in range(24):
        for number, (memory, kernels) in enumerate(targets):
            if round_:
                for _ in range(10):
                    memory.add(*drawn(rng, PARAMETERS.reduced), PARAMETERS.learning_rate)
            expected = NUMPY.updated(memory, kernels, PARAMETERS.update_cg)
            assert_near(optimiser.updated(memory, kernels), expected)
            targets[number] = memory, expected
    assert targets[0][0].count == PARAMETERS.memory


def test_the_products_of_the_first_frame_are_numpys(optimiser: DeviceOptimiser) -> None:
    rng = np.random.default_rng(2)
    for _ in range(2):
        memory = started(rng, CHANNELS, FIRST_SAMPLES)
        for size in (1e-3, 1e-2, 1e-1):
            kernels, direction = rng.normal(0, size, (2, 16, CHANNELS)).astype(np.float32)
            around = Linearised(memory, kernels)
            found = optimiser.products(memory, kernels, direction)
            assert_near(found.gradient, around.gradient())
            assert_near(found.product, around.product(direction))


def test_of_numbers_that_are_none_nothing_is_learnt(optimiser: DeviceOptimiser) -> None:
    rng = np.random.default_rng(1)
    memory, kernels = kept(rng)
    sample, _ = drawn(rng, PARAMETERS.reduced)
    memory.maps.store(3, np.full_like(sample, np.nan))
    assert np.array_equal(optimiser.updated(memory, kernels), kernels)
    memory.maps.store(3, sample)
    expected = NUMPY.updated(memory, kernels, PARAMETERS.update_cg)
    assert_near(optimiser.updated(memory, kernels), expected)
