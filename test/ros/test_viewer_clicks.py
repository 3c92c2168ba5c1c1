"""Clicks as viewers publish them, byte by byte as they came over the wire."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from geometry_msgs.msg import PointStamped
from rclpy.serialization import deserialize_message
from sot_harness import FRAME_ID, Sot, box_of, fresh, nanoseconds, running_node, truth

# Recorded from the message writer of Foxglove's viewer (rosmsg2-serialization 3.1.0), fed as its
# tool for points feeds it: stamp of the click, frame of the 3D scene, z = 0. "Publish Point" of
# RViz 2 has the same fields, with the fixed frame. CDR, little-endian.
IN_SPACE = bytes.fromhex(
    "00010000803bb16a15cd5b07040000006d617000000000000000f83f000000000000d0bf0000000000000000"
)
# The same writer, for a click on an image: the frame of the camera, pixels.
ON_THE_IMAGE = bytes.fromhex(
    "00010000803bb16a15cd5b071b00000066726f6e745f63616d6572615f6f70746963616c5f6672616d65"
    "000000000000000074400000000000006e400000000000000000"
)
STAMP, POINT = slice(4, 12), slice(-24, -8)


@pytest.fixture(scope="module")
def process(ros_environment: int) -> Iterator[Sot]:
    yield from running_node("-p", "threads:=1", "-p", "click_size:=0.12")


@pytest.fixture
def sot(process: Sot) -> Iterator[Sot]:
    yield from fresh(process)


def played(recorded: bytes, stamp: int, point: tuple[float, float] | None = None) -> bytes:
    """The recording at another time, as a player of bags gives it, and at another place."""
    message = bytearray(recorded)
    message[STAMP] = struct.pack("<iI", *divmod(stamp, 10**9))
    if point is not None:
        message[POINT] = struct.pack("<2d", *point)
    return bytes(message)


def publish(sot: Sot, message: bytes, words: str) -> None:
    """Publish a message, and wait until the log says these words."""
    publisher = sot.ros.publisher(PointStamped, f"{sot.name}/click")
    sot.ros.wait_for_subscriber(publisher)
    publisher.publish(message)
    sot.process.wait_for(words)
    sot.ros.node.destroy_publisher(publisher)


def test_the_recordings_are_what_they_are_said_to_be() -> None:
    space = deserialize_message(IN_SPACE, PointStamped)
    image = deserialize_message(ON_THE_IMAGE, PointStamped)
    assert (space.header.frame_id, space.point.x, space.point.y) == ("map", 1.5, -0.25)
    assert (image.header.frame_id, image.point.x, image.point.y) == (FRAME_ID, 320.0, 240.0)
    assert nanoseconds(image.header.stamp) == 1_790_000_000_123_456_789


def test_a_point_in_space_is_refused_and_the_target_lives_on(sot: Sot) -> None:
    identity = sot.follow()
    publish(sot, IN_SPACE, r"click at x=1\.5 y=-0\.25 refused: .*'map'")
    sot.wait_for_diagnostics("targets", "refused: clicks: ")
    assert sot.film(range(1, 2))[0].track.id == identity


def test_a_point_of_the_image_is_followed_though_its_stamp_is_that_of_the_click(sot: Sot) -> None:
    (answer,) = sot.film(range(1))
    shown, box = nanoseconds(answer.tracks.header.stamp), truth(0)
    clicked = played(ON_THE_IMAGE, shown + 300_000_000, (box.cx, box.cy))
    publish(sot, clicked, r"click: following \d+")
    (track,) = sot.film(range(1, 2))[0].status.tracks
    assert abs(box_of(track).cx - truth(1).cx) < 30 and abs(box_of(track).cy - truth(1).cy) < 30


def test_a_point_of_the_image_of_long_ago_is_refused(sot: Sot) -> None:
    identity = sot.follow()
    publish(sot, ON_THE_IMAGE, r"click at x=320 y=240 refused: no image is stamped 1790000000")
    assert sot.film(range(1, 2))[0].track.id == identity
