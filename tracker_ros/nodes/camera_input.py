"""The subscription to a camera: finds the topic and its kind, follows it, counts the rate."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from tracker_ros.nodes.names import camera_info_topic, compressed_topic
from tracker_ros.nodes.subscription import Choice, MatchedSubscription, Rate
from tracker_ros.pipeline.frames import Frame
from tracker_ros.pipeline.images import ImageError


class CameraInput:
    """Subscribed while active; gives every message, undecoded, to `on_frame`."""

    def __init__(
        self, node: Any, *, transport: str, reliability: str,
        on_frame: Callable[[Frame], None], on_unreadable: Callable[[str, str], None],
        depth: int = 1,
    ) -> None:  # fmt: skip
        """depth: images that may wait for the executor; 1 where only the newest is of use."""
        self._node, self._on_frame, self._on_unreadable = node, on_frame, on_unreadable
        self.topic = node.resolve_topic_name("image")
        self.announced = Rate()
        """camera_info messages beside the images."""
        self._info = node.create_subscription(
            CameraInfo, camera_info_topic(self.topic), lambda raw: self.announced.tick(),
            qos_profile_sensor_data, raw=True,
        )  # fmt: skip
        # Raw images before compressed ones, as far as they are published and asked for.
        kinds = [
            (self.topic, Image), (self.topic, CompressedImage),
            (compressed_topic(self.topic), CompressedImage),
        ]  # fmt: skip
        unwanted = {"raw": CompressedImage, "compressed": Image}.get(transport)
        self._images = MatchedSubscription(
            node, [(topic, kind) for topic, kind in kinds if kind is not unwanted],
            reliability=reliability, depth=depth,
            on_message=self._on_message, on_chosen=self.announced.clear,
        )  # fmt: skip

    @property
    def chosen(self) -> Choice | None:
        """What is subscribed to; None until somebody publishes images."""
        return self._images.chosen

    @property
    def last_received(self) -> float | None:
        """time.perf_counter() of the last image."""
        return self._images.last_received

    @property
    def received(self) -> Rate:
        """Of the images that came."""
        return self._images.received

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._info)
        self._images.close()

    def _on_message(self, raw: bytes) -> None:
        now = perf_counter()
        assert self.chosen is not None
        try:
            frame = Frame.of(raw, compressed=self.chosen.kind is CompressedImage, received=now)
        except ImageError as error:
            self._on_unreadable(error.cause, str(error))
            return
        self._on_frame(frame)
