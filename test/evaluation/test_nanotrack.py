"""NanoTrack, whose networks the user gives, among the trackers that ours are compared with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from films import true_lines, write_sequence

from tracker_ros.cli import main
from tracker_ros.demo.scene import Scene
from tracker_ros.errors import ModelError
from tracker_ros.evaluation.contestants import open_contestant, open_contestants

NETWORKS = Path(__file__).parents[3] / "shared/data/weights/nanotrack_v2"


@pytest.fixture
def networks() -> Path:
    if not NETWORKS.is_dir():
        pytest.skip(f"the networks of NanoTrack are not here ({NETWORKS})")
    return NETWORKS


def test_it_follows_a_target(networks: Path) -> None:
    scene = Scene(320, 240)
    (contestant,) = open_contestants(["nanotrack"], nanotrack=networks)
    assert contestant.name == "nanotrack" and str(networks) in contestant.about
    tracker = contestant.new_tracker()
    first = scene.frame(0)
    assert first.box is not None
    tracker.init(first.image, first.box)
    for index in range(1, 10):
        frame = scene.frame(index)
        assert frame.box is not None
        assert tracker.track(frame.image).box.iou(frame.box) > 0.6


def test_eval_measures_it_beside_the_others(networks: Path, tmp_path: Path) -> None:
    data, figures = write_sequence(tmp_path / "ball", true_lines(8)), tmp_path / "figures.json"
    words = ["--tracker", "siamrpnpp", "--tracker", "nanotrack", "--nanotrack", str(networks)]
    assert main(["eval", "sot", "--data", str(data), "--json", str(figures), *words]) == 0
    document = json.loads(figures.read_text())
    assert list(document["trackers"]) == ["siamrpnpp", "nanotrack"]
    assert document["trackers"]["nanotrack"]["mean"]["auc"] > 0.6
    assert document["run"]["models"]["nanotrack"] == f"OpenCV, networks of {networks}"


def test_eval_refuses_it_without_its_networks_and_them_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(write_sequence(tmp_path / "ball", true_lines(3)))
    for words, complaint in (
        (["--tracker", "nanotrack"], "needs its networks: --nanotrack DIR"),
        (["--nanotrack", "nano"], "--nanotrack nano: add --tracker nanotrack, else nothing uses"),
        (["--tracker", "nanotrack", "--nanotrack", "nano"], "--nanotrack nano: no such folder"),
    ):
        assert main(["eval", "sot", "--data", data, *words]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("error: ") and complaint in err


def test_a_server_of_another_tracker_refuses_its_networks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["trax", "--tracker", "siamfc", "--nanotrack", "nano"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: --nanotrack nano: the tracker is siamfc")


def test_without_its_networks_it_is_refused_with_what_to_give() -> None:
    with pytest.raises(ModelError, match="--nanotrack DIR"):
        open_contestant("nanotrack")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="gone: no such folder"):
        open_contestant("nanotrack", nanotrack=tmp_path / "gone")


def test_a_folder_without_a_head_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nanotrack_backbone_sim.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match=r"expected one file \*head\*.onnx and found none"):
        open_contestant("nanotrack", nanotrack=tmp_path)


def test_a_folder_with_two_backbones_is_refused_by_their_names(tmp_path: Path) -> None:
    for name in ("a_backbone.onnx", "b_backbone.onnx", "head.onnx"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ModelError, match=r"found a_backbone\.onnx, b_backbone\.onnx"):
        open_contestant("nanotrack", nanotrack=tmp_path)


def test_damaged_networks_are_refused_before_anything_runs(tmp_path: Path) -> None:
    for name in ("nanotrack_backbone.onnx", "nanotrack_head.onnx"):
        (tmp_path / name).write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"OpenCV cannot load nanotrack_backbone\.onnx"):
        open_contestant("nanotrack", nanotrack=tmp_path)
