"""Reads rosbag2's sqlite3 files page by page, where sqlite itself gives up: cut or torn ones.

Source: sqlite.org/fileformat2.html. A table is pages of rows (leaves), found through other pages;
of a row that is longer than a page the rest lies in a chain of further pages. Here every page of
the file is looked at, so that rows are found when the pages that lead to them are lost. Changes
that are still in the write-ahead log beside the file (-wal) are read from there, up to the last
that was committed.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tracker_ros.bags import qos
from tracker_ros.bags.bag import BagMessage, Topic
from tracker_ros.bags.cut import before_zeros, seconds
from tracker_ros.bags.order import Due

_LEAF = 0x0D
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}
"""Bytes of the integers, by the number of their type; 8 and 9 are the constants 0 and 1."""
_SPAN = 1 << 20
_WAL_HEAD, _FRAME_HEAD = 32, 24


class _Row(NamedTuple):
    """A message: what is needed to find it again."""

    recorded: int
    number: int
    topic: int
    page: int
    cell: int


class _Cell(NamedTuple):
    """A row as it lies in a page."""

    number: int
    size: int
    local: bytes
    overflow: int
    """First page of the rest, 0: there is none."""


class SqlitePages:
    """A database that sqlite does not read, or not whole."""

    def __init__(self, path: Path, name: str) -> None:
        """name: for words about it. Raises OSError."""
        self._name = name
        self._file = path.open("rb", buffering=0)
        self._wal: BinaryIO | None = None
        self._in_wal: dict[int, int] = {}
        self._rows: list[_Row] = []
        self._topics: dict[int, Topic] = {}
        self._definitions: dict[str, tuple[str, str]] = {}
        self._cut = 0
        self._size = self._sound_end = os.fstat(self._file.fileno()).st_size
        head = os.pread(self._file.fileno(), 100, 0).ljust(100, b"\0")
        self._page_size = int.from_bytes(head[16:18], "big") or 1
        self._page_size = 65536 if self._page_size == 1 else self._page_size
        self._usable = self._page_size - head[20]
        self._listed_pages = int.from_bytes(head[28:32], "big")
        if self._page_size >= 512 and self._usable >= 480:
            self._open_wal(path.with_name(path.name + "-wal"))
            if not self._in_wal:  # else it may be whole, and end with a black picture
                self._sound_end = before_zeros(self._read, self._size)
            self._scan()
        counts = Counter(row.topic for row in self._rows)
        self._topics = {
            key: replace(topic, count=counts[key], encoding=known[0], definition=known[1])
            for key, topic in sorted(self._topics.items())
            for known in [self._definitions.get(topic.type, ("ros2msg", ""))]
        }
        self._rows = sorted(row for row in self._rows if row.topic in self._topics)
        self.topics = tuple(self._topics.values())
        self.start = self._rows[0].recorded if self._rows else None
        self.end = self._rows[-1].recorded if self._rows else None

    @property
    def damage(self) -> tuple[str, ...]:
        """What is wrong with it, in words."""
        expected = self._listed_pages * self._page_size
        words = f"{self._name} was not closed by its recorder, or was cut: "
        if self._sound_end < expected and not self._in_wal:
            lost = expected - self._sound_end
            words += (
                f"it ends at byte {self._sound_end} of {expected} ({lost / expected:.1%} lost); "
            )
        if self._in_wal:
            words += "what its -wal file holds was read too; "
        numbers = {row.number for row in self._rows}
        missing = max(numbers, default=0) - min(numbers, default=1) + 1 - len(numbers)
        if self._cut or missing:
            words += f"{max(missing, self._cut)} messages before its end cannot be read; "
        if not self.topics:
            words += "no topic of a bag is in it; "
        if self.end is None:
            return (words + "no message of it can be read",)
        return (words + f"the last message that can be read was recorded at {seconds(self.end)}",)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._wal is not None:
            self._wal.close()

    def messages(self, wanted: Collection[tuple[str, str]], first: int, last: int) -> Iterator[Due]:
        """Give those of the (topic, type)s wanted, recorded from first to last, in that order."""
        for row in self._rows:
            topic = self._topics[row.topic]
            if (topic.name, topic.type) in wanted and first <= row.recorded <= last:
                yield row.recorded, partial(self._message, topic, row)

    def _message(self, topic: Topic, row: _Row) -> BagMessage:
        data = self._payload(self._cell(self._page(row.page), row.cell))
        head, types = _types(data)
        before = head + sum(_INTEGERS[kind] for kind in types[1:3])
        return BagMessage(topic.name, topic.type, row.recorded, data[before:])

    # --- pages -----------------------------------------------------------------------------------

    def _page(self, number: int) -> bytes:
        """A page; shorter, or empty, where the file is cut."""
        place = self._in_wal.get(number)
        if place is not None and self._wal is not None:
            return os.pread(self._wal.fileno(), self._page_size, place)
        return self._read((number - 1) * self._page_size, self._page_size)

    def _read(self, at: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), max(min(size, self._sound_end - at), 0), at)

    def _open_wal(self, path: Path) -> None:
        if not path.is_file() or path.stat().st_size <= _WAL_HEAD:
            return
        self._wal = path.open("rb", buffering=0)
        wal, size = self._wal.fileno(), path.stat().st_size
        head = os.pread(wal, _WAL_HEAD, 0)
        if int.from_bytes(head[8:12], "big") != self._page_size:
            return
        salts, at = head[16:24], _WAL_HEAD
        pending: dict[int, int] = {}
        while len(frame := os.pread(wal, _FRAME_HEAD, at)) == _FRAME_HEAD:
            number, pages = struct.unpack_from(">II", frame)
            if frame[8:16] != salts or at + _FRAME_HEAD + self._page_size > size:
                break  # of an older use of the log, or cut
            pending[number] = at + _FRAME_HEAD
            if pages:  # a commit
                self._in_wal.update(pending)
                pending.clear()
            at += _FRAME_HEAD + self._page_size

    def _scan(self) -> None:
        seen: set[int] = set()
        for number, page in self._leaves():
            start = 100 if number == 1 else 0
            for index in range(int.from_bytes(page[start + 3 : start + 5], "big")):
                at = int.from_bytes(page[start + 8 + 2 * index : start + 10 + 2 * index], "big")
                try:
                    self._take(number, at, self._cell(page, at), seen)
                except (IndexError, ValueError, KeyError):
                    continue  # a torn page

    def _leaves(self) -> Iterator[tuple[int, bytes]]:
        """Number and content of the pages that hold rows."""
        step = max(_SPAN // self._page_size, 1)
        last = max(self._size // self._page_size, *self._in_wal, 0)
        for first in range(1, last + 1, step):
            at = (first - 1) * self._page_size
            span = self._read(at, step * self._page_size)
            for number in range(first, min(first + step, last + 1)):
                begin = (number - first) * self._page_size
                page = span[begin : begin + self._page_size]
                if number in self._in_wal:
                    page = self._page(number)
                if len(page) == self._page_size and page[100 if number == 1 else 0] == _LEAF:
                    yield number, page

    # --- rows ------------------------------------------------------------------------------------

    def _cell(self, page: bytes, at: int) -> _Cell:
        size, at = _varint(page, at)
        number, at = _varint(page, at)
        most = self._usable - 35
        local = size
        if size > most:
            least = (self._usable - 12) * 32 // 255 - 23
            local = least + (size - least) % (self._usable - 4)
            local = local if local <= most else least
        data = page[at : at + local]
        if len(data) < local:
            raise ValueError("a row that reaches over the end of its page")
        overflow = int.from_bytes(page[at + local : at + local + 4], "big") if size > local else 0
        return _Cell(number, size, data, overflow)

    def _payload(self, cell: _Cell) -> bytes:
        """All of a row. Raises ValueError when the file does not hold all of it."""
        parts, left, page_number = [cell.local], cell.size - len(cell.local), cell.overflow
        while left > 0:
            page = self._page(page_number) if page_number else b""
            part = page[4 : min(4 + left, self._usable)]
            if not part or len(part) < min(left, self._usable - 4):
                raise ValueError("a row whose rest is lost")
            parts.append(part)
            left -= len(part)
            page_number = int.from_bytes(page[:4], "big")
        return b"".join(parts)

    def _is_whole(self, cell: _Cell) -> bool:
        try:
            self._payload(cell)
        except ValueError:
            return False
        return True

    def _take(self, page: int, at: int, cell: _Cell, seen: set[int]) -> None:
        """Take a row in, by its shape: each table of rosbag2 has one of its own."""
        head, types = _types(cell.local)
        if len(types) == 4 and types[0] == 0 and types[3] >= 12 and types[3] % 2 == 0:
            if cell.number in seen:
                return  # a page that was being split
            values = _integers(cell.local, head, types[1:3])
            if not self._is_whole(cell):
                self._cut += 1
                return
            seen.add(cell.number)
            self._rows.append(_Row(values[1], cell.number, values[0], page, at))
        elif len(types) >= 4 and types[0] == 0 and all(t >= 13 and t % 2 for t in types[1:]):
            texts, data, begin = [], self._payload(cell), head
            for kind in types[1:]:
                size = (kind - 13) // 2
                texts.append(data[begin : begin + size].decode("utf-8", "replace"))
                begin += size
            if texts[0].startswith("/"):
                name, type_, serialization, profiles, digest = (*texts, "", "")[:5]
                self._topics[cell.number] = Topic(
                    name, type_, 0, "", digest, qos.parse(profiles), "ros2msg", serialization
                )
            else:
                self._definitions[texts[0]] = (texts[1], texts[2])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9


def _types(row: bytes) -> tuple[int, list[int]]:
    """Where the values of a row begin, and the numbers of their types."""
    end, at = _varint(row, 0)
    types = []
    while at < end:
        kind, at = _varint(row, at)
        types.append(kind)
    return end, types


def _integers(row: bytes, at: int, types: list[int]) -> list[int]:
    values = []
    for kind in types:
        size = _INTEGERS[kind]
        constant = kind - 8 if kind >= 8 else 0
        values.append(int.from_bytes(row[at : at + size], "big", signed=True) or constant)
        at += size
    return values
