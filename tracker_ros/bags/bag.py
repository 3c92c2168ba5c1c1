"""What a bag holds: topics, and messages as they were recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tracker_ros.bags.qos import Qos

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"


@dataclass(frozen=True)
class Topic:
    """A topic of a bag, with all that a copy of it needs."""

    name: str
    type: str
    """As in "sensor_msgs/msg/Image"."""
    count: int = 0
    """Messages that can be read."""
    definition: str = ""
    """The text that defines the type and those in it; empty where the bag has none."""
    digest: str = ""
    """Hash of the type, RIHS01_...; empty where the bag has none (before ROS 2 Iron)."""
    qos: tuple[Qos, ...] = ()
    """Of the publishers that were recorded."""
    encoding: str = "ros2msg"
    """Language of the definition: ros2msg, ros2idl, or what the bag says."""
    serialization: str = "cdr"

    @property
    def is_image(self) -> bool:
        """Whether its messages are Image or CompressedImage."""
        return self.type in (IMAGE, COMPRESSED_IMAGE)


@dataclass(frozen=True)
class BagMessage:
    """A message as it was recorded."""

    topic: str
    type: str
    recorded_ns: int
    """When it was recorded, nanoseconds."""
    data: bytes
    """Serialized (CDR)."""


def image_topics(topics: Iterable[Topic]) -> tuple[Topic, ...]:
    """Those of images, Image and CompressedImage, that hold a message."""
    return tuple(topic for topic in topics if topic.is_image and topic.count)


def fullest_image_topic(topics: Iterable[Topic], name: str = "") -> Topic | None:
    """Of those of images, and of that name, the one with the most messages; None: there is none.

    Of the same images raw and compressed, the raw ones.
    """
    images = [topic for topic in topics if topic.is_image and name in ("", topic.name)]
    images.sort(key=lambda topic: (-topic.count, topic.type == COMPRESSED_IMAGE, topic.name))
    return images[0] if images else None


def describe(topics: Iterable[Topic]) -> str:
    """Name topics with their types, for an error: "/left (sensor_msgs/msg/Image), ..."."""
    return ", ".join(sorted(f"{topic.name} ({topic.type})" for topic in topics)) or "nothing"


def no_image_topic(path: object, wanted: str | None, topics: Iterable[Topic]) -> str:
    """Say that a bag has no (such) image topic, and which it has; the words of a DataError."""
    topics = tuple(topics)
    missing = f"no image topic {wanted}" if wanted else "no image topic"
    images = image_topics(topics)
    if images:
        return f"{path} holds {missing}; it holds {describe(images)}"
    return f"{path} holds {missing}; it holds {describe(topics)}"
