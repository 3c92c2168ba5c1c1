"""The records that mcap files consist of; what is in them the package mcap reads.

Source: mcap.dev/spec, version 0. A file is magic, records, magic; a record is an opcode (uint8),
a length (uint64) and as many bytes; all numbers are little-endian. The walk over them is our own:
docs/dependencies.md says why.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Schema

from tracker_ros.bags import qos
from tracker_ros.bags.bag import Topic

RECORD = struct.Struct("<BQ")
MESSAGE_HEAD = struct.Struct("<HIQQ")

BROKEN = (McapError, struct.error, ValueError, OverflowError)
"""What reading a record raises that is not what it should be."""


class Channels:
    """Puts schemas and channels together, in the order in which they come."""

    def __init__(self) -> None:
        self.topics: dict[int, Topic] = {}
        self._schemas: dict[int, Schema] = {}

    def add(self, op: int, body: bytes | memoryview) -> None:
        """Take in a record, if it is a schema or a channel. Raises what is in BROKEN."""
        if op == Opcode.SCHEMA:
            schema: Schema = Schema.read(fields(body))
            self._schemas[schema.id] = schema
        elif op == Opcode.CHANNEL:
            channel: Channel = Channel.read(fields(body))
            if channel.id in self.topics:
                return
            about = channel.metadata
            schema = self._schemas.get(channel.schema_id, _NO_SCHEMA)
            self.topics[channel.id] = Topic(
                channel.topic, schema.name, 0, schema.data.decode("utf-8", "replace"),
                about.get("topic_type_hash", ""), qos.parse(about.get("offered_qos_profiles", "")),
                schema.encoding, channel.message_encoding,
            )  # fmt: skip


_NO_SCHEMA = Schema(id=0, data=b"", encoding="", name="")


def fields(body: bytes | memoryview) -> ReadDataStream:
    """What the classes of mcap.records read the fields of a record from."""
    return ReadDataStream(BytesIO(body))


def records(data: memoryview) -> Iterator[tuple[int, int, int]]:
    """Give opcode, begin and end of the body of each record, up to the first that is not whole."""
    at = 0
    while at + RECORD.size <= len(data):
        op, length = RECORD.unpack_from(data, at)
        at += RECORD.size
        small = op == Opcode.MESSAGE and length < MESSAGE_HEAD.size
        if op == 0 or at + length > len(data) or small:
            return
        yield op, at, at + length
        at += length
