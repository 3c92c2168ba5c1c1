"""Quality of service: cameras of every kind are received, and what does not fit is named."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from harness import TRACKER_ROS, Peer, RosProcess
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from sot_harness import (
    BEST_EFFORT,
    GOOD_OVERLAP,
    RELIABLE,
    Answer,
    Sot,
    fresh,
    header,
    image_message,
    nanoseconds,
    scene,
    truth,
)

from tracker_ros.nodes.process import find_profile

StartProcess = Callable[[Sequence[str], Mapping[str, str]], RosProcess]
LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


@pytest.fixture
def sot(process: Sot) -> Iterator[Sot]:
    """Without a camera: each test brings its own."""
    results = process.set_parameters(reliability="auto", camera_rate=0.0)
    assert all(result.successful for result in results)
    process.remove_camera()
    yield from fresh(process)


class Cameras:
    """Publishers of `image` that go with the test."""

    def __init__(self, sot: Sot) -> None:
        self._sot = sot
        self._publishers: list[Any] = []

    def open(self, qos: QoSProfile) -> Any:
        """A camera; whether somebody listens is for the test to wait for."""
        self._publishers.append(self._sot.ros.publisher(Image, "image", qos))
        return self._publishers[-1]

    def close(self) -> None:
        """Take them all off the graph."""
        for publisher in self._publishers:
            self._sot.ros.node.destroy_publisher(publisher)
        self._publishers.clear()


@pytest.fixture
def cameras(sot: Sot) -> Iterator[Cameras]:
    cameras = Cameras(sot)
    yield cameras
    cameras.close()


def show(sot: Sot, camera: Any, index: int) -> Answer:
    """Publish a frame of the scene and wait for the answer."""
    sot.ros.wait_for_subscriber(camera)
    message = image_message(scene()[index].image, sot.next_stamp())
    camera.publish(message)
    return sot.answer_to(nanoseconds(message.header.stamp))


def subscription(sot: Sot) -> Any:
    """What the node asks of the camera."""
    found: list[Any] = []

    def exists() -> bool:
        found[:] = sot.ros.node.get_subscriptions_info_by_topic("/image")
        return len(found) == 1

    sot.ros.wait_until(exists, what="one subscription of /image")
    return found[0].qos_profile


# --- what fits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("qos", "words"),
    [(BEST_EFFORT, "best effort"), (RELIABLE, "reliable"), (LATCHED, "reliable")],
    ids=["best_effort", "reliable", "transient_local"],
)
def test_a_camera_is_received_as_reliably_as_it_offers(
    sot: Sot, cameras: Cameras, qos: QoSProfile, words: str
) -> None:
    camera = cameras.open(qos)
    show(sot, camera, 0)
    assert sot.set_target(truth(0)).success
    for index in range(1, 8):
        assert show(sot, camera, index).box.iou(truth(index)) > GOOD_OVERLAP
    asked = subscription(sot)
    assert asked.reliability == qos.reliability
    assert asked.durability == qos.durability
    sot.wait_for_diagnostics("images", f"topic: /image (Image, {words})")


def test_the_last_image_of_a_camera_that_latches_is_received_late(
    sot: Sot, cameras: Cameras
) -> None:
    camera = cameras.open(LATCHED)
    stamp = sot.next_stamp()
    camera.publish(image_message(scene()[0].image, stamp))
    assert list(sot.answer_to(stamp).tracks.detections) == []


def test_of_two_cameras_the_less_reliable_decides_and_both_are_received(
    sot: Sot, cameras: Cameras
) -> None:
    reliable = cameras.open(RELIABLE)
    show(sot, reliable, 0)
    best_effort = cameras.open(BEST_EFFORT)
    show(sot, best_effort, 1)
    show(sot, reliable, 2)
    assert subscription(sot).reliability == ReliabilityPolicy.BEST_EFFORT


def test_a_camera_that_comes_back_with_another_reliability_is_received(
    sot: Sot, cameras: Cameras
) -> None:
    show(sot, cameras.open(RELIABLE), 0)
    assert sot.set_target(truth(0)).success
    cameras.close()
    camera = cameras.open(BEST_EFFORT)
    assert show(sot, camera, 1).box.iou(truth(1)) > GOOD_OVERLAP


def test_the_tracks_are_reliable(sot: Sot) -> None:
    for topic in ("/sot/tracks", "/sot/status"):
        (offer,) = sot.ros.node.get_publishers_info_by_topic(topic)
        assert offer.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        assert offer.qos_profile.durability == DurabilityPolicy.VOLATILE


def test_qos_overrides_change_what_the_node_offers(start_process: StartProcess, ros: Peer) -> None:
    override = "qos_overrides./replay/sot/tracks.publisher.reliability:=best_effort"
    arguments = ["-r", "__ns:=/replay", "-p", override]
    node = start_process([*TRACKER_ROS, "sot", "--ros-args", *arguments], {})
    node.wait_for("active: waiting")
    offers: list[Any] = []

    def seen() -> bool:
        offers[:] = ros.node.get_publishers_info_by_topic("/replay/sot/tracks")
        return bool(offers)

    ros.wait_until(seen, what="the publisher of tracks")
    assert offers[0].qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


# --- what does not -------------------------------------------------------------------------------


def test_a_camera_that_does_not_fit_is_named_with_the_policy_and_the_fix(
    sot: Sot, cameras: Cameras
) -> None:
    assert sot.set_parameters(reliability="reliable")[0].successful
    camera = cameras.open(BEST_EFFORT)
    entry = sot.wait_for_diagnostics("images", "incompatible reliability")
    assert entry.level == b"\x02"
    assert "/image" in entry.message and "parameter reliability" in entry.message
    assert camera.get_subscription_count() == 0
    sot.process.wait_for("incompatible reliability")

    assert sot.set_parameters(reliability="auto")[0].successful
    show(sot, camera, 0)
    sot.diagnostics.clear()
    assert sot.wait_for_diagnostics("images", "topic:").message == "images arrive"


def test_a_clash_is_forgotten_when_the_camera_that_did_not_fit_has_gone(
    sot: Sot, cameras: Cameras
) -> None:
    assert sot.set_parameters(reliability="reliable")[0].successful
    show(sot, cameras.open(RELIABLE), 0)
    stranger = sot.ros.publisher(Image, "image", BEST_EFFORT)
    sot.wait_for_diagnostics("images", "1 of 2 publishers of /image offers an incompatible")
    sot.ros.node.destroy_publisher(stranger)
    sot.wait_for_diagnostics("images", "no image for")  # and no clash any more


def test_without_a_camera_diagnostics_name_the_topic(sot: Sot) -> None:
    entry = sot.wait_for_diagnostics("images", "nobody publishes images on /image")
    assert entry.level == b"\x01"


def test_a_camera_that_falls_silent_is_told(sot: Sot, cameras: Cameras) -> None:
    show(sot, cameras.open(RELIABLE), 0)
    assert sot.wait_for_diagnostics("images", "no image for").level == b"\x01"


@pytest.mark.parametrize("source", ["camera_info", "parameter"])
def test_a_received_rate_far_under_the_cameras_is_told_with_the_fix(
    sot: Sot, cameras: Cameras, source: str
) -> None:
    camera, infos = cameras.open(RELIABLE), sot.ros.publisher(CameraInfo, "camera_info")
    sot.ros.wait_for_subscriber(camera)
    sot.ros.wait_for_subscriber(infos)
    if source == "parameter":
        assert sot.set_parameters(camera_rate=40.0)[0].successful
    told: list[Any] = []

    def next_frames() -> bool:
        """Four frames of the camera, of which one arrives."""
        camera.publish(image_message(scene()[0].image, sot.next_stamp()))
        for _ in range(4 if source == "camera_info" else 0):
            infos.publish(CameraInfo(header=header(sot.next_stamp())))
        time.sleep(0.09)
        told[:] = [
            entry
            for array in list(sot.diagnostics)
            for entry in array.status
            if entry.name == "sot: images" and "images a second arrive" in entry.message
        ]
        return bool(told)

    try:
        sot.ros.wait_until(next_frames, 10.0, "a warning of lost images")
    finally:
        sot.ros.node.destroy_publisher(infos)
    assert told[0].level == b"\x01"
    assert "FASTRTPS_DEFAULT_PROFILES_FILE" in told[0].message
    profile = find_profile()
    assert profile is not None and profile.name in told[0].message
    values = {pair.key: pair.value for pair in told[0].values}
    received, announced = (float(values[f"{of} rate"].split()[0]) for of in ("received", "camera"))
    assert received < 0.5 * announced
