"""What engines give and take, and where it lies: on the host, or on the device of an engine.

A pass gives arrays of the outputs that somebody reads. An engine whose memory is a device's leaves
the others there, and only networks can be given them: nothing else makes numbers of them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from tracker_ros.engines.engine import Array, Engine, Tensor
from tracker_ros.errors import EngineError


class Block(Protocol):
    """Memory of a device that stays what it is while somebody holds this."""

    def read(self, begin: int, size: int) -> npt.NDArray[np.uint8]:
        """So many of its bytes on the host. Raises EngineError when the device does not answer."""


@dataclass(frozen=True, eq=False)
class Unread:
    """An output that was left where it was computed. numpy makes no array of it, but refuses."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    block: Block
    begin: int
    """Byte of the block where it begins."""

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> Unread:
        """Some of its rows, one behind the other. Raises TypeError for anything else."""
        if not isinstance(rows, slice) or rows.step not in (None, 1):
            raise TypeError(
                "an output was left on the device: what reads it has to name it in the `read` of "
                "its call"
            )
        first, end, _ = rows.indices(len(self))
        shape = (max(end - first, 0), *self.shape[1:])
        begin = self.begin + first * math.prod(shape[1:]) * self.dtype.itemsize
        return Unread(shape, self.dtype, self.block, begin)

    def fetched(self) -> Array:
        """Its numbers, copied to the host. Raises EngineError when the device does not answer."""
        return np.ndarray(self.shape, self.dtype, self.block.read(self.begin, self.size))


Given = Array | Unread
"""One value, wherever it lies."""


class Parts:
    """An input of several callers that share a pass: the rows of one behind those of another."""

    def __init__(self, parts: Sequence[Given]) -> None:
        """At least one. Raises ValueError when their rows are not alike."""
        self.parts = tuple(parts)
        shapes = {part.shape[1:] for part in self.parts}
        if len(shapes) > 1:
            raise ValueError(f"rows of {' and '.join(map(str, shapes))} cannot share a pass")
        self.shape = (sum(len(part) for part in self.parts), *shapes.pop())
        self.dtype = self.parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def within(self, array: Array) -> Iterator[tuple[Given, Array]]:
        """Each part, with its rows of an array that has as many as all of them together."""
        begin = 0
        for part in self.parts:
            yield part, array[begin : begin + len(part)]
            begin += len(part)


Taken = Given | Parts
"""One input of a pass."""
Read = Collection[str] | None
"""The outputs of a pass that somebody reads, by name; None: all."""


class Outputs(dict[str, Array]):
    """What a pass gave, by name: arrays of what is read."""

    def __init__(self, found: Mapping[str, Given]) -> None:
        super().__init__({n: v for n, v in found.items() if not isinstance(v, Unread)})
        self.all: Mapping[str, Given] = found
        """With what was left on the device: for another network."""

    def __missing__(self, name: str) -> NoReturn:
        known = "was left on the device: name it in the `read` of the call"
        raise KeyError(f"{name} {known if name in self.all else 'is no output'}")

    def rows(self, begin: int, end: int) -> Outputs:
        """Of every output some rows."""
        return Outputs({name: value[begin:end] for name, value in self.all.items()})


@runtime_checkable
class DeviceEngine(Protocol):
    """What an engine can do besides whose inputs and outputs are in the memory of a device."""

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """As Engine.inputs."""

    def staged(self, rows: int) -> Mapping[str, Array]:
        """Arrays of the shapes of the inputs, to be written: `run` takes them without a copy.

        They are valid until the next call of anything with another number of rows.
        """

    def run(self, inputs: Mapping[str, Taken], read: Read = None) -> Outputs:
        """As Engine.run, of inputs wherever they lie; what is not read stays on the device."""


@runtime_checkable
class Accompanied(Protocol):
    """The engine of a network, with what runs beside it on the same device."""

    @property
    def engine(self) -> Engine:
        """Without that."""


def in_its_memory(engine: Engine) -> DeviceEngine:
    """The engine of a network, as one that is given inputs wherever they lie."""
    if isinstance(engine, Accompanied):
        return in_its_memory(engine.engine)
    return engine if isinstance(engine, DeviceEngine) else _OnHost(engine)


class _OnHost:
    """An engine on the CPU: its memory is everybody's, and all outputs are arrays.

    The buffers that parts are put together in are kept.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.inputs = engine.inputs
        self._staged: dict[str, Array] = {}
        self._buffers: dict[str, Array] = {}

    def staged(self, rows: int) -> Mapping[str, Array]:
        if not all(len(array) == rows for array in self._staged.values()) or not self._staged:
            shapes = {t: (rows, *(side or 1 for side in t.shape[1:])) for t in self.inputs}
            self._staged = {t.name: np.zeros(shape, t.dtype) for t, shape in shapes.items()}
        return self._staged

    def run(self, inputs: Mapping[str, Taken], read: Read = None) -> Outputs:
        """Raises EngineError when what an engine has left on its device cannot be had any more."""
        arrays = {
            name: self._joined(name, given) if isinstance(given, Parts) else self._here(given)
            for name, given in inputs.items()
        }
        return Outputs(self._engine.run(arrays))

    def _joined(self, name: str, given: Parts) -> Array:
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < len(given) or buffer.shape[1:] != given.shape[1:]:
            buffer = self._buffers[name] = np.empty(given.shape, given.dtype)
        for part, into in given.within(buffer):
            np.copyto(into, self._here(part))
        return buffer[: len(given)]

    def _here(self, given: Given) -> Array:
        if not isinstance(given, Unread):
            return given
        try:
            return given.fetched()
        except EngineError as error:
            raise EngineError(
                "this frame is lost, as a part of it was left on a device that does not answer; "
                f"{self._engine.backend} goes on with the next one: {error}"
            ) from error
