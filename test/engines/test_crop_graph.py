"""The graph that cuts out crops: what it computes, and that every TensorRT reads it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="no onnx to write a graph with: ./run setup train")

from tracker_ros.engines.crop_graph import CropKind, graph_name, write_crop_graph
from tracker_ros.engines.engine import Array
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.engines.operators import unsupported
from tracker_ros.errors import EngineError

VERSIONS = ("8.5.3.1", "8.6.1", "10.0.1", "10.3.0", "11.0.0", "11.5")
SIDE, BLOCK, ROWS = 7, 9, 3
RNG = np.random.default_rng(0)
GIVEN = {
    "pixels": RNG.integers(0, 256, (ROWS, BLOCK, BLOCK, 3), np.uint8),
    "across": RNG.uniform(-2, BLOCK + 1, (ROWS, SIDE)).astype(np.float32),
    "down": RNG.uniform(-2, BLOCK + 1, (ROWS, SIDE)).astype(np.float32),
    "fill": RNG.uniform(0, 255, (ROWS, 3, 1, 1)).astype(np.float32),
}
KINDS = [CropKind(rgb=rgb, whole=whole) for rgb in (False, True) for whole in (False, True)]


@pytest.fixture(params=KINDS, ids=lambda kind: graph_name(kind, SIDE, BLOCK))
def kind(request: pytest.FixtureRequest) -> CropKind:
    assert isinstance(request.param, CropKind)
    return request.param


@pytest.fixture
def graph(kind: CropKind, tmp_path: Path) -> Path:
    path = tmp_path / f"{graph_name(kind, SIDE, BLOCK)}.onnx"
    write_crop_graph(path, kind, SIDE, BLOCK)
    return path


def expected(kind: CropKind) -> Array:
    """Point by point: four pixels by their nearness, the fill for what is none."""
    crops = np.empty((ROWS, 3, SIDE, SIDE))
    for row, y, x in np.ndindex(ROWS, SIDE, SIDE):
        column, line = GIVEN["across"][row, x], GIVEN["down"][row, y]
        colour = np.zeros(3)
        for i in range(-3, BLOCK + 3):
            for j in range(-3, BLOCK + 3):
                share = max(0, 1 - abs(line - i)) * max(0, 1 - abs(column - j))
                known = 0 <= i < BLOCK and 0 <= j < BLOCK
                colour += share * (
                    GIVEN["pixels"][row, i, j] if known else GIVEN["fill"][row].ravel()
                )
        crops[row, :, y, x] = colour
    return crops[:, ::-1] if kind.rgb else crops


def test_it_samples_between_pixels_with_the_fill_around_them(graph: Path, kind: CropKind) -> None:
    engine = OnnxEngine(graph, threads=1)
    assert {t.name: (t.shape[0], t.dtype) for t in engine.inputs} == {
        "pixels": (None, "uint8"), "across": (None, "float32"), "down": (None, "float32"),
        "fill": (None, "float32"),
    }  # fmt: skip
    found, wanted = engine.run(GIVEN)["crops"], expected(kind)
    assert found.shape == (ROWS, 3, SIDE, SIDE) and found.dtype == np.float32
    if kind.whole:
        assert np.array_equal(found, np.round(found))
        assert np.abs(found - wanted).max() < 0.501
    else:
        assert np.abs(found - wanted).max() < 1e-3


def test_every_version_reads_it(graph: Path) -> None:
    for version in VERSIONS:
        assert unsupported(graph, version) == (), version


def test_the_same_crops_have_the_same_file(graph: Path, kind: CropKind, tmp_path: Path) -> None:
    """An engine is found again by the content of its graph."""
    (tmp_path / "again").mkdir()
    again = tmp_path / "again" / graph.name
    write_crop_graph(again, kind, SIDE, BLOCK)
    assert again.read_bytes() == graph.read_bytes()


def test_other_crops_have_graphs_of_other_names() -> None:
    names = {graph_name(kind, side, 2 * side) for kind in KINDS for side in (255, 288)}
    assert len(names) == 8


def test_without_onnx_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(EngineError, match=r"crops on the GPU needs the package onnx.*pip"):
        write_crop_graph(tmp_path / "crop.onnx", KINDS[0], SIDE, BLOCK)
