"""What half precision does to a graph, on a CPU.

ONNX Runtime has no kernels for half precision on most CPUs: it computes such a graph in float32
and rounds little but the weights, so that it overflows nowhere and is better than a GPU. Here
every result that is to be in half is rounded to it by casts of its own, which ONNX Runtime keeps.
Sums are still those of float32.
"""

from __future__ import annotations

from pathlib import Path

import onnx


def rehearse(half: Path, out: Path) -> None:
    """Write a graph of strongly typed half precision as one that rounds like it."""
    model = onnx.shape_inference.infer_shapes(onnx.load(str(half)))
    graph, types = model.graph, onnx.TensorProto
    in_half = {v.name for v in graph.value_info if v.type.tensor_type.elem_type == types.FLOAT16}
    in_half |= {weight.name for weight in graph.initializer if weight.data_type == types.FLOAT16}
    nodes, exact = [], set()
    for node in graph.node:
        if node.op_type == "Cast":
            nodes.append(node)
            continue
        for place, name in enumerate(node.input):
            if name in in_half:
                node.input[place] = f"{name}_exact"
                if name not in exact:
                    exact.add(name)
                    nodes.append(_cast(name, f"{name}_exact", types.FLOAT))
        nodes.append(node)
        for place, name in enumerate(node.output):
            if name in in_half:
                node.output[place] = f"{name}_unrounded"
                nodes.append(_cast(f"{name}_unrounded", name, types.FLOAT16))
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(out))


def _cast(source: str, target: str, kind: int) -> onnx.NodeProto:
    return onnx.helper.make_node("Cast", [source], [target], name=f"{target}_cast", to=kind)
