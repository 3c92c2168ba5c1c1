"""Writes a sqlite3 file as rosbag2 does (its schema 4, of ROS 2 Iron; Humble reads it too)."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from tracker_ros.bags import qos
from tracker_ros.bags.bag import Topic

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);
CREATE TABLE metadata(
  id INTEGER PRIMARY KEY, metadata_version INTEGER NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE topics(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
  serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL,
  type_description_hash TEXT NOT NULL);
CREATE TABLE message_definitions(
  id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL, encoding TEXT NOT NULL,
  encoded_message_definition TEXT NOT NULL, type_description_hash TEXT NOT NULL);
CREATE TABLE messages(
  id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL,
  data BLOB NOT NULL);
CREATE INDEX timestamp_idx ON messages (timestamp ASC);
INSERT INTO schema(schema_version, ros_distro) VALUES (4, '');
"""


class SqliteStorage:
    """A new sqlite3 file. It needs no journal: what is not finished is removed."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error."""
        self.written = 0
        self._path = path
        self._types: set[str] = set()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript(_TABLES)
        self._db.execute("BEGIN")

    def add(self, key: int, topic: Topic) -> None:
        """Add a topic under a number of the caller's, from 1."""
        if topic.type not in self._types:
            self._types.add(topic.type)
            self._db.execute(
                "INSERT INTO message_definitions (topic_type, encoding, "
                "encoded_message_definition, type_description_hash) VALUES (?, ?, ?, ?)",
                (topic.type, topic.encoding, topic.definition, topic.digest),
            )
        self._db.execute(
            "INSERT INTO topics VALUES (?, ?, ?, ?, ?, ?)",
            (key, topic.name, topic.type, topic.serialization, qos.dump(topic.qos), topic.digest),
        )

    def write(self, key: int, recorded_ns: int, data: bytes) -> None:
        """Write a message. Raises sqlite3.Error."""
        self._db.execute(
            "INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)",
            (key, recorded_ns, data),
        )
        self.written += len(data)

    def finish(self, metadata: str) -> None:
        """Close it, with metadata.yaml's text in it. Raises sqlite3.Error, OSError."""
        self._db.execute(
            "INSERT INTO metadata (metadata_version, metadata) VALUES (?, ?)",
            (qos.METADATA_VERSION, metadata),
        )
        self._db.execute("COMMIT")
        self._db.close()
        with self._path.open("rb") as file:
            os.fsync(file.fileno())

    def abort(self) -> None:
        """Close the file as it is."""
        self._db.close()
