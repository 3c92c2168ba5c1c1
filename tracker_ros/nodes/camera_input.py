"""The subscription to a camera: finds the topic and its kind, follows it, counts the rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from tracker_ros.nodes.frames import Frame
from tracker_ros.nodes.images import ImageError, read_header
from tracker_ros.nodes.names import camera_info_topic, compressed_topic
from tracker_ros.nodes.qos import describe_clash, image_qos

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
LOOK = 0.2
"""Seconds between looks at who publishes, until somebody does; then every fifth look counts."""
WINDOW = 5.0
"""Seconds over which rates are taken."""


class Rate:
    """Events per second over the last seconds."""

    def __init__(self) -> None:
        self._count = 0
        self._marks: list[tuple[float, int]] = []

    def tick(self) -> None:
        """Count an event."""
        self._count += 1

    def clear(self) -> None:
        """Start anew."""
        self._count, self._marks = 0, []

    def read(self) -> float | None:
        """The rate in Hz, None before two seconds have passed; call it about once a second."""
        now = perf_counter()
        self._marks = [mark for mark in self._marks if now - mark[0] <= WINDOW]
        self._marks.append((now, self._count))
        since, before = self._marks[0]
        seconds = now - since
        return (self._count - before) / seconds if seconds >= 1.9 else None


@dataclass(frozen=True)
class Choice:
    """What to subscribe to."""

    topic: str
    compressed: bool
    qos: QoSProfile
    clash: str
    """Publishers whose quality of service does not fit, in words; empty when all fit."""

    @property
    def words(self) -> str:
        """For the log and diagnostics."""
        kind = "CompressedImage" if self.compressed else "Image"
        reliable = self.qos.reliability == ReliabilityPolicy.RELIABLE
        return f"{self.topic} ({kind}, {'reliable' if reliable else 'best effort'})"


class CameraInput:
    """Subscribed while active; gives every message, undecoded, to `on_frame`."""

    def __init__(
        self, node: Any, *, transport: str, reliability: str,
        on_frame: Callable[[Frame], None], on_unreadable: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._node, self._transport, self._reliability = node, transport, reliability
        self._on_frame, self._on_unreadable = on_frame, on_unreadable
        self.topic = node.resolve_topic_name("image")
        self.chosen: Choice | None = None
        """None until somebody publishes images."""
        self.last_received: float | None = None
        """time.perf_counter() of the last image."""
        self.received, self.announced = Rate(), Rate()
        """Images that came, and camera_info messages beside them."""
        self._subscription: Any = None
        self._looks = 0
        self._info = node.create_subscription(
            CameraInfo, camera_info_topic(self.topic), lambda raw: self.announced.tick(),
            qos_profile_sensor_data, raw=True,
        )  # fmt: skip
        # By the wall: simulated time may stand still, and the first images would be missed.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(LOOK, self._look, clock=steady)
        self._look()

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._info)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)

    def _look(self) -> None:
        """Subscribe, or subscribe anew, when what is published asks for it."""
        self._looks += 1
        if self.chosen is not None and self._looks % 5:
            return
        choice, before = self._choose(), self.chosen
        if choice is None or choice == before:
            return
        self.chosen = choice
        if choice.clash:
            self._node.get_logger().error(choice.clash)
        if before is not None and replace(before, clash=choice.clash) == choice:
            return
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self.received.clear()
        self.announced.clear()
        self._subscription = self._node.create_subscription(
            CompressedImage if choice.compressed else Image, choice.topic, self._on_message,
            choice.qos, raw=True,
        )  # fmt: skip
        self._node.get_logger().info(f"subscribed to {choice.words}")

    def _choose(self) -> Choice | None:
        """Raw images before compressed ones, as far as they are published and asked for."""
        beside = compressed_topic(self.topic)
        for topic, kind in ((self.topic, RAW), (self.topic, COMPRESSED), (beside, COMPRESSED)):
            if self._transport == ("compressed" if kind == RAW else "raw"):
                continue
            offers = self._node.get_publishers_info_by_topic(topic)
            offers = [offer for offer in offers if offer.topic_type == kind]
            if offers:
                qos = image_qos(offers, self._reliability)
                return Choice(topic, kind == COMPRESSED, qos, describe_clash(offers, qos, topic))
        return None

    def _on_message(self, raw: bytes) -> None:
        now = perf_counter()
        self.last_received = now
        self.received.tick()
        assert self.chosen is not None
        try:
            header = read_header(raw)
        except ImageError as error:
            self._on_unreadable(error.cause, str(error))
            return
        self._on_frame(Frame(raw, header, self.chosen.compressed, now))
