"""Recordings that the operator begins and ends, and the topic that tells what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timezone
from typing import Any

from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from tracker_ros.bags.bag import COMPRESSED_IMAGE, IMAGE
from tracker_ros.bags.types import DETECTIONS, STATUS, own_topic
from tracker_ros.errors import DataError, TargetError
from tracker_ros.msg import OperatorRequest
from tracker_ros.nodes.names import compressed_topic
from tracker_ros.nodes.operator_listening import Listening
from tracker_ros.nodes.operator_messages import bounding_box
from tracker_ros.nodes.operator_parameters import read_operator_parameters
from tracker_ros.nodes.operator_requests import as_time
from tracker_ros.nodes.operator_streams import Stream
from tracker_ros.nodes.qos import OUTPUT
from tracker_ros.operator import protocol
from tracker_ros.operator.recording import Recording
from tracker_ros.pipeline.parameters import ParameterStore

REQUEST = "tracker_ros/msg/OperatorRequest"


class Recorder:
    """Publishes every request on `~/requests`, and keeps it with all else while it records."""

    def __init__(self, node: Any, store: ParameterStore, listening: Listening) -> None:
        self._node, self._store, self._listening = node, store, listening
        self._publisher = node.create_publisher(OperatorRequest, "~/requests", OUTPUT)
        self._recording: Recording | None = None
        self._when_ended: Callable[[], None] = _nothing
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

    def begin(self, stream: Stream) -> str:
        """Begin, with the images of a stream; words on it. Raises TargetError or DataError."""
        if self._recording is not None:
            raise TargetError(f"a recording is going on: {self._recording.path}")
        if not stream.kind:
            raise TargetError(f"nobody publishes images on {stream.topic}: nothing to record")
        plainly_compressed = stream.source == stream.topic and stream.kind == COMPRESSED_IMAGE
        types = {
            # They may come from the other one, too, when a publisher is started.
            compressed_topic(stream.topic): COMPRESSED_IMAGE,
            stream.topic: COMPRESSED_IMAGE if plainly_compressed else IMAGE,
            self._listening.status_topic: STATUS,
            self._listening.tracks_topic: DETECTIONS,
            self._listening.identities_topic: DETECTIONS,
            self._publisher.topic_name: REQUEST,
        }
        parameters = read_operator_parameters(self._store)
        name = datetime.now(timezone.utc).strftime("%Y-%m-%d_%H-%M-%S")
        self._recording = Recording(
            parameters.folder / f"{name}.mcap",
            [own_topic(topic, type) for topic, type in types.items()],
            parameters.gigabytes * 1e9,
            self._ended,
        )
        return f"recording to {self._recording.path}"

    def end(
        self, answer: Future[protocol.Done], later: Callable[[Callable[[], None]], None]
    ) -> None:
        """End it; the answer comes when the disk has finished, on the executor's thread.

        Raises TargetError where there is none.
        """
        recording = self._recording
        if recording is None:
            raise TargetError("nothing is being recorded")
        self._when_ended = lambda: later(lambda: _answer(answer, recording))
        recording.end()

    def close(self) -> None:
        """End the recording, if there is one, and wait for it."""
        recording = self._recording
        if recording is not None:
            try:
                recording.close()
            except DataError as error:
                self._node.get_logger().error(str(error))

    def _ended(self, recording: Recording) -> None:
        """It has ended; on its thread."""
        self._recording, self._last = None, {**recording.as_message(), "on": False}
        logger = self._node.get_logger()
        if recording.error:
            logger.error(f"recording {recording.path} ended: {recording.error}")
        else:
            logger.info(_recorded(recording))
        done, self._when_ended = self._when_ended, _nothing
        done()

    def keep(self, topic: str, raw: bytes) -> None:
        """Keep a message, serialized."""
        recording = self._recording
        if recording is not None:
            recording.take(topic, self._node.now(), raw)

    def tell(self, request: protocol.Request, answer: Future[protocol.Done]) -> None:
        """Publish what was asked for, and what came of it."""
        message = OperatorRequest(header=Header(stamp=as_time(getattr(request, "stamp", 0))))
        message.kind = _KINDS[type(request)]
        if isinstance(request, protocol.SetTarget):
            message.bbox = bounding_box(request.box)
            message.id, message.label = request.id, request.label
        elif isinstance(request, protocol.Click):
            message.bbox.center.position.x, message.bbox.center.position.y = request.x, request.y
        elif isinstance(request, protocol.Follow):
            message.id = request.id
        elif isinstance(request, protocol.ChooseTracker):
            message.id = request.name
        elif isinstance(request, (protocol.Enable, protocol.Record)):
            message.on = request.on
        error = answer.exception()
        message.success = error is None
        if error is not None:
            message.message = str(error)
        else:
            message.message, message.target = answer.result().words, answer.result().target
        self._publisher.publish(message)
        self.keep(self._publisher.topic_name, serialize_message(message))


def _recorded(recording: Recording) -> str:
    told = recording.as_message()
    left_out = f"; {told['left_out']} messages were left out" if told["left_out"] else ""
    return f"recorded {told['megabytes']:.1f} MB to {recording.path}{left_out}"


def _answer(answer: Future[protocol.Done], recording: Recording) -> None:
    if recording.error:
        answer.set_exception(DataError(recording.error))
    else:
        answer.set_result(protocol.Done(_recorded(recording)))


def _nothing() -> None:
    """Nobody waits for the end."""


_KINDS = {
    protocol.SetTarget: OperatorRequest.SET_TARGET,
    protocol.Follow: OperatorRequest.FOLLOW,
    protocol.Click: OperatorRequest.CLICK,
    protocol.Clear: OperatorRequest.CLEAR,
    protocol.Enable: OperatorRequest.ENABLE,
    protocol.ChooseTracker: OperatorRequest.TRACKER,
    protocol.Record: OperatorRequest.RECORD,
}
