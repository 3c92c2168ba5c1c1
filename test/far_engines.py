"""A second backend with a memory of its own, where there is no GPU: ONNX Runtime once more.

What nobody reads of its outputs is left there, where its engines find it, and whoever asks for it
as long as the device answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from other_engines import OtherEngine, Workshop

from tracker_ros.engines.build import BuildOptions, Progress, Tell
from tracker_ros.engines.engine import Array
from tracker_ros.engines.memory import Given, Outputs, Parts, Read, Taken, Unread
from tracker_ros.errors import EngineError


class FarDevice:
    """What its engines share."""

    def __init__(self) -> None:
        self.gone = False
        """True: nothing on it can be used any more."""
        self.fetched = 0
        """How often something was copied to the host that was not read at first."""

    def require(self) -> None:
        """Raise EngineError when it is gone."""
        if self.gone:
            raise EngineError("the device was reset")


class FarBlock:
    """An output on the device."""

    def __init__(self, device: FarDevice, value: Array) -> None:
        self._device = device
        self.content = np.frombuffer(value.tobytes(), np.uint8)

    def read(self, begin: int, size: int) -> npt.NDArray[np.uint8]:
        """As tracker_ros.engines.memory.Block."""
        self._device.require()
        self._device.fetched += 1
        return self.content[begin : begin + size]


class FarEngine(OtherEngine):
    """An engine that leaves on its device what nobody reads."""

    def __init__(self, path: Path, device: FarDevice) -> None:
        super().__init__(path)
        self.stem, self._device = path.stem, device
        self._arrays: dict[int, dict[str, Array]] = {}
        self.rows: list[int] = []
        self.unread: set[str] = set()
        """Outputs that were ever left on the device."""
        self.after: Callable[[], object] = lambda: None
        """Happens at the end of every pass."""

    def staged(self, rows: int) -> Mapping[str, Array]:
        """Full of what was there before."""
        if rows not in self._arrays:
            self._arrays[rows] = {
                tensor.name: np.full((rows, *(s or 1 for s in tensor.shape[1:])), 77, tensor.dtype)
                for tensor in self.inputs
            }
        return self._arrays[rows]

    def run(self, inputs: Mapping[str, Taken], read: Read = None) -> Outputs:
        """Finds what the others have left."""
        self._device.require()
        arrays = {name: self._array(given) for name, given in inputs.items()}
        self.rows.append(len(next(iter(arrays.values()))))
        found: dict[str, Given] = {}
        for name, value in super().run(arrays).items():
            found[name] = value
            if read is not None and name not in read:
                block = FarBlock(self._device, value)
                found[name] = Unread(value.shape, value.dtype, block, 0)
                self.unread.add(name)
        self.after()
        return Outputs(found)

    def _array(self, given: Taken) -> Array:
        if isinstance(given, Parts):
            return np.concatenate([self._array(part) for part in given.parts])
        if isinstance(given, Unread) and isinstance(given.block, FarBlock):
            return np.ndarray(given.shape, given.dtype, given.block.content, given.begin)
        return given.fetched() if isinstance(given, Unread) else given


class FarWorkshop(Workshop):
    """Builds those, all of one device."""

    def __init__(self, *, cuts: bool = True, refuses: Exception | None = None) -> None:
        """refuses: what it raises instead of building a graph of crops."""
        super().__init__(cuts=cuts)
        self.device = FarDevice()
        self._refuses = refuses
        self.far: list[FarEngine] = []

    def open(
        self, graph: Path, options: BuildOptions, *,
        samples: Callable[[], Sequence[Mapping[str, Array]]], tell: Tell,
    ) -> FarEngine:  # fmt: skip
        """As tracker_ros.engines.build.open_tensorrt."""
        self.asked.append((graph.stem, options))
        tell(Progress("half of it", 0.5))
        if self._refuses is not None and graph.stem.startswith("crop_"):
            raise self._refuses
        self.far.append(FarEngine(graph, self.device))
        return self.far[-1]

    def of(self, kind: str) -> list[FarEngine]:
        """Its engines whose graphs are called so."""
        return [engine for engine in self.far if kind in engine.stem]
