"""What an engine is built from, and where it cannot be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tracker_ros.engines import devices
from tracker_ros.engines.build import (
    TACTICS_VARIABLE,
    BuildOptions,
    Progress,
    fast_in_fp16,
    key_of,
    open_tensorrt,
)
from tracker_ros.engines.devices import Device
from tracker_ros.errors import EngineError

DEVICE = Device("Orin", "8.7", "12.6", 8 << 30, "10.3.0", 16)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "small.search.onnx"
    path.write_bytes(b"a graph")
    return path


@pytest.fixture(autouse=True)
def _no_tactics_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TACTICS_VARIABLE, raising=False)


def test_a_plan_depends_on_graph_version_device_and_options(graph: Path) -> None:
    key = key_of(graph, BuildOptions(), DEVICE)
    assert key.stem == "small.search" and len(key.graph) == 64
    assert (key.tensorrt, key.gpu, key.sm, key.multiprocessors) == ("10.3.0", "Orin", "8.7", 16)
    assert key == key_of(graph, BuildOptions(cache=Path("elsewhere")), DEVICE)
    keys = {
        key,
        key_of(graph, BuildOptions(precision="fp32"), DEVICE),
        key_of(graph, BuildOptions(most_rows=8), DEVICE),
        key_of(graph, BuildOptions(workspace_mib=512), DEVICE),
        key_of(graph, BuildOptions(), replace(DEVICE, tensorrt="10.7.0")),
        key_of(graph, BuildOptions(), replace(DEVICE, sm="9.0")),
        key_of(graph, BuildOptions(), replace(DEVICE, multiprocessors=8)),
    }
    graph.write_bytes(b"another graph")
    keys.add(key_of(graph, BuildOptions(), DEVICE))
    assert len({each.name for each in keys}) == len(keys) == 8


def test_kernel_libraries_that_are_named_make_another_plan(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = key_of(graph, BuildOptions(), DEVICE)
    monkeypatch.setenv(TACTICS_VARIABLE, "none")
    assert key_of(graph, BuildOptions(), DEVICE).name != usual.name


def test_other_samples_make_another_plan_but_of_fp32_which_takes_none(graph: Path) -> None:
    for precision in ("auto", "fp16", "int8"):
        drawn = key_of(graph, BuildOptions(precision), DEVICE)
        own = key_of(graph, BuildOptions(precision, samples="day: 9 of 9 pictures"), DEVICE)
        assert (drawn.samples, own.samples) == ("drawn pictures", "day: 9 of 9 pictures")
        assert drawn.name != own.name
    drawn = key_of(graph, BuildOptions("fp32"), DEVICE)
    assert key_of(graph, BuildOptions("fp32", samples="day: 9 of 9 pictures"), DEVICE) == drawn


def test_a_new_driver_alone_builds_nothing(graph: Path) -> None:
    newer = replace(DEVICE, driver="12.8", memory=7 << 30)
    assert key_of(graph, BuildOptions(), newer) == key_of(graph, BuildOptions(), DEVICE)


def test_a_graph_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"gone\.onnx cannot be read: No such file"):
        key_of(tmp_path / "gone.onnx", BuildOptions(), DEVICE)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"precision": "half"}, "no precision 'half'; there are auto, int8, fp16, fp32"),
        ({"most_rows": 0}, "most_rows is 0"),
        ({"workspace_mib": -1}, "workspace_mib is -1"),
    ],
)
def test_an_option_that_is_none_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        BuildOptions(**wrong)


@pytest.mark.parametrize(
    ("sm", "fast"),
    [("5.2", False), ("5.3", True), ("6.0", True), ("6.1", False), ("6.2", True), ("7.2", True),
     ("8.7", True), ("12.0", True)],
)  # fmt: skip
def test_fp16_is_tried_where_the_gpu_gains_by_it(sm: str, fast: bool) -> None:
    assert fast_in_fp16(sm) is fast


@pytest.fixture
def _asked_anew() -> Iterator[None]:
    devices.find_device.cache_clear()
    yield
    devices.find_device.cache_clear()


@pytest.mark.usefixtures("_asked_anew")
def test_without_tensorrt_nothing_is_built_and_the_fix_is_told(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    told: list[Progress] = []
    with pytest.raises(EngineError, match="has no tensorrt"):
        open_tensorrt(graph, BuildOptions(), samples=list, tell=told.append)
    assert not told
