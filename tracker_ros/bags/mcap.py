"""Reads an mcap file by its index; without a sound one, by what `recovery.scan` finds.

Unlike mcap.reader it holds few chunks at a time however they overlap, and goes on after a bad one.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mcap.opcode import Opcode
from mcap.records import ChunkIndex, Footer, Statistics
from mcap.writer import MCAP0_MAGIC as MAGIC

from tracker_ros.bags.bag import BagMessage, Topic
from tracker_ros.bags.compression import decompress
from tracker_ros.bags.layout import merge_topics
from tracker_ros.bags.mcap_records import (
    BROKEN,
    MESSAGE_HEAD,
    RECORD,
    Channels,
    fields,
    records,
)
from tracker_ros.bags.order import Due, by_time

_FOOTER_SIZE = RECORD.size + 20 + len(MAGIC)
_CHUNK_HEAD = 100
"""More bytes than a chunk has before its data."""
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
        # not mcap's Chunk, which copies the data and promises nothing of a cut one
        head = fields(raw[:_CHUNK_HEAD])
        try:
            if (op := head.read1()) != Opcode.CHUNK:
                return memoryview(b""), f"a record {op} stands where a chunk should"
            *_, size = (head.read8() for _ in range(4))  # length, first and last time before it
            crc, compression, packed = head.read4(), head.read_prefixed_string(), head.read8()
        except BROKEN:
            return memoryview(b""), "the head of a chunk cannot be read"
        data, complete = decompress(raw[head.count : head.count + packed], compression)
        view = memoryview(data)
        if not complete or len(view) != size:
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
            if op == Opcode.MESSAGE:
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
        if len(tail) < _FOOTER_SIZE or not tail.endswith(MAGIC) or tail[0] != Opcode.FOOTER:
            return None
        footer: Footer = Footer.read(fields(tail[RECORD.size :]))
        start, crc = footer.summary_start, footer.summary_crc
        if not 0 < start < self.size - _FOOTER_SIZE:
            return None
        data = self.read(start, self.size - _FOOTER_SIZE - start)
        if crc and zlib.crc32(tail[: RECORD.size + 16], zlib.crc32(data)) != crc:
            return None
        channels, blocks, total, listed = Channels(), [], -1, 0
        counts: Counter[int] = Counter()
        for op, begin, stop in records(memoryview(data)):
            body = memoryview(data)[begin:stop]
            channels.add(op, body)
            if op == Opcode.CHUNK_INDEX:
                chunk: ChunkIndex = ChunkIndex.read(fields(body))
                heads = len(chunk.message_index_offsets) * (RECORD.size + 6)
                count = (chunk.message_index_length - heads) // 16
                listed += count
                if count:
                    span = chunk.message_start_time, chunk.message_end_time
                    place = chunk.chunk_start_offset, chunk.chunk_length
                    blocks.append(Block(*span, *place, is_chunk=True))
            elif op == Opcode.STATISTICS:
                statistics: Statistics = Statistics.read(fields(body))
                total = statistics.message_count
                counts.update(statistics.channel_message_counts)
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
