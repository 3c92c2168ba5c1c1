"""Every bag that rosbag2 writes is read, in the order of recording, whatever types it holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
import yaml
from bag_files import (
    CUSTOM,
    DEFINITION,
    DIGEST,
    T0,
    data_file,
    messages,
    read,
    read_with_rosbags,
    record,
    unchunked,
)
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from tracker_ros.bags.bag import Topic, describe, no_image_topic
from tracker_ros.bags.mcap_writer import McapStorage
from tracker_ros.bags.qos import Qos, Time, dump, parse
from tracker_ros.bags.reader import open_bag
from tracker_ros.errors import DataError

ROOT = Path(__file__).parents[2]
MCAP, SQLITE = StoragePlugin.MCAP, StoragePlugin.SQLITE3
PLAIN, FILE = CompressionMode.NONE, CompressionMode.FILE
EACH, CHUNK = CompressionMode.MESSAGE, CompressionMode.STORAGE
KINDS = [
    (MCAP, PLAIN), (MCAP, FILE), (MCAP, EACH), (MCAP, CHUNK),
    (SQLITE, PLAIN), (SQLITE, FILE), (SQLITE, EACH),
]  # fmt: skip


def split(
    folder: Path, *parts: list[tuple[str, int, bytes]], storage: StoragePlugin = MCAP
) -> Path:
    """A bag of several files, named as rosbag2 names them."""
    folder.mkdir()
    for number, part in enumerate(parts):
        one = record(folder / "part", part, storage)
        file = data_file(one)
        file.rename(folder / f"drive_{number}{file.suffix}")
        about = yaml.safe_load((one / "metadata.yaml").read_text())
        shutil.rmtree(one)
    names = [f"drive_{number}{file.suffix}" for number in range(len(parts))]
    about["rosbag2_bagfile_information"]["relative_file_paths"] = names
    (folder / "metadata.yaml").write_text(yaml.safe_dump(about))
    return folder


@pytest.mark.parametrize(("storage", "compression"), KINDS)
@pytest.mark.parametrize("version", [8, 9])
def test_a_bag_gives_what_rosbags_reads_in_it(
    tmp_path: Path, storage: StoragePlugin, compression: CompressionMode, version: int
) -> None:
    content = messages(600)
    bag = record(tmp_path / "drive", content, storage, compression, version)
    assert read(bag) == content == read_with_rosbags(bag)
    with open_bag(bag) as reader:
        list(reader.messages())
        assert reader.damage == ""
        assert (reader.count, reader.start, reader.end) == (600, T0, T0 + 5_990_000_000)
        left, right = reader.topics
    qos = Qos(depth=5, reliability="best_effort", lifespan=Time(1, 500), liveliness="automatic")
    assert left == Topic("/left", CUSTOM, 300, DEFINITION, DIGEST, (qos,))
    assert (right.name, right.count) == ("/right", 300)


@pytest.mark.parametrize(("storage", "compression"), KINDS)
def test_a_file_is_read_without_its_folder(
    tmp_path: Path, storage: StoragePlugin, compression: CompressionMode
) -> None:
    content = messages(40)
    file = data_file(record(tmp_path / "drive", content, storage, compression))
    alone = file.rename(tmp_path / file.name)
    assert read(alone) == content
    with open_bag(alone) as reader:
        assert reader.damage == ""
        assert [(t.type, t.definition) for t in reader.topics] == [(CUSTOM, DEFINITION)] * 2


def test_chunks_of_lz4_are_read(tmp_path: Path) -> None:
    storage = McapStorage(tmp_path / "drive.mcap", "lz4")
    storage.add(1, Topic("/left", CUSTOM, definition=DEFINITION))
    content = messages(900, topics=["/left"])
    for _, time, data in content:
        storage.write(1, time, data)
    storage.finish("")
    assert read(tmp_path / "drive.mcap") == content == read_with_rosbags(tmp_path / "drive.mcap")


def test_messages_outside_of_chunks_are_read_without_an_index(tmp_path: Path) -> None:
    content = messages(3000)
    path = unchunked(tmp_path / "drive.mcap", content, closed=True)
    assert read(path) == content
    with open_bag(path) as reader:
        assert (reader.count, reader.damage) == (3000, "")


@pytest.mark.parametrize("storage", [MCAP, SQLITE])
def test_the_files_of_a_bag_follow_each_other(tmp_path: Path, storage: StoragePlugin) -> None:
    content = messages(120)
    parts = [content[at : at + 10] for at in range(0, 120, 10)]
    bag = split(tmp_path / "drive", *parts, storage=storage)
    assert read(bag) == content
    (bag / "metadata.yaml").unlink()
    assert read(bag) == content, "drive_10 after drive_9"


def test_files_that_overlap_in_time_are_merged(tmp_path: Path) -> None:
    content = messages(400)
    bag = split(tmp_path / "drive", content[1::2], content[0::2])
    assert read(bag) == content


@pytest.mark.parametrize("storage", [MCAP, SQLITE])
def test_stamps_that_go_back_or_repeat_are_put_in_order(
    tmp_path: Path, storage: StoragePlugin
) -> None:
    content = messages(2000)  # six chunks
    times = [T0 + (i * 7919) % 500 for i in range(2000)]
    shuffled = [(topic, time, data) for (topic, _, data), time in zip(content, times, strict=True)]
    bag = record(tmp_path / "drive", shuffled, storage)
    assert read(bag) == sorted(shuffled, key=lambda message: message[1])
    path = unchunked(tmp_path / "drive.mcap", shuffled, closed=True)
    assert read(path) == sorted(shuffled, key=lambda message: message[1])


@pytest.mark.parametrize(("storage", "compression"), KINDS)
def test_only_the_topics_and_the_time_asked_for_are_given(
    tmp_path: Path, storage: StoragePlugin, compression: CompressionMode
) -> None:
    content = messages(900)
    bag = record(tmp_path / "drive", content, storage, compression)
    assert read(bag, topics=["/right"]) == content[1::2]
    assert read(bag, topics=["/up"]) == read(bag, topics=[]) == []
    begin, end = content[300][1], content[600][1]
    assert read(bag, start=begin, end=end) == content[300:600], "the end is not in it"
    assert read(bag, start=end) == content[600:]
    assert read(bag, end=begin) == content[:300]
    assert read(bag, start=content[-1][1] + 1) == []


def test_a_big_bag_is_not_loaded(tmp_path: Path) -> None:
    bag = record(tmp_path / "drive", messages(100, size=1 << 20))
    tracemalloc.start()
    try:
        with open_bag(bag) as reader:
            assert sum(len(message.data) for message in reader.messages()) > 100 << 20
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


def test_chunks_that_all_overlap_are_not_all_held(tmp_path: Path) -> None:
    # every chunk also holds a message of the very beginning, so that all are open from there on
    first = [("/late", T0, b"\0\1\0\0")]
    content = [m for message in messages(150, size=1 << 20) for m in (*first, message)]
    bag = record(tmp_path / "drive", content)
    wanted = sorted(content, key=lambda message: message[1])
    tracemalloc.start()
    try:
        with open_bag(bag) as reader:
            for message, (topic, time, data) in zip(reader.messages(), wanted, strict=True):
                assert (message.topic, message.recorded_ns) == (topic, time)
                assert message.data == data
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20


def test_a_topic_without_messages_is_known_from_the_metadata(tmp_path: Path) -> None:
    bag = record(tmp_path / "drive", messages(4))
    path = bag / "metadata.yaml"
    about = yaml.safe_load(path.read_text())
    topics = about["rosbag2_bagfile_information"]["topics_with_message_count"]
    entry = {**topics[0]["topic_metadata"], "name": "/silent"}
    topics.append({"topic_metadata": entry, "message_count": 0})
    path.write_text(yaml.safe_dump(about))
    with open_bag(bag) as reader:
        assert [(t.name, t.count) for t in reader.topics] == [
            ("/left", 2), ("/right", 2), ("/silent", 0),
        ]  # fmt: skip


def test_an_empty_bag_is_a_bag(tmp_path: Path) -> None:
    with open_bag(record(tmp_path / "drive", [])) as reader:
        assert (reader.topics, reader.count, reader.start, reader.end) == ((), 0, 0, 0)
        assert list(reader.messages()) == []


def test_quality_of_service_is_read_from_every_version() -> None:
    named = "- history: keep_last\n  depth: 5\n  reliability: best_effort\n  durability: volatile\n"
    qos = Qos(depth=5, reliability="best_effort", liveliness="unknown")
    assert parse(named) == (qos,)
    assert parse("- {history: 1, depth: 5, reliability: 2, durability: 2, liveliness: 4}") == (qos,)
    assert parse(dump([qos, Qos()])) == (qos, Qos())


@pytest.mark.parametrize("text", ["", None, "[", "- 3", "history: 1", 7])
def test_a_quality_of_service_that_cannot_be_read_is_left_out(text: object) -> None:
    assert parse(text) == ()


def test_a_missing_topic_is_answered_with_the_image_topics_that_are_there() -> None:
    image = Topic("/left", "sensor_msgs/msg/Image", 3)
    jpeg = Topic("/right/compressed", "sensor_msgs/msg/CompressedImage", 3)
    wheel = Topic("/wheel", CUSTOM, 9)
    assert no_image_topic("drive", "/up", [jpeg, image, wheel]) == (
        "drive holds no image topic /up; it holds /left (sensor_msgs/msg/Image), "
        "/right/compressed (sensor_msgs/msg/CompressedImage)"
    )
    assert no_image_topic("drive", None, [wheel]).endswith(
        f"no image topic; it holds {describe([wheel])}"
    )
    assert describe([]) == "nothing"


def test_a_ros1_bag_is_refused_with_what_to_do_whatever_its_name(tmp_path: Path) -> None:
    for name in ("old.bag", "renamed.mcap"):
        (tmp_path / name).write_bytes(b"#ROSBAG V2.0\n" + bytes(99))
        with pytest.raises(DataError, match=rf"{name} is a ROS 1 bag; rosbags-convert makes"):
            open_bag(tmp_path / name)


def test_without_the_package_mcap_its_bags_are_refused_and_the_others_read(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['mcap'] = None; from pathlib import Path; "
        "from tracker_ros.bags.reader import open_bag\n"
        "try: print(open_bag(Path(sys.argv[1])).count)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    said = []
    for name, storage in (("one", SQLITE), ("other", MCAP)):
        bag = record(tmp_path / name, messages(4), storage)
        command = [sys.executable, "-c", code, str(bag)]
        said.append(subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout)
    assert said[0] == "4\n"
    assert said[1].startswith("DataError") and "which needs mcap: pip install 'mcap" in said[1]


def test_what_is_not_there_or_no_bag_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone: no such file or folder; a bag is"):
        open_bag(tmp_path / "gone")
    with pytest.raises(DataError, match=r"neither metadata.yaml nor a .mcap or .db3 file"):
        open_bag(tmp_path)
    (tmp_path / "photo.mcap").write_bytes(b"\x89PNG\r\n" * 9)
    with pytest.raises(DataError, match=r"photo.mcap begins with '.*PNG.*', as neither mcap nor"):
        open_bag(tmp_path / "photo.mcap")
    (tmp_path / "other.db3").write_bytes(b"")
    with pytest.raises(DataError, match=r"it holds \.db3 and \.mcap files; name one of them"):
        open_bag(tmp_path)
