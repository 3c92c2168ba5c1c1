"""What a recorder that crashed left of a sqlite3 bag."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from bag_files import messages, read, record
from damage import check, in_wal, places, whole_before
from rosbags.rosbag2 import StoragePlugin

from tracker_ros.bags.reader import open_bag
from tracker_ros.errors import DataError

MCAP, SQLITE = StoragePlugin.MCAP, StoragePlugin.SQLITE3


@pytest.mark.parametrize("size", [300, 3000, 90_000])
def test_a_truncated_sqlite3_gives_every_message_before_the_cut(tmp_path: Path, size: int) -> None:
    content = messages(120 if size > 4000 else 2000, size)
    path = record(tmp_path / "drive", content, SQLITE) / "drive.db3"
    data, cut = path.read_bytes(), tmp_path / "cut.db3"
    for place in [*places(len(data), 25), len(data) - 1]:
        if place < len(data) // 20:
            continue  # the tables of rosbags' bags take some pages
        cut.write_bytes(data[:place])
        number = check(cut, content)
        end = place // 4096 * 4096
        if size < 4000:  # in one page each
            assert number >= whole_before(data, end, content)
        else:
            # 23 pages each, and a page for the heads of 8 that is written after them; the first
            # of these pages lies after 9
            assert number >= end // (23 * 4096) - 10


def test_a_sqlite3_whose_tail_is_zero_gives_the_messages_before(tmp_path: Path) -> None:
    content = messages(600)
    path = record(tmp_path / "drive", content, SQLITE) / "drive.db3"
    data, cut = path.read_bytes(), tmp_path / "cut.db3"
    for place in places(len(data), 25, step=512):
        cut.write_bytes(data[:place] + bytes(len(data) - place))
        assert place < 60_000 or check(cut, content) >= whole_before(data, place - 4096, content)


def test_messages_in_a_write_ahead_log_are_read(tmp_path: Path) -> None:
    content = messages(400)
    crashed = in_wal(tmp_path, content)
    assert read(crashed) == content
    with open_bag(crashed) as reader:
        assert "what its -wal file holds was read too" in reader.damage
        assert reader.count == 400


def test_of_a_cut_write_ahead_log_only_what_was_committed_is_read(tmp_path: Path) -> None:
    content = messages(400)
    crashed = in_wal(tmp_path, content)
    log = crashed / "drive.db3-wal"
    log.write_bytes(log.read_bytes()[:-1000])
    assert read(crashed) == content[:100]


def test_messages_of_before_a_transaction_that_did_not_end_are_read(tmp_path: Path) -> None:
    content = messages(400)
    path = record(tmp_path / "drive", content[:100], SQLITE) / "drive.db3"
    db = sqlite3.connect(path)
    db.execute("PRAGMA cache_size = 10")  # so that pages get into the file before the commit
    for topic, time, data in content[100:]:
        db.execute(
            "INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)",
            (1 + (topic == "/right"), time, data),
        )
    crashed = tmp_path / "crashed"
    shutil.copytree(path.parent, crashed)
    db.rollback()
    db.close()
    assert (crashed / "drive.db3-journal").stat().st_size > 0
    given = read(crashed)
    assert len(given) >= 100
    assert given == content[: len(given)]


def test_a_database_that_is_no_bag_is_refused(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "shop.db3")
    db.execute("CREATE TABLE goods(name TEXT)")
    db.commit()
    db.close()
    with pytest.raises(DataError, match=r"shop.db3 .* no topic of a bag is in it"):
        open_bag(tmp_path / "shop.db3")
