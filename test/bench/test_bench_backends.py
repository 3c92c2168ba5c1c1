"""ONNX Runtime and torch side by side, on models without weights. Needs torch (the train extra)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: ./run setup train")

from tracker_ros.bench.untrained import with_random_weights
from tracker_ros.cli import main
from tracker_ros.models.card import read_card


def test_backends_stand_side_by_side_on_a_network_with_random_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--frames", "10", "--size", "320x240", "--threads", "1", "--no-memory"]
    options += ["--targets", "2", "--json", str(tmp_path / "figures.json"), "--untrained", "0"]
    options += ["--tracker", "siamfc", "sort", "--detections", "2"]
    assert main(["bench", *options, "--backend", "onnxruntime", "torch"]) == 0
    document = json.loads((tmp_path / "figures.json").read_text())
    # Networks of several objects run on the first only; of sort there are none.
    graph, eager, several = document["rows"]
    assert several["tracker"] == "sort" and several["backend"] == ""
    for row, engine in ((graph, "onnxruntime"), (eager, "torch")):
        assert row["tracker"] == "siamfc_small_untrained" and row["targets"] == 2
        assert (row["backend"], row["precision"]) == (engine, "fp32")
    assert graph["iou"] == pytest.approx(eager["iou"], abs=0.02)
    assert document["options"]["untrained"] == 0
    out = capsys.readouterr().out
    assert "torch fp32" in out and "onnxruntime fp32" in out


def test_only_models_of_a_single_target_get_random_weights(tmp_path: Path) -> None:
    named = ["siamfc", "kcf", "famnet", "sort:recover=off"]
    first, *others = with_random_weights(named, 3, tmp_path)
    assert others == named[1:]
    card = read_card(first)
    assert card.folder == tmp_path and "seed 3" in card.notes and card.weights_path.is_file()
