"""What is told when a GPU has too little memory, or a graph an operator that is not known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shipped import GRAPHS, picture

from tracker_ros.engines.build import BuildOptions, open_tensorrt
from tracker_ros.engines.cuda import MIB, open_cuda
from tracker_ros.engines.tensorrt_module import WORDS
from tracker_ros.errors import EngineError

NAME = "siamrpnpp_alexnet_small.search"
SMALLEST = 1 * MIB


@pytest.fixture
def a_card_of_its_own() -> None:
    """On a Jetson the GPU's memory is the system's: filling it would end other programs."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        if "ARM" in file.read() or Path("/etc/nv_tegra_release").exists():
            pytest.skip("the GPU shares its memory with the system, which is not to be filled")


@contextmanager
def full() -> Iterator[None]:
    """Hold all memory of the device."""
    cuda, held = open_cuda(), []
    size = cuda.free_memory()[0]
    while size >= SMALLEST:
        with suppress(EngineError):
            while True:
                held.append(cuda.on_device(size))
        size //= 2
    try:
        yield
    finally:
        held.clear()


def test_memory_that_is_full_is_told_in_mebibytes_with_the_fix(a_card_of_its_own: None) -> None:
    with full(), pytest.raises(EngineError, match=r"of \d+ MiB are free.*nvidia-smi"):
        open_cuda().on_device(1 << 40)


def test_too_little_memory_to_build_is_told_and_the_process_lives_on(
    a_card_of_its_own: None, tmp_path: Path
) -> None:
    options = BuildOptions(precision="fp32", cache=tmp_path)
    with full(), pytest.raises(EngineError, match="memory"):
        open_tensorrt(GRAPHS[NAME], options, samples=list, tell=lambda progress: None)
    assert not list(tmp_path.glob("*.plan"))
    engine = open_tensorrt(GRAPHS[NAME], options, samples=list, tell=lambda progress: None)
    given = picture(np.random.default_rng(0), (1, 3, 255, 255))
    assert np.isfinite(engine.run({"search": given})["feature_0"]).all()


def test_too_little_memory_for_more_rows_is_told_and_one_row_goes_on(
    a_card_of_its_own: None, opened: Any
) -> None:
    engine, _ = opened(NAME, precision="fp32")
    one = {"search": picture(np.random.default_rng(0), (1, 3, 255, 255))}
    before = {name: np.array(value) for name, value in engine.run(one).items()}
    with full(), pytest.raises(EngineError, match="memory"):
        engine.run({"search": np.zeros((32, 3, 255, 255), np.float32)})
    for name, value in engine.run(one).items():
        assert np.array_equal(value, before[name])
    engine.run({"search": np.zeros((32, 3, 255, 255), np.float32)})


def test_a_file_that_is_no_graph_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(EngineError, match=r"cannot read .*broken\.onnx"):
        open_tensorrt(path, BuildOptions("fp32", tmp_path), samples=list, tell=lambda _: None)


def test_an_operator_that_is_not_known_is_named_with_what_to_do(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="no onnx to make a graph with")
    helper, types = onnx.helper, onnx.TensorProto
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Wobble", ["x"], ["y"], domain="of.nobody")], "odd",
        [value("x", types.FLOAT, (1, 3))], [value("y", types.FLOAT, (1, 3))],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("of.nobody", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "odd.onnx")
    mark = WORDS.mark()
    with pytest.raises(EngineError, match="Wobble"):
        open_tensorrt(
            tmp_path / "odd.onnx", BuildOptions("fp32", tmp_path), samples=list, tell=lambda _: None
        )
    assert WORDS.since(mark)
