"""Writes an mcap file as rosbag2 does, with what `ros2 bag info` shows of it, by the package mcap.

Nothing in it depends on the machine or the clock: the same messages make the same bytes.
"""

from __future__ import annotations

import os
from pathlib import Path

from mcap.writer import CompressionType, Writer

from tracker_ros import __version__
from tracker_ros.bags import qos
from tracker_ros.bags.bag import Topic

CHUNK_SIZE = 1 << 20
"""Bytes after which a chunk is closed. What is in an open chunk is lost in a crash."""
_PACKINGS = {
    "": CompressionType.NONE, "zstd": CompressionType.ZSTD, "lz4": CompressionType.LZ4,
}  # fmt: skip


class McapStorage:
    """A new mcap file."""

    def __init__(self, path: Path, packing: str) -> None:
        """packing: of chunks, "", "zstd" or "lz4". Raises OSError."""
        self._schemas: dict[tuple[str, str, str], int] = {}
        self._channels: dict[int, int] = {}
        self._file = path.open("xb")
        self._writer = Writer(self._file, CHUNK_SIZE, _PACKINGS[packing])
        # not the library's own name, which has its version: the same bytes whichever is installed
        self._writer.start("ros2", f"tracker_ros {__version__}")
        self.written = self._file.tell()

    def add(self, key: int, topic: Topic) -> None:
        """Add a topic under a number of the caller's."""
        schema = (topic.type, topic.encoding, topic.definition)
        if schema not in self._schemas:
            self._schemas[schema] = self._writer.register_schema(
                topic.type, topic.encoding, topic.definition.encode()
            )
        about = {"offered_qos_profiles": qos.dump(topic.qos), "topic_type_hash": topic.digest}
        self._channels[key] = self._writer.register_channel(
            topic.name, topic.serialization, self._schemas[schema], about
        )

    def write(self, key: int, recorded_ns: int, data: bytes) -> None:
        """Write a message. Raises OSError."""
        self._writer.add_message(self._channels[key], recorded_ns, data, recorded_ns)
        self.written = self._file.tell()

    def finish(self, metadata: str) -> None:
        """Write the index, and metadata.yaml's text into it. Raises OSError."""
        self._writer.add_metadata("rosbag2", {"serialized_metadata": metadata})
        self._writer.finish()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abort(self) -> None:
        """Close the file as it is."""
        try:
            self._file.close()
        except OSError:
            # it tried to write what it held back; a second time it only closes
            self._file.close()
