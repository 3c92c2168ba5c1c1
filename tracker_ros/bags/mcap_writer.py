"""Writes an mcap file as rosbag2 does: chunks, an index, and what `ros2 bag info` shows of it.

Source: mcap.dev/spec, version 0, and the well-known profile ros2. Nothing in it depends on the
machine or the clock: the same messages make the same bytes.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tracker_ros import __version__
from tracker_ros.bags import compression, qos
from tracker_ros.bags.bag import Topic
from tracker_ros.bags.mcap_records import (
    CHANNEL,
    CHUNK,
    CHUNK_HEAD,
    CHUNK_INDEX,
    DATA_END,
    FOOTER,
    HEADER,
    MAGIC,
    MESSAGE,
    MESSAGE_HEAD,
    MESSAGE_INDEX,
    METADATA,
    METADATA_INDEX,
    RECORD,
    SCHEMA,
    STATISTICS,
    SUMMARY_OFFSET,
)

CHUNK_SIZE = 1 << 20
"""Bytes after which a chunk is closed. What is in an open chunk is lost in a crash."""


@dataclass
class _Chunk:
    """What is to become a chunk."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    span: tuple[int, int] | None = None
    indexes: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Time and place of its messages, by topic."""


class McapStorage:
    """A new mcap file."""

    def __init__(self, path: Path, packing: str) -> None:
        """packing: of chunks, "" or "zstd". Raises OSError."""
        self.written = 0
        self._packing = packing
        self._schemas: dict[tuple[str, str, str], int] = {}
        self._schema_records: list[bytes] = []
        self._channel_records: list[bytes] = []
        self._chunk_records: list[bytes] = []
        self._counts: Counter[int] = Counter()
        self._span: tuple[int, int] | None = None
        self._chunk = _Chunk()
        self._file = path.open("xb", buffering=1 << 16)
        self._put(MAGIC)
        library = f"tracker_ros {__version__}"
        self._put(_record(HEADER, _string("ros2") + _string(library)))

    def add(self, key: int, topic: Topic) -> None:
        """Add a topic under a number of the caller's, from 1."""
        schema = (topic.type, topic.encoding, topic.definition)
        if schema not in self._schemas:
            self._schemas[schema] = len(self._schemas) + 1
            body = struct.pack("<H", self._schemas[schema]) + b"".join(map(_string, schema))
            self._schema_records.append(_record(SCHEMA, body))
            self._in_chunk(self._schema_records[-1])
        about = {"offered_qos_profiles": qos.dump(topic.qos), "topic_type_hash": topic.digest}
        body = (
            struct.pack("<HH", key, self._schemas[schema])
            + _string(topic.name)
            + _string(topic.serialization)
            + _mapping(about)
        )
        self._channel_records.append(_record(CHANNEL, body))
        self._in_chunk(self._channel_records[-1])
        self._counts[key] = 0

    def write(self, key: int, recorded_ns: int, data: bytes) -> None:
        """Write a message. Raises OSError."""
        self._chunk.indexes.setdefault(key, []).append((recorded_ns, self._chunk.size))
        self._in_chunk(
            RECORD.pack(MESSAGE, MESSAGE_HEAD.size + len(data))
            + MESSAGE_HEAD.pack(key, self._counts[key] & 0xFFFFFFFF, recorded_ns, recorded_ns)
        )
        self._in_chunk(data)
        self._counts[key] += 1
        self._chunk.span = _wider(self._chunk.span, recorded_ns)
        self._span = _wider(self._span, recorded_ns)
        if self._chunk.size >= CHUNK_SIZE:
            self._end_chunk()

    def finish(self, metadata: str) -> None:
        """Write the index, and metadata.yaml's text into it. Raises OSError."""
        if self._chunk.size:
            self._end_chunk()
        metadata_at = self.written
        body = _string("rosbag2") + _mapping({"serialized_metadata": metadata})
        self._put(_record(METADATA, body))
        metadata_size = self.written - metadata_at
        self._put(_record(DATA_END, struct.pack("<I", 0)))
        self._put_summary(
            {
                SCHEMA: self._schema_records,
                CHANNEL: self._channel_records,
                STATISTICS: [_record(STATISTICS, self._statistics())],
                CHUNK_INDEX: self._chunk_records,
                METADATA_INDEX: [
                    _record(
                        METADATA_INDEX,
                        struct.pack("<QQ", metadata_at, metadata_size) + _string("rosbag2"),
                    )
                ],
            }
        )
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

    def _put_summary(self, groups: dict[int, list[bytes]]) -> None:
        start, summary, offsets = self.written, b"", b""
        for op, group in groups.items():
            if group:
                place = struct.pack("<BQQ", op, start + len(summary), sum(map(len, group)))
                offsets += _record(SUMMARY_OFFSET, place)
                summary += b"".join(group)
        footer = RECORD.pack(FOOTER, 20) + struct.pack("<QQ", start, start + len(summary))
        everything = summary + offsets + footer
        self._put(everything + struct.pack("<I", zlib.crc32(everything)) + MAGIC)

    def _statistics(self) -> bytes:
        first, last = self._span or (0, 0)
        counts = b"".join(struct.pack("<HQ", *pair) for pair in sorted(self._counts.items()))
        return struct.pack(
            "<QHIIIIQQI", self._counts.total(), len(self._schema_records),
            len(self._channel_records), 0, 1, len(self._chunk_records), first, last, len(counts),
        ) + counts  # fmt: skip

    def _in_chunk(self, data: bytes) -> None:
        self._chunk.parts.append(data)
        self._chunk.size += len(data)

    def _end_chunk(self) -> None:
        chunk, self._chunk = self._chunk, _Chunk()
        first, last = chunk.span or (0, 0)
        crc, parts = 0, chunk.parts
        for part in parts:
            crc = zlib.crc32(part, crc)
        if self._packing:
            parts = [compression.compress(b"".join(parts))]
        packed = sum(map(len, parts))
        head = CHUNK_HEAD.pack(first, last, chunk.size, crc) + _string(self._packing)
        head += struct.pack("<Q", packed)
        at = self.written
        self._put(RECORD.pack(CHUNK, len(head) + packed) + head)
        for part in parts:
            self._put(part)
        end = self.written
        places = b""
        for key, entries in chunk.indexes.items():
            places += struct.pack("<HQ", key, self.written)
            body = b"".join(struct.pack("<QQ", *entry) for entry in entries)
            self._put(_record(MESSAGE_INDEX, struct.pack("<HI", key, len(body)) + body))
        self._chunk_records.append(
            _record(
                CHUNK_INDEX,
                struct.pack("<QQQQI", first, last, at, end - at, len(places))
                + places
                + struct.pack("<Q", self.written - end)
                + _string(self._packing)
                + struct.pack("<QQ", packed, chunk.size),
            )
        )

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self.written += len(data)


def _record(op: int, body: bytes) -> bytes:
    return RECORD.pack(op, len(body)) + body


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data


def _mapping(pairs: dict[str, str]) -> bytes:
    body = b"".join(_string(key) + _string(value) for key, value in pairs.items())
    return struct.pack("<I", len(body)) + body


def _wider(span: tuple[int, int] | None, time: int) -> tuple[int, int]:
    return (time, time) if span is None else (min(span[0], time), max(span[1], time))
