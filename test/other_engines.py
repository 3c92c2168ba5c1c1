"""A second backend to change to, where there is no GPU: ONNX Runtime under another name.

It gives what TensorRT's engines give: arrays that cannot be written, rounded to float16 if asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tracker_ros.engines.build import BuildOptions, Progress, Tell
from tracker_ros.engines.engine import Array, Engine
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.errors import EngineError
from tracker_ros.sot.backends import Accelerator

OUT_OF_MEMORY = "the GPU is out of memory: end other programs on it"


class OtherEngine(OnnxEngine):
    """ONNX Runtime, called `other`."""

    backend = "other"

    def __init__(self, path: Path, *, half: bool = False) -> None:
        super().__init__(path, threads=1)
        self._half = half
        self.runs = 0
        self.broken = False
        """True: it fails, as a device does that was reset."""

    @property
    def precision(self) -> str:
        """As an inspector would tell it."""
        return "fp16 (1 of 9 layers fp32)" if self._half else "fp32"

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name, to be read only."""
        self.runs += 1
        if self.broken:
            raise EngineError(OUT_OF_MEMORY)
        outputs = {}
        for name, value in super().run(inputs).items():
            given = value.astype(np.float16).astype(np.float32) if self._half else value.copy()
            given.flags.writeable = False
            outputs[name] = given
        return outputs


class Workshop:
    """Builds such engines: one after the other, each when it may."""

    def __init__(
        self, *, half: bool = False, missing: str = "", failure: str = "", cuts: bool = False
    ) -> None:
        """missing: why there is no such device; failure: why nothing can be built; cuts: it cuts
        out crops, too."""
        self._half, self._missing, self.failure, self._cuts = half, missing, failure, cuts
        self.built: list[OtherEngine] = []
        self.asked: list[tuple[str, BuildOptions]] = []
        self.samples: dict[str, int] = {}
        """Of each graph, how many there were; only of those that were asked for."""
        self.wants_samples = False
        self.go = threading.Event()
        self.go.set()
        self.at_work = threading.Semaphore(0)
        """Released when the build of a graph begins."""

    @property
    def accelerator(self) -> Accelerator:
        """For what loads models."""
        return Accelerator("Other", lambda: self._missing, self.open, self._cuts)

    def open(
        self, graph: Path, options: BuildOptions, *,
        samples: Callable[[], Sequence[Mapping[str, Array]]], tell: Tell,
    ) -> Engine:  # fmt: skip
        """As tracker_ros.engines.build.open_tensorrt."""
        self.asked.append((graph.stem, options))
        tell(Progress("half of it", 0.5))
        self.at_work.release()
        assert self.go.wait(20)
        tell(Progress("nearly all", 0.9))
        if self.failure:
            raise EngineError(self.failure)
        if self.wants_samples:
            self.samples[graph.stem] = len(samples())
        self.built.append(OtherEngine(graph, half=self._half))
        return self.built[-1]
