"""Where inputs and outputs of an engine lie, on the device and on the host.

What an engine gives out is in pinned memory that it copies into by itself, and stays there as long
as somebody holds an array of it: a tracker keeps the features of its template for as long as it
follows. The same bytes stay on the device. So the arrays can only be read, and an engine that is
given one, or a part of one, takes what is on the device and copies nothing from the host.

What a caller keeps from pass to pass, and changes a little, is the other way round: an array that
it writes, and sends up row by row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tracker_ros.engines.cuda import Cuda, Memory
from tracker_ros.engines.engine import Array

ALIGNMENT = 256
"""Bytes: what TensorRT asks of the addresses of its tensors."""
SMALLEST = 4096
MOST_IDLE = 4
"""Pages of a size that are kept though nobody holds one."""


@dataclass(frozen=True)
class Slot:
    """A tensor in a block of memory."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    offset: int
    size: int
    """Bytes."""

    def within(self, block: npt.NDArray[np.uint8]) -> Array:
        """The tensor as an array over the bytes of its block."""
        return np.ndarray(self.shape, self.dtype, block, self.offset)


def laid_out(
    tensors: Iterable[tuple[str, tuple[int, ...], np.dtype[np.generic]]],
) -> tuple[tuple[Slot, ...], int]:
    """Tensors (name, shape, dtype) one behind the other, and the bytes that they take."""
    slots, end = [], 0
    for name, shape, dtype in tensors:
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        slots.append(Slot(name, shape, dtype, end, size))
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return tuple(slots), end


class Page:
    """A block of memory on the host and its twin on the device."""

    def __init__(self, cuda: Cuda, size: int) -> None:
        self.size, self.host, self.device = size, cuda.pinned(size), cuda.on_device(size)


class Pages:
    """Pages to give outputs in; one comes back when the last array of it is gone."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._idle: dict[int, list[Page]] = {}

    def lease(self, size: int) -> Lease:
        """A page of so many bytes, or up to twice as many. Raises EngineError when none fit."""
        size = max(1 << (size - 1).bit_length(), SMALLEST)
        idle = self._idle.setdefault(size, [])
        try:
            page = idle.pop()
        except IndexError:
            page = Page(self._cuda, size)
        return Lease(page, idle)


class Lease:
    """A page for as long as an array of it lives: numpy keeps this object with the arrays."""

    def __init__(self, page: Page, idle: list[Page]) -> None:
        self.page, self._idle = page, idle
        where = (page.host.address, True)  # not to be written: the twin would not know
        self.__array_interface__ = {
            "shape": (page.size,), "typestr": "|u1", "data": where, "version": 3,
        }  # fmt: skip

    def __del__(self) -> None:
        # On whichever thread lets the last array go: what lists do here is atomic.
        if len(self._idle) < MOST_IDLE:
            self._idle.append(self.page)

    def arrays(self, slots: Iterable[Slot]) -> dict[str, Array]:
        """Its tensors by name, that cannot be written."""
        block = np.asarray(self)
        return {slot.name: slot.within(block) for slot in slots}


class DeviceMirror:
    """A Mirror of engines on a device: its rows are copied when they are sent."""

    def __init__(self, cuda: Cuda, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
        """Raises EngineError where there is no memory for it."""
        self._cuda, self._stream, self._dtype, self._shape = cuda, cuda.stream(), dtype, shape
        self._row = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
        self.page = Page(cuda, self._row * shape[0])

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self.page.host.__array_interface__

    @property
    def array(self) -> Array:
        """As Mirror.array. It is made when it is asked for: an array keeps its mirror."""
        return np.ndarray(self._shape, self._dtype, np.asarray(self))

    def send(self, rows: Iterable[int]) -> None:
        """As Mirror.send."""
        page, size = self.page, self._row
        for begin in (row * size for row in rows):
            self._cuda.copy(page.device, page.host, size, self._stream, to=begin, begin=begin)
        self._cuda.wait(self._stream)  # a pass is on another stream


def on_device(array: Array) -> tuple[Memory, int] | None:
    """Where the same bytes as an array's are on the device; None where nobody knows them there."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if not isinstance(base, (Lease, DeviceMirror)) or not array.flags.c_contiguous:
        return None
    address = int(array.__array_interface__["data"][0])
    return base.page.device, address - base.page.host.address
