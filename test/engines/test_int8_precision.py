"""Graphs with explicit quantisation to int8."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="no onnx to rewrite a graph with: ./run setup train")

import onnx
from onnx import helper, numpy_helper
from small_graphs import drawn, write_graph

from tracker_ros.engines.comparison import compare
from tracker_ros.engines.int8 import to_int8
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.engines.operators import unsupported
from tracker_ros.errors import EngineError
from tracker_ros.models.card import read_card
from tracker_ros.sot.samples import record_samples

node = helper.make_node
ROUNDING = ("QuantizeLinear", "DequantizeLinear")


SPREAD = np.geomspace(0.01, 10, 8, dtype=np.float32).reshape(8, 1, 1, 1)
"""Channels of sizes that have no common scale."""


def one_of_each(path: Path) -> Path:
    """A correlation, a convolution and a matrix product with weights."""
    return write_graph(
        path,
        [
            node("Conv", ["features", "kernel"], ["correlated"], name="correlate"),
            node("Conv", ["correlated", "w", "b"], ["a"], name="head"),
            node("Relu", ["a"], ["positive"], name="relu"),
            node("Flatten", ["positive"], ["flat"], name="flatten"),
            node("Gemm", ["flat", "v", "c"], ["y"], name="linear", transB=1),
        ],
        {"features": ("batch", 4, 8, 8), "kernel": (2, 4, 3, 3)}, ["y"],
        {
            "w": drawn(8, 2, 3, 3) * SPREAD,
            "b": drawn(8, seed=1), "v": drawn(5, 128, seed=2), "c": drawn(5, seed=3),
        },
    )  # fmt: skip


def samples(count: int = 8) -> list[dict[str, np.ndarray]]:
    return [
        {"features": drawn(1, 4, 8, 8, seed=i), "kernel": drawn(2, 4, 3, 3, seed=100 + i)}
        for i in range(count)
    ]


@pytest.fixture
def int8(tmp_path: Path) -> Path:
    to_int8(one_of_each(tmp_path / "g.onnx"), tmp_path / "int8.onnx", samples())
    return tmp_path / "int8.onnx"


def test_products_with_weights_take_rounded_inputs_and_weights_and_correlations_do_not(
    int8: Path,
) -> None:
    graph = onnx.load(str(int8)).graph
    giving = {name: each for each in graph.node for name in each.output}
    inputs = {each.name: [giving.get(name) for name in each.input] for each in graph.node}
    rounded = {
        name: [source is not None and source.op_type == "DequantizeLinear" for source in sources]
        for name, sources in inputs.items()
        if name in ("correlate", "head", "linear")
    }
    assert rounded == {
        "correlate": [False, False],
        "head": [True, True, False],
        "linear": [True, True, False],
    }


def test_every_scale_is_symmetric_and_weights_have_one_for_each_channel(int8: Path) -> None:
    graph = onnx.load(str(int8)).graph
    constants = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    rounding = [each for each in graph.node if each.op_type in ROUNDING]
    assert rounding
    for each in rounding:
        zero, scale = constants[each.input[2]], constants[each.input[1]]
        assert zero.dtype == np.int8 and not zero.any() and (scale > 0).all()
    sizes = {constants[each.input[1]].size for each in rounding if each.input[0] in ("w", "v")}
    assert sizes == {8, 5}


def test_weights_stay_float32_in_the_file_which_is_what_tensorrt_8_reads(int8: Path) -> None:
    graph = onnx.load(str(int8)).graph
    constants = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    assert constants["w"].dtype == constants["b"].dtype == np.float32
    assert all(value.dtype != np.int32 for value in constants.values())
    for version in ("8.5", "8.6", "10.3", "11.0"):
        assert unsupported(int8, version) == ()


def test_inputs_and_outputs_stay_as_they_are_and_so_nearly_do_the_numbers(
    int8: Path, tmp_path: Path
) -> None:
    before, after = OnnxEngine(tmp_path / "g.onnx", threads=1), OnnxEngine(int8, threads=1)
    assert after.inputs == before.inputs
    (output,) = compare(before, after, samples(4)).outputs
    assert 0 < output.relative < 0.05


def test_batches_run_though_it_was_calibrated_by_rows(int8: Path) -> None:
    taken = {"features": drawn(3, 4, 8, 8), "kernel": drawn(2, 4, 3, 3)}
    assert OnnxEngine(int8, threads=1).run(taken)["y"].shape == (3, 5)


def test_a_shipped_network_can_be_quantised_with_the_weights_that_it_stores_as_float16(
    tmp_path: Path,
) -> None:
    card, out = read_card("siamrpnpp_alexnet_small"), tmp_path / "int8.onnx"
    recorded = record_samples(card, count=4)
    for role in ("template", "match"):
        graph = card.graph(role)
        to_int8(graph, out, recorded[role])
        comparison = compare(
            OnnxEngine(graph, threads=1), OnnxEngine(out, threads=1), recorded[role]
        )
        assert all(0 < output.relative < 0.2 for output in comparison.outputs)


def test_without_samples_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"g\.onnx cannot be calibrated.*engine_samples"):
        to_int8(one_of_each(tmp_path / "g.onnx"), tmp_path / "int8.onnx", [])


def test_a_missing_package_is_named_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = one_of_each(tmp_path / "g.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(EngineError, match=r"int8 needs the package onnx.*pip install"):
        to_int8(graph, tmp_path / "int8.onnx", samples())
