"""Inputs that stay where an engine runs from pass to pass, and change row by row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import numpy as np

from tracker_ros.engines.engine import Array, Engine


class Mirror(Protocol):
    """An input of an engine, on the host and where the engine runs."""

    @property
    def array(self) -> Array:
        """Of the input's shape: to be written, and to be given to the engine as it is."""

    def send(self, rows: Iterable[int]) -> None:
        """Have the engine see what was written into these rows. Raises EngineError."""


@runtime_checkable
class Mirroring(Protocol):
    """An engine that has mirrors."""

    def mirror(self, name: str) -> Mirror:
        """One of the input `name`; what it holds is anything, until all rows were sent."""


def mirror_of(engine: Engine, name: str) -> Mirror:
    """A mirror of an input of a fixed shape; on the host, where the engine runs there."""
    if isinstance(engine, Mirroring):
        return engine.mirror(name)
    (tensor,) = (tensor for tensor in engine.inputs if tensor.name == name)
    return _OnHost(np.empty([side or 1 for side in tensor.shape], tensor.dtype))


class _OnHost:
    """The engine reads what is written."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def send(self, rows: Iterable[int]) -> None:
        """It is there."""
