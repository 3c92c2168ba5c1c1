"""Tells where the target is in every image of the camera, where the source knows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vision_msgs.msg import Detection2DArray

from tracker_ros.geometry import Box
from tracker_ros.nodes.outputs import ros_messages
from tracker_ros.nodes.qos import OUTPUT

TRUTH = "truth"
"""Topic, relative."""


class TruthOutput:
    """The box of the target in each image, or none, under the header of the image."""

    def __init__(self, node: Any, truth: Sequence[Box | None]) -> None:
        self._truth, self._count, self._new = truth, 0, ros_messages()
        self._publisher = node.create_publisher(Detection2DArray, TRUTH, OUTPUT)

    @property
    def topic(self) -> str:
        """Full name."""
        return str(self._publisher.topic_name)

    def publish(self, header: Any) -> Any:
        """Publish the truth of the next image; gives the message."""
        box = self._truth[self._count % len(self._truth)]  # with --loop over and over
        self._count += 1
        found = [self._new.detection(header, box, "target", 1.0, "target")] if box else []
        message = self._new.detections(header, found)
        self._publisher.publish(message)
        return message
