"""From a trained network to the ONNX graphs that trackers run.

Static shapes but for a batch, opset 17, plain operators (TensorRT 8.5's set). Weights are stored
as float16 with a Cast and a factor, which ONNX Runtime folds away when it loads the file: half the
size on disk, float32 arithmetic.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from tracker_ros.networks.siamfc import SiamFC
from tracker_ros.networks.siamrpn import SiamRPN

OPSET = 17
TEMPLATE = 127
BATCH = "batch"
"""Name of the axis that is left free, where one is."""


class Siamese(Protocol):
    """A network of two branches and their correlation: three graphs."""

    def template(self, image: Tensor) -> tuple[Tensor, ...]:
        """Kernels of a template crop."""

    def features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Features of search crops."""

    def match(self, kernels: Sequence[Tensor], features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Outputs of the head."""


class _Part(nn.Module):
    """One of the functions of a network as a graph of its own."""

    def __init__(self, network: nn.Module, part: Callable[..., tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.network, self._part = network, part

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self._part(*inputs)


def export_graph(
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    path: Path,
    *,
    batches: bool = False,
) -> None:
    """Write a module as an ONNX graph, its weights as float16; the arguments give the shapes.

    batches: leave the first axis of every input and output free.
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


def export_siamese(
    network: nn.Module, instance: int, outputs: list[str], stem: Path, *, rows: int = 1
) -> tuple[str, ...]:
    """Write the three graphs STEM.ROLE.onnx of a Siamese network and return their roles.

    template (1, 3, 127, 127) -> kernel_0, ...; search (batch, 3, instance, instance) ->
    feature_0, ...; these kernels and features -> `outputs`. Features are the costly part, and
    batches of any size share a pass; `match` is of one target, whose search has `rows` crops.
    """
    network = network.eval().cpu().float()
    siamese = cast(Siamese, network)
    template = torch.zeros(1, 3, TEMPLATE, TEMPLATE)
    search = torch.zeros(rows, 3, instance, instance)
    with torch.no_grad():
        kernels, features = siamese.template(template), siamese.features(search)
    names = [f"kernel_{i}" for i in range(len(kernels))]
    found = [f"feature_{i}" for i in range(len(features))]
    part = _Part(network, siamese.template).eval()
    export_graph(part, (template,), ["template"], names, graph_path(stem, "template"))
    part = _Part(network, siamese.features).eval()
    export_graph(part, (search,), ["search"], found, graph_path(stem, "search"), batches=True)

    def match(*inputs: Tensor) -> tuple[Tensor, ...]:
        return siamese.match(inputs[: len(names)], inputs[len(names) :])

    part = _Part(network, match).eval()
    inputs = (*kernels, *features)
    export_graph(part, inputs, [*names, *found], outputs, graph_path(stem, "match"))
    return ("template", "search", "match")


def export_siamrpn(network: SiamRPN, instance: int, stem: Path) -> tuple[str, ...]:
    """Write the graphs of SiamRPN++, for search crops of `instance` pixels; outputs cls, loc."""
    return export_siamese(network, instance, ["cls", "loc"], stem)


def export_siamfc(network: SiamFC, scales: int, stem: Path, instance: int = 255) -> tuple[str, ...]:
    """Write the graphs of SiamFC, for a pyramid of `scales` crops; output response."""
    return export_siamese(network, instance, ["response"], stem, rows=scales)


def graph_path(stem: Path, role: str) -> Path:
    """Where the graph of a role lies."""
    return stem.with_name(f"{stem.name}.{role}.onnx")
