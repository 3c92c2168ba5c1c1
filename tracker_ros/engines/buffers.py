"""Where inputs and outputs of an engine lie, on the device and on the host.

What an engine gives out lies on a page of its own, and stays there as long as somebody holds any of
it: a tracker keeps the features of its template for as long as it follows. A page is on the device;
what is read of it is also in pinned memory, which the device copies into by itself. So those arrays
cannot be written, and an engine that is given one, or what was not read, or a part of either, takes
what is on the device and copies nothing from the host.

What a caller keeps from pass to pass, and changes a little, is the other way round: an array that
it writes, and sends up row by row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tracker_ros.engines.cuda import Cuda, Memory
from tracker_ros.engines.engine import Array
from tracker_ros.engines.memory import Given, Outputs, Read, Unread

ALIGNMENT = 256
"""Bytes: what TensorRT asks of the addresses of its tensors."""
SMALLEST = 4096
MOST_IDLE, IDLE_BYTES = 4, 4 << 20
"""Pages of a size that are kept though nobody holds one: four, or more of small ones. Targets that
share no pass have a page each at a time, and memory is taken once, not in every frame."""


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


class Move(NamedTuple):
    """Bytes of a block of memory that are copied to some place of another one."""

    source: Memory
    begin: int
    to: int
    size: int


def joined(moves: Iterable[Move]) -> list[Move]:
    """Moves to one block, in the order of their places there, in as few copies as that takes.

    One that goes on where the last one ended, or where the next tensor begins there, is one with
    it: the bytes between tensors are nobody's.
    """
    found: list[Move] = []
    for move in moves:
        if found and found[-1].source is move.source:
            last = found[-1]
            end, gap = last.to + last.size, move.begin - last.begin - last.size
            if gap == move.to - end and gap in (0, -end % ALIGNMENT):
                found[-1] = last._replace(size=move.begin + move.size - last.begin)
                continue
        found.append(move)
    return found


class Page:
    """A block of memory on the device and, from when something of it is first read, on the host."""

    def __init__(self, cuda: Cuda, size: int) -> None:
        self._cuda, self.size, self.device = cuda, size, cuda.on_device(size)

    @cached_property
    def host(self) -> Memory:
        """What is read of it, at the same places."""
        return self._cuda.pinned(self.size)

    def fetch(self, begin: int, size: int) -> None:
        """Copy so many bytes to the host now. Raises EngineError when the device fails."""
        stream = self._cuda.stream()
        self._cuda.copy(self.host, self.device, size, stream, to=begin, begin=begin)
        self._cuda.wait(stream)


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
    """A page for as long as an output on it lives: those that are read, and those that are not."""

    def __init__(self, page: Page, idle: list[Page]) -> None:
        self.page, self._idle = page, idle

    def __del__(self) -> None:
        # On whichever thread lets the last output go: what lists do here is atomic.
        if len(self._idle) < max(MOST_IDLE, IDLE_BYTES // self.page.size):
            self._idle.append(self.page)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """As numpy sees what is on the host; it keeps this object with the arrays."""
        where = (self.page.host.address, True)  # not to be written: the device would not know
        return {"shape": (self.page.size,), "typestr": "|u1", "data": where, "version": 3}

    def read(self, begin: int, size: int) -> npt.NDArray[np.uint8]:
        """Some of its bytes, copied to the host now. Raises EngineError when the device fails."""
        self.page.fetch(begin, size)
        return np.asarray(self)[begin : begin + size]

    def outputs(self, slots: Iterable[Slot], read: Read = None) -> Outputs:
        """Its tensors by name: arrays, that cannot be written, of what is read."""
        found: dict[str, Given] = {}
        for slot in slots:
            if read is None or slot.name in read:
                found[slot.name] = slot.within(np.asarray(self))
            else:
                found[slot.name] = Unread(slot.shape, slot.dtype, self, slot.offset)
        return Outputs(found)


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


def on_device(given: Given) -> tuple[Memory, int] | None:
    """Where the same bytes as a value's are on the device; None where nobody knows them there."""
    if isinstance(given, Unread):
        block = given.block
        return (block.page.device, given.begin) if isinstance(block, Lease) else None
    base: object = given
    while isinstance(base, np.ndarray):
        base = base.base
    if not isinstance(base, (Lease, DeviceMirror)) or not given.flags.c_contiguous:
        return None
    address = int(given.__array_interface__["data"][0])
    return base.page.device, address - base.page.host.address
