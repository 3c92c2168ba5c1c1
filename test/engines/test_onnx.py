"""ONNX Runtime as an engine."""

from pathlib import Path

import numpy as np
import pytest

from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.errors import ModelError
from tracker_ros.models.card import read_card


def test_a_graph_runs_by_names_and_gives_every_output() -> None:
    engine = OnnxEngine(read_card("siamrpnpp_alexnet_small").graph("template"), threads=1)
    outputs = engine.run({"template": np.zeros((1, 3, 127, 127), np.float32)})
    assert {name: value.shape[2:] for name, value in outputs.items()} == {
        "kernel_0": (4, 4),
        "kernel_1": (4, 4),
    }
    assert (engine.backend, engine.precision) == ("onnxruntime", "fp32")


def test_a_file_that_is_no_model_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=f"cannot load {path}.*damaged"):
        OnnxEngine(path)


def test_an_engine_says_what_its_graph_takes_and_gives() -> None:
    engine = OnnxEngine(read_card("siamrpnpp_alexnet_small").graph("template"), threads=1)
    (taken,) = engine.inputs
    assert (taken.name, taken.shape, taken.dtype) == ("template", (1, 3, 127, 127), "float32")
    assert str(taken) == "template float32 (1, 3, 127, 127)"
    assert {tensor.name for tensor in engine.outputs} == {"kernel_0", "kernel_1"}


def test_sides_that_are_not_fixed_and_other_types_are_told_and_run(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="no onnx to make a model with: ./run setup train")
    helper, types = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node("Shape", ["picture"], ["size"])],
        "free",
        [helper.make_tensor_value_info("picture", types.UINT8, (1, "height", None, 3))],
        [helper.make_tensor_value_info("size", types.INT64, (4,))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"author": "a test"})
    onnx.save(model, tmp_path / "free.onnx")
    engine = OnnxEngine(tmp_path / "free.onnx", threads=1)
    (taken,) = engine.inputs
    assert str(taken) == "picture uint8 (1, ?, ?, 3)"
    assert engine.outputs[0].dtype == "int64"
    assert engine.metadata == {"author": "a test"}
    sizes = engine.run({"picture": np.zeros((1, 7, 9, 3), np.uint8)})
    assert sizes["size"].tolist() == [1, 7, 9, 3]
