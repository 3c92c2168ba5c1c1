"""Why TensorRT cannot be used here, and how CUDA's errors are told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracker_ros.engines import devices
from tracker_ros.engines.cuda import FIXES, RESTART, BindingsCuda, Properties, failure, open_cuda
from tracker_ros.engines.devices import Device, find_device, why_not
from tracker_ros.errors import EngineError


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    """What a process has found out is forgotten before and after a test."""
    for known in (why_not, find_device, open_cuda):
        known.cache_clear()
    yield
    for known in (why_not, find_device, open_cuda):
        known.cache_clear()


def test_without_tensorrt_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    reason = why_not()
    assert "has no tensorrt" in reason and "pip install" in reason and "\n" not in reason


def test_it_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def find() -> Device:
        asked.append(1)
        raise EngineError("no\n  GPU")

    monkeypatch.setattr(devices, "find_device", find)
    assert why_not() == why_not() == "no GPU"
    assert len(asked) == 1


def test_where_it_can_be_used_there_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device("Orin", "8.7", "12.6", 8 << 30, "10.3.0")
    monkeypatch.setattr(devices, "find_device", lambda: device)
    assert why_not() == ""


def test_nothing_of_it_is_loaded_before_it_is_asked_for() -> None:
    code = (
        "import sys\n"
        "from tracker_ros.engines import build, cache, cuda, devices, tensorrt\n"
        "loaded = {'tensorrt', 'cuda', 'torch', 'onnx', 'yaml', 'cv2'} & sys.modules.keys()\n"
        "sys.exit(', '.join(loaded) or 0)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# --- CUDA's errors -------------------------------------------------------------------------------


def test_without_cuda_bindings_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("cuda.bindings.runtime", "cuda.cudart"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(EngineError, match=r"has no cuda-bindings.*pip install 'cuda-bindings"):
        open_cuda()


def test_memory_that_does_not_suffice_is_told_with_what_is_free() -> None:
    error = failure(
        "cudaErrorMemoryAllocation", "out of memory", "to give 9 bytes", (300 << 20, 8 << 30)
    )
    assert isinstance(error, EngineError)
    words = str(error)
    assert "300 of 8192 MiB are free" in words and "nvidia-smi" in words and "most_rows" in words


@pytest.mark.parametrize("name", FIXES)
def test_an_error_that_has_a_fix_is_told_with_it(name: str) -> None:
    assert str(failure(name, "it says so", "to start")).endswith(FIXES[name])


@pytest.mark.parametrize("name", ["cudaErrorIllegalAddress", "cudaErrorECCUncorrectable", "any"])
def test_after_every_other_error_only_a_new_process_helps(name: str) -> None:
    assert RESTART in str(failure(name, "", "while it computed"))


class Bindings:
    """The calls of cuda-bindings that say what there is, as they answer: an error, then values."""

    def __init__(self, count: tuple[int, int | None], version: int = 12040) -> None:
        self._count, self._version = count, version

    class cudaMemcpyKind:
        cudaMemcpyDefault = 4

    cudaMemcpyAsync = cudaStreamSynchronize = cudaGraphLaunch = None

    def cudaGetDeviceCount(self) -> tuple[int, int | None]:
        return self._count

    def cudaGetDeviceProperties(self, device: int) -> tuple[int, object]:
        class Found:
            name, major, minor = b"Orin\0\0", 8, 7
            multiProcessorCount, totalGlobalMem = 16, 7 << 30

        return 0, Found

    def cudaDriverGetVersion(self) -> tuple[int, int]:
        return 0, self._version

    def cudaGetErrorName(self, error: int) -> tuple[int, bytes]:
        return 0, {35: b"cudaErrorInsufficientDriver", 100: b"cudaErrorNoDevice"}[error]

    def cudaGetErrorString(self, error: int) -> tuple[int, bytes]:
        return 0, b"what it means"


def test_a_gpu_is_told_by_name_capability_memory_and_driver() -> None:
    found = BindingsCuda(Bindings((0, 1))).properties()
    assert found == Properties("Orin", "8.7", 16, 7 << 30, "12.4")


@pytest.mark.parametrize(
    ("count", "fix"),
    [
        ((35, None), "update the driver"),
        ((100, None), "CUDA_VISIBLE_DEVICES.*--gpus all"),
        ((0, 0), "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_a_driver_that_is_missing_and_no_gpu_are_told_with_the_fix(
    count: tuple[int, int | None], fix: str
) -> None:
    with pytest.raises(EngineError, match=fix):
        BindingsCuda(Bindings(count)).properties()
