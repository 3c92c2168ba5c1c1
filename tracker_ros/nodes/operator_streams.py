"""The image topics of the graph, and subscriptions to those that somebody looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from tracker_ros.nodes.names import base_topic, compressed_topic
from tracker_ros.nodes.subscription import MatchedSubscription, type_name
from tracker_ros.pipeline.frames import Frame
from tracker_ros.pipeline.images import ImageError

KINDS = {type_name(kind): kind for kind in (CompressedImage, Image)}
HIDDEN = ("/compressedDepth", "/theora", "/zstd")
"""Ends of topics of image_transport that no browser shows."""


@dataclass(frozen=True)
class ImageTopic:
    """A topic of images that somebody publishes."""

    name: str
    kind: str
    """Image or CompressedImage."""


def image_topics(node: Any) -> list[ImageTopic]:
    """Those that are published now, by name; what is beside one, compressed, is the same one."""
    found: dict[str, str] = {}
    for name, types in sorted(node.get_topic_names_and_types()):
        for type in types:
            if type in KINDS and not name.endswith(HIDDEN) and node.count_publishers(name):
                found.setdefault(base_topic(name), type.rpartition("/")[2])
    return [ImageTopic(name, kind) for name, kind in sorted(found.items())]


class Stream:
    """A subscription to the images of a topic."""

    def __init__(
        self, node: Any, topic: str, on_frame: Callable[[str, Frame], None],
        on_unreadable: Callable[[str, ImageError], None],
    ) -> None:  # fmt: skip
        self.topic = topic
        self._on_frame, self._on_unreadable = on_frame, on_unreadable
        # Compressed images first: they are small on the wire and need no encoding.
        self._candidates = [
            (compressed_topic(topic), CompressedImage), (topic, CompressedImage), (topic, Image)
        ]  # fmt: skip
        self._images = MatchedSubscription(
            node, self._candidates, reliability="auto", depth=1, on_message=self._on_message
        )

    @property
    def kind(self) -> str:
        """Type of the messages that come; empty until somebody publishes."""
        chosen = self._images.chosen
        return type_name(chosen.kind) if chosen is not None else ""

    @property
    def source(self) -> str:
        """The topic that they really come from."""
        chosen = self._images.chosen
        return chosen.topic if chosen is not None else self.topic

    @property
    def period(self) -> float:
        """Seconds from image to image, on average; 0 where that is not known."""
        rate = self._images.received.read()
        return 1 / rate if rate else 0.0

    @property
    def silent_for(self) -> float | None:
        """Seconds since the last image; None before the first."""
        last = self._images.last_received
        return None if last is None else perf_counter() - last

    def close(self) -> None:
        """Unsubscribe."""
        self._images.close()

    def _on_message(self, raw: bytes) -> None:
        chosen = self._images.chosen
        assert chosen is not None
        try:
            frame = Frame.of(
                raw, compressed=chosen.kind is CompressedImage, received=perf_counter()
            )  # fmt: skip
        except ImageError as error:
            self._on_unreadable(self.topic, error)
            return
        self._on_frame(self.topic, frame)
