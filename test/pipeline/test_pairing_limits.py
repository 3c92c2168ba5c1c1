"""What the pairing refuses, and what it drops when the tracker is too slow."""

from __future__ import annotations

import pytest
from pairing_rig import PERIOD, Rig, stamped

from tracker_ros.pipeline.detection_messages import DetectionArray
from tracker_ros.pipeline.pairing import LAG, MOST, Kind


@pytest.fixture
def rig() -> Rig:
    return Rig()


# --- what is wrong -------------------------------------------------------------------------------


def test_repeated_detections_are_refused_while_they_wait_and_after(rig: Rig) -> None:
    rig.array(0)
    rig.array(0)
    rig.image(0)
    assert rig.steps() == [("EXACT", 0, 0)]
    rig.array(0)
    assert rig.steps() == []
    assert rig.refused == ["repeated", "repeated"]


def test_detections_older_than_those_applied_are_refused(rig: Rig) -> None:
    for index in range(3):
        rig.image(index * PERIOD)
    rig.array(2 * PERIOD)
    rig.steps()
    rig.array(PERIOD)
    assert rig.steps() == []
    assert rig.refused == ["reordered"]


def test_detections_that_change_order_while_they_wait_are_applied_in_order(rig: Rig) -> None:
    rig.array(PERIOD)
    rig.array(0)
    rig.image(0)
    rig.image(PERIOD)
    assert rig.steps() == [("EXACT", 0, 0), ("EXACT", PERIOD, PERIOD)]
    assert not rig.refused


def test_detections_of_another_camera_are_refused(rig: Rig) -> None:
    rig.array(0, frame_id="rear")  # nobody knows yet which camera it is
    rig.image(0)
    rig.array(0, frame_id="rear")
    rig.array(0)
    assert rig.steps() == [("EXACT", 0, 0)]
    assert rig.refused == ["another frame_id", "another frame_id"]


def test_detections_without_a_frame_id_are_of_any_camera(rig: Rig) -> None:
    rig.image(0)
    rig.array(0, frame_id="")
    assert rig.steps() == [("EXACT", 0, 0)]


def test_detections_stamped_in_the_future_are_refused_and_do_no_harm(rig: Rig) -> None:
    rig.image(0)
    rig.pairing.add_array(DetectionArray(b"", stamped(3_600_000), rig.now))
    assert rig.refused == ["ahead of the images"]
    assert rig.steps() == []
    rig.array(0)
    assert rig.steps() == [("EXACT", 0, 0)]


def test_detections_in_the_future_that_came_before_any_image_are_refused_then(rig: Rig) -> None:
    rig.pairing.add_array(DetectionArray(b"", stamped(3_600_000), rig.now))
    rig.image(0)
    assert rig.refused == ["ahead of the images"]
    assert rig.steps() == []  # the image waits for its own
    rig.array(0)
    assert rig.steps() == [("EXACT", 0, 0)]


def test_after_the_camera_has_stopped_detections_are_not_in_the_future(rig: Rig) -> None:
    rig.image(0)
    rig.wait(0.3)
    rig.array(60_000)
    assert rig.wait(0.3) == [("ALONE", None, 60_000)]


def test_after_a_jump_of_time_nothing_of_before_is_known(rig: Rig) -> None:
    rig.image(60_000)
    rig.array(60_000)
    rig.steps()
    rig.image(60_000 + PERIOD)
    rig.array(60_000 + 2 * PERIOD)
    rig.history.clear()
    assert rig.pairing.forget() == 1
    rig.image(0)
    rig.array(0)
    assert rig.steps() == [("EXACT", 0, 0)]
    assert not rig.refused and not rig.rejected


# --- a tracker that is too slow ------------------------------------------------------------------


def test_a_slow_tracker_gets_only_the_newest_pair(rig: Rig) -> None:
    for index in range(8):
        rig.image(index * PERIOD)
        rig.array(index * PERIOD)
    assert rig.steps() == [("EXACT", 7 * PERIOD, 7 * PERIOD)]
    assert rig.dropped == 7
    assert rig.refused == ["tracker too slow"] * 7


def test_a_short_delay_drops_nothing(rig: Rig) -> None:
    for index in range(3):
        rig.image(index * PERIOD)
        rig.array(index * PERIOD)
    assert rig.now <= LAG
    assert [kind for kind, _, _ in rig.steps()] == ["EXACT"] * 3
    assert rig.dropped == 0


def test_a_slow_tracker_is_not_kept_from_detections_by_images_without(rig: Rig) -> None:
    rig.image(0)
    rig.array(0)
    for index in range(1, 5):
        rig.image(index * PERIOD)
    rig.now += 1.0
    assert rig.steps()[0] == ("EXACT", 0, 0)


def test_a_slow_tracker_still_answers_the_images_before_the_only_pair(rig: Rig) -> None:
    rig.image(0)
    rig.image(PERIOD)
    rig.array(PERIOD)
    rig.now += 2 * LAG
    assert [kind for kind, _, _ in rig.steps()] == ["PREDICTED", "EXACT"]
    assert rig.dropped == 0


def test_what_waits_is_bounded(rig: Rig) -> None:
    for index in range(MOST + 10):
        rig.image(index * PERIOD)
    assert rig.dropped == 10
    for index in range(MOST + 10):
        rig.array(100_000 + index)
    assert rig.refused.count("too many wait") == 10


def test_where_the_wait_is_longer_than_the_queue_images_are_answered_all_the_same() -> None:
    rig = Rig(wait=10.0)
    done = []
    for index in range(MOST + 10):
        rig.image(index * PERIOD)
        done += rig.steps()
    assert done == [("PREDICTED", index * PERIOD, None) for index in range(11)]
    assert rig.dropped == 0


def test_every_kind_is_said_in_different_words() -> None:
    assert len({kind.value for kind in Kind}) == len(Kind)
