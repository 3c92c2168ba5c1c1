"""A recording that the operator begins and ends: a bag, and nothing that waits for a disk."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tracker_ros.bags.reader import open_bag
from tracker_ros.bags.types import STATUS, own_topic, store
from tracker_ros.errors import DataError
from tracker_ros.operator import recording
from tracker_ros.operator.recording import Recording

TOPIC, OTHER = "/sot/status", "/image"
ENDED: list[Recording] = []


def begun(path: Path, most_bytes: float = 1e9) -> Recording:
    ENDED.clear()
    return Recording(path, [own_topic(TOPIC, STATUS)], most_bytes, ENDED.append)


def status(size: int = 0) -> bytes:
    types = store().types
    time_message = types["builtin_interfaces/msg/Time"](sec=1, nanosec=2)
    header = types["std_msgs/msg/Header"](stamp=time_message, frame_id="x" * size)
    numbers = dict.fromkeys(
        ("frames_received", "frames_processed", "frames_dropped", "frames_rejected"), 0
    )
    times = dict.fromkeys(
        ("decode_time", "preprocess_time", "inference_time", "postprocess_time", "publish_time",
         "frame_age", "image_latency"), 0.0,
    )  # fmt: skip
    words = dict.fromkeys(("tracker", "model", "backend", "precision"), "")
    message = types[STATUS](header=header, tracks=[], **numbers, **times, **words)
    return bytes(store().serialize_cdr(message, STATUS))


def written(path: Path) -> list[tuple[str, int, bytes]]:
    with open_bag(path) as bag:
        return [(m.topic, m.recorded_ns, bytes(m.data)) for m in bag.messages()]


def test_what_is_recorded_comes_back_and_other_topics_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "one.mcap"
    one = begun(path)
    for i in range(20):
        one.take(TOPIC, i, status(i))
        one.take(OTHER, i, b"nobody asked for this")
    one.close()
    assert written(path) == [(TOPIC, i, status(i)) for i in range(20)]
    assert one.as_message()["left_out"] == 0 and [one] == ENDED


def test_while_it_is_written_it_has_another_name(tmp_path: Path) -> None:
    one = begun(tmp_path / "one.mcap")
    one.take(TOPIC, 1, status())
    assert not (tmp_path / "one.mcap").exists()
    told = one.as_message()
    assert told["on"] and told["path"].endswith("one.mcap")
    one.close()
    assert (tmp_path / "one.mcap").exists()


def test_it_ends_by_itself_when_it_is_full_and_keeps_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "one.mcap"
    one = begun(path, most_bytes=2000)
    for i in range(100):
        one.take(TOPIC, i, status(100))
    for _ in range(200):
        if ENDED:
            break
        time.sleep(0.01)
    assert "record_gigabytes" in ENDED[0].error
    assert not one.as_message()["on"]
    assert 5 < len(written(path)) < 20
    with pytest.raises(DataError, match="record_gigabytes"):
        one.close()


def test_of_more_than_may_wait_for_the_disk_what_comes_is_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MAX_QUEUED_BYTES", 10)
    one = begun(tmp_path / "one.mcap")
    for i in range(5):
        one.take(TOPIC, i, status(100))
    one.close()
    assert one.as_message()["left_out"] == 5
    assert written(tmp_path / "one.mcap") == []


def test_where_nothing_can_be_written_that_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        begun(tmp_path / "file" / "one.mcap")


def test_a_disk_that_fills_up_ends_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.mcap"
    one = begun(path)
    monkeypatch.setattr(recording, "LOOK", 1000)
    monkeypatch.setattr(recording, "RESERVE", 1 << 60)
    for i in range(100):
        one.take(TOPIC, i, status(100))
    one.end()
    for _ in range(200):
        if ENDED:
            break
        time.sleep(0.01)
    assert "left on the disk" in one.error
    assert 1 < len(written(path)) < 10
    with pytest.raises(DataError, match=r"left on the disk.*make room"):
        begun(tmp_path / "new" / "two.mcap")
