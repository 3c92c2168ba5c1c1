"""Recordings that the operator begins and ends, and the topic that tells what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from datetime import datetime, timezone
from typing import Any

from rclpy.serialization import serialize_message
from std_msgs.msg import Header
from vision_msgs.msg import BoundingBox2D

from tracker_ros.bags.bag import COMPRESSED_IMAGE, IMAGE
from tracker_ros.bags.types import DETECTIONS, STATUS, own_topic
from tracker_ros.errors import DataError, TargetError
from tracker_ros.msg import OperatorRequest
from tracker_ros.nodes.operator_listening import Listening
from tracker_ros.nodes.operator_parameters import OperatorParameters
from tracker_ros.nodes.operator_requests import as_time
from tracker_ros.nodes.operator_streams import Stream
from tracker_ros.nodes.qos import OUTPUT
from tracker_ros.operator import protocol
from tracker_ros.operator.recording import Recording

REQUEST = "tracker_ros/msg/OperatorRequest"


class Recorder:
    """Publishes every request on `~/requests`, and keeps it with all else while it records."""

    def __init__(
        self, node: Any, parameters: OperatorParameters, image: str, listening: Listening
    ) -> None:
        self._node, self._p, self._image, self._listening = node, parameters, image, listening
        self._publisher = node.create_publisher(OperatorRequest, "~/requests", OUTPUT)
        self._recording: Recording | None = None
        self._last: dict[str, Any] = {
            "on": False, "path": "", "seconds": 0, "megabytes": 0, "left_out": 0, "error": "",
        }  # fmt: skip

    @property
    def on(self) -> bool:
        """Whether something is being recorded."""
        return self._recording is not None

    def as_message(self) -> dict[str, Any]:
        """For the pages: the recording, or what became of the last one."""
        recording = self._recording
        return recording.as_message() if recording is not None else self._last

    def look(self) -> None:
        """Let go of a recording that has ended by itself; to be called once in a while."""
        recording = self._recording
        if recording is not None and recording.error:
            self._recording, self._last = None, recording.as_message()

    def switch(self, on: bool, streams: Mapping[str, Stream]) -> str:
        """Begin or end; words on it. Raises TargetError or DataError."""
        if on == self.on:
            raise TargetError("a recording is going on" if on else "nothing is being recorded")
        if on:
            return self._begin(streams.get(self._image))
        return self._end()

    def close(self) -> None:
        """End the recording, if there is one."""
        if self.on:
            try:
                self._node.get_logger().info(self._end())
            except DataError as error:
                self._node.get_logger().error(str(error))

    def keep_image(self, stream: Stream, raw: bytes) -> None:
        """Keep an image, under the topic that it came from."""
        self.keep(stream.source, raw)

    def keep(self, topic: str, raw: bytes) -> None:
        """Keep a message, serialized."""
        recording = self._recording
        if recording is not None:
            recording.take(topic, self._node.now(), raw)

    def tell(self, request: protocol.Request, answer: Future[str]) -> None:
        """Publish what was asked for, and what came of it."""
        message = OperatorRequest(header=Header(stamp=as_time(getattr(request, "stamp", 0))))
        message.kind = _KINDS[type(request)]
        if isinstance(request, protocol.SetTarget):
            box = request.box
            message.bbox = BoundingBox2D(size_x=box.w, size_y=box.h)
            message.bbox.center.position.x, message.bbox.center.position.y = box.cx, box.cy
            message.id, message.label = request.id, request.label
        elif isinstance(request, protocol.Click):
            message.bbox.center.position.x, message.bbox.center.position.y = request.x, request.y
        elif isinstance(request, protocol.Follow):
            message.id = request.id
        elif isinstance(request, protocol.ChooseTracker):
            message.id = request.name
        elif isinstance(request, protocol.Enable):
            message.on = request.on
        error = answer.exception()
        message.success = error is None
        message.message = str(error) if error is not None else answer.result()
        self._publisher.publish(message)
        self.keep(self._publisher.topic_name, serialize_message(message))

    def _begin(self, stream: Stream | None) -> str:
        if stream is None or not stream.kind:
            raise TargetError(f"nobody publishes images on {self._image}: nothing to record")
        types = {
            stream.source: COMPRESSED_IMAGE if stream.kind == COMPRESSED_IMAGE else IMAGE,
            self._listening.status_topic: STATUS,
            self._listening.tracks_topic: DETECTIONS,
            self._listening.identities_topic: DETECTIONS,
            self._publisher.topic_name: REQUEST,
        }
        name = datetime.now(timezone.utc).strftime("%Y-%m-%d_%H-%M-%S")
        self._recording = Recording(
            self._p.folder / f"{name}.mcap",
            [own_topic(topic, type) for topic, type in types.items()],
            self._p.gigabytes * 1e9,
            self._node.get_logger().error,
        )
        return f"recording to {self._recording.path}"

    def _end(self) -> str:
        recording, self._recording = self._recording, None
        assert recording is not None
        try:
            recording.close()
        finally:
            self._last = {**recording.as_message(), "on": False}
        return f"recorded {self._last['megabytes']:.1f} MB to {recording.path}"


_KINDS = {
    protocol.SetTarget: OperatorRequest.SET_TARGET,
    protocol.Follow: OperatorRequest.FOLLOW,
    protocol.Click: OperatorRequest.CLICK,
    protocol.Clear: OperatorRequest.CLEAR,
    protocol.Enable: OperatorRequest.ENABLE,
    protocol.ChooseTracker: OperatorRequest.TRACKER,
}
