"""What TensorRT's reader of ONNX takes, as far as our exports use it, by version.

Source: the matrices of supported operators of ONNX-TensorRT for 8.5, 8.6, 10.0, 10.1 and 10.15, and
the release notes of TensorRT 11.0 to 11.5, which take none of these away. An operator that is in no
graph of ours is not listed, though TensorRT may have it: list it here when one comes to use it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tracker_ros.engines.folding import read_graph
from tracker_ros.errors import EngineError

if TYPE_CHECKING:
    import onnx

Version = tuple[int, int]
OLDEST, NEWEST = (8, 5), (11, 5)
"""Whose documents were read. A later minor version is taken to have what the newest has."""
OPSETS: dict[Version, int] = {(8, 5): 17, (10, 0): 20, (10, 15): 24, (11, 5): 25}
"""The largest opset that is read, from a version on."""
OPERATORS = frozenset({
    "Abs", "Add", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv",
    "ConvTranspose", "DequantizeLinear", "Div", "Einsum", "Exp", "Flatten", "Gather", "Gemm",
    "Greater", "GridSample", "Identity", "Less", "MatMul", "MaxPool", "Mul", "QuantizeLinear",
    "Reciprocal", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Shape", "Slice", "Split", "Sqrt",
    "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip
"""In every version from 8.5 on; a convolution with a kernel known at run time, too, and a Cast from
uint8, which may be the type of an input, and of nothing else."""
LATER: dict[str, Version] = {"LayerNormalization": (8, 6)}
"""In no earlier version than that."""
AXES = {"ReduceMean": 1, "ReduceSum": 1, "Slice": 3, "Squeeze": 1, "Unsqueeze": 1}
"""Operators whose axes have to be constants, and which input those are."""


def unsupported(graph: Path, tensorrt: str) -> tuple[str, ...]:
    """What TensorRT of that version (`8.5.3.1`) does not take of a graph, in words; all of it: ().

    Raises EngineError when the file is no graph, onnx is missing, or the version is none that this
    is written for.
    """
    version = _version(tensorrt)
    model = read_graph(graph, "a look at the operators of a graph")
    found: dict[str, None] = {}  # in the order of the graph, each once
    for one in model.opset_import:
        most = max(opset for since, opset in OPSETS.items() if since <= version)
        if one.domain in ("", "ai.onnx") and one.version > most:
            found[f"opset {one.version}, where it reads {most} at most"] = None
    constants = {weight.name for weight in model.graph.initializer}
    zeros = {w.name for w in model.graph.initializer if _all_zero(w)}
    uint8 = {value.name for value in model.graph.input if _of_uint8(value)}
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants.update(node.output)
        found[_wrong(node, version, constants, zeros)] = None
        if node.op_type != "Cast" and uint8.intersection(node.input):
            found[f"{node.op_type} of an input in uint8, which can only be cast"] = None
    return tuple(words for words in found if words)


def _version(text: str) -> Version:
    numbers = re.match(r"(\d+)\.(\d+)", text)
    version = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if version < OLDEST or version[0] > NEWEST[0]:
        raise EngineError(
            f"TensorRT {text} is none that tracker_ros is written for: install one of "
            f"{'.'.join(map(str, OLDEST))} to {NEWEST[0]}"
        )
    return version


def _all_zero(weight: onnx.TensorProto) -> bool:
    import onnx

    of_int8 = weight.data_type == onnx.TensorProto.INT8
    return of_int8 and not onnx.numpy_helper.to_array(weight).any()


def _of_uint8(value: onnx.ValueInfoProto) -> bool:
    import onnx

    return bool(value.type.tensor_type.elem_type == onnx.TensorProto.UINT8)


def _wrong(node: onnx.NodeProto, version: Version, constants: set[str], zeros: set[str]) -> str:
    kind = node.op_type
    if node.domain not in ("", "ai.onnx"):
        return f"{kind} of {node.domain}"
    if kind in LATER and version < LATER[kind]:
        return f"{kind}, which TensorRT has from {'.'.join(map(str, LATER[kind]))} on"
    if kind not in OPERATORS and kind not in LATER:
        return f"{kind}, which no graph of ours had when this was written"
    if kind in ("QuantizeLinear", "DequantizeLinear") and not zeros.issuperset(node.input[2:3]):
        return f"{kind} with a zero point other than an int8 of 0"
    limit = _limit(node, constants)
    return f"{kind} {node.name} with {limit}" if limit else ""


def _limit(node: onnx.NodeProto, constants: set[str]) -> str:
    """What of an operator's uses this one is, if some version does not take it; else nothing."""
    kind = node.op_type
    attributes = {one.name: one for one in node.attribute}
    if kind in AXES and set(node.input[AXES[kind] : AXES[kind] + 1]) - constants - {""}:
        return "axes that are known at run time only"
    if kind in ("LayerNormalization", "MaxPool") and len(node.output) > 1:
        return "a second output"
    if kind == "MaxPool" and "dilations" in attributes and set(attributes["dilations"].ints) != {1}:
        return "dilations"
    if kind == "Einsum":
        terms = re.split(",|->", attributes["equation"].s.decode().replace(" ", ""))
        if any("." in term or len(set(term)) != len(term) for term in terms):
            return "an ellipsis or a diagonal"
    return ""
