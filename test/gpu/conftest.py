"""Tests on a real GPU with a real TensorRT; elsewhere they are skipped, and say why.

`./run python -m pytest test/gpu`, or any Python that has tensorrt, cuda-bindings, numpy and pytest
(where cuBLAS and cuDNN are not there in full: TRACKER_ROS_TACTIC_SOURCES=none). They build small
engines, in a folder of their own, for some minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shipped

from tracker_ros.engines.build import BuildOptions, Progress, open_tensorrt
from tracker_ros.engines.devices import find_device, why_not
from tracker_ros.engines.tensorrt import TensorRTEngine
from tracker_ros.errors import ModelError

Opened = tuple[TensorRTEngine, list[Progress]]
Open = Callable[..., Opened]


def pytest_report_header() -> str:
    """Say on what the tests run: the first question to every figure."""
    reason = why_not()
    if reason:
        return f"GPU: none to test on: {reason}"
    device = find_device()
    return (
        f"GPU: {device.name} (SM {device.sm}, {device.multiprocessors} multiprocessors, "
        f"{device.memory >> 20} MiB), driver for CUDA {device.driver}, TensorRT {device.tensorrt}"
    )


@pytest.fixture(scope="session", autouse=True)
def _gpu() -> None:
    """Skip every test here where there is nothing to test on."""
    reason = why_not()
    if reason:
        pytest.skip(f"no TensorRT to test with: {reason}")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the engines of a session are kept."""
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="session")
def expected() -> dict[str, tuple[shipped.Values, shipped.Values]]:
    """MODEL.ROLE -> what it is given, and what ONNX Runtime makes of it."""
    try:
        return shipped.references()
    except ModelError as error:
        pytest.skip(f"no references to compare with ({shipped.VARIABLE} can name some): {error}")


@pytest.fixture(scope="session")
def opened(folder: Path, expected: dict[str, tuple[shipped.Values, shipped.Values]]) -> Open:
    """Opens a graph by MODEL.ROLE and options; gives the engine and all that was told."""

    def open_one(name: str, **options: Any) -> Opened:
        told: list[Progress] = []
        chosen = BuildOptions(**{"cache": folder, **options})
        engine = open_tensorrt(
            shipped.GRAPHS[name], chosen, samples=lambda: [expected[name][0]], tell=told.append
        )
        return engine, told

    return open_one
