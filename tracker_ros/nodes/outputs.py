"""What the node publishes of each frame: tracks, status and, for who looks, the debug image."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from tracker_ros.drawing import draw_tracks
from tracker_ros.errors import ParameterError
from tracker_ros.geometry import UInt8Image
from tracker_ros.msg import TrackerStatus
from tracker_ros.nodes.process import RCLError
from tracker_ros.nodes.qos import OUTPUT
from tracker_ros.pipeline.answer import About, Answer, Counters, latency
from tracker_ros.pipeline.messages import TYPES, Messages
from tracker_ros.track import Track


def ros_messages() -> Messages:
    """Messages of ROS's own classes."""

    def message_class(name: str) -> Any:
        package, _, kind = name.split("/")
        return getattr(importlib.import_module(f"{package}.msg"), kind)

    return Messages({name: message_class(name) for name in TYPES})


@dataclass(frozen=True)
class LastFrame:
    """Figures of the last processed frame, for diagnostics and while no other comes."""

    header: Header
    tracks: list[Track]
    published: float
    """time.perf_counter()."""
    frame_age: float
    inference: float


class Outputs:
    """The publishers, and the messages that go out."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._messages = ros_messages()
        self._tracks = publisher(node, Detection2DArray, "~/tracks")
        self._status = publisher(node, TrackerStatus, "~/status")
        self._debug = publisher(node, Image, "~/debug_image")
        self._publish_time = 0.0
        self.last: LastFrame | None = None

    def publish(self, answer: Answer, model: About, counters: Counters) -> None:
        """Publish what became of a frame."""
        start = perf_counter()
        header = self._messages.header(answer.header)
        self._tracks.publish(self._messages.tracks(header, self._shown(answer.tracks)))
        age = start - answer.received
        status = self._messages.status_of(
            header, answer, model, counters, publish=self._publish_time, age=age,
            latency=latency(answer.header, self._node.get_clock().now().nanoseconds),
        )  # fmt: skip
        self._status.publish(status)
        self.last = LastFrame(header, answer.tracks, start, age, answer.times.inference)
        if self._debug.get_subscription_count():
            self._publish_debug_image(answer, header)
        self._publish_time = perf_counter() - start

    def publish_ended(self, tracks: list[Track], model: About, counters: Counters) -> None:
        """Say, between two frames, which targets have ended and why."""
        self._publish_between(tracks, model, counters)
        self.last = None

    def publish_alive(self, model: About, counters: Counters) -> None:
        """Say, while no frame comes, that we live; with the targets as they were last."""
        last = self.last
        tracks, seen = (last.tracks, last.header) if last else ([], None)
        self._publish_between(tracks, model, counters, seen)

    def _publish_between(
        self, tracks: list[Track], model: About, counters: Counters, seen: Header | None = None
    ) -> None:
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._status.publish(self._messages.status(header, tracks, model, counters, seen))

    def _shown(self, tracks: list[Track]) -> list[Track]:
        """Those that go out as detections."""
        # A target that is lost is in no place of this picture: only the status names it.
        return [track for track in tracks if track.state.visible]

    def _draw(self, image: UInt8Image, answer: Answer) -> None:
        """Draw the debug image, in place."""
        draw_tracks(image, answer.tracks)

    def _publish_debug_image(self, answer: Answer, header: Header) -> None:
        pixels = answer.image
        if pixels is None:
            return
        image = pixels.copy()
        self._draw(image, answer)
        height, width = image.shape[:2]
        message = Image(header=header, height=height, width=width, encoding="bgr8", step=3 * width)
        message.data.frombytes(image)  # a hundred times faster than assigning bytes
        self._debug.publish(message)


def publisher(node: Any, kind: Any, topic: str) -> Any:
    """A publisher as OUTPUT, which `qos_overrides` may change. Raises ParameterError."""
    overrides = QoSOverridingOptions.with_default_policies()
    try:
        return node.create_publisher(kind, topic, OUTPUT, qos_overriding_options=overrides)
    except RCLError:
        raise
    except RuntimeError as error:
        raise ParameterError(f"qos_overrides of {topic}: {error}") from error
