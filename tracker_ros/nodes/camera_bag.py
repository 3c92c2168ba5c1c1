"""Keeps what the camera publishes, and where its target is, in a bag to replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.serialization import serialize_message

from tracker_ros.bags.bag import COMPRESSED_IMAGE, IMAGE
from tracker_ros.bags.qos import Qos
from tracker_ros.bags.types import DETECTIONS, own_topic
from tracker_ros.bags.writer import BagWriter
from tracker_ros.geometry import Box
from tracker_ros.nodes.outputs import ros_messages

TRUTH = "/truth"
"""Topic of the target's box in every image, where the source knows it."""


class CameraBag:
    """A bag with the topics of a camera."""

    def __init__(
        self, writer: BagWriter, clock: Any, truth: Sequence[Box | None] | None, *,
        image: str, info: str, reliable: bool, compressed: bool,
    ) -> None:  # fmt: skip
        """image, info: names of the topics; clock: says when something is recorded."""
        self._writer, self._clock, self._truth = writer, clock, truth
        self._image, self._info = image, info
        self._new, self._count = ros_messages(), 0
        qos = (Qos(depth=5, reliability="reliable" if reliable else "best_effort"),)
        writer.add_topic(own_topic(image, COMPRESSED_IMAGE if compressed else IMAGE, qos))
        writer.add_topic(own_topic(info, "sensor_msgs/msg/CameraInfo"))
        if truth:
            writer.add_topic(own_topic(TRUTH, DETECTIONS))

    def add_image(self, serialized: bytes, header: Any = None) -> None:
        """Keep an image message; with its header, also where the target is in it."""
        self._write(self._image, serialized)
        if self._truth and header is not None:
            box = self._truth[self._count % len(self._truth)]  # with --loop over and over
            self._count += 1
            found = [self._new.detection(header, box, "target", 1.0, "target")] if box else []
            self._write(TRUTH, serialize_message(self._new.detections(header, found)))

    def add_info(self, info: Any) -> None:
        """Keep a CameraInfo."""
        self._write(self._info, serialize_message(info))

    def _write(self, topic: str, serialized: bytes) -> None:
        self._writer.write(topic, self._clock.now().nanoseconds, serialized)
