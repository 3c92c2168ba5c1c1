"""Whatever a detector or a bag sends: refused and counted with a reason, and the node goes on."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from mot_harness import NOT_BOXES, Mot, ids, item, walker
from sot_harness import PERIOD, fresh, nanoseconds, running, time_message
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray

from tracker_ros.geometry import Box
from tracker_ros.msg import Track


@pytest.fixture(scope="module")
def process(ros_environment: int) -> Iterator[Mot]:
    yield from running(Mot, "-p", "tracker:=sort")


@pytest.fixture
def mot(process: Mot) -> Iterator[Mot]:
    results = process.set_parameters(
        detection_wait=10.0, max_gap=2.0, min_score=0.3, max_detections=300
    )
    assert all(result.successful for result in results), results
    for mot in fresh(process):
        yield mot
        for array in mot.tracks:
            seen = [detection.id for detection in array.detections]
            assert len(set(seen)) == len(seen)
            assert all(seen)


def goes_on(mot: Mot) -> None:
    """The node still gives somebody a lasting identity."""
    assert ids(mot.walk(range(30, 36), rows=(2,))[-1])


# --- boxes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", NOT_BOXES, ids=str)
def test_what_is_no_box_is_refused_and_the_others_are_tracked(mot: Mot, box: Box) -> None:
    before = ids(mot.walk(range(5))[-1])
    answer = mot.see([item(box), item(walker(5))])
    assert ids(answer) == before
    assert len(answer.status.tracks) == 1
    mot.wait_for_diagnostics("detections", "refused: detection: ")
    goes_on(mot)


def test_a_turned_box_is_refused_with_that_reason(mot: Mot) -> None:
    answer = mot.see([item(walker(0), theta=0.3), item(walker(0), theta=math.nan)])
    assert list(answer.status.tracks) == []
    mot.wait_for_diagnostics("detections", "theta is not 0): 2 times")


def test_a_score_that_is_not_a_number_is_refused(mot: Mot) -> None:
    answer = mot.see([item(walker(0), score=math.nan)])
    assert list(answer.status.tracks) == []
    mot.wait_for_diagnostics("detections", "refused: detection: a value that is not finite")


def test_without_id_class_or_hypothesis_a_box_is_tracked_all_the_same(mot: Mot) -> None:
    answers = [mot.see([item(walker(index), label="", id="")]) for index in range(5)]
    (detection,) = answers[-1].tracks.detections
    assert detection.id
    assert detection.results[0].hypothesis.class_id == ""
    assert detection.results[0].hypothesis.score == 1.0


def test_ten_thousand_detections_are_cut_to_the_strongest(mot: Mot) -> None:
    assert mot.set_parameters(max_detections=20)[0].successful
    crowd = [
        item(Box(index % 140, index // 140 % 90, 12, 20), score=0.5 + index / 1e5)
        for index in range(10_000)
    ]
    answer = mot.see(crowd)
    assert len(answer.status.tracks) == 20
    assert min(track.score for track in answer.status.tracks) == pytest.approx(0.5998)
    mot.wait_for_diagnostics("detections", "left out: more than max_detections: 9980")
    goes_on(mot)


def test_a_message_of_another_type_s_bytes_is_refused(mot: Mot) -> None:
    mot.walk(range(3))
    mot.detector.publish(b"\x00\x01\x00\x00" + bytes(5))  # rclpy publishes serialized messages
    mot.wait_for_diagnostics("detections", "refused: message: 1 times")
    goes_on(mot)


# --- stamps and frames ---------------------------------------------------------------------------


def test_detections_of_another_camera_are_refused_and_counted(mot: Mot) -> None:
    before = ids(mot.walk(range(5))[-1])
    stamp = mot.image()
    mot.detect(stamp, [item(walker(5, row=2))], frame_id="rear_camera")
    mot.wait_for_diagnostics("detections", "refused: another frame_id: 1 times")
    mot.detect(stamp, [item(walker(5))])
    answer = mot.answer_to(stamp)
    assert ids(answer) == before
    assert len(answer.status.tracks) == 1
    assert "'rear_camera'" in mot.process.output


def test_images_without_detections_for_long_are_answered_and_targets_end(mot: Mot) -> None:
    assert all(r.successful for r in mot.set_parameters(max_gap=0.1, detection_wait=0.0))
    (identity,) = ids(mot.walk(range(5))[-1])
    answers = [mot.answer_to(mot.image()) for _ in range(30)]
    assert list(answers[-1].status.tracks) == []
    assert len([a for a in mot.tracks if a.detections]) < 15
    goes_on(mot)
    assert identity not in ids(mot.walk(range(36, 40), rows=(2,))[-1])


def test_detections_without_any_image_get_identities_all_the_same(mot: Mot) -> None:
    assert mot.set_parameters(detection_wait=0.05)[0].successful
    for index in range(5):
        stamp = mot.next_stamp()
        mot.detect(stamp, [item(walker(index))])
        answer = mot.answer_to(stamp)
    (identity,) = ids(answer)
    assert answer.tracks.header.frame_id
    mot.wait_for_diagnostics("detections", "without an image: 5")
    mot.wait_for_diagnostics("images", "no image")
    goes_on(mot)
    assert identity not in ids(mot.walk(range(36, 37), rows=(2,))[0])


def test_repeated_and_reordered_detections_are_refused_by_their_cause(mot: Mot) -> None:
    answers = mot.walk(range(6))
    stamps = [nanoseconds(answer.tracks.header.stamp) for answer in answers]
    mot.detect(stamps[-1], [item(walker(5, row=2))])
    mot.detect(stamps[1], [item(walker(1, row=2))])
    mot.wait_for_diagnostics("detections", "refused: repeated: 1 times")
    mot.wait_for_diagnostics("detections", "refused: reordered: 1 times")
    answer = mot.walk(range(6, 7))[0]
    assert len(answer.status.tracks) == 1


def test_repeated_and_reordered_images_are_rejected_and_get_no_second_array(mot: Mot) -> None:
    answers = mot.walk(range(6))
    stamps = [nanoseconds(answer.tracks.header.stamp) for answer in answers]
    mot.image(stamps[-1])
    mot.image(stamps[-2])
    mot.wait_for_diagnostics("images", "frames rejected: 2")
    goes_on(mot)
    assert [nanoseconds(a.header.stamp) for a in mot.tracks].count(stamps[-1]) == 1


def test_detections_stamped_in_the_future_do_not_end_the_node_s_present(mot: Mot) -> None:
    before = ids(mot.walk(range(5))[-1])
    mot.detect(mot.next_stamp() + 3600 * 10**9, [item(walker(5))])
    mot.wait_for_diagnostics("detections", "refused: ahead of the images: 1 times")
    assert ids(mot.walk(range(5, 6))[0]) == before


def test_detections_by_another_clock_before_the_first_image_do_not_end_its_images(mot: Mot) -> None:
    assert mot.set_parameters(detection_wait=0.0)[0].successful
    ahead = mot.next_stamp() + 3600 * 10**9
    mot.detect(ahead, [item(walker(0))])  # applied: as far as is known, that is the time
    mot.answer_to(ahead)
    mot.answer_to(mot.image())
    assert mot.set_parameters(detection_wait=10.0)[0].successful
    goes_on(mot)
    assert "3600.0 s ahead of it" in mot.process.output


def test_a_looped_bag_ends_the_targets_says_why_and_new_ones_get_new_identities(mot: Mot) -> None:
    first = mot.next_stamp()
    for index in range(6):
        answer = mot.see([item(walker(index))], first + index * PERIOD + (index > 2) * 10**10)
    (identity,) = ids(answer)
    mot.forget()  # the same stamps come again
    for index in range(6):
        answer = mot.see([item(walker(index))], first + index * PERIOD)
        assert identity not in ids(answer)
    assert ids(answer)
    mot.wait_for_diagnostics("targets", "targets seen")
    assert "image stamps jumped back by 10." in mot.process.output
    assert any(
        track.id == identity and track.state == Track.LOST and "jumped back" in track.reason
        for status in mot.statuses
        for track in status.tracks
    )


def test_a_looped_bag_of_detections_alone_begins_anew_too(mot: Mot) -> None:
    assert mot.set_parameters(detection_wait=0.0)[0].successful
    first = mot.next_stamp()
    for turn in range(2):
        mot.tracks.clear()
        for index in range(5):
            stamp = first + index * PERIOD + (index > 2) * 10**9
            mot.detect(stamp, [item(walker(index))])
            answer = mot.answer_to(stamp)
        assert ids(answer), turn
    assert "stamps of detections jumped back" in mot.process.output


def test_an_array_without_anything_in_it_is_an_answer_like_any(mot: Mot) -> None:
    stamp = mot.image()
    mot.detector.publish(
        Detection2DArray(header=Header(stamp=time_message(stamp)), detections=[Detection2D()])
    )
    answer = mot.answer_to(stamp)
    assert list(answer.tracks.detections) == []
    mot.wait_for_diagnostics("detections", "refused: detection: a side under")
