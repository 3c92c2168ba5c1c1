"""A target of the multi-object node is handed to the single-object node: one identity in both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from harness import TRACKER_ROS, Peer, RosProcess
from lifecycle_msgs.msg import Transition
from mot_harness import Mot, array, item
from sensor_msgs.msg import Image
from sot_harness import (
    GOOD_OVERLAP,
    PERIOD,
    RELIABLE,
    Answer,
    Sot,
    box_of,
    image_message,
    scene,
    truth,
)
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2DArray

from tracker_ros.geometry import Box
from tracker_ros.srv import Follow

ELSEWHERE = Box(20, 20, 60, 50)
"""Where nothing moves: the second thing that the detector sees."""


@dataclass
class Pair:
    """Both nodes, which see the same camera; the detector knows the truth of the scene."""

    sot: Sot
    mot: Mot
    camera: object
    detector: object

    def show(self, index: int) -> tuple[Answer, Answer]:
        """Publish a frame of the scene with its detections; gives the answers of sot and mot."""
        stamp = self.sot.next_stamp()
        self.camera.publish(image_message(scene()[index].image, stamp))
        self.detector.publish(
            array(stamp, [item(truth(index), "buggy"), item(ELSEWHERE, "bush", 0.8)])
        )
        return self.sot.answer_to(stamp), self.mot.answer_to(stamp)

    def identity(self, answer: Answer) -> str:
        """That of the buggy, in an array of the multi-object node."""
        (found,) = [d for d in answer.tracks.detections
                    if d.results[0].hypothesis.class_id == "buggy"]  # fmt: skip
        return str(found.id)

    def follow(self, id: str) -> Follow.Response:
        return self.sot.call(Follow, "follow", id=id)


@pytest.fixture(scope="module")
def nodes(ros_environment: int) -> Iterator[Pair]:
    to_sot = ("-r", "detections:=/mot/tracks", "-p", "threads:=1")
    commands = [("sot", to_sot), ("mot", ("-p", "tracker:=sort", "-p", "detection_wait:=10.0"))]
    processes = [RosProcess([*TRACKER_ROS, name, "--ros-args", *args]) for name, args in commands]
    peer = Peer("camera_and_detector")
    try:
        for process in processes:
            process.wait_for("active: waiting for images on /image", 60.0)
        sot, mot = Sot(processes[0], peer), Mot(processes[1], peer)
        camera = peer.publisher(Image, "image", RELIABLE)
        detector = peer.publisher(Detection2DArray, "detections", RELIABLE)
        peer.wait_until(lambda: camera.get_subscription_count() == 2, what="both nodes")
        peer.wait_for_subscriber(detector)
        processes[0].wait_for(r"subscribed to /mot/tracks \(Detection2DArray, reliable\)")
        yield Pair(sot, mot, camera, detector)
    finally:
        peer.close()
        for process in processes:
            process.finish()


@pytest.fixture
def pair(nodes: Pair) -> Iterator[Pair]:
    """Both without a target."""
    nodes.sot.call(Trigger, "clear")
    nodes.mot.call(Trigger, "clear")
    yield nodes
    for node in (nodes.sot, nodes.mot):
        assert "Traceback" not in node.process.output, node.process.output


def test_a_followed_identity_is_the_same_in_both_outputs_on_the_same_object(pair: Pair) -> None:
    for index in range(6):
        _, by_mot = pair.show(index)
    identity = pair.identity(by_mot)
    response = pair.follow(identity)
    assert response.success, response.message
    assert response.id == identity
    for index in range(6, 25):
        by_sot, by_mot = pair.show(index)
        assert by_sot.track.id == pair.identity(by_mot) == identity
        assert by_sot.box.iou(truth(index)) > GOOD_OVERLAP
    (detection,) = by_sot.tracks.detections
    (same,) = [d for d in by_mot.tracks.detections if d.id == identity]
    assert box_of(detection).iou(box_of(same)) > GOOD_OVERLAP
    assert by_sot.track.label == "buggy"


def test_the_target_is_set_on_the_very_image_that_the_identity_was_seen_in(pair: Pair) -> None:
    for index in range(6):
        _, by_mot = pair.show(index)
    identity = pair.identity(by_mot)
    # Images go on while no detector sees anything: the newest array that names it is older.
    for index in range(6, 10):
        stamp = pair.sot.next_stamp()
        pair.camera.publish(image_message(scene()[index].image, stamp))
        pair.detector.publish(array(stamp, []))
        pair.sot.answer_to(stamp)
        pair.mot.answer_to(stamp)
    response = pair.follow(identity)
    assert response.success, response.message
    by_sot, _ = pair.show(10)
    assert response.late == pytest.approx(4 * PERIOD / 1e9)  # set on frame 5, in frame 9
    assert 1 < by_sot.track.age <= 5
    assert by_sot.box.iou(truth(10)) > GOOD_OVERLAP


def test_an_unknown_identity_is_refused_naming_those_that_are_known(pair: Pair) -> None:
    for index in range(5):
        _, by_mot = pair.show(index)
    response = pair.follow("m99999")
    assert not response.success
    assert "'m99999'" in response.message and "/mot/tracks" in response.message
    assert pair.identity(by_mot) in response.message


def test_an_empty_identity_is_refused(pair: Pair) -> None:
    response = pair.follow("")
    assert not response.success
    assert "the id is empty" in response.message


def test_an_identity_whose_images_have_left_the_history_is_refused(pair: Pair) -> None:
    for index in range(5):
        _, by_mot = pair.show(index)
    identity = pair.identity(by_mot)
    assert pair.sot.set_parameters(history_frames=2)[0].successful
    try:
        for index in range(5, 8):
            stamp = pair.sot.next_stamp()
            pair.camera.publish(image_message(scene()[index].image, stamp))
            pair.detector.publish(array(stamp, []))
            pair.sot.answer_to(stamp)
            pair.mot.answer_to(stamp)
        response = pair.follow(identity)
    finally:
        assert pair.sot.set_parameters(history_frames=60)[0].successful
    assert not response.success
    assert identity in response.message and "the history holds" in response.message


def test_an_identity_that_was_handed_over_can_be_followed_again_after_it_ended(pair: Pair) -> None:
    for index in range(6):
        _, by_mot = pair.show(index)
    identity = pair.identity(by_mot)
    assert pair.follow(identity).success
    pair.show(6)
    assert identity in pair.sot.call(Trigger, "clear").message
    refused = pair.sot.set_target(truth(6), id=identity)
    assert not refused.success and "~/follow" in refused.message
    again = pair.follow(identity)
    assert again.success and again.id == identity, again.message
    by_sot, _ = pair.show(7)
    assert by_sot.track.id == identity


def test_a_followed_identity_can_be_pointed_at_anew(pair: Pair) -> None:
    for index in range(6):
        _, by_mot = pair.show(index)
    identity = pair.identity(by_mot)
    assert pair.follow(identity).success
    for index in range(6, 9):
        pair.show(index)
    assert pair.follow(identity).success
    by_sot, _ = pair.show(9)
    assert by_sot.track.id == identity
    assert by_sot.track.age < 4  # that since the first time


def test_an_identity_that_the_node_gave_itself_is_never_taken_for_another_s(pair: Pair) -> None:
    for index in range(6):
        _, by_mot = pair.show(index)
    identity = pair.identity(by_mot)
    own = pair.sot.set_target(ELSEWHERE, id=identity)
    assert own.success
    response = pair.follow(identity)
    assert not response.success
    assert "this node's own" in response.message
    by_sot, _ = pair.show(6)
    assert by_sot.track.id == identity
    assert by_sot.box.iou(ELSEWHERE) > GOOD_OVERLAP


def test_while_the_node_is_inactive_nothing_can_be_followed(pair: Pair) -> None:
    assert pair.sot.change_state(Transition.TRANSITION_DEACTIVATE)
    response = pair.follow("m1")
    assert not response.success
    assert "inactive" in response.message
    assert pair.sot.change_state(Transition.TRANSITION_ACTIVATE)
    pair.sot.ros.wait_until(lambda: pair.camera.get_subscription_count() == 2, what="both nodes")


def test_without_any_detections_the_refusal_says_what_to_remap(pair: Pair) -> None:
    assert pair.sot.change_state(Transition.TRANSITION_DEACTIVATE)
    assert pair.sot.change_state(Transition.TRANSITION_ACTIVATE)
    response = pair.follow("m1")
    assert not response.success
    assert "remap" in response.message
