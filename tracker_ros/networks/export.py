"""From a trained network to the two ONNX graphs that trackers run.

Static shapes, opset 17, plain operators (TensorRT 8.5's set). Weights are stored as float16
with a Cast and a factor, which ONNX Runtime folds away when it loads the file: half the size
on disk, float32 arithmetic.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from tracker_ros.networks.siamfc import SiamFC
from tracker_ros.networks.siamrpn import SiamRPN

OPSET = 17
TEMPLATE = 127


class _Template(nn.Module):
    """The template branch as a graph of its own."""

    def __init__(self, network: SiamFC | SiamRPN) -> None:
        super().__init__()
        self.network = network

    def forward(self, template: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return self.network.template(template)


class _Search(nn.Module):
    """The search branch, which takes what the template graph gave."""

    def __init__(self, network: SiamFC | SiamRPN) -> None:
        super().__init__()
        self.network = network

    def forward(self, search: Tensor, *kernels: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return self.network.search(search, *kernels)


def export_graph(
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    path: Path,
) -> None:
    """Write a module as an ONNX graph, its weights as float16; the arguments give the shapes."""
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


def export_siamrpn(network: SiamRPN, instance: int, stem: Path) -> None:
    """Write STEM.template.onnx and STEM.search.onnx, for search crops of `instance` pixels.

    template -> cls_kernel, loc_kernel; search, cls_kernel, loc_kernel -> cls, loc.
    """
    network = network.eval().cpu().float()
    template = torch.zeros(1, 3, TEMPLATE, TEMPLATE)
    kernels = ["cls_kernel", "loc_kernel"]
    with torch.no_grad():
        values = network.template(template)
    export_graph(
        _Template(network).eval(), (template,), ["template"], kernels, _graph(stem, "template")
    )
    search = torch.zeros(1, 3, instance, instance)
    export_graph(
        _Search(network).eval(),
        (search, *values),
        ["search", *kernels],
        ["cls", "loc"],
        _graph(stem, "search"),
    )


def export_siamfc(network: SiamFC, scales: int, stem: Path, instance: int = 255) -> None:
    """Write STEM.template.onnx and STEM.search.onnx, for a pyramid of `scales` crops.

    template -> kernel; search, kernel -> response.
    """
    network = network.eval().cpu().float()
    template = torch.zeros(1, 3, TEMPLATE, TEMPLATE)
    with torch.no_grad():
        kernel = network.template(template)
    export_graph(
        _Template(network).eval(), (template,), ["template"], ["kernel"], _graph(stem, "template")
    )
    search = torch.zeros(scales, 3, instance, instance)
    export_graph(
        _Search(network).eval(),
        (search, kernel),
        ["search", "kernel"],
        ["response"],
        _graph(stem, "search"),
    )


def _graph(stem: Path, role: str) -> Path:
    return stem.with_name(f"{stem.name}.{role}.onnx")
