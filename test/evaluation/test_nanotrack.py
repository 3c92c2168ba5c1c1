"""NanoTrack, whose networks the user gives, among the trackers that ours are compared with."""

from __future__ import annotations

from pathlib import Path

import pytest

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
