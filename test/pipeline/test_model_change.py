"""Another model takes over the live targets between two frames; which model parameters mean."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from patch_scene import scene
from sot_rig import BOX, Rig

from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box
from tracker_ros.models.card import MODELS
from tracker_ros.pipeline.model_choice import chosen_model, followed, refuse_model
from tracker_ros.sot import DEFAULT_MODELS, LoadedModel, load_model
from tracker_ros.sot.monitor import Thresholds
from tracker_ros.track import TrackState


@pytest.fixture(scope="module")
def siamrpnpp() -> LoadedModel:
    return load_model("siamrpnpp", threads=1)


@pytest.fixture(scope="module")
def siamfc() -> LoadedModel:
    return load_model("siamfc", threads=1)


@pytest.fixture
def rig(siamrpnpp: LoadedModel) -> Iterator[Rig]:
    rig = Rig(siamrpnpp, max_targets=2)
    yield rig
    if rig.worker.alive:
        rig.worker.stop("the test has ended")


def change(rig: Rig, model: LoadedModel) -> None:
    rig.worker.change_model(model, model.thresholds, lambda: None)


def test_every_target_is_followed_on_under_its_id_with_its_age(
    rig: Rig, siamfc: LoadedModel
) -> None:
    rig.show(0, scene(200, 150))
    ids = [rig.set(label="patch").id, rig.set(Box(420, 300, 60, 60)).id]
    for step in range(1, 6):
        before = rig.show(step, scene(200 + 4 * step, 150)).tracks
    change(rig, siamfc)
    for step in range(6, 12):
        after = rig.show(step, scene(200 + 4 * step, 150)).tracks
        assert after[0].box.iou(Box(200 + 4 * step, 150, 60, 48)) > 0.4
    assert [track.id for track in after] == [track.id for track in before] == ids
    assert [track.age for track in after] == [track.age + 6 for track in before]
    assert after[0].label == "patch"
    # SiamFC keeps the shape that the box had when it took over; SiamRPN++ has fitted its own.
    shape = before[0].box.w / before[0].box.h
    assert after[0].box.w / after[0].box.h == pytest.approx(shape)


def test_a_target_that_was_tracking_needs_no_new_confirmation(
    rig: Rig, siamfc: LoadedModel
) -> None:
    rig.show(0, scene(200, 150))
    rig.set()
    for step in range(1, 8):
        (before,) = rig.show(step, scene(200, 150)).tracks
    change(rig, siamfc)
    (after,) = rig.show(8, scene(200, 150)).tracks
    assert before.state is after.state is TrackState.TRACKING


def test_the_new_model_knows_the_target_as_it_was_first_seen(rig: Rig, siamfc: LoadedModel) -> None:
    rig.show(0, scene(200, 150))
    rig.set()
    rig.show(1, scene(204, 150))
    blank = scene(204, 150)
    blank[:] = 0
    (lost,) = rig.show(2, blank).tracks  # the last picture of it shows nothing
    assert lost.state is TrackState.LOST
    change(rig, siamfc)
    states = [rig.show(step, scene(204, 150)).tracks[0] for step in range(3, 30)]
    assert states[-1].state is TrackState.TRACKING
    assert states[-1].box.iou(Box(204, 150, 60, 48)) > 0.4


def test_it_goes_on_in_the_size_that_images_have_now(rig: Rig, siamfc: LoadedModel) -> None:
    rig.show(0, scene(200, 150))
    rig.set()
    for step in range(1, 4):
        rig.show(step, scene(200, 150)[::2, ::2].copy())
    change(rig, siamfc)
    (track,) = rig.show(4, scene(204, 150)[::2, ::2].copy()).tracks
    assert track.box.iou(Box(102, 75, 30, 24)) > 0.4


def test_targets_set_afterwards_are_of_the_new_model(rig: Rig, siamfc: LoadedModel) -> None:
    rig.show(0, scene(200, 150))
    happened: list[str] = []
    rig.worker.change_model(siamfc, siamfc.thresholds, lambda: happened.append("changed"))
    assert happened == ["changed"]
    rig.set()
    for step in range(1, 8):
        (track,) = rig.show(step, scene(200 + 4 * step, 150)).tracks
    assert track.box.w / track.box.h == pytest.approx(BOX.w / BOX.h)  # SiamFC keeps its shape


def test_the_new_thresholds_judge_from_then_on(rig: Rig, siamfc: LoadedModel) -> None:
    rig.show(0, scene(200, 150))
    rig.set()
    for step in range(1, 6):
        rig.show(step, scene(200, 150))
    strict = dataclasses.replace(siamfc.thresholds, look_alike=0.0)
    rig.worker.change_model(siamfc, strict, lambda: None)
    (track,) = rig.show(6, scene(200, 150)).tracks
    assert track.state is TrackState.UNCERTAIN and "look-alike" in track.reason


def test_a_stopped_worker_refuses_another_model(rig: Rig, siamfc: LoadedModel) -> None:
    rig.worker.stop("the node was deactivated")
    with pytest.raises(TargetError, match="deactivated"):
        change(rig, siamfc)


def test_where_the_new_model_cannot_learn_a_target_all_go_on_with_the_old_one(
    rig: Rig, siamrpnpp: LoadedModel, siamfc: LoadedModel
) -> None:
    rig.show(0, scene(200, 150))
    rig.set()
    rig.set(Box(420, 300, 60, 60))
    before = rig.show(1, scene(204, 150)).tracks
    # SiamFC's way of tracking with networks that are not its own: loaded, and of no use.
    crossed = LoadedModel(siamfc.card, siamrpnpp._networks)
    happened: list[str] = []
    with pytest.raises(ValueError, match="kernel_1"):
        rig.worker.change_model(crossed, crossed.thresholds, lambda: happened.append("changed"))
    assert happened == []
    for step in range(2, 6):
        after = rig.show(step, scene(200 + 4 * step, 150)).tracks
    assert [track.id for track in after] == [track.id for track in before]
    assert after[0].box.iou(Box(220, 150, 60, 48)) > 0.4
    assert rig.failures == []


# --- what the parameters mean --------------------------------------------------------------------


def test_without_a_model_the_tracker_s_own_is_meant() -> None:
    assert chosen_model("siamfc", "") == DEFAULT_MODELS["siamfc"]
    assert chosen_model("siamfc", "mine.yaml") == "mine.yaml"


@pytest.mark.parametrize(
    ("tracker", "model", "words"),
    [
        ("siamfc", "", ""),
        ("siamfc", "siamfc_small", ""),
        ("siamrpnpp", "resnet9000", "no model 'resnet9000'"),
        ("siamrpnpp", "/nowhere/mine.yaml", "/nowhere/mine.yaml"),
        ("siamrpnpp", "famnet_alexnet_small", "famnet"),
        ("siamrpnpp", "siamfc_small", "of the tracker siamfc, not siamrpnpp; set model to ''"),
    ],
)
def test_a_model_is_refused_for_what_its_card_says(tracker: str, model: str, words: str) -> None:
    reason = refuse_model(tracker, model, tracker_is_asked_for=True)
    assert words in reason and bool(words) == bool(reason)


def test_where_only_the_model_is_asked_for_its_tracker_comes_with_it() -> None:
    assert refuse_model("siamrpnpp", "siamfc_small", tracker_is_asked_for=False) == ""


def test_a_model_without_weights_here_is_refused(tmp_path: Path) -> None:
    card = Path(shutil.copy(MODELS / "siamfc_small.yaml", tmp_path))
    reason = refuse_model("siamfc", str(card), tracker_is_asked_for=True)
    assert str(tmp_path / "weights") in reason and "missing" in reason


def test_thresholds_follow_the_card_but_those_that_somebody_has_set() -> None:
    old, new = Thresholds(lost_score=0.2, patience=5), Thresholds(lost_score=0.4, patience=9)
    now = {f"monitor.{name}": value for name, value in dataclasses.asdict(old).items()}
    now["monitor.patience"] = 77
    assert followed(now.__getitem__, old, new) == {"monitor.lost_score": 0.4}
