"""The graph that cuts out crops on the device: blocks of pixels in, inputs of a network out.

    pixels (rows, M, M, 3) uint8    what of an image a crop is made of, one row for each crop
    across, down (rows, S) float32  which column and row of its block each of the crop's shows
    fill (rows, 3, 1, 1) float32    the colour around the image
    crops (rows, 3, S, S) float32   as if OpenCV had cut and resized them

All is float32 after the first node; nothing in it has weights. One operator samples: a product of
matrices would do, too, but takes some hundred times as many multiplications (docs/tensorrt.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker_ros.engines.folding import require_onnx

OPSET = 17


@dataclass(frozen=True)
class CropKind:
    """What the crops of a network are like."""

    rgb: bool
    """Their planes are red, green, blue; else the other way round, as in the image."""
    whole: bool
    """Their values are whole numbers, as those of a resized picture of bytes."""


def graph_name(kind: CropKind, side: int, block: int) -> str:
    """Stem of the file: the same graph for every model that sees alike."""
    return f"crop_{'rgb' if kind.rgb else 'bgr'}{'_whole' if kind.whole else ''}_{block}_to_{side}"


def write_crop_graph(path: Path, kind: CropKind, side: int, block: int) -> None:
    """Write the graph that makes crops of `side` pixels from blocks of `block` pixels (M) a side.

    Raises EngineError where the package onnx is missing.
    """
    require_onnx("cutting out crops on the GPU")
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node
    constants = {
        # From pixels of the block to what GridSample takes: -1 in its first pixel, 1 in its last.
        "scale": np.float32(2 / (block - 1)),
        "start": np.float32(-1),
        "between_rows": np.array([1, 3], np.int64),
        "behind": np.array([2, 3], np.int64),
        "every_row": np.zeros((1, side, 1, 1), np.float32),
        "every_column": np.zeros((1, 1, side, 1), np.float32),
    }
    nodes = [
        node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        # So that what GridSample takes to be around the block, zeros, is the fill.
        node("Sub", ["planes", "fill"], ["offsets"]),
        node("Mul", ["across", "scale"], ["across_scaled"]),
        node("Add", ["across_scaled", "start"], ["x"]),
        node("Unsqueeze", ["x", "between_rows"], ["x_line"]),
        node("Add", ["x_line", "every_row"], ["x_places"]),
        node("Mul", ["down", "scale"], ["down_scaled"]),
        node("Add", ["down_scaled", "start"], ["y"]),
        node("Unsqueeze", ["y", "behind"], ["y_line"]),
        node("Add", ["y_line", "every_column"], ["y_places"]),
        node("Concat", ["x_places", "y_places"], ["places"], axis=3),
        node("GridSample", ["offsets", "places"], ["sampled"], align_corners=1, mode="bilinear",
             padding_mode="zeros"),
        node("Add", ["sampled", "fill"], ["shown"]),
    ]  # fmt: skip
    last = "shown"
    if kind.whole:
        constants["half"] = np.float32(0.5)
        nodes += [
            node("Add", [last, "half"], ["raised"]),  # none is negative: cut off is rounded
            node("Cast", ["raised"], ["rounded"], to=TensorProto.INT32),
            node("Cast", ["rounded"], ["whole"], to=TensorProto.FLOAT),
        ]
        last = "whole"
    if kind.rgb:
        constants["turned"] = np.array([2, 1, 0], np.int64)
        nodes.append(node("Gather", [last, "turned"], ["rgb"], axis=1))
        last = "rgb"
    nodes[-1].output[0] = "crops"

    declared = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        path.stem,
        [
            declared("pixels", TensorProto.UINT8, ["rows", block, block, 3]),
            declared("across", TensorProto.FLOAT, ["rows", side]),
            declared("down", TensorProto.FLOAT, ["rows", side]),
            declared("fill", TensorProto.FLOAT, ["rows", 3, 1, 1]),
        ],
        [declared("crops", TensorProto.FLOAT, ["rows", 3, side, side])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    for number, each in enumerate(graph.node):
        each.name = f"{each.op_type}_{number}"
    # A file of the first version that has this opset: what reads it may be years old.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
