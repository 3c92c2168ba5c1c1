"""A graph in half precision, every type written into it: what a strongly typed engine runs.

TensorRT 11 has no flag for half precision: an engine computes in the types of its graph. So the
products with weights, which are nearly all of the cost, get float16 weights and inputs here, and
what lies between them stays float16. All else stays float32, because it costs nothing and half
precision hurts it: correlations and region pooling, which are sums of products of two things that
are only known at run time; coordinates; squares, roots, quotients, normalisations, resampling.
Inputs and outputs of the graph stay float32, too.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tracker_ros.engines.engine import Array
from tracker_ros.engines.folding import float_tensors, folded, require_onnxruntime

if TYPE_CHECKING:
    import onnx

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""In half where their second input is a weight."""
BETWEEN = (
    "Add", "AveragePool", "Clip", "Concat", "Flatten", "Gather", "GlobalAveragePool", "Identity",
    "LeakyRelu", "MaxPool", "Mul", "Relu", "Reshape", "Sigmoid", "Slice", "Split", "Squeeze",
    "Transpose", "Unsqueeze",
)  # fmt: skip
"""In half where all that they are given at run time is in half already."""
HALF = "_half"
"""What the name of a tensor in half ends in."""
LARGEST = 65504.0
"""Of the numbers of half precision."""
MARGIN = 8.0
"""What comes within this factor of it on samples may pass it on other pictures."""
MOST_ROUNDED = 1e-3
"""Of a weight's norm, by rounding: twice what ordinary numbers lose. Small ones lose more."""
PURPOSE = "a graph in half precision"


def to_half(graph: Path, out: Path, keep: Collection[str] = ()) -> None:
    """Write the graph in half precision.

    keep: names of nodes, or of operators, that stay in float32 (see `beyond_half`). A weight too
    small for half precision, as that of a first convolution which takes in 0..255, is multiplied
    by a power of two, and its input divided by it before it is rounded: nothing is lost.

    Raises EngineError when a package is missing, or the file is no graph.
    """
    model = folded(graph, PURPOSE)
    import onnx

    _Rewriting(model, frozenset(keep)).run()
    onnx.checker.check_model(model)
    onnx.save(onnx.shape_inference.infer_shapes(model), str(out))


def beyond_half(graph: Path, samples: Sequence[Mapping[str, Array]]) -> tuple[str, ...]:
    """Names of the nodes that take or give, on the samples, what half precision cannot hold.

    Raises EngineError as to_half does.
    """
    model = folded(graph, PURPOSE)
    require_onnxruntime(PURPOSE)
    import onnx
    import onnxruntime

    outputs = {value.name for value in model.graph.output}
    floats = float_tensors(model)
    inside = [n for node in model.graph.node for n in node.output if n in floats - outputs]
    empty = (onnx.helper.make_empty_tensor_value_info(name) for name in inside)
    model.graph.output.extend(empty)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    largest: dict[str, float] = {}
    names = [*inside, *(outputs & floats)]
    for sample in samples:
        values = dict(zip(names, session.run(names, dict(sample)), strict=True))
        for name, value in (values | dict(sample)).items():
            largest[name] = float(np.maximum(largest.get(name, 0.0), np.abs(value).max(initial=0)))
    # A comparison that is false for what is no number, too.
    far = {name for name, value in largest.items() if not value * MARGIN <= LARGEST}
    return tuple(
        node.name for node in model.graph.node if far.intersection((*node.input, *node.output))
    )


class _Rewriting:
    """Makes the graph of a folded model one in half precision."""

    def __init__(self, model: onnx.ModelProto, keep: frozenset[str]) -> None:
        import onnx

        self._onnx, self._graph, self._keep = onnx, model.graph, keep
        self._floats = float_tensors(model)
        read = onnx.numpy_helper.to_array
        self._weights = {weight.name: read(weight) for weight in model.graph.initializer}
        self._fitting: dict[str, bool] = {}
        self._in_half: set[str] = set()
        """Tensors that their node gives in half, and that have a name ending in HALF."""
        self._made: set[str] = set()
        """Names of what has been cast, or rounded."""
        self._nodes: list[onnx.NodeProto] = []

    def run(self) -> None:
        """Rewrite the graph."""
        for node in list(self._graph.node):
            if self._is_half(node):
                self._write_half(node)
            else:
                for name in node.input:
                    self._as_float(name)
                self._nodes.append(node)
        for value in self._graph.output:
            self._as_float(value.name)
        graph, used = self._graph, {name for node in self._nodes for name in node.input}
        weights = [weight for weight in graph.initializer if weight.name in used]
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend(weights)

    def _is_half(self, node: onnx.NodeProto) -> bool:
        if node.name in self._keep or node.op_type in self._keep or node.domain:
            return False
        floats = [name for name in node.input if name in self._floats]
        given = [name for name in floats if name not in self._weights]
        constants = [self._weights[name] for name in floats if name in self._weights]
        if not all(_in_range(constant) for constant in constants):
            return False
        if node.op_type in PRODUCTS:
            # An input that is in half already would lose by a factor what the weight gains.
            return given == floats[:1] and (given[0] not in self._in_half or self._fits(floats[1]))
        if node.op_type not in BETWEEN or not given or not self._in_half.issuperset(given):
            return False
        return node.op_type != "Mul" or (len(given) == 1 and _rounds_well(constants[0]))

    def _fits(self, weight: str) -> bool:
        if weight not in self._fitting:
            self._fitting[weight] = _rounds_well(self._weights[weight])
        return self._fitting[weight]

    def _write_half(self, node: onnx.NodeProto) -> None:
        scales = [1.0] * len(node.input)
        if node.op_type in PRODUCTS and not self._fits(node.input[1]):
            factor = _factor(self._weights[node.input[1]])
            scales[:2] = 1 / factor, factor
        for place, (name, scale) in enumerate(zip(node.input, scales, strict=True)):
            if name in self._floats:
                node.input[place] = self._as_half(name, scale)
        for place, name in enumerate(node.output):
            if name in self._floats:
                self._in_half.add(name)
                node.output[place] = name + HALF
        self._nodes.append(node)

    def _as_half(self, name: str, scale: float) -> str:
        """The name of a tensor in half, multiplied by a power of two before it is rounded."""
        half = name + HALF if scale == 1.0 else f"{name}_times_{scale:g}{HALF}"
        if name in self._in_half or half in self._made:
            return half
        self._made.add(half)
        onnx, source = self._onnx, name
        if name in self._weights:
            rounded = (self._weights[name] * np.float32(scale)).astype(np.float16)
            self._graph.initializer.append(onnx.numpy_helper.from_array(rounded, half))
            return half
        if scale != 1.0:
            source = half.removesuffix(HALF)
            factor = onnx.numpy_helper.from_array(np.float32(scale).reshape(()), f"{source}_factor")
            self._graph.initializer.append(factor)
            self._nodes.append(
                onnx.helper.make_node("Mul", [name, factor.name], [source], name=source)
            )
        self._cast(source, half, onnx.TensorProto.FLOAT16)
        return half

    def _as_float(self, name: str) -> None:
        """See to it that a tensor is there in float32, under its own name."""
        if name in self._in_half and name not in self._made:
            self._made.add(name)
            self._cast(name + HALF, name, self._onnx.TensorProto.FLOAT)

    def _cast(self, source: str, target: str, kind: int) -> None:
        self._nodes.append(
            self._onnx.helper.make_node("Cast", [source], [target], name=f"{target}_cast", to=kind)
        )


def _in_range(constant: Array) -> bool:
    return bool(np.abs(constant).max(initial=0.0) <= LARGEST)


def _rounds_well(weight: Array) -> bool:
    """Whether half precision holds a weight to the digits that it has."""
    lost = np.linalg.norm(weight - weight.astype(np.float16).astype(np.float32))
    return bool(lost <= MOST_ROUNDED * np.linalg.norm(weight))


def _factor(weight: Array) -> float:
    """The power of two that brings the largest of a weight near 1."""
    largest = float(np.abs(weight).max(initial=0.0))
    return 2.0 ** -round(math.log2(largest)) if 0 < largest < math.inf else 1.0
