"""The graphs by which ATOM's classifier learns on a device: its sums over all samples.

    maps (samples, C, cells * cells)    feature maps of the samples, one slot each
    labels (samples, 1, cells, cells)   what the classifier shall say of them
    weights (samples, 1, 1, 1)          0 where a slot is not in use
    kernels (16, C)                     those that give the present scores

An update gives the kernels after some steps of conjugate gradient, all written out. The first
frame's learning takes sixty steps of another unknown: there the device gives the gradient, and the
product with a direction, and the steps are NumPy's.

All is float32 and of fixed size. The products of all taps with all cells are a stack of products of
matrices, as in SampleMaps; what lies a tap further on is fetched by convolutions whose weights are
0 but for a 1, which no library has a reason to do badly. A convolution with the kernels themselves
would have one channel of output, and be built for dozens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker_ros.engines.engine import Array
from tracker_ros.engines.folding import require_onnx
from tracker_ros.sot.atom_classifier import ALPHA, KERNEL_REGULARISATION
from tracker_ros.sot.atom_memory import BEFORE, KERNEL, TAPS

OPSET = 17
BEHIND = KERNEL - 1 - BEFORE
"""Rows and columns of the kernel behind the cell that it gives a score for."""


@dataclass(frozen=True)
class MemorySize:
    """What a memory holds."""

    samples: int
    """Slots, in use or not."""
    channels: int
    cells: int
    """Side of a map."""

    def __str__(self) -> str:
        return f"{self.samples}x{self.channels}x{self.cells}"


def update_name(size: MemorySize, steps: int) -> str:
    """Stem of the file: the same graph for every model that learns alike."""
    return f"update_{size}_in_{steps}"


def products_name(size: MemorySize) -> str:
    """Stem of the file."""
    return f"products_{size}"


def write_update_graph(path: Path, size: MemorySize, steps: int) -> None:
    """Write the graph of Optimiser.updated: `updated` (16, C) of the four inputs.

    Raises EngineError where the package onnx is missing.
    """
    graph = _Writer(size)
    pull, bend = graph.linearised()
    right = graph.node("Add", graph.correlate(pull), graph.node("Mul", "kernels", "own"))
    updated, residual = "kernels", graph.node("Mul", right, "minus_one")
    direction = before = rho_before = goes_on = ""
    for step in range(steps):
        rho = graph.dot(residual, residual)
        if step == 0:
            direction = residual
        else:
            grown = graph.node("Sub", rho, graph.dot(before, residual))
            beta = graph.node("Relu", graph.node("Div", grown, rho_before))
            direction = graph.node("Add", residual, graph.node("Mul", direction, beta))
        own = graph.node("Mul", direction, "own")
        image = graph.node("Add", graph.product(direction, bend), own)
        curvature = graph.dot(direction, image)
        # Where NumPy leaves its loop nothing counts any more: solved, or numbers that are none.
        left = graph.node("Where", graph.node("Greater", rho, "zero"), curvature, "zero")
        if goes_on:
            left = graph.node("Where", goes_on, left, "zero")
        goes_on = graph.node("Greater", left, "zero")
        rate = graph.node("Div", rho, curvature)
        moved = graph.node("Add", updated, graph.node("Mul", direction, rate))
        updated = graph.node("Where", goes_on, moved, updated)
        before, rho_before = residual, rho
        if step < steps - 1:
            residual = graph.node("Sub", residual, graph.node("Mul", image, rate))
    graph.save(path, [], {"updated": updated})


def write_products_graph(path: Path, size: MemorySize) -> None:
    """Write the graph of Around: `gradient` and `product` (16, C), of a `direction` (16, C), too.

    Raises EngineError where the package onnx is missing.
    """
    graph = _Writer(size)
    pull, bend = graph.linearised()
    gradient = graph.correlate(pull)
    graph.save(
        path, ["direction"], {"gradient": gradient, "product": graph.product("direction", bend)}
    )


class _Writer:
    """A graph that is being written. Raises EngineError where the package onnx is missing."""

    def __init__(self, size: MemorySize) -> None:
        require_onnx("learning on the GPU what ATOM's classifier learns")
        import onnx

        self._size, self._onnx, self._nodes = size, onnx, list[onnx.NodeProto]()
        samples, cells = size.samples, size.cells
        self._constants: dict[str, Array] = {
            "zero": np.array(0, np.float32),
            "one": np.array(1, np.float32),
            "minus_one": np.array(-1, np.float32),
            "alpha": np.array(ALPHA, np.float32),
            "per_alpha": np.array(-1 / ALPHA, np.float32),
            "own": np.array(KERNEL_REGULARISATION, np.float32),
            "first": np.array([0], np.int64),
            "second": np.array([1], np.int64),
            "both": np.array([0, 1], np.int64),
            "as_cells": np.array([samples, TAPS, cells, cells], np.int64),
            "as_line": np.array([samples, TAPS, cells * cells], np.int64),
            # Channel t of what these give is what lies at tap t from each cell, and the reverse.
            "gather": np.eye(TAPS, dtype=np.float32).reshape(TAPS, 1, KERNEL, KERNEL),
            "spread": np.eye(TAPS, dtype=np.float32)[:, ::-1].reshape(TAPS, 1, KERNEL, KERNEL),
        }
        self._turned = self.node("Transpose", "maps", perm=[0, 2, 1])

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        """Add a node; gives the name of what it gives."""
        name = f"{kind}_{len(self._nodes)}"
        made = self._onnx.helper.make_node(kind, inputs, [name], name=name, **attributes)
        self._nodes.append(made)
        return name

    def respond(self, kernels: str) -> str:
        """Scores (samples, 1, cells, cells)."""
        products = self.node("Reshape", self.node("MatMul", kernels, "maps"), "as_cells")
        pads = [BEFORE, BEFORE, BEHIND, BEHIND]
        gathered = self.node("Conv", products, "gather", group=TAPS, pads=pads)
        return self.node("ReduceSum", gathered, "second")

    def correlate(self, values: str) -> str:
        """Transpose of `respond`: (16, channels)."""
        spread = self.node("Conv", values, "spread", pads=[BEHIND, BEHIND, BEFORE, BEFORE])
        products = self.node("MatMul", self.node("Reshape", spread, "as_line"), self._turned)
        return self.node("ReduceSum", products, "first", keepdims=0)

    def product(self, kernels: str, bend: str) -> str:
        """J^T J kernels."""
        return self.correlate(self.node("Mul", self.respond(kernels), bend))

    def dot(self, a: str, b: str) -> str:
        """Scalar product (1, 1) of two of (16, channels)."""
        return self.node("ReduceSum", self.node("Mul", a, b), "both")

    def linearised(self) -> tuple[str, str]:
        """What pulls at each cell, and the curvature there: both (samples, 1, cells, cells).

        See atom_classifier.activation and Linearised.
        """
        scores = self.respond("kernels")
        below = self.node("Relu", self.node("Mul", scores, "per_alpha"))
        slope = self.node("Exp", self.node("Mul", below, "minus_one"))
        falling = self.node("Mul", self.node("Sub", slope, "one"), "alpha")
        active = self.node("Add", self.node("Relu", scores), falling)
        error = self.node("Sub", active, "labels")
        weighted = self.node("Mul", slope, "weights")
        return self.node("Mul", weighted, error), self.node("Mul", weighted, slope)

    def save(self, path: Path, more: list[str], outputs: dict[str, str]) -> None:
        """Write it; `more` inputs and all outputs are of the kernels' shape, by name."""
        helper, numpy_helper, size = self._onnx.helper, self._onnx.numpy_helper, self._size
        for node in self._nodes:
            for name, inner in outputs.items():
                node.output[:] = [name if one == inner else one for one in node.output]
        shapes = {
            "maps": (size.samples, size.channels, size.cells * size.cells),
            "labels": (size.samples, 1, size.cells, size.cells),
            "weights": (size.samples, 1, 1, 1),
            **dict.fromkeys(["kernels", *more, *outputs], (TAPS, size.channels)),
        }
        declared = {
            name: helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        }
        graph = helper.make_graph(
            self._nodes,
            path.stem,
            [value for name, value in declared.items() if name not in outputs],
            [declared[name] for name in outputs],
            [
                numpy_helper.from_array(np.ascontiguousarray(value), name)
                for name, value in self._constants.items()
                if any(name in node.input for node in self._nodes)
            ],
        )
        # A file of the first version that has this opset: what reads it may be years old.
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        self._onnx.checker.check_model(model)
        self._onnx.save(model, str(path))
