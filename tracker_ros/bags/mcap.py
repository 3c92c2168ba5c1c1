"""Reads an mcap file by its index; without a sound one, by what `recovery.scan` finds."""

from __future__ import annotations

import os
import struct
import zlib
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tracker_ros.bags.bag import BagMessage, Topic
from tracker_ros.bags.compression import decompress
from tracker_ros.bags.layout import merge_topics
from tracker_ros.bags.mcap_records import (
    BROKEN,
    CHUNK,
    CHUNK_HEAD,
    CHUNK_INDEX,
    FOOTER,
    MAGIC,
    MESSAGE,
    MESSAGE_HEAD,
    RECORD,
    STATISTICS,
    Channels,
    Fields,
    records,
)
from tracker_ros.bags.order import Due, by_time

_FOOTER_SIZE = RECORD.size + 20 + len(MAGIC)
_HELD = 32 << 20
"""Bytes of blocks that one iteration keeps in memory, beside the newest."""


@dataclass(frozen=True)
class Block:
    """Messages that lie together in the file: a chunk, or some that are in none."""

    start: int
    """Earliest time of recording in it, nanoseconds."""
    end: int
    at: int
    """Where it begins in the file."""
    size: int
    """Bytes of it that the file holds."""
    is_chunk: bool
    cut: bool = False
    """Whether the file ends within it."""


@dataclass
class Contents:
    """What a file holds: taken from its index, or from a scan."""

    channels: dict[int, Topic]
    counts: Counter[int]
    """Messages by channel."""
    blocks: list[Block]


class McapFile:
    """An mcap file, whole or not."""

    def __init__(self, path: Path, name: str) -> None:
        """name: for words about it. Raises OSError."""
        self.name = name
        self._file = path.open("rb", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size
        self._bad: dict[int, str] = {}
        self._cut = ""
        try:
            self._contents = self._from_index() or self._from_scan()
        except BaseException:
            self.close()
            raise
        channels, counts = self._contents.channels, self._contents.counts
        # Some write a channel for each publisher: those of one topic are put together.
        self.topics = merge_topics(
            [replace(topic, count=counts[key]) for key, topic in sorted(channels.items())]
        )

    @property
    def start(self) -> int | None:
        """When the first message was recorded, nanoseconds."""
        return min((block.start for block in self._contents.blocks), default=None)

    @property
    def end(self) -> int | None:
        """When the last message was recorded, nanoseconds."""
        return max((block.end for block in self._contents.blocks), default=None)

    @property
    def damage(self) -> tuple[str, ...]:
        """What is wrong with it, as far as it was read."""
        if not self._bad:
            return (self._cut,) if self._cut else ()
        at, what = min(self._bad.items())
        words = (
            f"{self.name}: {len(self._bad)} of {len(self._contents.blocks)} parts cannot be read "
            f"(whole), the first at byte {at}: {what}"
        )
        return (words, self._cut) if self._cut else (words,)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, at: int, size: int) -> bytes:
        """Bytes of the file; fewer where it ends."""
        parts, size = [], min(size, self.size - at)
        while size > 0 and (part := os.pread(self._file.fileno(), min(size, 1 << 30), at)):
            parts.append(part)
            at, size = at + len(part), size - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def load(self, block: Block) -> tuple[memoryview, str]:
        """The records of a block, decompressed, and what is wrong with them in words, or ""."""
        raw = memoryview(self.read(block.at, block.size))
        if not block.is_chunk:
            return raw, ""
        try:
            if (op := RECORD.unpack_from(raw)[0]) != CHUNK:
                return memoryview(b""), f"a record {op} stands where a chunk should"
            length = RECORD.unpack_from(raw)[1]
            fields = Fields(raw[RECORD.size :])
            _, _, size, crc = CHUNK_HEAD.unpack(fields.bytes(CHUNK_HEAD.size))
            compression, packed = fields.string(), fields.number(8)
            present = fields.bytes(min(packed, fields.left))
        except BROKEN as error:
            return memoryview(b""), f"its chunk cannot be read: {error}"
        if packed + CHUNK_HEAD.size + 12 + len(compression) > length:
            return memoryview(b""), f"a chunk of {length} bytes says that it holds {packed}"
        data, complete = decompress(present, compression)
        view = memoryview(data)
        if len(present) < packed or not complete or len(view) != size:
            return view, f"{len(view)} of the {size} bytes of a chunk can be read"
        if crc and zlib.crc32(view) != crc:
            return memoryview(b""), "the checksum of a chunk is wrong"
        return view, ""

    def messages(self, wanted: Collection[tuple[str, str]], first: int, last: int) -> Iterator[Due]:
        """Give those of the (topic, type)s wanted, recorded from first to last, in that order."""
        chosen = {
            key: topic
            for key, topic in self._contents.channels.items()
            if (topic.name, topic.type) in wanted
        }
        held = _Held(self)
        blocks = (b for b in self._contents.blocks if b.start <= last and b.end >= first)
        parts = [
            (block.start, partial(self._messages, block, chosen, held, first, last))
            for block in blocks
        ]
        return by_time(parts)

    def _messages(
        self, block: Block, chosen: dict[int, Topic], held: _Held, first: int, last: int
    ) -> Iterator[Due]:
        entries = []
        data, read_up_to = held.records(block), 0
        for op, begin, stop in records(data):
            read_up_to = stop
            if op == MESSAGE:
                key, _, time, _ = MESSAGE_HEAD.unpack_from(data, begin)
                if key in chosen and first <= time <= last:
                    entries.append((time, key, begin + MESSAGE_HEAD.size, stop))
        if read_up_to < len(data) and not block.cut:
            self.spoiled(block, f"no record can be read at byte {read_up_to} of its content")
        del data  # `held` decides how long it stays
        entries.sort(key=lambda entry: entry[0])
        for time, key, begin, stop in entries:
            yield time, partial(_message, chosen[key], time, held, block, begin, stop)
        held.drop(block)

    def spoiled(self, block: Block, what: str) -> None:
        """Note what is wrong with a block."""
        self._bad[block.at] = what

    def _from_index(self) -> Contents | None:
        try:
            return self._index()
        except BROKEN:
            return None

    def _index(self) -> Contents | None:
        """None when there is no index, or one that does not list all messages."""
        tail = self.read(max(self.size - _FOOTER_SIZE, 0), _FOOTER_SIZE)
        if len(tail) < _FOOTER_SIZE or not tail.endswith(MAGIC) or tail[0] != FOOTER:
            return None
        summary, _, crc = struct.unpack_from("<QQI", tail, RECORD.size)
        if not 0 < summary < self.size - _FOOTER_SIZE:
            return None
        data = self.read(summary, self.size - _FOOTER_SIZE - summary)
        if crc and zlib.crc32(tail[: RECORD.size + 16], zlib.crc32(data)) != crc:
            return None
        channels, blocks, total, listed = Channels(), [], -1, 0
        counts: Counter[int] = Counter()
        for op, begin, stop in records(memoryview(data)):
            body = memoryview(data)[begin:stop]
            channels.add(op, body)
            if op == CHUNK_INDEX:
                first, last, at, size = struct.unpack_from("<QQQQ", body)
                fields = Fields(body[32:])
                indexes = len(fields.bytes(fields.number(4))) // 10
                count = (fields.number(8) - indexes * (RECORD.size + 6)) // 16
                listed += count
                if count:
                    blocks.append(Block(first, last, at, size, is_chunk=True))
            elif op == STATISTICS:
                total = struct.unpack_from("<Q", body)[0]
                pairs = Fields(body[42:])
                for _ in range(pairs.number(4) // 10):
                    key = pairs.number(2)
                    counts[key] = pairs.number(8)
        if total != listed or total != counts.total() or set(counts) - set(channels.topics):
            return None
        return Contents(channels.topics, counts, blocks)

    def _from_scan(self) -> Contents:
        from tracker_ros.bags.recovery import scan  # recovery imports this module

        contents, self._cut = scan(self)
        return contents


class _Held:
    """The blocks in use. Those that overlap in time are read in turns, so some are kept."""

    def __init__(self, file: McapFile) -> None:
        self._file = file
        self._blocks: OrderedDict[int, memoryview] = OrderedDict()
        self._size = 0

    def records(self, block: Block) -> memoryview:
        """The records of a block, from memory or the file."""
        data = self._blocks.get(block.at)
        if data is None:
            data, wrong = self._file.load(block)
            if wrong and not block.cut:
                self._file.spoiled(block, wrong)
            self._size += len(data)
            self._blocks[block.at] = data
            while self._size > _HELD and len(self._blocks) > 1:
                self._size -= len(self._blocks.popitem(last=False)[1])
        self._blocks.move_to_end(block.at)
        return data

    def drop(self, block: Block) -> None:
        """Forget a block that is done with."""
        self._size -= len(self._blocks.pop(block.at, b""))


def _message(
    topic: Topic, time: int, held: _Held, block: Block, begin: int, stop: int
) -> BagMessage:
    return BagMessage(topic.name, topic.type, time, bytes(held.records(block)[begin:stop]))
