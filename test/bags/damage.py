"""Bags as a crash leaves them, and what must be readable of them."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

from bag_files import CUSTOM, Message, record
from rosbags.rosbag2 import StoragePlugin

from tracker_ros.bags.bag import Topic
from tracker_ros.bags.reader import open_bag
from tracker_ros.bags.writer import BagWriter

MCAP, SQLITE = StoragePlugin.MCAP, StoragePlugin.SQLITE3

FIRST = 4096
"""Bytes of a file after which its topics are known."""


def written(path: Path, content: list[Message], compression: str = "") -> Path:
    with BagWriter(path, compression=compression) as writer:
        for topic in ("/left", "/right"):
            writer.add_topic(Topic(topic, CUSTOM))
        for topic, time, data in content:
            writer.write(topic, time, data)
    return path


def places(size: int, count: int, step: int = 1) -> list[int]:
    chosen = random.Random(3)
    return sorted(chosen.randrange(FIRST, size) // step * step for _ in range(count))


def check(path: Path, content: list[Message]) -> int:
    """Read a damaged bag, which gives the beginning of `content`; how many messages of it."""
    with open_bag(path) as reader:
        given = [(m.topic, m.recorded_ns, m.data) for m in reader.messages()]
        assert given == content[: len(given)]
        assert reader.count == len(given)
        for topic in reader.topics:
            assert topic.count == sum(message[0] == topic.name for message in given)
            assert topic.type == CUSTOM
        if given:
            assert (reader.start, reader.end) == (given[0][1], given[-1][1])
            last = f"{given[-1][1] // 10**9}.{given[-1][1] % 10**9 // 10**6:03d} s"
            assert last in reader.damage or "no message of it is lost" in reader.damage
        assert path.name in reader.damage
    return len(given)


def whole_before(data: bytes, end: int, content: list[Message]) -> int:
    """How many messages lie in the bytes before `end`, each in one piece."""
    at = count = 0
    for _, _, message in content:
        at = data.find(message, at)
        if at < 0 or at + len(message) > end:
            break
        count += 1
    return count


def in_wal(folder: Path, content: list[Message]) -> Path:
    """A copy of a database that was being written when its recorder was killed."""
    path = record(folder / "drive", content[:100], SQLITE) / "drive.db3"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        for topic, time, data in content[100:]:
            db.execute(
                "INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)",
                (1 + (topic == "/right"), time, data),
            )
        db.commit()
        crashed = folder / "crashed"
        crashed.mkdir()
        for file in path.parent.glob("drive.db3*"):
            shutil.copy(file, crashed / file.name)
    db.close()
    assert (crashed / "drive.db3-wal").stat().st_size > 0
    return crashed
