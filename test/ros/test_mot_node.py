"""The multi-object node over DDS: detections get identities, late ones too, and none goes twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pytest
from harness import TRACKER_ROS, RosProcess
from lifecycle_msgs.msg import Transition
from mot_harness import PICTURE, Mot, ids, item, walker
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters, ListParameters
from sensor_msgs.msg import Image
from sot_harness import FRAME_ID, box_of, fresh, nanoseconds, running
from std_srvs.srv import SetBool, Trigger

from tracker_ros.msg import Track

StartProcess = Callable[[Sequence[str], Mapping[str, str]], RosProcess]


@pytest.fixture(scope="module")
def process(ros_environment: int) -> Iterator[Mot]:
    yield from running(Mot, "-p", "tracker:=sort")


@pytest.fixture
def mot(process: Mot) -> Iterator[Mot]:
    """Just activated: no image, no target, no count."""
    results = process.set_parameters(
        detection_wait=10.0, sync_tolerance=0.02, max_gap=2.0, min_score=0.3, max_detections=300
    )
    assert all(result.successful for result in results), results
    yield from fresh(process)


# --- identities ----------------------------------------------------------------------------------


def test_everybody_keeps_the_identity_they_were_given(mot: Mot) -> None:
    answers = mot.walk(range(12), rows=(0, 1, 2))
    first = ids(answers[3])
    assert len(first) == 3
    for index, answer in enumerate(answers[3:], 3):
        assert ids(answer) == first
        for row, detection in enumerate(answer.tracks.detections):
            assert box_of(detection).iou(walker(index, row=row)) > 0.5


def test_identities_have_the_prefix_and_a_number(mot: Mot) -> None:
    (identity,) = ids(mot.walk(range(5))[-1])
    assert identity[0] == "m"
    assert identity[1:].isdecimal()


def test_an_identity_is_never_given_again_also_not_after_the_node_was_configured_anew(
    mot: Mot,
) -> None:
    seen = set(ids(mot.walk(range(5))[-1]))
    mot.call(Trigger, "clear")
    assert seen.isdisjoint(ids(mot.walk(range(5))[-1]))
    seen |= set(ids(mot.walk(range(5))[-1]))
    for transition in (
        Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE,
    ):  # fmt: skip
        assert mot.change_state(transition)
    assert seen.isdisjoint(ids(mot.walk(range(5))[-1]))


def test_label_and_score_of_the_best_hypothesis_are_carried_through(mot: Mot) -> None:
    answer = mot.walk(range(5), label="traffic light", score=0.75)[-1]
    (detection,) = answer.tracks.detections
    (track,) = answer.status.tracks
    hypothesis = detection.results[0].hypothesis
    assert hypothesis.class_id == track.label == "traffic light"
    assert hypothesis.score == pytest.approx(0.75)
    assert (detection.id, track.state) == (track.id, Track.TRACKING)


def test_the_header_of_the_image_is_copied_exactly_everywhere(mot: Mot) -> None:
    mot.walk(range(5))
    answer = mot.see([item(walker(5))], mot.next_stamp() + 999)
    headers = [answer.tracks.header, answer.status.header]
    headers += [d.header for d in answer.tracks.detections]
    headers += [t.header for t in answer.status.tracks]
    assert len(headers) == 4
    assert all(header == headers[0] for header in headers)
    assert headers[0].frame_id == FRAME_ID


def test_the_status_lists_who_is_not_believed_yet_and_who_is_lost(mot: Mot) -> None:
    mot.walk(range(5))
    answer = mot.walk(range(5, 6), rows=(0, 2))[0]
    assert len(ids(answer)) == 1
    assert [t.state for t in answer.status.tracks] == [Track.TRACKING, Track.TENTATIVE]
    assert "1 frames" in answer.status.tracks[1].reason
    answer = mot.see([])
    assert ids(answer) == []
    assert [t.state for t in answer.status.tracks] == [Track.LOST, Track.LOST]


def test_the_status_says_what_runs(mot: Mot) -> None:
    status = mot.walk(range(2))[-1].status
    assert status.tracker == "sort"
    assert "Kalman" in status.model
    assert (status.frames_received, status.frames_processed) == (2, 2)


# --- which detections are of which image ---------------------------------------------------------


def test_detections_that_come_before_their_image_wait_for_it(mot: Mot) -> None:
    mot.walk(range(4))
    stamp = mot.next_stamp()
    mot.detect(stamp, [item(walker(4))])
    answer = mot.answer_to(mot.image(stamp))
    assert [t.state for t in answer.status.tracks] == [Track.TRACKING]


def test_stamps_within_the_tolerance_pair_and_are_counted_apart(mot: Mot) -> None:
    mot.walk(range(4))
    stamp = mot.image()
    mot.detect(stamp + 15_000_000, [item(walker(4))])
    assert mot.answer_to(stamp).status.tracks[0].state == Track.TRACKING
    mot.wait_for_diagnostics("detections", "paired within the tolerance: 1")
    mot.wait_for_diagnostics("detections", "paired by the exact stamp: 4")


def test_an_image_whose_detections_do_not_come_is_answered_with_a_prediction(mot: Mot) -> None:
    before = ids(mot.walk(range(5))[-1])
    skipped = mot.image()
    answer = mot.see([item(walker(6))])
    predicted = mot.answer_to(skipped)
    assert ids(predicted) == ids(answer) == before
    assert [t.state for t in predicted.status.tracks] == [Track.UNCERTAIN]
    assert predicted.status.tracks[0].reason == "no detections for this image"
    assert answer.status.tracks[0].state == Track.TRACKING


def test_a_late_detector_is_caught_up_without_a_second_array_for_the_image(mot: Mot) -> None:
    mot.walk(range(5))
    assert mot.set_parameters(detection_wait=0.0)[0].successful
    late = mot.image()
    mot.answer_to(late)
    mot.detect(late, [item(walker(5)), item(walker(5, row=2))])
    mot.wait_for_diagnostics("detections", "late, applied afterwards: 1")
    answer = mot.answer_to(mot.image())
    assert len(answer.status.tracks) == 2  # the one that only the late array had is known
    assert [nanoseconds(a.header.stamp) for a in mot.tracks].count(late) == 1


def test_detections_without_an_image_go_out_under_their_own_header(mot: Mot) -> None:
    before = ids(mot.walk(range(5))[-1])
    assert mot.set_parameters(detection_wait=0.1)[0].successful
    stamp = mot.next_stamp()
    mot.detect(stamp, [item(walker(5))])
    answer = mot.answer_to(stamp)
    assert ids(answer) == before
    assert answer.status.frames_processed == 5  # images
    mot.wait_for_diagnostics("detections", "without an image: 1")


def test_images_without_detections_for_long_end_the_targets(mot: Mot) -> None:
    assert all(r.successful for r in mot.set_parameters(max_gap=0.2, detection_wait=0.0))
    mot.walk(range(5))
    answers = [mot.answer_to(mot.image()) for _ in range(12)]
    states = [[t.state for t in answer.status.tracks] for answer in answers]
    assert states[0] == [Track.UNCERTAIN]
    assert [Track.LOST] in states
    assert states[-1] == []


def test_there_is_one_array_for_each_image_in_the_order_of_the_stamps(mot: Mot) -> None:
    for index in range(20):
        if index % 3:
            mot.walk(range(index, index + 1))
        else:
            mot.image()
    mot.walk(range(20, 21))
    stamps = [nanoseconds(a.header.stamp) for a in mot.tracks]
    assert stamps == sorted(set(stamps)) and len(stamps) == 21


# --- pausing and ending --------------------------------------------------------------------------


def test_clear_ends_all_targets_and_says_so(mot: Mot) -> None:
    (identity,) = ids(mot.walk(range(5))[-1])
    response = mot.call(Trigger, "clear")
    assert response.success and identity in response.message
    mot.wait_for_end(identity, "cleared by request")


def test_while_disabled_nothing_is_tracked_and_targets_are_kept(mot: Mot) -> None:
    before = ids(mot.walk(range(5))[-1])
    assert mot.call(SetBool, "enable", data=False).success
    for index in range(5, 8):
        stamp = mot.image()
        mot.detect(stamp, [item(walker(index))])
    mot.diagnostics.clear()
    mot.wait_for_diagnostics("images", "frames dropped: 3")
    assert mot.call(SetBool, "enable", data=True).success
    assert ids(mot.walk(range(6, 7))[0]) == before


# --- what cannot run ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "tracker:=magic"], "no multi-object tracker 'magic'; there are famnet"),
        (["-p", "tracker:=famnet", "-p", "model:=none_such.yaml"], "none_such.yaml"),
        (["-p", "detection_wait:=-1.0"], "detection_wait"),
        (["-p", "reliability:=sometimes"], "choose one of auto"),
    ],
)
def test_a_node_that_cannot_run_ends_with_code_1_and_says_why(
    start_process: StartProcess, arguments: list[str], words: str
) -> None:
    node = start_process([*TRACKER_ROS, "mot", "--ros-args", "-r", "__node:=other", *arguments])
    assert node.wait_exit(30.0) == 1
    assert words in node.output
    assert "Traceback" not in node.output


# --- the debug image, diagnostics, parameters ----------------------------------------------------


def test_the_debug_image_shows_the_identities_under_the_header_of_the_image(mot: Mot) -> None:
    images: list[Image] = []
    subscription = mot.ros.node.create_subscription(Image, "mot/debug_image", images.append, 5)
    mot.ros.wait_until(subscription.get_publisher_count, what="the publisher of the debug image")
    answers = mot.walk(range(5))

    def shown() -> bool:
        answers.extend(mot.walk(range(5, 6)))
        return any(np.frombuffer(image.data, np.uint8).any() for image in list(images))

    mot.ros.wait_until(shown, what="a debug image with a drawing")
    assert images[-1].header in [answer.tracks.header for answer in answers]
    assert (images[-1].width, images[-1].height) == PICTURE.shape[1::-1]
    mot.ros.node.destroy_subscription(subscription)


def test_diagnostics_count_the_targets_by_their_state(mot: Mot) -> None:
    mot.walk(range(5), rows=(0, 1))
    entry = mot.wait_for_diagnostics("targets", "2 of 2 targets seen")
    assert {v.key: v.value for v in entry.values}["TRACKING"] == "2"


def test_diagnostics_warn_while_no_detections_come(mot: Mot) -> None:
    mot.walk(range(2))
    entry = mot.wait_for_diagnostics("detections", "no detections for")
    assert entry.level == b"\x01"


def test_what_is_wanted_can_be_tuned_live(mot: Mot) -> None:
    mot.walk(range(5), rows=(0, 1), score=0.6)
    assert mot.set_parameters(min_score=0.7)[0].successful
    answer = mot.walk(range(5, 6), rows=(0, 1), score=0.6)[0]
    assert ids(answer) == []
    mot.wait_for_diagnostics("detections", "left out: low score: 2")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("reliability", "sometimes", "sometimes"),
        ("detection_wait", -1.0, "detection_wait"),
        ("max_detections", 0, "max_detections"),
        ("tracker", "famnet", "read-only"),
        ("id_prefix", "x", "read-only"),
    ],
)
def test_a_bad_value_of_a_parameter_is_refused_with_the_reason(
    mot: Mot, name: str, value: object, words: str
) -> None:
    (result,) = mot.set_parameters(**{name: value})
    assert not result.successful
    assert words in result.reason


def test_every_parameter_has_a_description_and_every_number_a_range(mot: Mot) -> None:
    names = [
        name
        for name in mot.call(ListParameters, "list_parameters").result.names
        if name != "use_sim_time" and not name.startswith("qos_overrides.")
    ]
    described = mot.call(DescribeParameters, "describe_parameters", names=names).descriptors
    numbers = {ParameterType.PARAMETER_INTEGER, ParameterType.PARAMETER_DOUBLE}
    for descriptor in described:
        assert descriptor.description, descriptor.name
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        assert bool(ranges) == (descriptor.type in numbers), descriptor.name
