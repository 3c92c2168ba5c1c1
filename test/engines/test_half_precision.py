"""Graphs in half precision. What they give on a GPU is rehearsed (see half_rehearsal)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="no onnx to rewrite a graph with: ./run setup train")

from half_rehearsal import rehearse
from onnx import helper
from small_graphs import FLOAT, FLOAT16, drawn, nodes_in, types_of, write_graph

from tracker_ros.engines.comparison import compare
from tracker_ros.engines.half import beyond_half, to_half
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.errors import EngineError
from tracker_ros.models.card import MODELS, read_card
from tracker_ros.sot.samples import record_samples

node = helper.make_node
SHIPPED = sorted((MODELS / "weights").glob("*.onnx"))


def two_convolutions(path: Path, *, first: float = 0.1, second: float = 0.1) -> Path:
    """conv -> relu -> conv, of pictures; the weights' deviations."""
    return write_graph(
        path,
        [
            node("Conv", ["x", "w0", "b0"], ["a"], name="first"),
            node("Relu", ["a"], ["b"], name="relu"),
            node("Conv", ["b", "w1"], ["y"], name="second"),
        ],
        {"x": ("batch", 3, 16, 16)}, ["y"],
        {
            "w0": drawn(8, 3, 3, 3, scale=first), "b0": drawn(8, seed=1),
            "w1": drawn(4, 8, 3, 3, seed=2, scale=second),
        },
    )  # fmt: skip


@pytest.fixture
def half(tmp_path: Path) -> Path:
    return tmp_path / "half.onnx"


def test_products_with_weights_and_what_is_between_are_in_half_and_the_ends_are_not(
    tmp_path: Path, half: Path
) -> None:
    to_half(two_convolutions(tmp_path / "g.onnx"), half)
    assert nodes_in(half, FLOAT16) == {"first": "Conv", "relu": "Relu", "second": "Conv"}
    types = types_of(half)
    assert types["x"] == types["y"] == FLOAT
    engine = OnnxEngine(half, threads=1)
    assert [str(t) for t in engine.inputs] == ["x float32 (?, 3, 16, 16)"]
    assert engine.run({"x": drawn(5, 3, 16, 16)})["y"].shape == (5, 4, 12, 12)


def test_nodes_and_operators_that_are_named_stay_in_float32(tmp_path: Path, half: Path) -> None:
    graph = two_convolutions(tmp_path / "g.onnx")
    to_half(graph, half, keep=["second"])
    assert set(nodes_in(half, FLOAT16)) == {"first", "relu"}
    to_half(graph, half, keep=["Conv"])
    assert nodes_in(half, FLOAT16) == {}
    x = {"x": drawn(1, 3, 16, 16)}
    kept, plain = OnnxEngine(half, threads=1), OnnxEngine(graph, threads=1)
    assert np.array_equal(kept.run(x)["y"], plain.run(x)["y"]), "nothing is left in half"


def test_a_correlation_pooling_by_matrices_and_coordinates_stay_in_float32(
    tmp_path: Path, half: Path
) -> None:
    graph = write_graph(
        tmp_path / "g.onnx",
        [
            node("Conv", ["features", "kernel"], ["correlated"], name="correlate"),
            node("Conv", ["correlated", "w"], ["y"], name="head"),
            node("Mul", ["boxes", "eighth"], ["cells"], name="cells"),
            node("MatMul", ["cells", "features"], ["pooled"], name="pool"),
            node("Mul", ["y", "y"], ["power"], name="square"),
        ],
        {"features": (1, 4, 8, 8), "kernel": (2, 4, 3, 3), "boxes": (1, 1, 6, 8)},
        ["pooled", "power"],
        {"w": drawn(2, 2, 1, 1), "eighth": np.float32(0.125)},
    )
    to_half(graph, half)
    assert nodes_in(half, FLOAT16) == {"head": "Conv"}
    assert set(nodes_in(half, FLOAT)) == {"correlate", "cells", "pool", "square"}


def test_a_tensor_that_both_need_is_there_in_both(tmp_path: Path, half: Path) -> None:
    graph = write_graph(
        tmp_path / "g.onnx",
        [
            node("MatMul", ["x", "w"], ["a"], name="product"),
            node("Sqrt", ["a"], ["root"], name="root"),
            node("Relu", ["a"], ["positive"], name="relu"),
            node("MatMul", ["positive", "w"], ["again"], name="again"),
            node("Sub", ["root", "again"], ["y"], name="difference"),
        ],
        {"x": (2, 8)}, ["a", "y"], {"w": np.abs(drawn(8, 8))},
    )  # fmt: skip
    to_half(graph, half)
    assert set(nodes_in(half, FLOAT16)) == {"product", "relu", "again"}
    x = {"x": np.abs(drawn(2, 8, seed=3))}
    assert compare(OnnxEngine(graph), OnnxEngine(half), [x]).good


def test_weights_too_small_for_half_precision_lose_nothing_where_their_input_is_float32(
    tmp_path: Path, half: Path
) -> None:
    # As a first convolution that takes in 0..255 and a normalisation; unscaled, it has no digits.
    graph = two_convolutions(tmp_path / "g.onnx", first=2e-7)
    to_half(graph, half)
    assert nodes_in(half, FLOAT16)["first"] == "Conv"
    rehearse(half, tmp_path / "rehearsed.onnx")
    x = {"x": np.random.default_rng(0).integers(0, 256, (1, 3, 16, 16)).astype(np.float32)}
    (output,) = compare(
        OnnxEngine(graph, threads=1), OnnxEngine(tmp_path / "rehearsed.onnx", threads=1), [x]
    ).outputs
    assert output.relative < 1e-3


def test_small_weights_in_the_middle_stay_in_float32(tmp_path: Path, half: Path) -> None:
    to_half(two_convolutions(tmp_path / "g.onnx", second=2e-7), half)
    assert nodes_in(half, FLOAT)["second"] == "Conv"


def test_weights_that_half_precision_cannot_hold_stay_in_float32(
    tmp_path: Path, half: Path
) -> None:
    to_half(two_convolutions(tmp_path / "g.onnx", second=1e5), half)
    assert nodes_in(half, FLOAT) == {"second": "Conv"}


def test_what_overflows_on_samples_is_found_and_kept(tmp_path: Path, half: Path) -> None:
    graph = two_convolutions(tmp_path / "g.onnx", first=30.0)
    samples = [{"x": np.full((1, 3, 16, 16), 255, np.float32)}]
    assert beyond_half(graph, samples) == ("first", "relu", "second")
    assert beyond_half(graph, [{"x": samples[0]["x"] / 1e4}]) == ()
    reference = OnnxEngine(graph, threads=1)
    for keep, good in (((), False), (beyond_half(graph, samples), True)):
        to_half(graph, half, keep)
        rehearse(half, tmp_path / "rehearsed.onnx")
        candidate = OnnxEngine(tmp_path / "rehearsed.onnx", threads=1)
        assert compare(reference, candidate, samples).good == good


def test_without_samples_nothing_is_beyond(tmp_path: Path) -> None:
    assert beyond_half(two_convolutions(tmp_path / "g.onnx"), []) == ()


@pytest.mark.parametrize("graph", SHIPPED, ids=lambda path: path.stem)
def test_every_graph_that_ships_is_a_sound_graph_in_half(graph: Path, half: Path) -> None:
    to_half(graph, half)
    before, after = OnnxEngine(graph, threads=1), OnnxEngine(half, threads=1)
    assert after.inputs == before.inputs and after.outputs == before.outputs
    if graph.stem.endswith((".search", ".template", ".crop", ".frame")):
        normalising = {"Sub", "Div"}  # of the picture, where no convolution does it
        if graph.stem != "spm_small.template":  # which pools a box: places stay in float32
            assert set(nodes_in(half, FLOAT).values()) <= normalising, "all that costs is in half"
        assert half.stat().st_size < 1.1 * graph.stat().st_size, "whose weights are float16, too"


@pytest.mark.parametrize("name", ["siamfc_small", "siamrpnpp_alexnet_small"])
def test_shipped_trackers_lose_next_to_nothing_by_half_precision(name: str, tmp_path: Path) -> None:
    card = read_card(name)
    for role, samples in record_samples(card, count=3).items():
        graph, out = card.graph(role), tmp_path / f"{role}.onnx"
        to_half(graph, out, beyond_half(graph, samples))
        rehearse(out, tmp_path / "rehearsed.onnx")
        candidate = OnnxEngine(tmp_path / "rehearsed.onnx", threads=1)
        comparison = compare(OnnxEngine(graph, threads=1), candidate, samples)
        assert comparison.good and max(o.relative for o in comparison.outputs) < 2e-3


def test_a_file_that_is_no_graph_is_named(tmp_path: Path, half: Path) -> None:
    (tmp_path / "g.onnx").write_bytes(b"not a graph")
    with pytest.raises(EngineError, match=r"g\.onnx is no graph that onnx can read"):
        to_half(tmp_path / "g.onnx", half)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_the_fix(
    package: str, tmp_path: Path, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = two_convolutions(tmp_path / "g.onnx")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EngineError, match=rf"half precision needs .*{package}.*pip install"):
        to_half(graph, half)
