"""ATOM's classifier learns where its networks run, and in NumPy where that cannot be had there.

The memory stays whole on the host, as engines come and go between two frames. The device keeps a
copy of its feature maps, which are nearly all of what is read to learn; only the slots that were
written since the last time go up.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from tracker_ros.engines.comparison import compare_outputs
from tracker_ros.engines.cutter import OpenGraph
from tracker_ros.engines.engine import Array, Engine
from tracker_ros.engines.mirror import Mirror, mirror_of
from tracker_ros.engines.network import Network
from tracker_ros.engines.upgrade import GivenUpError
from tracker_ros.errors import EngineError
from tracker_ros.sot.atom_classifier import NUMPY, Around, Linearised
from tracker_ros.sot.atom_graphs import (
    MemorySize,
    products_name,
    update_name,
    write_products_graph,
    write_update_graph,
)
from tracker_ros.sot.atom_memory import TAPS, Float32, Memory
from tracker_ros.sot.atom_parameters import FIRST_SAMPLES, AtomParameters

REFINE = "refine"
"""Role of the network whose engine has the optimiser with it: they change and fail together."""


class _Sums:
    """A graph over all samples of a memory, for any number of memories of one size."""

    def __init__(
        self, open_graph: OpenGraph, size: MemorySize, stem: str, write: Callable[[Path], None]
    ) -> None:
        self.size = size
        self._copies: WeakKeyDictionary[Memory, _Copy] = WeakKeyDictionary()
        """Of the maps, as long as there is their memory."""
        with tempfile.TemporaryDirectory(prefix="tracker_ros-") as folder:
            graph = Path(folder) / f"{stem}.onnx"
            write(graph)
            self._engine = open_graph(graph)

    def of(self, memory: Memory, **kernels: Float32) -> dict[str, Array]:
        """The outputs of the graph. Raises EngineError when the device fails."""
        copy = self._copies.get(memory)
        if copy is None:
            copy = self._copies[memory] = _Copy(mirror_of(self._engine, "maps"))
        cells = self.size.cells
        given = {
            "maps": copy.brought_up(memory),
            "labels": memory.labels[:, None, :cells, :cells],
            "weights": memory.weights[:, None, None, None].astype(np.float32),
            **kernels,
        }
        return {name: value.copy() for name, value in self._engine.run(given).items()}


class _Copy:
    """The maps of a memory where the engine finds them."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._stores = -1
        """How many of the memory's it has seen."""

    def brought_up(self, memory: Memory) -> Array:
        """It, with all that was stored since: (samples, channels, cells * cells)."""
        maps, array = memory.maps, self._mirror.array
        slots = maps.stored_after(self._stores)
        if slots:
            for slot in slots:
                array[slot].reshape(maps.channels, maps.cells, maps.cells)[:] = maps.stored(slot)
            self._mirror.send(slots)
        self._stores = maps.stores
        return array


class Products(NamedTuple):
    """What an Around says, of one direction; both are (16, channels)."""

    gradient: Float32
    product: Float32


class DeviceOptimiser:
    """Learns by two engines of its own, for any number of targets. Not thread-safe."""

    def __init__(self, open_graph: OpenGraph, p: AtomParameters, channels: int) -> None:
        """channels: of the features of a sample. Raises EngineError where it cannot be had."""
        first = MemorySize(FIRST_SAMPLES, channels, p.cells)
        later = MemorySize(p.memory, p.reduced, p.cells)
        self.steps = p.update_cg
        self._first = _Sums(
            open_graph, first, products_name(first), lambda path: write_products_graph(path, first)
        )
        self._later = _Sums(
            open_graph, later, update_name(later, self.steps),
            lambda path: write_update_graph(path, later, self.steps),
        )  # fmt: skip

    def has_updates(self, memory: Memory, cg_steps: int) -> bool:
        """Whether `updated` is for such a memory, and for so many steps."""
        return _size_of(memory) == self._later.size and cg_steps == self.steps

    def has_products(self, memory: Memory) -> bool:
        """Whether `products` is for such a memory."""
        return _size_of(memory) == self._first.size

    def updated(self, memory: Memory, kernels: Float32) -> Float32:
        """As Optimiser.updated. Raises EngineError when the device fails."""
        return self._later.of(memory, kernels=kernels)["updated"]

    def products(self, memory: Memory, kernels: Float32, direction: Float32) -> Products:
        """What Optimiser.linearised says of a direction. Raises EngineError as `updated` does."""
        return Products(**self._first.of(memory, kernels=kernels, direction=direction))

    def trials(self) -> Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]:
        """The same by NumPy and by the device, of drawn samples: few, and as many as fit."""
        rng = np.random.default_rng(0)
        for memory, kernels in _drawn(self._later.size, rng):
            updated = NUMPY.updated(memory, kernels, self.steps)
            yield {"kernels": updated}, {"kernels": self.updated(memory, kernels)}
        for memory, kernels in _drawn(self._first.size, rng):
            around, direction = Linearised(memory, kernels), rng.permutation(kernels)
            expected = Products(around.gradient(), around.product(direction))
            yield expected._asdict(), self.products(memory, kernels, direction)._asdict()


def _size_of(memory: Memory) -> MemorySize:
    return MemorySize(memory.maps.capacity, memory.maps.channels, memory.maps.cells)


def _drawn(size: MemorySize, rng: np.random.Generator) -> Iterator[tuple[Memory, Float32]]:
    """A memory with few samples, and the same when it is full, and kernels.

    They are as small as a new classifier's, so that those of an update are what was learnt. The
    features have a mean near 0: of a large one, which the first steps remove, rounding alone makes
    a hundredth of a difference.
    """
    memory, ticks = Memory(size.channels, size.cells, size.samples, 0.25), np.arange(size.cells)
    kernels = rng.normal(0, 1 / (TAPS * size.channels), (TAPS, size.channels)).astype(np.float32)

    def sample() -> tuple[Float32, Float32]:
        x, y = rng.uniform(0.3 * size.cells, 0.7 * size.cells, 2)
        label = np.exp(-0.5 * ((ticks[:, None] - y) ** 2 + (ticks - x) ** 2)).astype(np.float32)
        features = rng.standard_normal((size.channels, size.cells, size.cells), np.float32)
        features[: size.channels // 4] += 3 * label
        return features, label

    few = [sample() for _ in range(max(size.samples // 8, 1))]
    memory.start([features for features, _ in few], [label for _, label in few])
    yield memory, kernels
    for _ in range(size.samples - len(few)):
        memory.add(*sample(), 0.01)
    yield memory, kernels


class LearningEngine:
    """The engine of a network, with what ATOM's classifier learns by on the same device."""

    def __init__(self, engine: Engine, optimiser: DeviceOptimiser | None, remark: str = "") -> None:
        """optimiser: None leaves it to NumPy; remark: why, in words."""
        self.engine, self.optimiser = engine, optimiser
        self.inputs, self.outputs, self.backend = engine.inputs, engine.outputs, engine.backend
        self.remark = "; ".join(filter(None, (str(getattr(engine, "remark", "")), remark)))
        """Why something is not what was asked for; empty where all is well."""

    @property
    def precision(self) -> str:
        """Of the network; learning is float32."""
        return self.engine.precision

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every output of the network by name."""
        return self.engine.run(inputs)


def with_optimiser(
    engines: Mapping[str, Engine], parameters: AtomParameters, open_graph: OpenGraph
) -> LearningEngine:
    """ATOM's engine of `refine`, with an optimiser where it runs if that learns what NumPy learns.

    engines: ATOM's, by role. open_graph: gives an engine of the same device for a graph. Where
    there is none, or it learns otherwise, NumPy goes on, and the engine's remark says why. Raises
    GivenUpError when nobody waits any more.
    """
    engine, found = engines[REFINE], {tensor.name: tensor for tensor in engines["search"].outputs}
    channels = int(found["layer3"].shape[1] or 0)
    try:
        optimiser = DeviceOptimiser(open_graph, parameters, channels)
        comparison = compare_outputs(optimiser.trials(), "NumPy", "the engines that learn")
    except GivenUpError:
        raise
    except EngineError as error:
        return LearningEngine(engine, None, f"the classifier learns on the CPU: {error}")
    if comparison.good:
        return LearningEngine(engine, optimiser)
    words = f"the classifier learns on the CPU, as here it learns otherwise: {comparison.words}"
    return LearningEngine(engine, None, words)


class NetworkOptimiser:
    """An Optimiser where a network runs, if its engine has one of such a size; else NumPy's.

    Where the engine fails, another takes over from the whole model as when the network fails, and
    NumPy computes what was asked for. Raises EngineError where nothing takes over.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    def updated(self, memory: Memory, kernels: Float32, cg_steps: int) -> Float32:
        """As Optimiser.updated."""
        there = self.there
        if there is not None and there.has_updates(memory, cg_steps):
            try:
                return there.updated(memory, kernels)
            except EngineError as error:
                self.rescued(error)
        return NUMPY.updated(memory, kernels, cg_steps)

    def linearised(self, memory: Memory, kernels: Float32) -> Around:
        """As Optimiser.linearised."""
        there = self.there
        if there is not None and there.has_products(memory):
            return _AroundThere(self, there, memory, kernels)
        return NUMPY.linearised(memory, kernels)

    @property
    def there(self) -> DeviceOptimiser | None:
        """That of the engine; None where it has none."""
        engine = self._network.engine
        return engine.optimiser if isinstance(engine, LearningEngine) else None

    def rescued(self, error: EngineError) -> None:
        """Have the standby take over. Raises the error where there is none."""
        if self._network.rescue is None or not self._network.rescue(error):
            raise error


class _AroundThere:
    """An Around on a device; from where that fails on, in NumPy."""

    def __init__(
        self, owner: NetworkOptimiser, there: DeviceOptimiser, memory: Memory, kernels: Float32
    ) -> None:
        self._owner, self._there, self._memory, self._kernels = owner, there, memory, kernels
        self._instead: Linearised | None = None

    def gradient(self) -> Float32:
        """As Around.gradient."""
        return self._products(np.zeros_like(self._kernels)).gradient

    def product(self, kernels: Float32) -> Float32:
        """As Around.product."""
        return self._products(kernels).product

    def _products(self, direction: Float32) -> Products:
        if self._instead is None:
            try:
                return self._there.products(self._memory, self._kernels, direction)
            except EngineError as error:
                self._owner.rescued(error)
                self._instead = Linearised(self._memory, self._kernels)
        return Products(self._instead.gradient(), self._instead.product(direction))
