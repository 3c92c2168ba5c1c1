"""The one interface of whatever runs an exported network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


class Engine(Protocol):
    """One exported graph, ready to run. Static shapes; not thread-safe."""

    @property
    def backend(self) -> str:
        """What runs it: `onnxruntime`, ..."""

    @property
    def precision(self) -> str:
        """The precision it computes in, as found out from the engine: `fp32`, ..."""

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        """Every output by name. Inputs are named float32 arrays of the graph's shapes."""
