"""The few calls of the CUDA runtime that an engine needs, through cuda-bindings.

Where those are missing and torch is loaded already, torch's allocator and streams serve
(tracker_ros.engines.cuda_torch). All is on device 0: CUDA_VISIBLE_DEVICES says which that is.
"""

from __future__ import annotations

import importlib
import sys
import weakref
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tracker_ros.errors import EngineError

MIB = 1 << 20
RESTART = (
    "the GPU was reset or has failed, and nothing that this process has on it can be used again: "
    "start the node again; if it happens often, `dmesg | grep -i -e nvrm -e xid` says why"
)
FIXES = {
    "cudaErrorMemoryAllocation": "end other programs on the GPU (nvidia-smi lists them; on a "
    "Jetson, which shares its memory, any program), lower most_rows, or take a smaller model",
    "cudaErrorNoDevice": "no NVIDIA GPU is seen: look at nvidia-smi and CUDA_VISIBLE_DEVICES; in "
    "a container, start it with --gpus all (--runtime nvidia on a Jetson)",
    "cudaErrorInsufficientDriver": "there is no NVIDIA driver, or it is too old for this CUDA: "
    "update the driver (nvidia-smi shows it), or install the packages of an earlier CUDA",
    "cudaErrorSystemDriverMismatch": "the driver was updated under this system: start it again",
    "cudaErrorSystemNotReady": "the driver is not up yet: look at nvidia-smi, start again later",
    "cudaErrorDevicesUnavailable": "another process holds the GPU for itself, or it is in "
    "prohibited mode: nvidia-smi -q -d COMPUTE",
    "cudaErrorInitializationError": "CUDA cannot start here; in a process that was forked after "
    "CUDA had started it never can: start it as a process of its own",
    "cudaErrorOperatingSystem": "the system refused the driver something: restart it",
}
"""By the name of a CUDA error, what to do; every other one leaves the process without its GPU."""


class Properties(NamedTuple):
    """What the GPU is."""

    name: str
    sm: str
    """Compute capability: 8.7."""
    multiprocessors: int
    memory: int
    """Bytes."""
    driver: str
    """The CUDA version that the driver can serve: 12.4."""


class Memory:
    """Bytes on the device, or pinned ones on the host; given back when nobody holds it."""

    def __init__(
        self, address: int, size: int, owner: Any = None, free: Callable[[], object] | None = None
    ) -> None:
        self.address, self.size, self.owner = address, size, owner
        if free is not None:
            # The end of the process frees everything; the driver may be gone by then.
            weakref.finalize(self, free).atexit = False

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """As numpy sees pinned memory: its bytes."""
        where = (self.address, False)
        return {"shape": (self.size,), "typestr": "|u1", "data": where, "version": 3}

    def bytes(self) -> npt.NDArray[np.uint8]:
        """The bytes of pinned memory, to write into."""
        return np.asarray(self)


class Held:
    """A stream or a graph; destroyed when nobody holds it."""

    def __init__(self, value: Any, destroy: Callable[[Any], object] | None = None) -> None:
        self.value = value
        if destroy is not None:
            weakref.finalize(self, destroy, value).atexit = False


class Cuda(Protocol):
    """A CUDA runtime. Everything on a stream happens in order, and later: `wait` for it.

    Everything raises EngineError with the fix.
    """

    name: str

    def properties(self) -> Properties:
        """What device 0 is."""

    def free_memory(self) -> tuple[int, int]:
        """Free and all bytes of the device."""

    def stream(self) -> Held:
        """A stream of its own."""

    def handle(self, stream: Held) -> int:
        """A stream, as TensorRT takes it."""

    def on_device(self, size: int) -> Memory:
        """Memory of the device, aligned to 256 bytes."""

    def pinned(self, size: int) -> Memory:
        """Memory of the host that the device reads and writes by itself."""

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

    def wait(self, stream: Held) -> None:
        """Wait until all on a stream has happened."""

    def record(self, work: Callable[[], object], stream: Held) -> Held:
        """A graph of what `work` puts on a stream, without doing it."""

    def launch(self, graph: Held, stream: Held) -> None:
        """Do what a graph holds."""


def failure(
    name: str, meaning: str, doing: str, memory: tuple[int, int] | None = None
) -> EngineError:
    """The error to raise when CUDA gives the error `name`, which it explains by `meaning`.

    memory: free and all bytes of the device, for what has not fitted.
    """
    left = ""
    if name == "cudaErrorMemoryAllocation" and memory is not None:
        left = f" ({memory[0] // MIB} of {memory[1] // MIB} MiB are free)"
    fix = FIXES.get(name, RESTART)
    return EngineError(f"CUDA failed {doing}: {meaning or 'no explanation'} [{name}]{left}; {fix}")


class BindingsCuda:
    """Through cuda-bindings. The calls that every pass makes are bound once."""

    name = "cuda-bindings"

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._copy, self._wait = runtime.cudaMemcpyAsync, runtime.cudaStreamSynchronize
        self._kind, self._launch = runtime.cudaMemcpyKind.cudaMemcpyDefault, runtime.cudaGraphLaunch

    def properties(self) -> Properties:
        """What device 0 is."""
        call, doing = self._call, "while its properties were asked for"
        if not call("cudaGetDeviceCount", doing):
            raise failure("cudaErrorNoDevice", "no CUDA-capable device is detected", doing)
        device = call("cudaGetDeviceProperties", doing, 0)
        version = int(call("cudaDriverGetVersion", doing))
        name = device.name.decode() if isinstance(device.name, bytes) else str(device.name)
        return Properties(
            name.strip("\0 "),
            f"{device.major}.{device.minor}",
            int(device.multiProcessorCount),
            int(device.totalGlobalMem),
            f"{version // 1000}.{version % 1000 // 10}",
        )

    def free_memory(self) -> tuple[int, int]:
        """Free and all bytes of the device."""
        free, total = self._call("cudaMemGetInfo", "while its memory was asked for")
        return int(free), int(total)

    def stream(self) -> Held:
        """A stream of its own."""
        runtime = self._runtime
        kind = runtime.cudaStreamNonBlocking
        value = self._call("cudaStreamCreateWithFlags", "to make a stream", kind)
        return Held(value, runtime.cudaStreamDestroy)

    def handle(self, stream: Held) -> int:
        """A stream, as TensorRT takes it."""
        return int(stream.value)

    def on_device(self, size: int) -> Memory:
        """Memory of the device, aligned to 256 bytes."""
        address = int(self._call("cudaMalloc", f"to give {size} bytes", size))
        return Memory(address, size, free=lambda: self._runtime.cudaFree(address))

    def pinned(self, size: int) -> Memory:
        """Memory of the host that the device reads and writes by itself."""
        kind = self._runtime.cudaHostAllocDefault
        address = int(self._call("cudaHostAlloc", f"to pin {size} bytes of the host", size, kind))
        return Memory(address, size, free=lambda: self._runtime.cudaFreeHost(address))

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
        begins, ends = source.address + begin, target.address + to
        (error,) = self._copy(ends, begins, size, self._kind, stream.value)
        if error:
            raise self._failure(error, "to copy")

    def wait(self, stream: Held) -> None:
        """Wait until all on a stream has happened."""
        (error,) = self._wait(stream.value)
        if error:
            raise self._failure(error, "while it computed")

    def record(self, work: Callable[[], object], stream: Held) -> Held:
        """A graph of what `work` puts on a stream, without doing it."""
        runtime, doing = self._runtime, "to record a graph"
        # Of this thread alone: others may allocate meanwhile, an engine that is being built does.
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", doing, stream.value, mode)
        try:
            work()
        except BaseException:
            runtime.cudaStreamEndCapture(stream.value)
            runtime.cudaGetLastError()  # forgotten: a pass without a graph goes on
            raise
        graph = self._call("cudaStreamEndCapture", doing, stream.value)
        try:
            ready = self._call("cudaGraphInstantiateWithFlags", doing, graph, 0)
        finally:
            runtime.cudaGraphDestroy(graph)
        return Held(ready, runtime.cudaGraphExecDestroy)

    def launch(self, graph: Held, stream: Held) -> None:
        """Do what a graph holds."""
        (error,) = self._launch(graph.value, stream.value)
        if error:
            raise self._failure(error, "to start a graph")

    def _call(self, name: str, doing: str, *arguments: Any) -> Any:
        error, *values = getattr(self._runtime, name)(*arguments)
        if error:
            raise self._failure(error, doing)
        return values[0] if len(values) == 1 else tuple(values)

    def _failure(self, error: Any, doing: str) -> EngineError:
        runtime, memory = self._runtime, None
        _, name = runtime.cudaGetErrorName(error)
        _, meaning = runtime.cudaGetErrorString(error)
        if int(error) == 2:
            problem, *figures = runtime.cudaMemGetInfo()
            memory = None if problem else (int(figures[0]), int(figures[1]))
            runtime.cudaGetLastError()  # it passes: later calls must not meet it
        return failure(_text(name), _text(meaning), doing, memory)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@lru_cache(maxsize=1)
def open_cuda() -> Cuda:
    """The CUDA runtime of this process. Raises EngineError where there is none to be had."""
    for name in ("cuda.bindings.runtime", "cuda.cudart"):  # the second up to cuda-python 12.5
        try:
            return BindingsCuda(importlib.import_module(name))
        except ImportError:
            continue
    if "torch" in sys.modules:
        from tracker_ros.engines.cuda_torch import TorchCuda

        return TorchCuda()
    raise EngineError(
        f"this Python ({sys.executable}) has no cuda-bindings, which TensorRT's memory is handled "
        "with: pip install 'cuda-bindings==12.*' (of the CUDA version that TensorRT is for)"
    )
