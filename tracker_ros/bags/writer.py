"""Writes a bag of ROS 2. Until it is complete it lies under a hidden name."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol

import yaml

from tracker_ros.bags import qos
from tracker_ros.bags.bag import Topic
from tracker_ros.bags.layout import METADATA, without_mcap
from tracker_ros.bags.sqlite_writer import SqliteStorage
from tracker_ros.errors import DataError

SUFFIXES = {"mcap": ".mcap", "sqlite3": ".db3"}


class Storage(Protocol):
    """The file of a bag that is being written; what fails raises OSError or sqlite3.Error."""

    written: int
    """Bytes so far."""

    def add(self, key: int, topic: Topic) -> None: ...  # noqa: D102
    def write(self, key: int, recorded_ns: int, data: bytes) -> None: ...  # noqa: D102
    def finish(self, metadata: str) -> None: ...  # noqa: D102
    def abort(self) -> None: ...  # noqa: D102


class BagWriter:
    """A new bag; a context manager, and complete when that ends without an exception.

    It is a folder with metadata.yaml and one file; with a path that ends in .mcap or .db3, that
    file alone. What goes wrong while it is written, a full disk for one, raises DataError and
    leaves nothing.
    """

    def __init__(
        self, path: Path, storage: str = "", compression: str = "", written_by: str = ""
    ) -> None:
        """Raises DataError when the path is taken.

        storage: "mcap" or "sqlite3"; by default what the path's suffix says, else mcap.
        compression: "zstd" or "" (none, the default: the bytes of zstd depend on its version, a
        raw image shrinks by a third at best and a jpeg not at all), of mcap's chunks.
        written_by: for the bag's metadata, who has written it.
        """
        named = next((name for name, suffix in SUFFIXES.items() if path.suffix == suffix), "")
        self.path = path
        self._written_by = written_by
        self._storage = storage or named or "mcap"
        self._compression = compression
        if self._storage not in SUFFIXES:
            raise DataError(f"storage '{storage}' is not known; it is mcap or sqlite3")
        if named not in ("", self._storage):
            raise DataError(f"{path} is to be {self._storage}, but its name says {named}")
        if compression not in ("", "zstd"):
            raise DataError(f"compression '{compression}' is not known; it is zstd or none")
        if compression and self._storage != "mcap":
            raise DataError(f"{path}: a sqlite3 bag is not compressed here; write mcap instead")
        self._is_file = bool(named)
        self._partial = path.with_name(f".{path.name}.partial")
        self._result = self._partial / path.name
        self._file = self._result
        if not self._is_file:
            self._file = self._result / f"{path.name}_0{SUFFIXES[self._storage]}"
        self._lock = -1
        self._open: Storage | None = None
        self._topics: list[Topic] = []
        self._keys: dict[tuple[str, str], int] = {}
        self._counts: list[int] = []
        self._first, self._last = 2**63 - 1, 0
        self._check_free()

    def __enter__(self) -> BagWriter:
        """Raises DataError when nothing can be written there."""
        self._check_free()
        self._try(self._begin)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._open is not None:
            self._try(self._finish)
        self._discard()

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Those added, with the number of messages written."""
        return tuple(
            replace(topic, count=count)
            for topic, count in zip(self._topics, self._counts, strict=True)
        )

    def add_topic(self, topic: Topic) -> None:
        """Add a topic, with its definition, hash and quality of service; its count is not used.

        Raises DataError when it is there already, or the disk is full.
        """
        if (topic.name, topic.type) in self._keys:
            raise DataError(f"{self.path}: topic {topic.name} ({topic.type}) is in it already")
        self._topics.append(topic)
        self._counts.append(0)
        key = len(self._topics)
        self._keys[topic.name, topic.type] = key
        # The first of a name stands for it where the type is not said.
        self._keys.setdefault((topic.name, ""), key)
        self._try(lambda: self._storage_open().add(key, topic))

    def write(self, topic: str, recorded_ns: int, data: bytes, type: str = "") -> None:
        """Write a serialized message.

        recorded_ns: nanoseconds, from 0; in any order. type: only where a topic has two.
        Raises DataError when the topic was not added, or the disk is full.
        """
        key = self._keys.get((topic, type))
        if key is None:
            raise DataError(f"{self.path}: a message on {topic}, which was not added")
        if not 0 <= recorded_ns < 2**63:
            raise DataError(f"{self.path}: a message on {topic} of the time {recorded_ns} ns")
        self._try(lambda: self._storage_open().write(key, recorded_ns, bytes(data)))
        self._counts[key - 1] += 1
        self._first = min(self._first, recorded_ns)
        self._last = max(self._last, recorded_ns)

    def _storage_open(self) -> Storage:
        if self._open is None:
            raise DataError(f"{self.path} is not open for writing")
        return self._open

    def _check_free(self) -> None:
        if os.path.lexists(self.path):
            raise DataError(f"{self.path} is there already; give another name or remove it")

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (OSError, sqlite3.Error) as error:
            written = self._open.written if self._open is not None else 0
            self._discard()
            why = error.strerror if isinstance(error, OSError) else str(error)
            if not written:
                place = getattr(error, "filename", None) or self.path.parent
                raise DataError(
                    f"{self.path} cannot be written: {why} ({place}); give a place that can be"
                ) from error
            raise DataError(
                f"{self.path} cannot be written: {why}, after {written} bytes; make room or write "
                "to another disk. Nothing is left of it"
            ) from error

    def _begin(self) -> None:
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        self._partial.mkdir(exist_ok=True)
        self._lock = os.open(self._partial, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = -1
            raise DataError(f"{self.path} is being written by another process") from None
        for left in self._partial.iterdir():  # by a process that was killed
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        if not self._is_file:
            self._result.mkdir()
        if self._storage == "mcap":
            try:  # here: mcap is in no ROS distribution, and bags of sqlite3 do without
                from tracker_ros.bags.mcap_writer import McapStorage
            except ImportError as error:
                raise without_mcap(self.path) from error
            self._open = McapStorage(self._file, self._compression)
        else:
            self._open = SqliteStorage(self._file)

    def _finish(self) -> None:
        about = self._metadata()
        self._storage_open().finish(yaml.safe_dump(about, sort_keys=False).strip())
        self._open = None
        if not self._is_file:
            text = yaml.safe_dump({"rosbag2_bagfile_information": about}, sort_keys=False)
            with (self._result / METADATA).open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        self._check_free()
        self._result.rename(self.path)

    def _discard(self) -> None:
        """Close and remove what is not complete."""
        storage, self._open = self._open, None
        if storage is not None:
            storage.abort()
        if self._lock >= 0:
            shutil.rmtree(self._partial, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1

    def _metadata(self) -> dict[str, object]:
        count = sum(self._counts)
        span = {
            "starting_time": {"nanoseconds_since_epoch": self._first if count else 0},
            "duration": {"nanoseconds": max(self._last - self._first, 0)},
            "message_count": count,
        }
        return {
            "version": qos.METADATA_VERSION,
            "storage_identifier": self._storage,
            **span,
            "topics_with_message_count": [
                {
                    "topic_metadata": {
                        "name": topic.name,
                        "type": topic.type,
                        "serialization_format": topic.serialization,
                        "offered_qos_profiles": qos.dump(topic.qos),
                        "type_description_hash": topic.digest,
                    },
                    "message_count": number,
                }
                for topic, number in zip(self._topics, self._counts, strict=True)
            ],
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [self._file.name],
            "files": [{"path": self._file.name, **span}],
            "custom_data": {"written_by": self._written_by} if self._written_by else None,
            "ros_distro": "",
        }
