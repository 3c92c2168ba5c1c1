"""What the operator saw and did, kept in a bag; written by a thread, so that a disk may be slow."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from tracker_ros.bags.bag import Topic
from tracker_ros.bags.writer import BagWriter
from tracker_ros.errors import DataError

MAX_QUEUED_BYTES = 64 << 20
"""That may wait for the disk; of more, what comes is left out and counted."""
RESERVE = 1 << 30
"""Bytes that stay free on the disk: a bag that is full ends whole."""
LOOK = 32 << 20
"""Bytes between looks at how much is free."""
FINISH_TIMEOUT = 60.0
"""Seconds that the disk may take to finish."""


@dataclass(frozen=True)
class _Message:
    topic: str
    recorded_ns: int
    data: bytes


class Recording:
    """A bag that is being written."""

    def __init__(
        self, path: Path, topics: Sequence[Topic], most_bytes: float,
        on_end: Callable[[Recording], None],
    ) -> None:  # fmt: skip
        """Begin. Raises DataError where nothing can be written there.

        on_end: called on the thread when it has ended, by itself or not.
        """
        _require_room(path.parent)
        self.path = path
        self._most, self._on_end = most_bytes, on_end
        self._names = {topic.name for topic in topics}
        self._writer = BagWriter(path, written_by="tracker_ros operator")
        self._writer.__enter__()
        for topic in topics:
            self._writer.add_topic(topic)
        self._queue: queue.SimpleQueue[_Message | None] = queue.SimpleQueue()
        self._began = monotonic()
        self._lock = threading.Lock()
        self._waiting = self._bytes = 0
        self.left_out = 0
        """Messages that the disk was too slow for."""
        self.error = ""
        """Why it ended by itself; empty when it did not."""
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def take(self, topic: str, recorded_ns: int, data: bytes) -> None:
        """Keep a serialized message, if its topic is recorded."""
        if topic not in self._names:
            return
        with self._lock:
            if self._waiting + len(data) > MAX_QUEUED_BYTES:
                self.left_out += 1
                return
            self._waiting += len(data)
        self._queue.put(_Message(topic, recorded_ns, data))

    def end(self) -> None:
        """Write what waits, and finish the bag; `on_end` says when that is done."""
        self._queue.put(None)

    def close(self) -> None:
        """The same, and wait for it. Raises DataError where that fails."""
        self.end()
        self._thread.join(FINISH_TIMEOUT)
        if self._thread.is_alive():
            raise DataError(f"{self.path} is not finished after {FINISH_TIMEOUT:g} s")
        if self.error:
            raise DataError(self.error)

    def as_message(self) -> dict[str, Any]:
        """For the pages."""
        return {
            "on": not self.error,
            "path": str(self.path),
            "seconds": round(monotonic() - self._began, 1),
            "megabytes": round(self._bytes / 1e6, 1),
            "left_out": self.left_out,
            "error": self.error,
        }

    def _run(self) -> None:
        looked = 0
        try:
            while not self.error and (message := self._queue.get()) is not None:
                with self._lock:
                    self._waiting -= len(message.data)
                self._writer.write(message.topic, message.recorded_ns, message.data)
                self._bytes += len(message.data)
                if self._bytes > self._most:
                    self.error = f"{self._bytes / 1e9:.1f} GB are recorded (record_gigabytes)"
                elif self._bytes - looked > LOOK:
                    looked = self._bytes
                    self.error = _full(self.path.parent)
            self._writer.__exit__(None, None, None)
        except Exception as error:  # it must be told, whatever it is
            words = str(error) if isinstance(error, DataError) else repr(error)
            self.error = f"{self.error}; {words}" if self.error else words
        self._on_end(self)


def _full(folder: Path) -> str:
    """Why no more is written there; empty while there is room."""
    free = shutil.disk_usage(folder).free
    return "" if free > RESERVE else f"{free / 1e9:.1f} GB are left on the disk of {folder}"


def _require_room(folder: Path) -> None:
    there = next(part for part in (folder.absolute(), *folder.absolute().parents) if part.exists())
    if _full(there):
        raise DataError(f"{_full(there)}: make room, or set record_folder to another disk")
