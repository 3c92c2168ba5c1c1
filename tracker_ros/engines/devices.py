"""Whether TensorRT can be used here, and on what. Imports neither TensorRT nor CUDA by itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from tracker_ros.engines.cuda import open_cuda
from tracker_ros.engines.tensorrt_module import WORDS, load_tensorrt, logger_of
from tracker_ros.errors import EngineError


@dataclass(frozen=True)
class Device:
    """The GPU that engines run on, and what runs them."""

    name: str
    sm: str
    """Compute capability: 8.7."""
    driver: str
    """The CUDA version that the driver can serve: 12.4."""
    memory: int
    """Bytes."""
    tensorrt: str
    """8.5.3.1"""
    multiprocessors: int = 0
    """Boards of one name and capability differ in them, as Jetson Orins do."""


@lru_cache(maxsize=1)
def find_device() -> Device:
    """GPU 0 of those that CUDA_VISIBLE_DEVICES leaves, with TensorRT started on it.

    The first call loads TensorRT, which takes a second or more, and some hundred MiB of the GPU.
    Raises EngineError with what is missing and the fix in one line.
    """
    trt = load_tensorrt()
    found = open_cuda().properties()
    mark = WORDS.mark()
    try:
        runtime = trt.Runtime(logger_of(trt))  # with its own CUDA, which may need another driver
    except (TypeError, RuntimeError) as error:  # what its binding raises for null
        said = WORDS.since(mark)
        raise EngineError(
            f"TensorRT {trt.__version__} cannot start on {found.name} with this driver, which is "
            f"for CUDA {found.driver}: {said or error}; update the driver, or install the "
            "TensorRT that is for it (tensorrt-cu12 for CUDA 12, tensorrt-cu13 for 13)"
        ) from error
    del runtime
    return Device(
        found.name, found.sm, found.driver, found.memory, str(trt.__version__),
        found.multiprocessors,
    )  # fmt: skip


@lru_cache(maxsize=1)
def why_not() -> str:
    """Why TensorRT cannot be used here, in one line; empty where it can.

    Found out once a process.
    """
    try:
        find_device()
    except EngineError as error:
        return " ".join(str(error).split())
    return ""
