"""Graphs of a few nodes, for the tests of what rewrites graphs. Needs onnx."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tracker_ros.engines.engine import Array

OPSET = 17
FLOAT, FLOAT16 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
Shape = tuple[int | str, ...]


def write_graph(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Shape],
    outputs: Sequence[str],
    weights: dict[str, Array],
    *,
    opset: int = OPSET,
) -> Path:
    """Write a graph; outputs have the shapes that onnx finds."""
    graph = helper.make_graph(
        nodes, "small",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    onnx.checker.check_model(inferred)
    onnx.save(inferred, str(path))
    return path


def drawn(*shape: int, seed: int = 0, scale: float = 1.0) -> Array:
    """Normal random numbers, float32."""
    values = np.random.default_rng(seed).standard_normal(shape, np.float32)
    return np.asarray(values * np.float32(scale), np.float32)


def types_of(path: Path) -> dict[str, int]:
    """Type of every tensor of a graph: inputs, outputs, weights and what is between."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(str(path)), strict_mode=True).graph
    values = (*graph.input, *graph.output, *graph.value_info)
    types = {value.name: int(value.type.tensor_type.elem_type) for value in values}
    return types | {weight.name: int(weight.data_type) for weight in graph.initializer}


def nodes_in(path: Path, kind: int) -> dict[str, str]:
    """Operators, by the names of their nodes, that give a tensor of that type; casts left out."""
    types = types_of(path)
    return {
        node.name: node.op_type
        for node in onnx.load(str(path)).graph.node
        if node.op_type != "Cast" and types[node.output[0]] == kind
    }
