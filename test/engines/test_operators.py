"""Whether every TensorRT that is supported reads our graphs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx", reason="no onnx to read a graph with: ./run setup train")

import onnx
import yaml
from onnx import helper
from small_graphs import drawn, write_graph

from tracker_ros.engines.operators import unsupported
from tracker_ros.errors import EngineError
from tracker_ros.models.card import MODELS, read_card

node = helper.make_node
VERSIONS = ("8.5.3.1", "8.6.1", "10.0.1", "10.3.0", "10.16.1.11", "11.0.0", "11.5")
SHIPPED = sorted((MODELS / "weights").glob("*.onnx"))
RECIPES = MODELS.parent / "training" / "recipes"
NORMALISED = "LayerNormalization, which TensorRT has from 8.6 on"
"""What the pair graph of FAMNet has, and TensorRT 8.5 does not; it is too small to be worth an
engine."""


def reads(graph: Path, *, allowed: dict[str, tuple[str, ...]] | None = None) -> None:
    for version in VERSIONS:
        found = unsupported(graph, version)
        assert found == (allowed or {}).get(version, ()), (graph.name, version)
    (opset,) = onnx.load(str(graph)).opset_import
    assert (opset.domain, opset.version <= 17) == ("", True)


@pytest.mark.parametrize("graph", SHIPPED, ids=lambda path: path.stem)
def test_every_graph_that_ships_is_read_by_every_version(graph: Path) -> None:
    reads(graph, allowed={"8.5.3.1": (NORMALISED,)} if graph.stem.endswith(".pair") else None)


def networks() -> dict[str, tuple[str, dict[str, Any], dict[str, Any]]]:
    """Tracker, network and tracking of every recipe, and of a card of each backbone."""
    found = {}
    for path in sorted(RECIPES.glob("*.yaml")):
        recipe = yaml.safe_load(path.read_text())
        if recipe["tracker"] != "famnet":
            found[path.stem] = (recipe["tracker"], recipe["network"], recipe.get("tracking", {}))
    cards = [read_card(path.stem) for path in sorted(MODELS.glob("*.yaml"))]
    backbones = set()
    for card in cards:
        kind = (card.tracker, card.network.get("backbone"))
        if card.tracker != "famnet" and kind not in backbones:
            backbones.add(kind)
            found[card.name] = (card.tracker, dict(card.network), dict(card.tracking))
    return found


NETWORKS = networks()


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_that_can_be_exported_is_read_by_every_version(
    name: str, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="torch is not installed: ./run setup train")
    from tracker_ros.networks.zoo import build_network, export_network

    tracker, network, tracking = NETWORKS[name]
    stem = tmp_path / "net"
    for role in export_network(tracker, build_network(tracker, network), tracking, stem):
        reads(tmp_path / f"net.{role}.onnx")


def test_the_graphs_of_famnet_but_one_are_read_by_every_version(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed: ./run setup train")
    from tracker_ros.networks.export_famnet import Sizes, export_famnet
    from tracker_ros.networks.famnet import FAMNet

    sizes = Sizes(canvas=(96, 80), candidates=3, crops=2, pairs=4, triples=5)
    for role in export_famnet(FAMNet((8, 8, 8, 8, 8), 16), sizes, tmp_path / "net"):
        lacking = {"8.5.3.1": (NORMALISED,)} if role == "pair" else {}
        reads(tmp_path / f"net.{role}.onnx", allowed=lacking)


def test_what_is_not_read_is_told_once_and_in_the_order_of_the_graph(tmp_path: Path) -> None:
    graph = write_graph(
        tmp_path / "g.onnx",
        [
            node("NonZero", ["x"], ["places"], name="places"),
            node("Softsign", ["x"], ["a"], name="soft"),
            node("Softsign", ["a"], ["y"], name="softer"),
        ],
        {"x": (2, 8)}, ["places", "y"], {},
    )  # fmt: skip
    words = "which no graph of ours had when this was written"
    assert unsupported(graph, "10.3") == (f"NonZero, {words}", f"Softsign, {words}")


def test_an_opset_that_is_too_new_is_told(tmp_path: Path) -> None:
    relu = [node("Relu", ["x"], ["y"])]
    graph = write_graph(tmp_path / "g.onnx", relu, {"x": (1, 2)}, ["y"], {}, opset=19)
    assert unsupported(graph, "8.6.1") == ("opset 19, where it reads 17 at most",)
    assert unsupported(graph, "10.0") == unsupported(graph, "11.2") == ()


def test_a_zero_point_that_is_not_zero_is_told(tmp_path: Path) -> None:
    graph = write_graph(
        tmp_path / "g.onnx",
        [
            node("QuantizeLinear", ["x", "scale", "three"], ["q"], name="q"),
            node("DequantizeLinear", ["q", "scale", "three"], ["y"], name="dq"),
        ],
        {"x": (1, 2)}, ["y"],
        {"scale": drawn(1)[0] * 0 + 1, "three": drawn(1)[0].astype("int8") * 0 + 3},
    )  # fmt: skip
    assert unsupported(graph, "8.5") == (
        "QuantizeLinear with a zero point other than an int8 of 0",
        "DequantizeLinear with a zero point other than an int8 of 0",
    )


def test_an_input_of_uint8_that_is_not_cast_is_told(tmp_path: Path) -> None:
    floats = onnx.TensorProto.FLOAT
    given = helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, [2, 2])
    found = helper.make_tensor_value_info("y", floats, [2, 2])
    turned = [node("Transpose", ["x"], ["t"], perm=[1, 0]), node("Cast", ["t"], ["y"], to=floats)]
    path, words = tmp_path / "g.onnx", []
    for nodes in ([node("Cast", ["x"], ["y"], to=floats)], turned):
        graph = helper.make_graph(nodes, "g", [given], [found])
        sets = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=8), str(path))
        words.append(unsupported(path, "8.5"))
    assert words == [(), ("Transpose of an input in uint8, which can only be cast",)]


def test_operators_of_others_are_told(tmp_path: Path) -> None:
    graph = write_graph(tmp_path / "g.onnx", [node("Relu", ["x"], ["y"])], {"x": (1, 2)}, ["y"], {})
    model = onnx.load(str(graph))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.node[0].domain, model.graph.node[0].op_type = "com.microsoft", "FusedConv"
    onnx.save(model, str(graph))
    assert unsupported(graph, "11.0") == ("FusedConv of com.microsoft",)


@pytest.mark.parametrize("version", ["7.2.3", "8.4", "12.0", "", "ten"])
def test_versions_that_this_is_not_written_for_are_refused(version: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=rf"TensorRT {version} is none.*8\.5 to 11"):
        unsupported(SHIPPED[0], version)


def test_without_onnx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(EngineError, match=r"operators of a graph needs the package onnx.*pip"):
        unsupported(SHIPPED[0], "8.6")
