"""Passes through a TensorRT engine, for the numbers of rows that one of its profiles is for.

One stream, and memory that is taken once: for the most rows. A pass of as many rows as the one
before it is replayed as a CUDA graph, which costs the launch of one kernel instead of a hundred.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tracker_ros.engines.buffers import Move, Pages, Slot, joined, laid_out, on_device
from tracker_ros.engines.cuda import MIB, Cuda, Held
from tracker_ros.engines.engine import Array, Tensor
from tracker_ros.engines.memory import Outputs, Parts, Read, Taken, Unread
from tracker_ros.engines.tensorrt_module import WORDS
from tracker_ros.errors import EngineError

PASSES_BEFORE_GRAPH = 2
"""The first pass of a new shape settles what TensorRT does with it; a graph records what is
settled, and one that is never replayed is not worth its recording."""

_log = logging.getLogger("tracker_ros.engines")


class Execution:
    """One execution context, with its buffers. Not thread-safe."""

    def __init__(
        self, engine: Any, cuda: Cuda, pages: Pages, *,
        inputs: Sequence[Tensor], outputs: Sequence[Tensor], profile: int, most_rows: int,
        graphs: bool = True,
    ) -> None:  # fmt: skip
        """Make a context of the tensorrt engine for up to `most_rows` rows of `profile`.

        graphs: replay passes as CUDA graphs. Raises EngineError when the memory does not suffice.
        """
        self._given, self._found, self._cuda, self._pages = inputs, outputs, cuda, pages
        self._graphs = graphs
        self._stream = cuda.stream()
        self._handle = cuda.handle(self._stream)
        mark = WORDS.mark()
        self._context = engine.create_execution_context()
        if self._context is None:
            free, total = cuda.free_memory()
            raise EngineError(
                f"no memory on the GPU to run an engine in ({free // MIB} of {total // MIB} MiB "
                "are free): end other programs on it, lower most_rows, or take a smaller model; "
                f"TensorRT says: {WORDS.since(mark) or 'nothing'}"
            )
        if self._context.active_optimization_profile != profile:
            # Up to TensorRT 8 a profile is of one context only, and the first gets profile 0.
            self._context.set_optimization_profile_async(profile, self._handle)
        self._rows, self._passes = 0, 0
        self._graph: Held | None = None
        self._inputs: tuple[Slot, ...] = ()
        self._outputs: tuple[Slot, ...] = ()
        self._input_size = self._output_size = 0
        self._resize(most_rows)
        size = max(self._input_size, 1)
        self._written = cuda.pinned(size)
        self._inputs_there = cuda.on_device(size)
        self._outputs_there = cuda.on_device(max(self._output_size, 1))
        self._views: dict[str, Array] = {}
        self._bind()

    def staged(self, rows: int) -> Mapping[str, Array]:
        """The inputs for so many rows, in memory that is copied to the device as it is."""
        self._lay_out(rows)
        return self._views

    def run(self, inputs: Mapping[str, Taken], rows: int, read: Read = None) -> Outputs:
        """The outputs by name: they belong to the caller, and cannot be written.

        rows: of the inputs whose first axis is free. Only what is read is copied to the host.
        Raises EngineError when the device fails.
        """
        self._lay_out(rows)
        self._take(inputs)
        self._compute()
        cuda, stream, there = self._cuda, self._stream, self._outputs_there
        lease = self._pages.lease(self._output_size)
        cuda.copy(lease.page.device, there, self._output_size, stream)
        slots = [slot for slot in self._outputs if read is None or slot.name in read]
        for move in joined(Move(there, slot.offset, slot.offset, slot.size) for slot in slots):
            cuda.copy(lease.page.host, there, move.size, stream, to=move.to, begin=move.begin)
        cuda.wait(stream)
        return lease.outputs(self._outputs, read)

    def _lay_out(self, rows: int) -> None:
        if rows != self._rows:
            self._resize(rows)
            self._bind()

    def _resize(self, rows: int) -> None:
        """Lay inputs and outputs out for so many rows."""
        context = self._context
        for tensor in self._given:
            shape = tuple(rows if side is None else side for side in tensor.shape)
            if None in tensor.shape and not context.set_input_shape(tensor.name, shape):
                raise EngineError(f"TensorRT refuses {shape} for its input {tensor}")
        self._inputs, self._input_size = self._lay(self._given)
        self._outputs, self._output_size = self._lay(self._found)
        self._rows, self._passes, self._graph = rows, 0, None

    def _lay(self, tensors: Sequence[Tensor]) -> tuple[tuple[Slot, ...], int]:
        shapes = [tuple(self._context.get_tensor_shape(tensor.name)) for tensor in tensors]
        for tensor, shape in zip(tensors, shapes, strict=True):
            if min(shape, default=0) < 0:
                raise EngineError(
                    f"the shape of the output {tensor} depends on what is computed, which this "
                    "engine cannot be run with; cut the graph before that operator"
                )
        types = [np.dtype(tensor.dtype) for tensor in tensors]
        names = [tensor.name for tensor in tensors]
        return laid_out(zip(names, shapes, types, strict=True))

    def _bind(self) -> None:
        """Tell TensorRT where the tensors are; they lie elsewhere for another number of rows."""
        context, block = self._context, self._written.bytes()
        for slots, there in (
            (self._inputs, self._inputs_there), (self._outputs, self._outputs_there),
        ):  # fmt: skip
            for slot in slots:
                context.set_tensor_address(slot.name, there.address + slot.offset)
        self._views = {slot.name: slot.within(block) for slot in self._inputs}

    def _take(self, inputs: Mapping[str, Taken]) -> None:
        """Put the inputs onto the device."""
        cuda, stream, there = self._cuda, self._stream, self._inputs_there
        moves = (move for slot in self._inputs for move in self._moves(slot, inputs[slot.name]))
        for move in joined(moves):
            cuda.copy(there, move.source, move.size, stream, to=move.to, begin=move.begin)

    def _moves(self, slot: Slot, given: Taken) -> Iterator[Move]:
        """What brings an input there; what is not on the device is put into pinned memory now."""
        view, to = self._views[slot.name], slot.offset
        for part, into in given.within(view) if isinstance(given, Parts) else [(given, view)]:
            known = on_device(part) if part.dtype == slot.dtype else None
            if known is None:
                array = part.fetched() if isinstance(part, Unread) else part
                if array is not into:
                    np.copyto(into, array, casting="same_kind")
                known = self._written, to
            yield Move(*known, to, into.nbytes)
            to += into.nbytes

    def _compute(self) -> None:
        if self._graph is not None:
            return self._cuda.launch(self._graph, self._stream)
        self._enqueue()
        self._passes += 1
        if self._graphs and self._passes == PASSES_BEFORE_GRAPH:
            self._graph = self._recorded()

    def _enqueue(self) -> None:
        mark = WORDS.mark()
        if not self._context.execute_async_v3(self._handle):
            self._cuda.wait(self._stream)  # raises what the device says, if it is the device
            raise EngineError(
                f"TensorRT could not run its engine: {WORDS.since(mark) or 'it does not say why'}; "
                "configure the node again; if it happens again, remove the engine's cache"
            )

    def _recorded(self) -> Held | None:
        try:
            return self._cuda.record(self._enqueue, self._stream)
        except EngineError as error:  # an engine with a layer that cannot be: slower, not wrong
            _log.info("passes are launched kernel by kernel, no CUDA graph: %s", error)
            self._graphs = False
            return None
