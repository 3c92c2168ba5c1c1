"""The records that mcap files consist of.

Source: mcap.dev/spec, version 0. A file is magic, records, magic; a record is an opcode (uint8),
a length (uint64) and as many bytes; all numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tracker_ros.bags import qos
from tracker_ros.bags.bag import Topic

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
STATISTICS, METADATA, METADATA_INDEX, SUMMARY_OFFSET, DATA_END = 0x0B, 0x0C, 0x0D, 0x0E, 0x0F
RECORD = struct.Struct("<BQ")
MESSAGE_HEAD = struct.Struct("<HIQQ")
CHUNK_HEAD = struct.Struct("<QQQI")

BROKEN = (struct.error, ValueError, IndexError, KeyError)
"""What reading a record raises that is not what it should be."""


class Channels:
    """Puts schemas and channels together, in the order in which they come."""

    def __init__(self) -> None:
        self.topics: dict[int, Topic] = {}
        self._schemas: dict[int, tuple[str, str, str]] = {}

    def add(self, op: int, body: bytes | memoryview) -> None:
        """Take in a record, if it is a schema or a channel."""
        if op == SCHEMA:
            fields = Fields(body)
            key = fields.number(2)
            self._schemas[key] = (fields.string(), fields.string(), fields.string())
        elif op == CHANNEL:
            fields = Fields(body)
            key, schema = fields.number(2), fields.number(2)
            if key in self.topics:
                return
            name, serialization = fields.string(), fields.string()
            about = fields.mapping()
            type_, encoding, definition = self._schemas.get(schema, ("", "", ""))
            self.topics[key] = Topic(
                name, type_, 0, definition, about.get("topic_type_hash", ""),
                qos.parse(about.get("offered_qos_profiles", "")), encoding, serialization,
            )  # fmt: skip


class Fields:
    """Reads the fields of a record one after the other."""

    def __init__(self, body: bytes | memoryview) -> None:
        self._body = memoryview(body)
        self._at = 0

    def number(self, size: int) -> int:
        """An unsigned number of so many bytes."""
        return int.from_bytes(self.bytes(size), "little")

    def string(self) -> str:
        """A string, UTF-8 after its length."""
        return str(self.bytes(self.number(4)), "utf-8", "replace")

    def bytes(self, size: int) -> memoryview:
        """So many bytes. Raises ValueError when there are fewer."""
        part = self._body[self._at : self._at + size]
        if len(part) < size:
            raise ValueError(f"a field of {size} bytes has {len(part)}")
        self._at += size
        return part

    def mapping(self) -> dict[str, str]:
        """A map of strings."""
        inner = Fields(self.bytes(self.number(4)))
        found = {}
        while inner.left:
            key = inner.string()
            found[key] = inner.string()
        return found

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._body) - self._at


def records(data: memoryview) -> Iterator[tuple[int, int, int]]:
    """Give opcode, begin and end of the body of each record, up to the first that is not whole."""
    at = 0
    while at + RECORD.size <= len(data):
        op, length = RECORD.unpack_from(data, at)
        at += RECORD.size
        if op == 0 or at + length > len(data) or (op == MESSAGE and length < MESSAGE_HEAD.size):
            return
        yield op, at, at + length
        at += length
