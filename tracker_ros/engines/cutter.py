"""Crops cut out by engines of their own, in front of the engine of a network.

The crops stay where they are made: the network's engine takes them from there, and nobody else
sees them. Blocks of two sizes are there, S and 2S: a pass takes the smaller one where it is enough.
What the device makes of a crop is held against what the CPU makes of it before it is trusted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from tracker_ros.engines.blocks import Piece
from tracker_ros.engines.comparison import Comparison, compare_outputs
from tracker_ros.engines.crop_graph import CropKind, graph_name, write_crop_graph
from tracker_ros.engines.crops import Crop, Crops
from tracker_ros.engines.engine import Array, Engine
from tracker_ros.engines.memory import DeviceEngine, Given, in_its_memory

OpenGraph = Callable[[Path], Engine]
"""Gives an engine of a graph, in float32. Raises EngineError."""


class Cutter:
    """Cuts out the crops of one network. Not thread-safe."""

    def __init__(self, open_graph: OpenGraph, kind: CropKind, side: int) -> None:
        """side: of the crops, S. Raises EngineError where the engines cannot be had."""
        self._side = side
        self._engines: dict[int, DeviceEngine] = {}
        with tempfile.TemporaryDirectory(prefix="tracker_ros-") as folder:
            for block in (side, 2 * side):
                graph = Path(folder) / f"{graph_name(kind, side, block)}.onnx"
                write_crop_graph(graph, kind, side, block)
                self._engines[block] = in_its_memory(open_graph(graph))

    def cut(self, crops: Crops) -> Given:
        """All crops, (N, 3, S, S) float32: for an engine to take, and read by nobody.

        Raises EngineError when the device fails.
        """
        engine, given = self._given(crops)
        return engine.run(given, read=()).all["crops"]

    def compared(self, crops: Iterable[Crop]) -> Comparison:
        """How far it is from the CPU, crop by crop. Raises EngineError when the device fails."""

        def both() -> Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]:
            blob = np.empty((1, 3, self._side, self._side), np.float32)
            for crop in crops:
                one = Crops([crop], blob)
                engine, given = self._given(one)
                yield {"crops": one.cut()}, engine.run(given)

        return compare_outputs(both(), "the CPU", "the engine of its crops")

    def _given(self, crops: Crops) -> tuple[DeviceEngine, Mapping[str, Array]]:
        """The engine whose blocks are large enough, and what it is given."""
        pieces = [Piece.of(crop) for crop in crops.crops]
        fits = max(piece.side for piece in pieces) <= self._side
        engine = self._engines[self._side if fits else 2 * self._side]
        given = engine.staged(len(pieces))
        for row, piece in enumerate(pieces):
            piece.write(*(given[name][row] for name in ("pixels", "across", "down", "fill")))
        return engine, given


class CroppingEngine:
    """The engine of a network that looks at crops, with what cuts them out for it."""

    def __init__(self, engine: Engine, cutter: Cutter | None, remark: str = "") -> None:
        """cutter: None leaves it to the CPU; remark: why, in words."""
        self.engine = engine
        """Of the network, without what cuts."""
        self.cut = None if cutter is None else cutter.cut
        """Cuts out crops for `run`; None: that is for the CPU."""
        self.inputs, self.outputs, self.backend = engine.inputs, engine.outputs, engine.backend
        self.remark = "; ".join(filter(None, (str(getattr(engine, "remark", "")), remark)))
        """Why something is not what was asked for; empty where all is well."""

    @property
    def precision(self) -> str:
        """Of the network; crops are float32."""
        return self.engine.precision

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every output of the network by name."""
        return self.engine.run(inputs)
