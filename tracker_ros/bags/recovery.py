"""Reads an mcap file from its beginning, record by record, as far as it goes.

A recorder writes the index of a file when it closes it: of one that crashed there is none, and the
last chunk or record is cut. After a loss of power there may also be zeros, where data had not
reached the disk.
"""

from __future__ import annotations

from collections import Counter

from mcap.opcode import Opcode
from mcap.writer import MCAP0_MAGIC as MAGIC

from tracker_ros.bags.cut import before_zeros, seconds
from tracker_ros.bags.mcap import Block, Contents, McapFile
from tracker_ros.bags.mcap_records import BROKEN, MESSAGE_HEAD, RECORD, Channels, records

_RUN = 4 << 20
"""Bytes of messages outside of chunks that are taken together."""


def scan(file: McapFile) -> tuple[Contents, str]:
    """Give what a file without a sound index holds, and where it ended in words ("": whole)."""
    found = _Scan(file)
    found.read()
    return Contents(found.channels.topics, found.counts, found.blocks), found.words()


class _Scan:
    """One walk through a file."""

    def __init__(self, file: McapFile) -> None:
        self.channels = Channels()
        self.counts: Counter[int] = Counter()
        self.blocks: list[Block] = []
        self._file = file
        self._sound_end = before_zeros(file.read, file.size)
        self._at = len(MAGIC)
        """Up to where all was read."""
        self._where = "between two records"
        self._run_at = self._at
        self._span: tuple[int, int] | None = None
        self._no_more_messages = False

    def read(self) -> None:
        """Walk as far as records go."""
        while not self._no_more_messages:
            head = self._file.read(self._at, RECORD.size)
            if len(head) < RECORD.size or self._at + RECORD.size > self._sound_end:
                self._where = "in the head of a record" if head else self._where
                break
            op, length = RECORD.unpack(head)
            stop = self._at + RECORD.size + length
            if op == 0:
                self._where = "where zeros begin"
                break
            if op == Opcode.CHUNK:
                self._end_run(self._at)
                self._chunk(min(stop, self._sound_end), cut=stop > self._sound_end)
                self._run_at = stop
            if stop > self._sound_end:
                self._where = f"in the middle of {_NAMES.get(op, 'a record')}"
                break
            if op == Opcode.MESSAGE and length >= MESSAGE_HEAD.size:
                self._count(self._file.read(self._at + RECORD.size, MESSAGE_HEAD.size))
            elif op in (Opcode.SCHEMA, Opcode.CHANNEL):
                self._add(op, self._file.read(self._at + RECORD.size, length))
            self._no_more_messages = op in (Opcode.DATA_END, Opcode.FOOTER)
            self._at = stop
            if self._at - self._run_at > _RUN:
                self._end_run(self._at)
        self._end_run(self._at)

    def words(self) -> str:
        """Where the file ended, or ""."""
        name, size = self._file.name, self._file.size
        if self._no_more_messages:
            if self._file.read(size - len(MAGIC), len(MAGIC)) == MAGIC:
                return ""
            return f"{name} is cut in its index; no message of it is lost"
        last = max((block.end for block in self.blocks), default=None)
        lost = size - self._at
        return (
            f"{name} was not closed by its recorder, or was cut: it ends at byte {self._at} of "
            f"{size}, {self._where}; "
            + (
                "no message of it can be read"
                if last is None
                else f"the last message that can be read was recorded at {seconds(last)}"
            )
            + (f"; {lost} bytes ({lost / size:.1%}) are lost" if lost else "; nothing else is lost")
        )

    def _chunk(self, stop: int, *, cut: bool) -> None:
        block = Block(0, 0, self._at, stop - self._at, is_chunk=True, cut=cut)
        data, wrong = self._file.load(block)
        if wrong and not cut:
            self._file.spoiled(block, wrong)
        read_up_to = 0
        for op, begin, end in records(data):
            body = data[begin:end]
            if op == Opcode.MESSAGE:
                self._count(body)
            elif op in (Opcode.SCHEMA, Opcode.CHANNEL):
                self._add(op, body)
            read_up_to = end
        if self._span is not None:
            self.blocks.append(Block(*self._span, block.at, block.size, is_chunk=True, cut=cut))
            self._span = None
        if cut and data:
            # exact without compression; with it, as if all of the chunk were compressed alike
            share = read_up_to / len(data)
            self._at += round((stop - self._at) * share)

    def _count(self, head: bytes | memoryview) -> None:
        key, _, time, _ = MESSAGE_HEAD.unpack_from(head)
        if key not in self.channels.topics:
            return
        self.counts[key] += 1
        first, last = self._span or (time, time)
        self._span = min(first, time), max(last, time)

    def _add(self, op: int, body: bytes | memoryview) -> None:
        try:
            self.channels.add(op, body)
        except BROKEN:
            what = "a schema or channel cannot be read"
            self._file.spoiled(Block(0, 0, self._at, 0, is_chunk=False), what)

    def _end_run(self, stop: int) -> None:
        if self._span is not None:
            self.blocks.append(
                Block(*self._span, self._run_at, stop - self._run_at, is_chunk=False)
            )
            self._span = None
        self._run_at = stop


_NAMES = {
    Opcode.CHUNK: "a chunk",
    Opcode.MESSAGE: "a message",
    Opcode.SCHEMA: "a schema",
    Opcode.CHANNEL: "a channel",
}
