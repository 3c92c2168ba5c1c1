"""Reads the sqlite3 files of rosbag2, never writing beside or into them."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

from tracker_ros.bags import qos
from tracker_ros.bags.bag import BagMessage, Topic
from tracker_ros.bags.order import Due
from tracker_ros.bags.sqlite_pages import SqlitePages


def open_sqlite(path: Path, name: str) -> SqliteFile | SqlitePages:
    """Open a database with sqlite where it is sound, else page by page. Raises OSError."""
    if not _is_hot(path):
        try:
            return SqliteFile(path, name)
        except (sqlite3.DatabaseError, TypeError, ValueError):
            pass  # torn, or with values that rosbag2 does not write
    return SqlitePages(path, name)


def _is_hot(path: Path) -> bool:
    """Whether it was not closed: cut, or with a log or a journal of changes beside it."""
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        if beside.is_file() and beside.stat().st_size:
            return True
    with path.open("rb") as file:
        head = file.read(100).ljust(100, b"\0")
    page = int.from_bytes(head[16:18], "big")
    page = 65536 if page == 1 else page
    # Databases that sqlite older than 3.7 wrote do not say how many pages they have.
    says = head[24:28] == head[92:96]
    return says and path.stat().st_size != int.from_bytes(head[28:32], "big") * page


class SqliteFile:
    """A sound database. Raises sqlite3.DatabaseError where it is none."""

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        self._lost: dict[int, str] = {}
        # immutable: without it, sqlite makes files beside the bag, and wants to write there
        uri = f"file:{quote(str(path))}?mode=ro&immutable=1"
        self._db = sqlite3.connect(uri, uri=True, check_same_thread=False)
        try:
            self._keys = self._read_topics()
            self.topics = tuple(self._keys.values())
            spans = self._db.execute(
                "SELECT min(timestamp), max(timestamp) FROM messages NOT INDEXED"
            )
            self.start, self.end = spans.fetchone()
        except BaseException:
            self._db.close()
            raise

    @property
    def damage(self) -> tuple[str, ...]:
        """What is wrong with it, as far as it was read."""
        if not self._lost:
            return ()
        number, why = min(self._lost.items())
        return (
            f"{self._name}: {len(self._lost)} messages cannot be read, the first is number "
            f"{number}: {why}",
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def messages(self, wanted: Collection[tuple[str, str]], first: int, last: int) -> Iterator[Due]:
        """Give those of the (topic, type)s wanted, recorded from first to last, in that order."""
        keys = {key: t for key, t in self._keys.items() if (t.name, t.type) in wanted}
        # Their numbers first: sqlite would hold the messages themselves in memory to sort them. And
        # not by its index of times, which may be missing, or torn where the messages are not.
        rows = self._db.execute(
            "SELECT timestamp, id FROM messages NOT INDEXED WHERE timestamp BETWEEN ? AND ? AND "
            f"topic_id IN ({','.join(map(str, keys))}) ORDER BY timestamp, id",
            (first, last),
        )
        times, numbers = array("q"), array("q")
        for time, number in rows:
            times.append(time)
            numbers.append(number)
        for time, number in zip(times, numbers, strict=True):
            yield time, partial(self._message, number)

    def _message(self, number: int) -> BagMessage | None:
        try:
            key, recorded, data = self._db.execute(
                "SELECT topic_id, timestamp, data FROM messages WHERE id = ?", (number,)
            ).fetchone()
            return BagMessage(self._keys[key].name, self._keys[key].type, recorded, bytes(data))
        except (sqlite3.DatabaseError, TypeError, ValueError, KeyError) as error:
            self._lost[number] = str(error)
            return None

    def _read_topics(self) -> dict[int, Topic]:
        names = {row[1] for row in self._db.execute("PRAGMA table_info(topics)")}
        newer = ("offered_qos_profiles", "type_description_hash")
        extra = [name if name in names else "''" for name in newer]
        counts = dict(self._db.execute("SELECT topic_id, count(*) FROM messages GROUP BY topic_id"))
        definitions = {}
        if self._db.execute("PRAGMA table_info(message_definitions)").fetchone():
            definitions = {
                row[0]: row[1:]
                for row in self._db.execute(
                    "SELECT topic_type, encoding, encoded_message_definition "
                    "FROM message_definitions"
                )
            }
        rows = self._db.execute(
            f"SELECT id, name, type, serialization_format, {', '.join(extra)} FROM topics "
            "ORDER BY id"
        )
        return {
            key: Topic(
                name, type_, counts.get(key, 0), definition, digest, qos.parse(profiles), encoding,
                serialization,
            )
            for key, name, type_, serialization, profiles, digest in rows
            for encoding, definition in [definitions.get(type_, ("ros2msg", ""))]
        }  # fmt: skip
