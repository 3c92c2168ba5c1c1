"""The graphs that benchmarks/tensorrt_engines.py measures, and what each computes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

SHIPPED = Path(__file__).parents[1] / "tracker_ros" / "models"
PUBLISHED = (
    "siamfc_3s", "siamrpn_alex_dwxcorr", "siamrpn_mobilev2_l234_dwxcorr",
    "siamrpn_r50_l234_dwxcorr", "spm_alexnet_otb", "atom_resnet18",
)  # fmt: skip


def write_graphs(out: Path, models: tuple[str, ...]) -> None:
    """Published networks with random weights, the graphs that ship, and the work of each."""
    from tracker_ros.zoo.exporting import export_untrained

    (out / "weights").mkdir(parents=True, exist_ok=True)
    for name in models:
        print(export_untrained(name, 0, out, force=True))
    for path in (*SHIPPED.glob("*small*.yaml"), *(SHIPPED / "weights").glob("*.onnx")):
        shutil.copyfile(path, out / path.relative_to(SHIPPED))
    work = {path.stem: work_of(path) for path in graphs_in(out)}
    (out / "work.json").write_text(json.dumps(work, indent=1))


def work_of(path: Path) -> dict[str, float]:
    """GFLOP of the products of one row, and MB that must move: weights, inputs, outputs."""
    from tracker_ros.engines.folding import folded

    model = folded(path, "the work of a graph")
    shapes = {
        value.name: [int(side.dim_value) or 1 for side in value.type.tensor_type.shape.dim]
        for value in (*model.graph.value_info, *model.graph.input, *model.graph.output)
    }
    shapes |= {
        weight.name: [int(side) for side in weight.dims] for weight in model.graph.initializer
    }
    flops = 0.0
    for node in model.graph.node:
        result = shapes.get(node.output[0], [])
        if node.op_type == "Conv":
            flops += 2.0 * np.prod(result) * np.prod(shapes[node.input[1]][1:])
        elif node.op_type in ("MatMul", "Gemm"):
            flops += 2.0 * np.prod(result) * shapes[node.input[0]][-1]
    ends = [value.name for value in (*model.graph.input, *model.graph.output)]
    numbers = sum(np.prod(shapes[name]) for name in ends)
    weights = sum(np.prod([int(side) for side in w.dims]) for w in model.graph.initializer)
    return {"gflop": flops / 1e9, "mb": 4 * float(numbers + weights) / 1e6}


def graphs_in(folder: Path) -> list[Path]:
    """Every graph of a folder of models, or of a folder of graphs."""
    inner = folder / "weights"
    return sorted((inner if inner.is_dir() else folder).glob("*.onnx"))
