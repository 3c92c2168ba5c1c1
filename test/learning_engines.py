"""A second backend that ATOM's classifier learns on, where there is no GPU: ONNX Runtime again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from far_engines import FarWorkshop
from other_engines import OtherEngine, Workshop

from tracker_ros.engines.build import BuildOptions, Progress, Tell
from tracker_ros.engines.engine import Array
from tracker_ros.sot.backends import Accelerator


class Mirrored:
    """A mirror, and what was sent of it."""

    def __init__(self, shape: Sequence[int | None]) -> None:
        self.array = np.full([side or 1 for side in shape], np.nan, np.float32)
        self.there = self.array.copy()
        self.sent: list[list[int]] = []

    def send(self, rows: Iterable[int]) -> None:
        """What was written into other rows stays unseen."""
        self.sent.append(list(rows))
        self.there[self.sent[-1]] = self.array[self.sent[-1]]


class MirroringEngine(OtherEngine):
    """An engine that reads what was sent."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.stem = path.stem
        self.mirrors: list[Mirrored] = []
        self.factor = 1.0
        """What is given is multiplied by this: for one that computes badly."""
        self.fails_after: int | None = None
        """Passes until it is broken."""

    def mirror(self, name: str) -> Mirrored:
        """One of an input."""
        (shape,) = (tensor.shape for tensor in self.inputs if tensor.name == name)
        self.mirrors.append(Mirrored(shape))
        return self.mirrors[-1]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Finds what was sent."""
        self.broken = self.broken or self.runs == self.fails_after
        known = {id(mirror.array): mirror.there for mirror in self.mirrors}
        found = super().run({name: known.get(id(v), v) for name, v in inputs.items()})
        return {name: value * np.float32(self.factor) for name, value in found.items()}


class LearningWorkshop(Workshop):
    """Builds those."""

    def __init__(self, *, refuses: Exception | None = None, factor: float = 1.0) -> None:
        """refuses: what it raises instead of building the graph of an update; factor: of what that
        gives."""
        super().__init__()
        self._refuses, self._factor = refuses, factor
        self.made: list[MirroringEngine] = []

    @property
    def accelerator(self) -> Accelerator:
        """One that learns."""
        return dataclasses.replace(super().accelerator, learns=True)

    def open(
        self, graph: Path, options: BuildOptions, *,
        samples: Callable[[], Sequence[Mapping[str, Array]]], tell: Tell,
    ) -> MirroringEngine:  # fmt: skip
        """As tracker_ros.engines.build.open_tensorrt."""
        self.asked.append((graph.stem, options))
        tell(Progress("half of it", 0.5))
        engine = MirroringEngine(graph)
        if graph.stem.startswith("update_"):
            if self._refuses is not None:
                raise self._refuses
            engine.factor = self._factor
        self.made.append(engine)
        return engine

    def of(self, stem: str) -> MirroringEngine:
        """Its engine of a graph."""
        (engine,) = (engine for engine in self.made if engine.stem == stem)
        return engine


class FarLearningWorkshop(FarWorkshop):
    """Of a device that has its own memory, and learns."""

    @property
    def accelerator(self) -> Accelerator:
        """One that learns, and cuts out no crops."""
        return dataclasses.replace(super().accelerator, cuts=False, learns=True)
