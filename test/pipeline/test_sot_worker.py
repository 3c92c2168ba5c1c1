"""The tracking thread, fed with serialized images: no ROS, a real model."""

from collections.abc import Iterator

import numpy as np
import pytest
from patch_scene import scene
from sot_rig import BOX, Rig, frame

from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.pipeline.catch_up import STEPS
from tracker_ros.pipeline.frames import Frame
from tracker_ros.pipeline.requests import TargetRequest
from tracker_ros.sot import LoadedModel, load_model
from tracker_ros.track import TrackState


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model("siamrpnpp", threads=1)


@pytest.fixture
def rig(model: LoadedModel) -> Iterator[Rig]:
    rig = Rig(model)
    yield rig
    rig.gate.set()
    if rig.worker.alive:
        rig.worker.stop("the test has ended")


def test_without_a_target_every_frame_gives_an_empty_list(rig: Rig) -> None:
    processed = rig.show(0, scene(200, 150))
    assert processed.tracks == []
    assert processed.frame.header.frame_id == "camera"


def test_a_target_is_followed_under_its_id_and_label(rig: Rig) -> None:
    rig.show(0, scene(200, 150))
    accepted = rig.set(label="patch")
    for i in range(1, 6):
        (track,) = rig.show(i, scene(200 + 4 * i, 150)).tracks
        assert (track.id, track.label) == (accepted.id, "patch")
        assert track.box.iou(Box(200 + 4 * i, 150, 60, 48)) > 0.4
    assert track.state is TrackState.TRACKING


@pytest.mark.parametrize(
    "box",
    [
        Box(float("nan"), 1, 20, 20),
        Box(10, 10, 0, 20),
        Box(10, 10, 20, -4),
        Box(2000, 9, 30, 30),
        Box(10, 10, 1400, 20),
        Box(10, 10, 20, 1e9),
        Box.from_center(320, 240, 1e300, 1e300),
    ],
)
def test_a_bad_box_is_refused_and_the_current_target_lives_on(rig: Rig, box: Box) -> None:
    rig.show(0, scene(200, 150))
    accepted = rig.set()
    with pytest.raises(TargetError, match="box x="):
        rig.set(box)
    (track,) = rig.show(1, scene(200, 150)).tracks
    assert track.id == accepted.id and track.box.iou(BOX) > 0.4


def test_before_the_first_image_a_target_is_refused(rig: Rig) -> None:
    with pytest.raises(TargetError, match="no image has arrived"):
        rig.set()


def test_a_stamp_that_the_history_does_not_hold_is_refused_naming_its_range(rig: Rig) -> None:
    rig.show(0, scene(200, 150))
    with pytest.raises(TargetError, match=r"0\.500000000; .* holds 1\.000000000 to"):
        rig.set(stamp=5 * 10**8)
    with pytest.raises(TargetError, match=r"1780000000\.123456789;"):  # no float holds that
        rig.set(stamp=1_780_000_000_123_456_789)


def test_a_target_set_on_an_old_image_starts_there_and_catches_up(rig: Rig) -> None:
    # Meanwhile it has gone further than a search region reaches: only a walk through the
    # history can find it.
    far = 60
    for i in range(far):
        rig.show(i, scene(20 + 8 * i, 150))
    rig.set(Box(20, 150, 60, 48), stamp=10**9)
    (track,) = rig.show(far, scene(20 + 8 * far, 150)).tracks
    assert track.box.iou(Box(20 + 8 * far, 150, 60, 48)) > 0.4
    assert track.age <= STEPS + 1  # frames were skipped: it cannot run behind for ever


def test_with_one_target_at_most_a_new_one_replaces_it(rig: Rig) -> None:
    rig.show(0, scene(200, 150))
    first = rig.set()
    second = rig.set(Box(300, 200, 50, 50))
    assert first.id != second.id
    assert f"instead of {first.id}" in second.message
    assert [(t.id, t.reason) for t in rig.ended] == [(first.id, f"replaced by target {second.id}")]
    assert [t.id for t in rig.show(1, scene(200, 150)).tracks] == [second.id]


def test_an_id_is_never_used_for_a_second_target(rig: Rig) -> None:
    rig.show(0, scene(200, 150))
    assert rig.set(id="car").id == "car"
    assert rig.set(id="car").id == "car"  # the live one, pointed at anew
    rig.worker.end_targets("test").result(10)
    with pytest.raises(TargetError, match="'car' belonged to a target that has ended"):
        rig.set(id="car")
    assert rig.set(id="1").id == "1"
    assert rig.set().id == "2"


def test_several_targets_each_keep_their_own_id_and_a_full_node_refuses(model: LoadedModel) -> None:
    rig = Rig(model, max_targets=2)
    rig.show(0, scene(200, 150))
    ids = [rig.set(BOX).id, rig.set(Box(400, 300, 60, 60)).id]
    with pytest.raises(TargetError, match="max_targets is 2"):
        rig.set(Box(30, 30, 40, 40))
    assert [t.id for t in rig.show(1, scene(200, 150)).tracks] == ids
    rig.worker.tune(model.thresholds, 1)
    only = rig.set(BOX)
    assert all(id in only.message for id in ids)
    assert [t.id for t in rig.ended] == ids
    assert [t.id for t in rig.show(2, scene(200, 150)).tracks] == [only.id]
    rig.worker.stop("the test has ended")


def test_a_frame_replaced_before_it_was_taken_is_reported_and_only_the_newest_tracked(
    rig: Rig,
) -> None:
    rig.gate.clear()
    frames = [frame(i, scene(200, 150)) for i in range(6)]
    rig.worker.offer(frames[0])
    rig.worker.end_targets("").result(10)  # requests come first: the worker is at the gate after
    assert [rig.worker.offer(f) for f in frames[1:]] == [False, True, True, True, True]
    rig.gate.set()
    rig.show(9, scene(200, 150))
    tracked = [p.frame for p in rig.processed]
    assert tracked[0] is frames[0] and frames[1] not in tracked and len(tracked) <= 3


def test_an_image_that_cannot_be_decoded_is_rejected_and_the_target_lives_on(rig: Rig) -> None:
    rig.show(0, scene(200, 150))
    rig.set()
    rig.worker.offer(frame(1, scene(200, 150), encoding="rgb565"))
    rig.wait(lambda: rig.rejected)
    (track,) = rig.show(2, scene(200, 150)).tracks
    assert rig.rejected[0][0] == "encoding" and "rgb565" in rig.rejected[0][1]
    assert track.box.iou(BOX) > 0.4


def test_the_same_view_in_another_size_is_followed_on(rig: Rig) -> None:
    rig.show(0, scene(200, 150))
    rig.set()
    rig.show(1, scene(200, 150))
    half = np.ascontiguousarray(scene(204, 150)[::2, ::2])
    (track,) = rig.show(2, half).tracks
    assert track.state.visible
    assert track.box.iou(Box(102, 75, 30, 24)) > 0.4


def test_another_view_loses_the_target_with_the_sizes_as_the_reason(rig: Rig) -> None:
    rig.show(0, scene(200, 150))
    rig.set()
    (track,) = rig.show(1, np.ascontiguousarray(scene(200, 150)[:, :320])).tracks
    assert track.state is TrackState.LOST
    assert "640x480 to 320x480" in track.reason


def test_disabled_nothing_is_tracked_and_requests_are_refused_until_enabled(rig: Rig) -> None:
    rig.show(0, scene(200, 150))
    accepted = rig.set()
    rig.worker.enabled = False
    assert rig.worker.offer(frame(1, scene(200, 150))) is True  # dropped
    with pytest.raises(TargetError, match="disabled"):
        rig.set()
    rig.worker.enabled = True
    (track,) = rig.show(2, scene(200, 150)).tracks
    assert track.id == accepted.id and len(rig.processed) == 2


def test_ended_targets_are_told_with_the_reason(rig: Rig) -> None:
    rig.show(0, scene(200, 150))
    accepted = rig.set()
    assert rig.worker.end_targets("stamps jumped back").result(10) == [accepted.id]
    (last,) = rig.ended
    assert (last.id, last.state, last.reason) == (
        accepted.id,
        TrackState.LOST,
        "stamps jumped back",
    )
    assert rig.show(1, scene(200, 150)).tracks == []


def test_a_stopped_worker_has_ended_its_targets_and_refuses(rig: Rig) -> None:
    rig.show(0, scene(200, 150))
    accepted = rig.set()
    rig.worker.stop("the node was deactivated")
    assert not rig.worker.alive
    assert [(t.id, t.reason) for t in rig.ended] == [(accepted.id, "the node was deactivated")]
    with pytest.raises(TargetError, match="deactivated"):
        rig.set()


def test_a_request_that_is_withdrawn_before_its_turn_never_takes_effect(rig: Rig) -> None:
    rig.show(0, scene(200, 150))
    accepted = rig.set()
    rig.gate.clear()
    held = frame(1, scene(200, 150))
    rig.worker.offer(held)
    rig.wait(lambda: rig.at_gate is held)
    late = rig.worker.set_target(TargetRequest(Box(300, 200, 50, 50)))
    assert late.cancel()
    rig.gate.set()
    assert [t.id for t in rig.show(2, scene(200, 150)).tracks] == [accepted.id]


class Unreadable(Frame):
    """A frame whose decoding fails in a way that nobody foresaw."""

    def decode(self) -> UInt8Image:
        raise MemoryError("no memory for this image")


def test_an_unforeseen_failure_is_told_and_the_thread_and_the_target_live_on(rig: Rig) -> None:
    rig.show(0, scene(200, 150))
    came = frame(1, scene(200, 150))
    bad = Unreadable(came.raw, came.header, came.compressed, 0.0)
    rig.history.add(bad)
    rig.history.add(frame(2, scene(200, 150)))
    accepted = rig.set(stamp=10**9)  # catching up stumbles over it
    rig.wait(lambda: len(rig.failures) == 1)
    rig.worker.offer(bad)
    rig.wait(lambda: len(rig.failures) == 2)
    assert all("no memory for this image" in failure for failure in rig.failures)
    assert [t.id for t in rig.show(3, scene(200, 150)).tracks] == [accepted.id]
