"""The single-object node over DDS: a target is set, followed and let go."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters, ListParameters
from sensor_msgs.msg import Image
from sot_harness import (
    FRAME_ID,
    GOOD_OVERLAP,
    Answer,
    Sot,
    image_message,
    nanoseconds,
    scene,
    truth,
)

from tracker_ros.geometry import Box
from tracker_ros.msg import Track
from tracker_ros.sot import DEFAULT_MODELS, DEFAULT_TRACKER

VISIBLE = {Track.TENTATIVE, Track.TRACKING, Track.UNCERTAIN, Track.REACQUIRED}


# --- following -----------------------------------------------------------------------------------


def test_before_a_target_is_set_every_frame_gets_an_empty_array(sot: Sot) -> None:
    answers = sot.film(range(3))
    assert [list(answer.tracks.detections) for answer in answers] == [[], [], []]
    assert all(answer.tracks.header.frame_id == FRAME_ID for answer in answers)
    assert [len(answer.status.tracks) for answer in answers] == [0, 0, 0]


def test_a_target_is_followed_through_the_scene(sot: Sot) -> None:
    sot.follow()
    answers = sot.film(range(1, 60))
    overlaps = [answer.box.iou(truth(i)) for i, answer in enumerate(answers, 1)]
    assert min(overlaps) > GOOD_OVERLAP
    assert answers[-1].track.state == Track.TRACKING
    assert answers[-1].track.age == 59
    assert all(answer.track.frames_since_seen == 0 for answer in answers)


def test_the_header_of_the_image_is_copied_exactly_everywhere(sot: Sot) -> None:
    sot.follow()
    stamp = sot.send(image_message(scene()[1].image, 1_700_000_123_999_999_999))
    answer = sot.answer_to(stamp)
    headers = [answer.tracks.header, answer.status.header, answer.track.header]
    headers += [detection.header for detection in answer.tracks.detections]
    assert len(headers) == 4
    for header in headers:
        assert (header.stamp.sec, header.stamp.nanosec) == (1_700_000_123, 999_999_999)
        assert header.frame_id == FRAME_ID


def test_there_is_exactly_one_array_and_one_status_for_each_processed_frame(sot: Sot) -> None:
    sot.follow()
    last = sot.film(range(1, 15))[-1]
    assert last.status.frames_received == 15
    assert last.status.frames_processed == 15
    assert (last.status.frames_dropped, last.status.frames_rejected) == (0, 0)
    stamps = [nanoseconds(array.header.stamp) for array in sot.tracks]
    assert stamps == sorted(set(stamps)) and len(stamps) == 15
    of_frames = [s for s in sot.statuses if s.header.frame_id == FRAME_ID]
    assert [nanoseconds(status.header.stamp) for status in of_frames] == stamps


def test_identity_and_label_are_in_the_detection_and_in_the_status(sot: Sot) -> None:
    assert sot.follow(id="buggy 7", label="buggy") == "buggy 7"
    answer = sot.film(range(1, 2))[0]
    (detection,) = answer.tracks.detections
    assert detection.id == answer.track.id == "buggy 7"
    assert detection.results[0].hypothesis.class_id == answer.track.label == "buggy"
    assert 0 < detection.results[0].hypothesis.score <= 1
    assert detection.results[0].hypothesis.score == pytest.approx(answer.track.score)


def test_the_status_says_what_runs_and_how_long_each_stage_took(sot: Sot) -> None:
    sot.follow()
    status = sot.film(range(1, 4))[-1].status
    assert (status.tracker, status.backend, status.precision) == (
        DEFAULT_TRACKER, "onnxruntime", "fp32",
    )  # fmt: skip
    assert status.model == DEFAULT_MODELS[DEFAULT_TRACKER]
    for stage in ("decode", "preprocess", "inference", "postprocess", "publish"):
        assert 0 < getattr(status, f"{stage}_time") < 5, stage
    assert status.inference_time < status.frame_age < 10
    assert math.isnan(status.image_latency)  # this camera's clock is not the node's


def test_on_black_frames_the_target_is_lost_with_the_reason_and_never_tracking(sot: Sot) -> None:
    sot.follow()
    assert sot.film(range(1, 6))[-1].track.state in VISIBLE
    answers = [sot.show(np.zeros((480, 640, 3), np.uint8)) for _ in range(12)]
    assert [answer.track.state for answer in answers] == [Track.LOST] * 12
    assert all("blank picture" in answer.track.reason for answer in answers)
    assert [list(answer.tracks.detections) for answer in answers] == [[]] * 12
    assert answers[-1].track.frames_since_seen == 12
    sot.wait_for_diagnostics("targets", "is LOST: blank picture")


def test_at_the_border_of_the_image_a_black_frame_is_not_taken_for_the_target_either(
    sot: Sot,
) -> None:
    # The search region reaches over the border, and is filled with something there.
    sot.film(range(1))
    assert sot.set_target(Box(2, 2, 60, 60)).success
    sot.film(range(1, 3))
    answers = [sot.show(np.zeros((480, 640, 3), np.uint8)) for _ in range(12)]
    assert [answer.track.state for answer in answers] == [Track.LOST] * 12


def test_a_target_is_found_again_after_black_frames(sot: Sot) -> None:
    identity = sot.follow()
    sot.film(range(1, 6))
    for _ in range(3):
        sot.show(np.zeros((480, 640, 3), np.uint8))
    answers = sot.film(range(6, 30))
    states = [answer.track.state for answer in answers]
    assert Track.REACQUIRED in states and states[-1] == Track.TRACKING
    assert answers[-1].track.id == identity
    assert answers[-1].box.iou(truth(29)) > GOOD_OVERLAP


def test_while_no_images_come_the_status_says_once_a_second_that_the_node_lives(sot: Sot) -> None:
    sot.film(range(2))
    sot.statuses.clear()
    sot.ros.wait_until(lambda: len(sot.statuses) >= 4, what="four statuses")
    first = sot.statuses[0]
    assert first.header.frame_id == "" and first.tracker == DEFAULT_TRACKER
    assert (first.frames_received, first.frames_processed) == (2, 2)
    stamps = [nanoseconds(status.header.stamp) / 1e9 for status in sot.statuses[:4]]
    between = statistics.median(after - before for before, after in itertools.pairwise(stamps))
    assert 0.5 < between < 2.0


def test_while_no_images_come_the_targets_stay_in_the_status_and_their_age_is_told(
    sot: Sot,
) -> None:
    identity = sot.follow()
    last = sot.film(range(1, 6))[-1]
    sot.statuses.clear()
    sot.ros.wait_until(lambda: sot.statuses, what="a status without an image")
    (track,) = sot.statuses[0].tracks
    assert (track.id, track.state, track.header) == (identity, last.track.state, last.track.header)
    entry = sot.wait_for_diagnostics("targets", "no image has been tracked since")
    assert entry.level == b"\x01"


# --- the debug image -----------------------------------------------------------------------------


def test_the_debug_image_shows_the_frame_under_its_header(sot: Sot) -> None:
    sot.follow()
    images: list[Image] = []
    subscription = sot.ros.node.create_subscription(Image, "sot/debug_image", images.append, 5)
    sot.ros.wait_until(
        lambda: subscription.get_publisher_count() > 0, what="the publisher of the debug image"
    )

    def shown() -> bool:
        answers.append(sot.film(range(4, 5))[0])
        return len(images) > 0

    answers: list[Answer] = []
    sot.ros.wait_until(shown, what="a debug image")
    image, headers = images[0], [answer.tracks.header for answer in answers]
    assert image.header in headers
    assert (image.encoding, image.width, image.height) == ("bgr8", 640, 480)
    pixels = np.frombuffer(image.data, np.uint8).reshape(480, 640, 3)
    changed = (pixels != scene()[4].image).any(axis=-1)
    assert 0.0005 < changed.mean() < 0.2  # the picture, and a box with its words on it
    sot.ros.node.destroy_subscription(subscription)


# --- parameters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("reliability", "sometimes", "sometimes"),
        ("transport", "pigeon", "raw, compressed"),
        ("max_targets", 0, "max_targets"),
        ("max_targets", "two", "expected 'Type.INTEGER'"),
        ("monitor__lost_score", 1.5, "monitor.lost_score"),
        ("history_frames", -1, "history_frames"),
        ("history_seconds", -1.0, "history_seconds"),
        ("click_size", 0.0, "click_size"),
        ("threads", 2, "read-only"),
    ],
)
def test_a_bad_value_of_a_parameter_is_refused_with_the_reason(
    sot: Sot, name: str, value: object, words: str
) -> None:
    (result,) = sot.set_parameters(**{name: value})
    assert not result.successful
    assert words in result.reason


def test_thresholds_take_effect_on_the_next_frame(sot: Sot) -> None:
    sot.follow()
    assert sot.film(range(1, 10))[-1].track.state == Track.TRACKING
    before = sot.parameter("monitor.uncertain_score")
    assert sot.set_parameters(monitor__uncertain_score=1.0)[0].successful
    try:
        doubted = sot.film(range(10, 12))[-1].track
        assert doubted.state == Track.UNCERTAIN
        assert "under 1" in doubted.reason
    finally:
        assert sot.set_parameters(monitor__uncertain_score=before)[0].successful
    assert sot.film(range(12, 16))[-1].track.state == Track.TRACKING


def test_every_parameter_of_the_node_has_a_description_and_every_number_a_range(sot: Sot) -> None:
    names = [
        name
        for name in sot.call(ListParameters, "list_parameters").result.names
        if name != "use_sim_time" and not name.startswith("qos_overrides.")
    ]
    assert {"tracker", "max_targets", "monitor.patience"} <= set(names)
    described = sot.call(DescribeParameters, "describe_parameters", names=names).descriptors
    numbers = {ParameterType.PARAMETER_INTEGER, ParameterType.PARAMETER_DOUBLE}
    for descriptor in described:
        assert descriptor.description, descriptor.name
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        assert bool(ranges) == (descriptor.type in numbers), descriptor.name
