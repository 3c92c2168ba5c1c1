"""The graphs by which ATOM's classifier learns, run by ONNX Runtime: what NumPy computes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="no onnx to write a graph with: ./run setup train")

import onnx

from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.engines.operators import unsupported
from tracker_ros.errors import EngineError
from tracker_ros.sot.atom_classifier import NUMPY, Classifier, Linearised
from tracker_ros.sot.atom_graphs import (
    MemorySize,
    products_name,
    update_name,
    write_products_graph,
    write_update_graph,
)
from tracker_ros.sot.atom_memory import Float32, Memory
from tracker_ros.sot.atom_parameters import AtomParameters
from tracker_ros.sot.atom_samples import label

VERSIONS = ("8.5.3.1", "8.6.1", "10.0.1", "10.3.0", "11.0.0", "11.5")
PARAMETERS = AtomParameters(memory=40)
CELLS, CHANNELS, STEPS = PARAMETERS.cells, PARAMETERS.reduced, PARAMETERS.update_cg
SIZE = MemorySize(PARAMETERS.memory, CHANNELS, CELLS)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("update") / f"{update_name(SIZE, STEPS)}.onnx"
    write_update_graph(path, SIZE, STEPS)
    return path


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("products") / f"{products_name(SIZE)}.onnx"
    write_products_graph(path, SIZE)
    return path


@pytest.fixture(scope="module")
def engine(graph: Path) -> OnnxEngine:
    return OnnxEngine(graph, threads=1)


def filled(first: int = 20, later: int = 0, *, seed: int = 0, strength: float = 1.0) -> Memory:
    """A memory of random features, strong in some channels where the label is."""
    rng = np.random.default_rng(seed)
    memory = Memory(CHANNELS, CELLS, SIZE.samples, PARAMETERS.initial_share)

    def drawn() -> tuple[Float32, Float32]:
        wanted = label(PARAMETERS, *rng.uniform(100, 188, 2))
        sample = rng.standard_normal((CHANNELS, CELLS, CELLS), np.float32)
        sample[: CHANNELS // 4] += 3 * wanted
        return np.float32(strength) * sample, wanted

    samples = [drawn() for _ in range(first)]
    memory.start([sample for sample, _ in samples], [wanted for _, wanted in samples])
    for number in range(later):
        memory.add(*drawn(), 0.02 if number % 7 == 0 else 0.01)
    return memory


def fresh(seed: int = 1) -> Float32:
    return np.random.default_rng(seed).normal(0, 1e-3, (16, CHANNELS)).astype(np.float32)


def given(memory: Memory, kernels: Float32) -> dict[str, np.ndarray]:
    maps = [memory.maps.stored(slot) for slot in range(memory.maps.capacity)]
    return {
        "maps": np.stack(maps).reshape(SIZE.samples, CHANNELS, -1),
        "labels": memory.labels[:, None, :CELLS, :CELLS],
        "weights": memory.weights.astype(np.float32)[:, None, None, None],
        "kernels": kernels,
    }


def by_graph(engine: OnnxEngine, memory: Memory, kernels: Float32) -> np.ndarray:
    return engine.run(given(memory, kernels))["updated"]


def off(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("later", [0, 3, 20, 90])
def test_it_updates_as_numpy_does(engine: OnnxEngine, later: int) -> None:
    """With few slots in use and with all, weighed as a memory weighs them."""
    memory, kernels = filled(later=later), fresh()
    assert memory.count == min(20 + later, SIZE.samples)
    for _ in range(3):  # each from where the last has ended
        expected = NUMPY.updated(memory, kernels, STEPS)
        assert off(by_graph(engine, memory, kernels), expected) < 1e-4
        assert off(kernels, expected) > 1e-3
        kernels = expected


def test_slots_that_weigh_nothing_change_nothing(engine: OnnxEngine) -> None:
    memory, kernels = filled(), fresh()
    expected = by_graph(engine, memory, kernels)
    inputs = given(memory, kernels)
    inputs["maps"][20:] = 7
    inputs["labels"] = inputs["labels"].copy()
    inputs["labels"][20:] = 1
    assert np.array_equal(engine.run(inputs)["updated"], expected)


def test_a_solution_is_left_alone(engine: OnnxEngine) -> None:
    """The gradient is nothing: NumPy leaves its loop at once."""
    memory, nothing = filled(), np.zeros((16, CHANNELS), np.float32)
    memory.labels[:] = 0
    assert not NUMPY.updated(memory, nothing, STEPS).any()
    assert not by_graph(engine, memory, nothing).any()


def test_a_solution_that_is_reached_early_is_kept(engine: OnnxEngine) -> None:
    """Without features the kernels' own square is all there is: one step leads to 0."""
    memory, kernels = filled(strength=0), fresh()
    expected = NUMPY.updated(memory, kernels, STEPS)
    assert np.abs(expected).max() < 1e-8
    assert np.abs(by_graph(engine, memory, kernels) - expected).max() < 1e-8


def test_a_curvature_below_0_ends_it(engine: OnnxEngine) -> None:
    memory, kernels = filled(), fresh()
    memory.weights[:] *= -1
    assert np.array_equal(NUMPY.updated(memory, kernels, STEPS), kernels)
    assert np.array_equal(by_graph(engine, memory, kernels), kernels)


def test_once_it_has_ended_it_does_not_go_on(tmp_path: Path) -> None:
    """Curvature that is below 0 along the second direction alone."""
    size = MemorySize(2, 1, 4)
    write_update_graph(tmp_path / "u.onnx", size, 6)
    ended = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        memory = Memory(size.channels, size.cells, size.samples, 0.0)
        samples = rng.normal(0, 1, (2, 1, 4, 4)).astype(np.float32)
        memory.start([*samples], [*rng.uniform(0, 1, (2, 4, 4)).astype(np.float32)])
        memory.weights[:] = (1, -0.4)
        kernels = rng.normal(0, 0.1, (16, 1)).astype(np.float32)
        found = OnnxEngine(tmp_path / "u.onnx", threads=1).run({
            "maps": samples.reshape(2, 1, 16),
            "labels": memory.labels[:, None, :4, :4],
            "weights": memory.weights.astype(np.float32)[:, None, None, None],
            "kernels": kernels,
        })["updated"]  # fmt: skip
        steps = [NUMPY.updated(memory, kernels, number) for number in range(7)]
        last = next(n for n in range(7) if np.array_equal(steps[n], steps[6]))
        ended += 0 < last < 6
        assert off(found, steps[6]) < 1e-2
    assert ended > 10


@pytest.mark.parametrize("what", ["maps", "labels", "weights", "kernels"])
def test_of_numbers_that_are_none_nothing_is_learnt(engine: OnnxEngine, what: str) -> None:
    memory, kernels = filled(), fresh()
    if what == "maps":
        memory.maps.store(3, np.full((CHANNELS, CELLS, CELLS), np.nan, np.float32))
    elif what == "labels":
        memory.labels[3, 2, 2] = np.nan
    elif what == "weights":
        memory.weights[3] = np.nan
    else:
        kernels[2, 5] = np.nan
    with np.errstate(invalid="ignore"):
        assert np.array_equal(NUMPY.updated(memory, kernels, STEPS), kernels, equal_nan=True)
    assert np.array_equal(by_graph(engine, memory, kernels), kernels, equal_nan=True)


@pytest.mark.parametrize("later", [0, 90])
def test_products_and_gradients_are_numpys(products: Path, later: int) -> None:
    engine, memory = OnnxEngine(products, threads=1), filled(later=later)
    for strength in (1, 30):  # scores of both signs, and such that the loss has levelled off
        kernels, direction = fresh() * np.float32(strength), fresh(2)
        around = Linearised(memory, kernels)
        found = engine.run({**given(memory, kernels), "direction": direction})
        assert off(found["gradient"], around.gradient()) < 1e-4
        assert off(found["product"], around.product(direction)) < 1e-4


def test_both_layers_are_learnt_by_them_as_in_numpy(tmp_path: Path) -> None:
    size = MemorySize(30, 32, CELLS)
    write_products_graph(tmp_path / "p.onnx", size)
    engine, rng = OnnxEngine(tmp_path / "p.onnx", threads=1), np.random.default_rng(3)
    first = Memory(size.channels, CELLS, size.samples, PARAMETERS.initial_share)
    labels = [label(PARAMETERS, *rng.uniform(100, 188, 2)) for _ in range(30)]
    samples = [rng.standard_normal((32, CELLS, CELLS), np.float32) + 2 * one for one in labels]
    first.start(samples, labels)
    weights = first.weights.astype(np.float32)[:, None, None, None]
    fixed = {
        "maps": np.stack(samples).reshape(30, 32, -1), "labels": np.stack(labels)[:, None],
        "weights": weights,
    }  # fmt: skip

    class ByGraph:
        def updated(self, memory: Memory, kernels: Float32, cg_steps: int) -> Float32:
            raise AssertionError("a first frame is learnt by its sums")

        def linearised(self, memory: Memory, kernels: Float32) -> ByGraph:
            self.kernels = kernels
            return self

        def gradient(self) -> Float32:
            return self.run(np.zeros_like(self.kernels))["gradient"]

        def product(self, kernels: Float32) -> Float32:
            return self.run(kernels)["product"]

        def run(self, direction: Float32) -> dict[str, np.ndarray]:
            return engine.run({**fixed, "kernels": self.kernels, "direction": direction})

    found, expected = (
        Classifier(32, 8, np.random.default_rng(1), optimiser) for optimiser in (ByGraph(), NUMPY)
    )
    before = expected.objective(first)
    for classifier in (found, expected):
        classifier.learn(first, 3, 10)
    assert off(found.kernels @ found.reduction, expected.kernels @ expected.reduction) < 1e-2
    assert found.objective(first) == pytest.approx(expected.objective(first), rel=1e-3)
    assert found.objective(first) < 0.5 * before


def test_every_version_reads_them(graph: Path, products: Path) -> None:
    for version in VERSIONS:
        assert unsupported(graph, version) == unsupported(products, version) == (), version


def test_they_are_small_enough_to_be_built_soon(graph: Path, products: Path) -> None:
    nodes = [len(onnx.load(str(path)).graph.node) for path in (graph, products)]
    assert nodes[0] < 200 and nodes[1] < 40
    assert graph.stat().st_size < 20_000


def test_the_same_sums_have_the_same_files(graph: Path, products: Path, tmp_path: Path) -> None:
    """An engine is found again by the content of its graph."""
    write_update_graph(tmp_path / graph.name, SIZE, STEPS)
    write_products_graph(tmp_path / products.name, SIZE)
    for path in (graph, products):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_other_sums_have_graphs_of_other_names() -> None:
    sizes = [
        MemorySize(*size) for size in [(250, 64, 18), (60, 64, 18), (250, 32, 18), (250, 64, 14)]
    ]
    names = {update_name(size, steps) for size in sizes for steps in (4, 5)}
    assert len(names | {products_name(size) for size in sizes}) == 12


def test_without_onnx_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(EngineError, match=r"learning on the GPU .* needs the package onnx.*pip"):
        write_update_graph(tmp_path / "update.onnx", SIZE, STEPS)
