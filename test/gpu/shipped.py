"""The graphs that ship, what they are given, and what ONNX Runtime makes of it.

A machine with TensorRT may have no ONNX Runtime. Another Python writes the references there first:

    PYTHONPATH=. python3 test/gpu/shipped.py references.npz
    TRACKER_ROS_REFERENCES=references.npz python3 -m pytest test/gpu
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tracker_ros.engines.engine import Array, Tensor
from tracker_ros.engines.onnx import OnnxEngine

WEIGHTS = Path(__file__).parents[2] / "tracker_ros" / "models" / "weights"
GRAPHS = {path.stem: path for path in sorted(WEIGHTS.glob("*.onnx"))}
"""MODEL.ROLE -> file."""
ORDER = (
    "template", "crop", "search", "frame", "sample", "match", "modulate", "project", "refine",
    "pair", "triple",
)  # fmt: skip
"""Of the roles: what one gives, a later one takes."""
VARIABLE = "TRACKER_ROS_REFERENCES"

Values = Mapping[str, Array]


def picture(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Pictures (n, 3, h, w) in 0..255 with smooth parts, edges and grain."""
    rows, channels, height, width = shape
    made = np.zeros(shape, np.float32)
    for cell, weight in ((64, 90.0), (16, 60.0), (4, 30.0), (1, 10.0)):
        size = (rows, channels, -(-height // cell), -(-width // cell))
        coarse = rng.uniform(-1, 1, size).astype(np.float32) * weight
        fine = coarse.repeat(cell, axis=2).repeat(cell, axis=3)
        made += fine[:, :, :height, :width]
    return np.clip(made + 120, 0, 255)


def given(tensor: Tensor, known: Values, rng: np.random.Generator) -> Array:
    """What an input of a graph is given, of what the graphs before it gave."""
    shape = tuple(side or 1 for side in tensor.shape)
    if len(shape) == 4 and shape[1] == 3:
        return picture(rng, shape)
    before = known.get(tensor.name)
    if before is not None and before.shape[1:] == shape[1:]:
        return np.resize(before, shape).astype(np.float32)
    if tensor.name in ("mask", "seen"):
        return np.ones(shape, np.float32)
    if tensor.name in ("rows", "columns"):
        return rng.uniform(8, 50, shape).astype(np.float32)
    if tensor.name in ("box", "boxes"):  # in pixels of a crop; of corners or of sides, both will do
        return np.full(shape, (90, 90, 170, 170), np.float32) + rng.uniform(-9, 9, shape)
    if tensor.name == "figures":
        return rng.uniform(-1, 1, shape).astype(np.float32)
    raise AssertionError(f"nothing is known for the input {tensor}")


def computed() -> dict[str, tuple[Values, Values]]:
    """MODEL.ROLE -> inputs and outputs, by ONNX Runtime. Raises ModelError where it is missing."""
    found: dict[str, tuple[Values, Values]] = {}
    for model in sorted({name.rpartition(".")[0] for name in GRAPHS}):
        rng, known = np.random.default_rng(7), {}
        for role in (role for role in ORDER if f"{model}.{role}" in GRAPHS):
            name = f"{model}.{role}"
            engine = OnnxEngine(GRAPHS[name])
            inputs = {
                tensor.name: given(tensor, known, rng).astype(np.float32)
                for tensor in engine.inputs
            }
            if role == "search":  # as many rows as the match of this model takes
                inputs = {"search": picture(rng, (_rows(model), *inputs["search"].shape[1:]))}
            outputs = engine.run(inputs)
            known.update(outputs)
            found[name] = inputs, outputs
    return found


def _rows(model: str) -> int:
    if f"{model}.match" not in GRAPHS:
        return 1
    taken = {tensor.name: tensor.shape for tensor in OnnxEngine(GRAPHS[f"{model}.match"]).inputs}
    return int(taken["feature_0"][0] or 1)


@lru_cache(maxsize=1)
def references() -> dict[str, tuple[Values, Values]]:
    """MODEL.ROLE -> inputs and outputs. Raises ModelError where nobody has written them."""
    path = os.environ.get(VARIABLE)
    if not path:
        return computed()
    found: dict[str, tuple[dict[str, Array], dict[str, Array]]] = {n: ({}, {}) for n in GRAPHS}
    with np.load(path) as file:
        for key in file.files:
            graph, way, name = key.split("|")
            found[graph][way == "out"][name] = file[key]
    return dict(found)


def write(path: Path) -> None:
    """Write the references for a Python that has no ONNX Runtime."""
    arrays: dict[str, Any] = {}
    for graph, (inputs, outputs) in computed().items():
        arrays |= {f"{graph}|in|{name}": value for name, value in inputs.items()}
        arrays |= {f"{graph}|out|{name}": value for name, value in outputs.items()}
    np.savez(path, **arrays)


def assert_near(found: Values, expected: Values, relative: float) -> None:
    """The errors are that small a part of an output: as root mean squares, and at the worst."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].shape == value.shape, name
        error = np.abs(found[name].astype(np.float64) - value)
        size = float(np.sqrt(np.mean(np.square(value, dtype=np.float64))))
        off = float(np.sqrt(np.mean(error**2))) / max(size, 1e-12)
        assert np.isfinite(error).all() and off <= relative, f"{name} is off by {off:.2%}"
        assert float(error.max()) <= 30 * relative * size, f"{name}: {error.max():g} of {size:g}"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
