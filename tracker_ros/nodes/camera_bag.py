"""Keeps what the camera publishes, and where its target is, in a bag to replay."""

from __future__ import annotations

from typing import Any

from rclpy.serialization import serialize_message

from tracker_ros.bags.bag import COMPRESSED_IMAGE, IMAGE
from tracker_ros.bags.qos import Qos
from tracker_ros.bags.types import DETECTIONS, own_topic
from tracker_ros.bags.writer import BagWriter


class CameraBag:
    """A bag with the topics of a camera."""

    def __init__(
        self, writer: BagWriter, clock: Any, *,
        image: str, info: str, truth: str, reliable: bool, compressed: bool,
    ) -> None:  # fmt: skip
        """image, info, truth: names of the topics, the last one empty where there is no truth.

        clock: says when something is recorded.
        """
        self._writer, self._clock = writer, clock
        self._image, self._info, self._truth = image, info, truth
        qos = (Qos(depth=5, reliability="reliable" if reliable else "best_effort"),)
        writer.add_topic(own_topic(image, COMPRESSED_IMAGE if compressed else IMAGE, qos))
        writer.add_topic(own_topic(info, "sensor_msgs/msg/CameraInfo"))
        if truth:
            writer.add_topic(own_topic(truth, DETECTIONS))

    def add_image(self, serialized: bytes, truth: Any = None) -> None:
        """Keep an image message, and the one that says where the target is in it."""
        self._write(self._image, serialized)
        if truth is not None:
            self._write(self._truth, serialize_message(truth))

    def add_info(self, info: Any) -> None:
        """Keep a CameraInfo."""
        self._write(self._info, serialize_message(info))

    def _write(self, topic: str, serialized: bytes) -> None:
        self._writer.write(topic, self._clock.now().nanoseconds, serialized)
