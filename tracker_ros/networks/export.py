"""From a trained network to the ONNX graphs that trackers run.

Static shapes but for a batch, opset 17, plain operators (TensorRT 8.5's set). Weights of models
that ship are stored as float16 with a Cast and a factor, which ONNX Runtime folds away when it
loads the file: half the size on disk, float32 arithmetic. Rounding leaves three digits of them, so
official weights that are imported stay float32: their graphs give what the authors' code gives.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from tracker_ros.networks.parts import Parts

OPSET = 17
BATCH = "batch"
"""Name of the axis that is left free, where one is."""


def export_graph(
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    path: Path,
    *,
    batches: bool = False,
    half: bool = True,
) -> None:
    """Write a module as an ONNX graph; the arguments give the shapes.

    batches: leave the first axis of every input and output free. half: store weights as float16.
    """
    axes = {name: {0: BATCH} for name in (*inputs, *outputs)} if batches else None
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own successor
        torch.onnx.export(
            module,
            arguments,
            str(path),
            input_names=inputs,
            output_names=outputs,
            opset_version=OPSET,
            dynamo=False,
            dynamic_axes=axes,
        )
    if half:
        store_weights_as_float16(path)


def store_weights_as_float16(path: Path) -> None:
    """Rewrite the float32 weights of an ONNX file as float16, a Cast and a factor.

    The factor is the power of two that brings the largest weight near 1. Without it the
    first convolution, whose weights take in 0..255 and a folded normalisation, would fall
    among float16's subnormal numbers and lose its digits.
    """
    model = onnx.load(str(path))
    graph = model.graph
    nodes, factors = [], []
    for weight in graph.initializer:
        array = numpy_helper.to_array(weight)
        largest = float(np.abs(array).max(initial=0.0))
        if array.dtype != np.float32 or array.size < 64 or largest == 0.0:
            continue
        name = weight.name
        factor = 2.0 ** round(np.log2(largest))
        half = (array / factor).astype(np.float16)
        weight.CopyFrom(numpy_helper.from_array(half, name + "_f16"))
        factors.append(numpy_helper.from_array(np.float32(factor).reshape(()), name + "_factor"))
        cast = helper.make_node("Cast", [name + "_f16"], [name + "_f32"], to=onnx.TensorProto.FLOAT)
        nodes += [cast, helper.make_node("Mul", [name + "_f32", name + "_factor"], [name])]
    graph.initializer.extend(factors)
    nodes.extend(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def export_parts(parts: Parts, stem: Path, *, half: bool = True) -> tuple[str, ...]:
    """Write every part of a network as a graph STEM.ROLE.onnx and return their roles.

    half: store weights as float16.
    """
    for role, part in parts.items():
        export_graph(
            part.module.eval(), part.arguments, [*part.inputs], [*part.outputs],
            graph_path(stem, role), batches=part.batches, half=half,
        )  # fmt: skip
    return tuple(parts)


def graph_path(stem: Path, role: str) -> Path:
    """Where the graph of a role lies."""
    return stem.with_name(f"{stem.name}.{role}.onnx")
