"""The CUDA calls of an engine through torch, for machines that have it and no cuda-bindings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracker_ros.engines.cuda import Held, Memory, Properties, failure
from tracker_ros.errors import EngineError


class TorchCuda:
    """Tensors of bytes serve as memory: torch's allocator knows what is its own."""

    name = "torch"

    def __init__(self) -> None:
        import torch

        self._torch = torch
        if not torch.cuda.is_available():
            doing = "to be found by torch"
            raise failure("cudaErrorNoDevice", "torch sees no CUDA device", doing)
        self._device = torch.device("cuda", 0)

    def properties(self) -> Properties:
        """What device 0 is."""
        device = self._torch.cuda.get_device_properties(self._device)
        version = int(self._torch._C._cuda_getDriverVersion())
        return Properties(
            str(device.name),
            f"{device.major}.{device.minor}",
            int(device.multi_processor_count),
            int(device.total_memory),
            f"{version // 1000}.{version % 1000 // 10}",
        )

    def free_memory(self) -> tuple[int, int]:
        """Free and all bytes of the device."""
        free, total = self._torch.cuda.mem_get_info(self._device)
        return int(free), int(total)

    def stream(self) -> Held:
        """A stream of its own."""
        return Held(self._try("to make a stream", lambda: self._torch.cuda.Stream(self._device)))

    def handle(self, stream: Held) -> int:
        """A stream, as TensorRT takes it."""
        return int(stream.value.cuda_stream)

    def on_device(self, size: int) -> Memory:
        """Memory of the device, aligned to 512 bytes."""
        return self._memory(size, f"to give {size} bytes", device=self._device)

    def pinned(self, size: int) -> Memory:
        """Memory of the host that the device reads and writes by itself."""
        return self._memory(size, f"to pin {size} bytes of the host", pin_memory=True)

    def copy(
        self,
        target: Memory,
        source: Memory,
        size: int,
        stream: Held,
        *,
        to: int = 0,
        begin: int = 0,
    ) -> None:
        """Copy bytes on a stream, from `begin` in the source, to `to` in the target."""

        def put() -> None:
            with self._torch.cuda.stream(stream.value):
                part = source.owner[begin : begin + size]
                target.owner[to : to + size].copy_(part, non_blocking=True)

        self._try("to copy", put)

    def wait(self, stream: Held) -> None:
        """Wait until all on a stream has happened."""
        self._try("while it computed", stream.value.synchronize)

    def record(self, work: Callable[[], object], stream: Held) -> Held:
        """A graph of what `work` puts on a stream, without doing it."""
        torch = self._torch
        graph = torch.cuda.CUDAGraph()
        mode = "thread_local"  # others may allocate meanwhile, an engine that is being built does

        def capture() -> None:
            with torch.cuda.graph(graph, stream=stream.value, capture_error_mode=mode):
                work()

        self._try("to record a graph", capture)
        return Held(graph)

    def launch(self, graph: Held, stream: Held) -> None:
        """Do what a graph holds."""

        def replay() -> None:
            with self._torch.cuda.stream(stream.value):
                graph.value.replay()

        self._try("to start a graph", replay)

    def _memory(self, size: int, doing: str, **where: Any) -> Memory:
        torch = self._torch
        tensor = self._try(doing, lambda: torch.empty(size, dtype=torch.uint8, **where))
        return Memory(tensor.data_ptr(), size, tensor)

    def _try(self, doing: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except EngineError:
            raise
        except RuntimeError as error:  # torch's errors of a device are all of this type
            words = str(error).strip().splitlines()[0]
            full = isinstance(error, self._torch.cuda.OutOfMemoryError) or "out of memory" in words
            name = "cudaErrorMemoryAllocation" if full else "a CUDA error that torch has met"
            raise failure(name, words, doing, self.free_memory() if full else None) from error
