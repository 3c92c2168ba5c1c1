"""Which node the demo starts for a tracker or a model card, and what it refuses before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tracker_ros.cli import main
from tracker_ros.demo.command import node_model
from tracker_ros.models.card import MODELS
from tracker_ros.sot import trackers_with_weights

CARD = "siamfc_small"


def own_card(folder: Path, **changed: object) -> Path:
    """A copy of a card, with its graphs, in a folder of its own."""
    (folder / "weights").mkdir()
    for graph in (MODELS / "weights").glob(f"{CARD}.*.onnx"):
        shutil.copy(graph, folder / "weights")
    document = yaml.safe_load((MODELS / f"{CARD}.yaml").read_text())
    path = folder / f"{CARD}.yaml"
    path.write_text(yaml.safe_dump({**document, **changed}))
    return path


@pytest.mark.parametrize("tracker", trackers_with_weights())
def test_a_tracker_is_the_nodes_parameter(tracker: str) -> None:
    assert node_model(tracker) == {"tracker": tracker}


def test_a_card_is_found_by_its_name_and_by_its_path_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert node_model(CARD) == {"tracker": "siamfc", "model": str(MODELS / f"{CARD}.yaml")}
    path = own_card(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert node_model(path.name) == {"tracker": "siamfc", "model": str(path)}


@pytest.mark.parametrize(
    ("tracker", "words"),
    [
        ("magic", "--tracker magic: choose one of siamrpnpp, siamfc"),
        ("famnet_alexnet_small", "is a model of famnet; choose one of siamrpnpp"),
        ("none.yaml", "none.yaml does not exist"),
    ],
)
def test_what_is_no_single_object_tracker_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tracker: str, words: str
) -> None:
    assert main(["demo", "--tracker", tracker, "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("demo: ") and err.count("\n") == 1 and words in err
    assert not (tmp_path / "out").exists()


def test_a_model_without_weights_is_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = own_card(tmp_path, files={})
    assert main(["demo", "--tracker", str(path), "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert f"model '{CARD}' has no weights here" in err and f"models show {CARD}" in err


def test_a_model_of_which_a_graph_is_damaged_is_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = own_card(tmp_path)
    graph = tmp_path / "weights" / f"{CARD}.match.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    assert main(["demo", "--tracker", str(path), "--out", str(tmp_path / "out")]) == 2
    assert f"{graph} is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_that_no_browser_can_be_told_of_is_refused(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", f"--web={port}"])
    assert ended.value.code == 2
    assert f"port '{port}' is not a number from 1 to 65535" in capsys.readouterr().err


def test_a_sheet_of_a_demo_that_makes_none_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["--web", "--picture", "sheet.jpg", "--out", str(tmp_path / "out")]
    assert main(["demo", *words]) == 2
    assert "--picture sheet.jpg: with --web" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
