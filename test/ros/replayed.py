"""What was sent to a live node, as a bag; and messages without what a clock measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rclpy.serialization import serialize_message
from rosbags.rosbag2 import Writer
from sot_harness import nanoseconds

from tracker_ros.bags.types import store
from tracker_ros.pipeline.messages import STATUS, TRACKS

FRAMES = range(40)
IMAGE = "sensor_msgs/msg/Image"
CLOCKED = (
    "decode_time", "preprocess_time", "inference_time", "postprocess_time", "publish_time",
    "frame_age", "image_latency",
)  # fmt: skip


def record(folder: Path, messages: Sequence[tuple[str, Any]]) -> Path:
    """Write messages of a kind in their order, each at its own stamp."""
    names = {IMAGE: "/image", TRACKS: "/detections"}
    with Writer(folder, version=9) as writer:
        to = {
            kind: writer.add_connection(names[kind], kind, typestore=store())
            for kind in dict.fromkeys(kind for kind, _ in messages)
        }
        for kind, message in messages:
            at = nanoseconds(message.header.stamp)
            writer.write(to[kind], at, serialize_message(message))
    return folder


def fields(data: bytes, kind: str) -> Any:
    """A message as it was serialized; what a clock measured is left out."""
    message = store().deserialize_cdr(data, kind)
    for name in CLOCKED if kind == STATUS else ():
        setattr(message, name, 0.0)
    # Serialized anew: the padding between fields is whatever lay there.
    return bytes(store().serialize_cdr(message, kind))
