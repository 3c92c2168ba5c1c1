"""Reads the images of a ROS 2 bag (mcap or sqlite3) with rosbags; needs no ROS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tracker_ros.errors import DataError, ImageError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.pipeline.images import decode_compressed, decode_image

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import Connection

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"


@dataclass(frozen=True)
class BagMessage:
    """An image message as it was recorded."""

    serialized: bytes
    """The message in CDR, to be published again as it is."""
    recorded: int
    """When it was recorded, nanoseconds."""
    stamp: int
    """Of its header, nanoseconds."""
    frame_id: str
    width: int
    """Pixels; 0 in a compressed image, which does not say."""
    height: int


class BagSource:
    """The messages of one image topic of a bag, and the frames in them."""

    truth: Sequence[Box | None] | None = None

    def __init__(self, path: Path, topic: str | None = None) -> None:
        """Raises DataError when the bag cannot be read or has no (such) image topic."""
        self._path = path
        with self._reader() as reader:
            images = [c for c in reader.connections if c.msgtype in (IMAGE, COMPRESSED_IMAGE)]
            self._topic = topic or (images[0].topic if images else "")
            chosen = [c for c in images if c.topic == self._topic]
            if not chosen:
                held = ", ".join(sorted(f"{c.topic} ({c.msgtype})" for c in reader.connections))
                wanted = f"no image topic {topic}" if topic else "no image topic"
                raise DataError(f"{path} holds {wanted}; it holds {held or 'nothing'}")
            count = sum(c.msgcount for c in chosen)
            seconds = reader.duration / 1e9
        if not count:
            raise DataError(f"{path} holds no message on {self._topic}")
        self.compressed = chosen[0].msgtype == COMPRESSED_IMAGE
        self.name = f"{path.name}, topic {self._topic}"
        self.fps = min(max((count - 1) / seconds, 1.0), 240.0) if seconds > 0 else 30.0

    @contextmanager
    def _reader(self) -> Iterator[AnyReader]:
        try:  # here: whoever plays no bag needs no rosbags, which is in no ROS distribution
            from rosbags.highlevel import AnyReader, AnyReaderError
            from rosbags.rosbag2 import ReaderError
            from rosbags.serde import SerdeError
            from rosbags.typesys import Stores, get_typestore
        except ImportError as error:
            raise DataError("--bag needs rosbags: pip install 'rosbags>=0.10'") from error
        if not self._path.exists():
            raise DataError(f"--bag {self._path}: no such file or folder")
        if self._path.suffix == ".bag":
            raise DataError(f"{self._path} is a ROS 1 bag; rosbags-convert makes a ROS 2 bag of it")
        try:
            store = get_typestore(Stores.ROS2_JAZZY)
            with AnyReader([self._path], default_typestore=store) as reader:
                yield reader
        except (AnyReaderError, ReaderError, SerdeError, OSError, ValueError, KeyError) as error:
            raise DataError(f"{self._path} cannot be read as a ROS 2 bag: {error}") from error

    def _connections(self, reader: AnyReader) -> list[Connection]:
        return [
            connection
            for connection in reader.connections
            if connection.topic == self._topic and connection.msgtype in (IMAGE, COMPRESSED_IMAGE)
        ]

    def messages(self) -> Iterator[BagMessage]:
        """Give the messages in the order of their recording."""
        with self._reader() as reader:
            for connection, recorded, data in reader.messages(self._connections(reader)):
                message: Any = reader.deserialize(data, connection.msgtype)
                stamp = message.header.stamp
                yield BagMessage(
                    serialized=bytes(data),
                    recorded=recorded,
                    stamp=stamp.sec * 10**9 + stamp.nanosec,
                    frame_id=message.header.frame_id,
                    width=getattr(message, "width", 0),
                    height=getattr(message, "height", 0),
                )

    def __iter__(self) -> Iterator[UInt8Image]:
        """Decode the images; one that cannot be decoded shows the picture before it again.

        The node drops such an image and goes on: what shows the run must not stop there either.
        Images before the first that can be decoded are black.
        """
        decode = decode_compressed if self.compressed else decode_image
        shown: UInt8Image | None = None
        undecoded = 0
        for message in self.messages():
            try:
                image = decode(message.serialized)
            except ImageError:
                if shown is None:
                    undecoded += 1
                else:
                    yield shown
                continue
            if shown is None:
                yield from [np.zeros_like(image)] * undecoded
            shown = image
            yield image
