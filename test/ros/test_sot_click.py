"""Targets by click: points on ~/click, of images and of what a detector saw in them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from geometry_msgs.msg import PointStamped
from lifecycle_msgs.msg import Transition
from mot_harness import array, item
from sot_harness import (
    FRAME_ID,
    GOOD_OVERLAP,
    RELIABLE,
    Answer,
    Sot,
    box_of,
    fresh,
    image_message,
    nanoseconds,
    running_node,
    scene,
    time_message,
    truth,
)
from vision_msgs.msg import Detection2DArray

from tracker_ros.geometry import Box
from tracker_ros.nodes.click_input import Refusals


@pytest.fixture(scope="module")
def process(ros_environment: int) -> Iterator[Sot]:
    yield from running_node("-p", "threads:=1", "-p", "click_size:=0.12")


@pytest.fixture
def sot(process: Sot) -> Iterator[Sot]:
    yield from fresh(process)


@pytest.fixture
def detector(sot: Sot) -> Iterator[Any]:
    publisher = sot.ros.publisher(Detection2DArray, "/detections", RELIABLE)
    sot.ros.wait_for_subscriber(publisher)
    yield publisher
    sot.ros.node.destroy_publisher(publisher)


def click(sot: Sot, x: float, y: float, stamp: int = 0, frame_id: str = "") -> None:
    """Publish a point, and wait for what is said of it."""
    publisher = sot.ros.publisher(PointStamped, f"{sot.name}/click")
    sot.ros.wait_for_subscriber(publisher)
    message = PointStamped()
    message.header.stamp, message.header.frame_id = time_message(stamp), frame_id
    message.point.x, message.point.y, message.point.z = x, y, 1.0
    time.sleep(Refusals.QUIET)  # faster ones are counted, and not logged
    before = sot.process.output.count("click")
    publisher.publish(message)
    sot.ros.wait_until(
        lambda: sot.process.output.count("click") > before, what="a word about the click"
    )
    sot.ros.node.destroy_publisher(publisher)


def seen_and_detected(sot: Sot, detector: Any, index: int, *items: Any) -> Answer:
    """Show a frame of the scene with what a detector saw in it."""
    stamp = sot.next_stamp()
    detector.publish(array(stamp, list(items)))
    return sot.answer_to(sot.send(image_message(scene()[index].image, stamp)))


def test_what_is_clicked_on_is_followed(sot: Sot) -> None:
    answers = sot.film(range(1))
    box = truth(0)
    click(sot, box.cx, box.cy, nanoseconds(answers[0].tracks.header.stamp), FRAME_ID)
    (track,) = sot.film(range(1, 2))[0].status.tracks
    assert box_of(track).clipped(640, 480).area > 0
    assert abs(box_of(track).cx - truth(1).cx) < 30 and abs(box_of(track).cy - truth(1).cy) < 30


def test_a_detection_that_is_clicked_on_is_followed_in_its_box(sot: Sot, detector: Any) -> None:
    seen_and_detected(sot, detector, 0, item(truth(0), "buggy"), item(Box(0, 0, 640, 480), "all"))
    click(sot, truth(0).cx, truth(0).cy)
    answer = sot.film(range(1, 2))[0]
    assert answer.track.label == "buggy" and answer.track.id.isdigit()
    assert answer.box.iou(truth(1)) > GOOD_OVERLAP


def test_a_detection_with_an_identity_keeps_it(sot: Sot, detector: Any) -> None:
    found = item(truth(0), "buggy")
    found.id = "m77"
    seen_and_detected(sot, detector, 0, found)
    click(sot, truth(0).cx, truth(0).cy)
    answer = sot.film(range(1, 2))[0]
    assert answer.track.id == "m77"
    assert answer.box.iou(truth(1)) > GOOD_OVERLAP


def test_a_click_on_an_older_image_is_caught_up(sot: Sot, detector: Any) -> None:
    answer = seen_and_detected(sot, detector, 0, item(truth(0), "buggy"))
    stamp = nanoseconds(answer.tracks.header.stamp)
    sot.film(range(1, 15))
    click(sot, truth(0).cx, truth(0).cy, stamp)
    answer = sot.film(range(15, 16))[0]
    sot.process.wait_for(r"click: following \d+, set 0\.47 s late: catches up on 14 images")
    assert 1 < answer.track.age <= 15
    assert answer.box.iou(truth(15)) > GOOD_OVERLAP


@pytest.mark.parametrize(
    ("x", "y", "frame_id", "words"),
    [
        (2000.0, 10.0, "", "x=2000 y=10 is not on the 640x480 image"),
        (float("nan"), 10.0, "", "not finite"),
        (100.0, 100.0, "map", "'map'"),
    ],
)
def test_a_click_that_means_nothing_is_told_and_the_target_lives_on(
    sot: Sot, x: float, y: float, frame_id: str, words: str
) -> None:
    identity = sot.follow()
    click(sot, x, y, frame_id=frame_id)
    sot.wait_for_diagnostics("targets", words)
    sot.wait_for_diagnostics("targets", "refused: clicks: ")
    answer = sot.film(range(1, 2))[0]
    assert answer.track.id == identity


def refused(sot: Sot) -> int:
    """How many clicks were refused since the node was started, by its diagnostics of now."""
    sot.diagnostics.clear()
    entry = sot.wait_for_diagnostics("targets", "")
    values = {value.key: value.value for value in entry.values}
    return int(values.get("refused: clicks", "0 times").split()[0])


def test_a_flood_of_bad_clicks_is_counted_but_not_all_of_it_is_logged(sot: Sot) -> None:
    identity = sot.follow()
    publisher = sot.ros.publisher(PointStamped, f"{sot.name}/click", 1000)
    sot.ros.wait_for_subscriber(publisher)
    message = PointStamped()
    message.point.x = float("nan")
    counted, logged = refused(sot), sot.process.output.count("not finite")
    for _ in range(1000):
        publisher.publish(message)
    sot.ros.wait_until(lambda: refused(sot) >= counted + 10)
    sot.ros.node.destroy_publisher(publisher)
    assert sot.process.output.count("not finite") - logged < refused(sot) - counted
    assert sot.film(range(1, 2))[0].track.id == identity


def test_before_the_first_image_and_while_inactive_clicks_are_refused(sot: Sot) -> None:
    click(sot, 10.0, 10.0)
    sot.wait_for_diagnostics("targets", "no image has arrived")
    assert sot.change_state(Transition.TRANSITION_DEACTIVATE)
    click(sot, 10.0, 10.0)
    sot.wait_for_diagnostics("targets", "inactive, not active")
    assert sot.change_state(Transition.TRANSITION_ACTIVATE)
