"""An exported graph with everything that is constant computed: what its precision is changed in.

Our files store weights as float16 with a Cast and a factor. ONNX Runtime computes those, and shapes
and indices, when it loads a file; here it writes down what it made of it. The `onnx` package, which
a running tracker does not need, is imported when it is asked for.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from tracker_ros.errors import EngineError

if TYPE_CHECKING:
    import onnx


def require_onnx(purpose: str) -> ModuleType:
    """The module onnx. Raises EngineError, naming the purpose, where there is none."""
    try:
        import onnx
    except ImportError as error:
        raise EngineError(
            f"{purpose} needs the package onnx, and this Python ({sys.executable}) has none "
            f"({error}): pip install 'onnx>=1.14', or build where it is and copy the engine cache"
        ) from error
    return onnx


def require_onnxruntime(purpose: str) -> ModuleType:
    """The module onnxruntime. Raises EngineError, naming the purpose, where there is none."""
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError(
            f"{purpose} needs onnxruntime, and this Python ({sys.executable}) has none ({error}): "
            "pip install 'onnxruntime>=1.15'"
        ) from error
    return onnxruntime


def read_graph(graph: Path, purpose: str) -> onnx.ModelProto:
    """A file as it is. Raises EngineError where onnx is missing or cannot read it."""
    require_onnx(purpose)
    import onnx

    try:
        model = onnx.load(str(graph))
        onnx.checker.check_model(model)
    except Exception as error:  # those of protobuf, onnx and the file system share no base
        raise EngineError(f"{graph} is no graph that onnx can read: {error}") from error
    return model


def folded(graph: Path, purpose: str) -> onnx.ModelProto:
    """A graph whose weights are float32 initialisers, with the types of all that is in between.

    Names of inputs, outputs and of the nodes that are left are the file's; nodes come in an order
    in which they can run, and all have names. Raises EngineError.
    """
    read_graph(graph, purpose)
    require_onnxruntime(purpose)
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(plain)
        # Beyond this level it uses operators of its own.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        try:
            onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exception types are private to its C++ binding
            raise EngineError(f"ONNX Runtime cannot load {graph}: {error}") from error
        model = onnx.load(str(plain))
    # It lists all the sets of operators that it knows.
    used = {node.domain for node in model.graph.node}
    sets = [one for one in model.opset_import if one.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(sets)
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{number}"
    _spell_out_normalisations(model)
    return onnx.shape_inference.infer_shapes(model)


def _spell_out_normalisations(model: onnx.ModelProto) -> None:
    """Make a product and a sum of each batch normalisation that no convolution has taken in."""
    import onnx

    graph = model.graph
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*onnx.shape_inference.infer_shapes(model).graph.value_info, *graph.input)
    }
    weights = {weight.name: weight for weight in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "BatchNormalization" or not weights.keys() >= {*node.input[1:]}:
            nodes.append(node)
            continue
        gain, offset, mean, variance = (
            onnx.numpy_helper.to_array(weights[name]).astype(np.float64) for name in node.input[1:]
        )
        epsilon = next((one.f for one in node.attribute if one.name == "epsilon"), 1e-5)
        factor = gain / np.sqrt(variance + epsilon)
        shape = (-1, *(1,) * (ranks[node.input[0]] - 2))
        taken, given, between = node.input[0], node.output[0], f"{node.output[0]}_scaled"
        names = f"{node.name}_factor", f"{node.name}_offset"
        for name, value in zip(names, (factor, offset - mean * factor), strict=True):
            array = value.astype(np.float32).reshape(shape)
            graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        make = onnx.helper.make_node
        nodes.append(make("Mul", [taken, names[0]], [between], name=node.name))
        nodes.append(make("Add", [between, names[1]], [given], name=f"{node.name}_sum"))
    del graph.node[:]
    graph.node.extend(nodes)


def float_tensors(model: onnx.ModelProto) -> set[str]:
    """Names of what holds float32 in a folded graph, weights among them."""
    import onnx

    graph, floating = model.graph, onnx.TensorProto.FLOAT
    values = (*graph.input, *graph.value_info, *graph.output)
    names = {v.name for v in values if v.type.tensor_type.elem_type == floating}
    return names | {weight.name for weight in graph.initializer if weight.data_type == floating}
