"""Stamps, late targets, time that jumps back, and a camera that is too fast for the node."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
from harness import TRACKER_ROS, Peer, RosProcess
from rosgraph_msgs.msg import Clock
from sot_harness import (
    FRAME_ID,
    GOOD_OVERLAP,
    PERIOD,
    Sot,
    fresh,
    image_message,
    nanoseconds,
    running_node,
    scene,
    time_message,
    truth,
)

from tracker_ros.geometry import Box
from tracker_ros.msg import Track

StartProcess = Callable[[Sequence[str], Mapping[str, str]], RosProcess]


@pytest.fixture(scope="module")
def process(ros_environment: int) -> Iterator[Sot]:
    yield from running_node("-p", "threads:=1")


@pytest.fixture
def sot(process: Sot) -> Iterator[Sot]:
    defaults = process.set_parameters(max_targets=1, history_frames=60)
    assert all(result.successful for result in defaults)
    yield from fresh(process)


# --- late targets --------------------------------------------------------------------------------


def test_a_target_set_on_an_older_image_starts_there_and_catches_up(sot: Sot) -> None:
    # The operator saw frame 0. By frame 20 the target has left the box it had then.
    answers = sot.film(range(21))
    assert truth(20).iou(truth(0)) < GOOD_OVERLAP + 0.2
    response = sot.set_target(truth(0), nanoseconds(answers[0].tracks.header.stamp))
    assert response.success, response.message
    assert response.late == pytest.approx(20 * PERIOD / 1e9)
    assert "set 0.67 s late: catches up on 20 images" in response.message
    answer = sot.film(range(21, 22))[0]
    assert answer.track.id == response.id
    assert 1 < answer.track.age <= 21  # a slow machine may skip some, to be there in time
    assert answer.box.iou(truth(21)) > GOOD_OVERLAP


def test_of_many_missed_frames_some_are_skipped_so_that_a_late_target_reaches_the_present(
    sot: Sot,
) -> None:
    answers = sot.film(range(60))
    assert sot.set_target(truth(0), nanoseconds(answers[0].tracks.header.stamp)).success
    answer = sot.film(range(60, 61))[0]
    assert answer.track.age <= 31
    assert answer.box.iou(truth(60)) > GOOD_OVERLAP


def test_while_another_target_is_followed_a_late_one_comes_to_it_without_a_gap(sot: Sot) -> None:
    assert sot.set_parameters(max_targets=2)[0].successful
    there = sot.follow()
    answers = sot.film(range(1, 21))
    stamp = nanoseconds(answers[4].tracks.header.stamp)
    late = sot.set_target(truth(5), stamp)
    assert late.success and late.late > 0
    after = sot.film(range(21, 60))
    ids = [[track.id for track in answer.status.tracks] for answer in after]
    assert all(there in seen for seen in ids)
    first = next(index for index, seen in enumerate(ids) if late.id in seen)
    assert first <= 31 and all(seen == [there, late.id] for seen in ids[first:])
    sot.process.wait_for(f"target {late.id} has caught up: ")


def test_a_pause_longer_than_the_history_leaves_only_what_came_after_it(sot: Sot) -> None:
    assert sot.set_parameters(history_seconds=0.5)[0].successful
    try:
        before = sot.film(range(3))
        after = [sot.next_stamp() for _ in range(30)][-1]
        sot.answer_to(sot.send(image_message(scene()[3].image, after)))
        refused = sot.set_target(truth(2), nanoseconds(before[-1].tracks.header.stamp))
        assert not refused.success and "s older" in refused.message
    finally:
        assert sot.set_parameters(history_seconds=5.0)[0].successful


def test_an_image_older_than_the_history_is_refused_naming_what_is_held(sot: Sot) -> None:
    assert sot.set_parameters(history_frames=5)[0].successful
    answers = sot.film(range(10))
    stamps = [nanoseconds(answer.tracks.header.stamp) for answer in answers]
    response = sot.set_target(truth(0), stamps[0])
    assert not response.success
    for stamp in (stamps[0], stamps[5], stamps[9]):
        assert f"{stamp // 10**9}.{stamp % 10**9:09d}" in response.message
    assert sot.set_target(truth(5), stamps[5]).success


def test_a_refused_late_target_leaves_the_current_one_alone(sot: Sot) -> None:
    identity = sot.follow()
    assert not sot.set_target(truth(0), 1).success
    answer = sot.film(range(1, 5))[-1]
    assert answer.track.id == identity
    assert answer.box.iou(truth(4)) > GOOD_OVERLAP


def test_a_target_that_is_off_the_older_image_is_refused(sot: Sot) -> None:
    answers = sot.film(range(5))
    stamp = nanoseconds(answers[0].tracks.header.stamp)
    response = sot.set_target(Box(640, 0, 40, 40), stamp)
    assert not response.success
    assert "640x480" in response.message


# --- time that jumps back ------------------------------------------------------------------------


def ended(sot: Sot, identity: str, words: str) -> Callable[[], bool]:
    """Whether a status has said that the target was lost for that reason."""

    def said() -> bool:
        return any(
            track.id == identity and track.state == Track.LOST and words in track.reason
            for status in list(sot.statuses)
            for track in status.tracks
        )

    return said


def test_a_looped_bag_ends_the_target_says_why_and_can_be_tracked_again(sot: Sot) -> None:
    first = sot.next_stamp()
    for index in range(3):
        sot.answer_to(sot.send(image_message(scene()[index].image, first + index * PERIOD)))
    identity = sot.set_target(truth(2)).id
    ages = [1.0, 0.9]
    for index, age in enumerate(ages, 3):
        stamp = first + 10**10 - int(age * 10**9)
        sot.answer_to(sot.send(image_message(scene()[index].image, stamp)))
    sot.forget()  # the same stamps come again
    looped = sot.answer_to(sot.send(image_message(scene()[0].image, first)))
    assert list(looped.tracks.detections) == [] and list(looped.status.tracks) == []
    sot.ros.wait_until(ended(sot, identity, "stamps jumped back by 9.1 s"))
    sot.wait_for_diagnostics("targets", "targets ended: image stamps jumped back")
    response = sot.set_target(truth(0), first)
    assert response.success and response.id != identity
    stamp = sot.send(image_message(scene()[1].image, first + PERIOD))
    assert sot.answer_to(stamp).box.iou(truth(1)) > GOOD_OVERLAP


def test_images_of_before_the_jump_are_forgotten(sot: Sot) -> None:
    first = sot.next_stamp()
    later = first + 5 * 10**9
    sot.answer_to(sot.send(image_message(scene()[0].image, later)))
    sot.answer_to(sot.send(image_message(scene()[0].image, first)))
    response = sot.set_target(truth(0), later)
    assert not response.success
    assert f"{later // 10**9}.{later % 10**9:09d}" in response.message


def test_an_image_that_comes_a_little_late_is_dropped_and_the_target_lives_on(sot: Sot) -> None:
    identity = sot.follow()
    answers = sot.film(range(1, 5))
    late = nanoseconds(answers[-1].tracks.header.stamp) - PERIOD // 2
    sot.send_bad(sot.camera, image_message(scene()[4].image, late))
    answer = sot.film(range(5, 6))[0]
    assert answer.track.id == identity
    assert answer.box.iou(truth(5)) > GOOD_OVERLAP
    assert late not in [nanoseconds(array.header.stamp) for array in sot.tracks]
    sot.wait_for_diagnostics("images", "0.017 s before the last one")


def test_with_use_sim_time_a_clock_that_jumps_back_ends_the_target(
    start_process: StartProcess, ros: Peer
) -> None:
    arguments = ["-p", "use_sim_time:=true", "-r", "__ns:=/replay"]
    node = start_process([*TRACKER_ROS, "sot", "--ros-args", *arguments], {})
    node.wait_for("active: waiting for images on /replay/image")
    sot = Sot(node, ros, "/replay")
    clock = ros.publisher(Clock, "/clock")
    ros.wait_for_subscriber(clock)
    start, identity = sot.next_stamp(), ""
    assert sot.camera.get_subscription_count() == 1  # though the clock has not started yet
    for index in range(4):
        stamp = start + index * PERIOD
        clock.publish(Clock(clock=time_message(stamp)))
        answer = sot.answer_to(sot.send(image_message(scene()[index].image, stamp)))
        identity = identity or sot.set_target(truth(0)).id
    assert answer.track.id == identity
    assert 0 <= answer.status.image_latency < 1  # in simulated time: the clock stands still
    clock.publish(Clock(clock=time_message(start - 5 * 10**9)))
    ros.wait_until(ended(sot, identity, "the clock jumped back"))
    assert node.returncode is None


# --- a camera that is too fast -------------------------------------------------------------------


def test_a_slow_node_drops_frames_and_always_answers_the_newest(sot: Sot) -> None:
    targets = 24
    assert sot.set_parameters(max_targets=targets)[0].successful
    sot.film(range(1))
    for number in range(targets):
        assert sot.set_target(Box(20 + 90 * (number % 6), 20 + 100 * (number // 6), 70, 70)).success
    sent = []
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        sent.append(sot.send(image_message(scene()[len(sent) % 60].image, sot.next_stamp())))
        time.sleep(0.005)  # 200 Hz, or as fast as the machine can
    answered_before = len(sot.tracks)
    status = sot.answer_to(sent[-1]).status
    assert status.frames_dropped > 0
    assert status.frames_processed < len(sent)
    assert (
        status.frames_processed + status.frames_dropped + status.frames_rejected
        == status.frames_received
    )
    # At most the frame in work and the newest were waiting when the camera stopped: no backlog.
    assert len(sot.tracks) - answered_before <= 3
    stamps = [nanoseconds(array.header.stamp) for array in sot.tracks]
    assert stamps == sorted(stamps)
    ages = [s.frame_age for s in sot.statuses if s.header.frame_id == FRAME_ID]
    assert max(ages) < 2.0  # a backlog would have grown to the length of the whole burst
    assert max(len(s.tracks) for s in sot.statuses) == targets
