"""The one interface of whatever runs an exported network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph, as the file declares it."""

    name: str
    shape: tuple[int | None, ...]
    """None where a side is not fixed."""
    dtype: str
    """As numpy calls it, `float32`; what numpy has no name for as the file has it."""

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} {self.dtype} ({sides})"


class Engine(Protocol):
    """One exported graph, ready to run. Not thread-safe."""

    @property
    def backend(self) -> str:
        """What runs it: `onnxruntime`, ..."""

    @property
    def precision(self) -> str:
        """The precision it computes in, as found out from the engine: `fp32`, ..."""

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What it takes. Our own graphs have static shapes and float32 only; a user's may not."""

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What it gives."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name. Inputs are named arrays of the graph's shapes and types."""
