"""Opens a bag of ROS 2: folder or file, mcap or sqlite3, compressed or not, whole or damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Protocol

from tracker_ros.bags.bag import BagMessage, Topic
from tracker_ros.bags.compression import ZSTD_MAGIC, decompress, unpack_file
from tracker_ros.bags.layout import layout_of, merge_topics, ros1, unreadable, without_mcap
from tracker_ros.bags.order import Due, by_time
from tracker_ros.bags.sqlite import open_sqlite

MCAP_MAGIC = b"\x89MCAP0\r\n"
SQLITE_MAGIC = b"SQLite format 3\0"
FOREVER = 2**63 - 1


class Storage(Protocol):
    """One file of a bag."""

    @property
    def topics(self) -> tuple[Topic, ...]: ...  # noqa: D102
    @property
    def start(self) -> int | None: ...  # noqa: D102
    @property
    def end(self) -> int | None: ...  # noqa: D102
    @property
    def damage(self) -> tuple[str, ...]: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102
    def messages(  # noqa: D102
        self, wanted: Collection[tuple[str, str]], first: int, last: int
    ) -> Iterator[Due]: ...


def open_bag(path: Path) -> BagReader:
    """Open a bag. Raises DataError when there is none, or nothing in it can be read."""
    return BagReader(path)


class BagReader:
    """A bag, open for reading; a context manager. The bag's own files are never touched."""

    topics: tuple[Topic, ...]
    """As the bag has them. A topic of two types, which rosbag2 does not record, is in it twice."""
    start: int
    """When the first message was recorded, nanoseconds; 0 in an empty bag."""
    end: int
    """When the last message was recorded, nanoseconds."""

    def __init__(self, path: Path) -> None:
        """Raises DataError, as `open_bag` does."""
        self.path = path
        self._stack = ExitStack()
        self._files: list[Storage] = []
        self._notes: list[str] = []
        self._lost: dict[str, int] = {}
        try:
            layout = layout_of(path)
            self._notes += layout.notes
            for file in layout.files:
                self._open(file)
            self.topics = merge_topics(
                [*(topic for file in self._files for topic in file.topics), *layout.topics]
            )
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise unreadable(path, str(error)) from error
        except BaseException:
            self.close()
            raise
        if not self.topics and self.damage:
            self.close()
            raise unreadable(path, self.damage)
        self.start = min((f.start for f in self._files if f.start is not None), default=0)
        self.end = max((f.end for f in self._files if f.end is not None), default=0)

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its files, and remove what was decompressed of them."""
        self._stack.close()

    @property
    def count(self) -> int:
        """Messages of all topics that can be read."""
        return sum(topic.count for topic in self.topics)

    @property
    def damage(self) -> str:
        """What is wrong with the bag, and where it ended, in words; empty when nothing is.

        Damage within a file that is otherwise whole is known when it has been read: after
        `messages` has ended.
        """
        notes = [*self._notes, *(note for file in self._files for note in file.damage)]
        notes += [
            f"{count} messages of {topic} cannot be decompressed"
            for topic, count in self._lost.items()
        ]
        return "; ".join(notes)

    def messages(
        self,
        topics: Collection[str] | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> Iterator[BagMessage]:
        """Give messages in the order of their recording, of the same time as they were written.

        topics: only of these names. start, end: only those recorded in [start, end), nanoseconds.
        A few parts of the bag are in memory at a time, whatever its size.
        """
        wanted = {(t.name, t.type) for t in self.topics if topics is None or t.name in topics}
        first = 0 if start is None else min(max(start, 0), FOREVER)
        last = FOREVER if end is None else min(max(end, 0), FOREVER) - 1
        parts = [
            (file.start, partial(file.messages, wanted, first, last))
            for file in self._files
            if file.start is not None
        ]
        try:
            for _, read in by_time(parts):
                message = read()
                message = message and self._decompressed(message)
                if message is not None:
                    yield message
        except (OSError, sqlite3.Error) as error:
            raise unreadable(self.path, str(error)) from error

    def _decompressed(self, message: BagMessage) -> BagMessage | None:
        """The message; None where it was compressed and is spoiled."""
        # CDR begins with a zero byte, and ROS 2 serializes in nothing else: this one is compressed
        if not message.data.startswith(ZSTD_MAGIC):
            return message
        data, complete = decompress(message.data, "zstd")
        if not complete:
            self._lost[message.topic] = self._lost.get(message.topic, 0) + 1
            return None
        return replace(message, data=bytes(data))

    def _open(self, file: Path) -> None:
        name, path = file.name, file
        head = _head(path)
        if head.startswith(ZSTD_MAGIC):
            folder = self._stack.enter_context(TemporaryDirectory(prefix="tracker_ros_bag_"))
            path = Path(folder, file.stem)
            if not unpack_file(file, path):
                self._notes.append(
                    f"{name} is cut: of its {file.stat().st_size} bytes (zstd) come "
                    f"{path.stat().st_size}"
                )
            head = _head(path)
        storage: Storage
        if head.startswith(MCAP_MAGIC):
            try:  # here: mcap is in no ROS distribution, and bags of sqlite3 do without
                from tracker_ros.bags.mcap import McapFile
            except ImportError as error:
                raise without_mcap(file) from error
            storage = McapFile(path, name)
        elif head.startswith(SQLITE_MAGIC):
            storage = open_sqlite(path, name)
        elif head.startswith(b"#ROSBAG V"):
            raise ros1(file)
        elif not head.strip(b"\0"):
            size = path.stat().st_size
            self._notes.append(
                f"{name} holds nothing: " + (f"{size} bytes, all zero" if size else "0 bytes")
            )
            return
        else:
            shown = head[:8].decode("latin-1")
            self._notes.append(f"{name} begins with {shown!r}, as neither mcap nor sqlite3 does")
            return
        self._stack.callback(storage.close)
        self._files.append(storage)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC))
