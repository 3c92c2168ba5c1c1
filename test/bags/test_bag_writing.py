"""A bag that was written holds what was given to it, byte for byte, or it is not there at all."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from bag_files import CUSTOM, DEFINITION, DIGEST, T0, messages, read, read_with_rosbags, record
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader, StoragePlugin

from tracker_ros.bags.bag import Topic
from tracker_ros.bags.qos import Qos, Time
from tracker_ros.bags.reader import open_bag
from tracker_ros.bags.types import DETECTIONS, STATUS, own_topic, store
from tracker_ros.bags.writer import BagWriter
from tracker_ros.errors import DataError

STORAGES = [("mcap", ""), ("mcap", "zstd"), ("sqlite3", "")]
ROOT = Path(__file__).parents[2]
WHEEL = Topic("/wheel", CUSTOM, 0, DEFINITION, DIGEST, (Qos(), Qos(reliability="best_effort")))


def copy(source: Path, target: Path, storage: str = "", compression: str = "") -> Path:
    with open_bag(source) as bag, BagWriter(target, storage, compression) as writer:
        for topic in bag.topics:
            writer.add_topic(topic)
        for message in bag.messages():
            writer.write(message.topic, message.recorded_ns, message.data)
    return target


@pytest.mark.parametrize(("storage", "compression"), STORAGES)
@pytest.mark.parametrize("source", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_copy_has_the_topics_and_messages_of_its_source(
    tmp_path: Path, source: StoragePlugin, storage: str, compression: str
) -> None:
    content = messages(700)
    bag = record(tmp_path / "drive", content, source)
    again = copy(bag, tmp_path / "again", storage, compression)
    assert read(again) == content == read_with_rosbags(again)
    with open_bag(bag) as one, open_bag(again) as other:
        assert other.topics == one.topics
        assert (other.start, other.end, other.damage) == (one.start, one.end, "")
    with AnyReader([bag]) as one, AnyReader([again]) as other:
        for old, new in zip(one.connections, other.connections, strict=True):
            assert new._replace(owner=None) == old._replace(owner=None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "drive"]


@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
def test_a_path_of_a_file_becomes_a_file_that_needs_no_folder(tmp_path: Path, suffix: str) -> None:
    content = messages(700)
    bag = record(tmp_path / "drive", content)
    file = copy(bag, tmp_path / "deep" / f"again{suffix}")
    assert file.is_file()
    assert read(file) == content == read_with_rosbags(file)
    with open_bag(bag) as one, open_bag(file) as other:
        assert other.topics == one.topics, "the hash and the quality of service too"


@pytest.mark.parametrize(("storage", "compression"), STORAGES)
def test_the_same_messages_make_the_same_bytes(
    tmp_path: Path, storage: str, compression: str
) -> None:
    bag = record(tmp_path / "drive", messages(700))
    one = copy(bag, tmp_path / "one" / "again", storage, compression)
    time.sleep(0.01)
    other = copy(bag, tmp_path / "other" / "again", storage, compression)
    assert {p.name: p.read_bytes() for p in one.iterdir()} == {
        p.name: p.read_bytes() for p in other.iterdir()
    }


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_topic_without_definition_hash_and_profile_is_copied_as_it_is(
    tmp_path: Path, storage: str
) -> None:
    bare = Topic("/bare", CUSTOM, 0, "")
    odd = Topic("/odd", "schema/Json", 0, "{}", "", (), "jsonschema", "json")
    with BagWriter(tmp_path / "drive", storage) as writer:
        for topic in (bare, odd):
            writer.add_topic(topic)
            writer.write(topic.name, T0, b"{}")
    with open_bag(tmp_path / "drive") as reader:
        assert [(t.name, t.type, t.definition, t.encoding) for t in reader.topics] == [
            ("/bare", CUSTOM, "", "ros2msg"), ("/odd", "schema/Json", "{}", "jsonschema"),
        ]  # fmt: skip
        assert [(t.digest, t.qos, t.count) for t in reader.topics] == [("", (), 1)] * 2
        assert [t.serialization for t in reader.topics] == ["cdr", "json"]


def test_a_topic_of_two_types_keeps_both(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "drive") as writer:
        for type_ in ("a_msgs/msg/A", "b_msgs/msg/B"):
            writer.add_topic(Topic("/same", type_))
        writer.write("/same", T0, b"b", "b_msgs/msg/B")
        writer.write("/same", T0 + 1, b"a")
    with open_bag(tmp_path / "drive") as reader:
        assert [(m.type, m.data) for m in reader.messages()] == [
            ("b_msgs/msg/B", b"b"), ("a_msgs/msg/A", b"a"),
        ]  # fmt: skip


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_our_own_topics_carry_what_others_need_to_read_them(tmp_path: Path, storage: str) -> None:
    types = store()
    stamp = types.types["builtin_interfaces/msg/Time"](sec=7, nanosec=9)
    header = types.types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
    array = types.types[DETECTIONS](header=header, detections=[])
    with BagWriter(tmp_path / "drive", storage) as writer:
        writer.add_topic(own_topic("/tracks", DETECTIONS))
        writer.add_topic(own_topic("/status", STATUS))
        writer.write("/tracks", T0, bytes(types.serialize_cdr(array, DETECTIONS)))
    with AnyReader([tmp_path / "drive"]) as reader:  # checks definitions against hashes
        (found,) = reader.messages()
        again = reader.deserialize(found[2], DETECTIONS)
    assert again.header.frame_id == "camera"


def test_files_say_what_every_rosbag2_since_humble_understands(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "drive") as writer:
        writer.add_topic(Topic("/wheel", CUSTOM, qos=(Qos(depth=3, lifespan=Time(1, 2)),)))
        writer.write("/wheel", T0 + 5, b"")
        writer.write("/wheel", T0, b"")
    about = yaml.safe_load((tmp_path / "drive" / "metadata.yaml").read_text())
    about = about["rosbag2_bagfile_information"]
    assert about["version"] == 8, "Humble does not read 9"
    assert about["starting_time"]["nanoseconds_since_epoch"] == T0
    assert about["duration"]["nanoseconds"] == 5
    (topic,) = about["topics_with_message_count"]
    profile = yaml.safe_load(topic["topic_metadata"]["offered_qos_profiles"])
    assert (profile[0]["history"], profile[0]["reliability"], profile[0]["depth"]) == (1, 1, 3)
    with Reader(tmp_path / "drive" / "drive_0.mcap") as reader:
        assert (reader.start_time, reader.end_time) == (T0, T0 + 6)


# --- what goes wrong -----------------------------------------------------------------------------


def nothing_in(folder: Path) -> bool:
    return list(folder.iterdir()) == []


@contextmanager
def full_after_1_mb() -> Iterator[None]:
    """No file of this process may grow beyond 1 MB: writing fails as it does on a full disk.

    No fixture: what the tests are told of goes into a file, too, before a fixture is undone.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("storage", "compression"), STORAGES)
@pytest.mark.parametrize("name", ["drive", "drive.file"])
def test_a_disk_that_fills_up_is_an_error_and_leaves_nothing(
    tmp_path: Path, storage: str, compression: str, name: str
) -> None:
    suffix = {"mcap": ".mcap", "sqlite3": ".db3"}[storage]
    path = tmp_path / name.replace(".file", suffix)
    complaint = rf"{path.name} cannot be written: .+, after \d+ bytes; make room"
    with (
        pytest.raises(DataError, match=complaint),
        full_after_1_mb(),
        BagWriter(path, storage, compression) as writer,
    ):
        writer.add_topic(WHEEL)
        for _, stamp, data in messages(3000):
            writer.write("/wheel", stamp, data)
    assert nothing_in(tmp_path)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_disk_that_fills_up_at_the_very_end_leaves_nothing(tmp_path: Path, storage: str) -> None:
    writer = BagWriter(tmp_path / "drive", storage)
    complaint = r"drive cannot be written: .+, after \d+ bytes"
    with pytest.raises(DataError, match=complaint), full_after_1_mb(), writer:
        writer.add_topic(WHEEL)
        writer.write("/wheel", T0, bytes((1 << 20) - 500))
    assert nothing_in(tmp_path)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_an_exception_in_between_leaves_nothing(tmp_path: Path, storage: str) -> None:
    with pytest.raises(KeyboardInterrupt), BagWriter(tmp_path / "drive", storage) as writer:
        writer.add_topic(WHEEL)
        writer.write("/wheel", T0, bytes(3 << 20))
        raise KeyboardInterrupt
    assert nothing_in(tmp_path)


def test_until_it_is_complete_nothing_has_the_final_name(tmp_path: Path) -> None:
    path = tmp_path / "drive"
    with BagWriter(path) as writer:
        writer.add_topic(WHEEL)
        writer.write("/wheel", T0, bytes(3 << 20))
        assert [p.name for p in tmp_path.iterdir()] == [".drive.partial"]
    assert [p.name for p in tmp_path.iterdir()] == ["drive"]


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from tracker_ros.bags.bag import Topic; "
        "from tracker_ros.bags.writer import BagWriter\n"
        "with BagWriter(Path(sys.argv[1])) as writer:\n"
        "    writer.add_topic(Topic('/wheel', 'a_msgs/msg/A'))\n"
        "    writer.write('/wheel', 5, bytes(3 << 20))\n"
        "    os._exit(3)\n"
    )
    path = tmp_path / "drive"
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT)
    assert done.returncode == 3
    assert [p.name for p in tmp_path.iterdir()] == [".drive.partial"]
    with BagWriter(path) as writer:
        writer.add_topic(WHEEL)
    assert [p.name for p in tmp_path.iterdir()] == ["drive"]
    assert read(path) == []


def test_two_do_not_write_the_same_bag(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "drive") as writer:
        with pytest.raises(DataError, match=r"drive is being written by another process"):
            BagWriter(tmp_path / "drive").__enter__()
        writer.add_topic(WHEEL)
        writer.write("/wheel", T0, b"")
    assert len(read(tmp_path / "drive")) == 1


def test_a_path_that_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "drive").mkdir()
    with pytest.raises(DataError, match=r"drive is there already; give another name or remove it"):
        BagWriter(tmp_path / "drive")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"drive cannot be written: File exists \(.*file\); give a"):
        BagWriter(tmp_path / "file" / "drive").__enter__()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("drive", "rosbag"), "storage 'rosbag' is not known; it is mcap or sqlite3"),
        (("drive.db3", "mcap"), r"drive\.db3 is to be mcap, but its name says sqlite3"),
        (("drive", "mcap", "xz"), "compression 'xz' is not known; it is zstd or none"),
        (("drive", "sqlite3", "zstd"), "a sqlite3 bag is not compressed here; write mcap instead"),
    ],
)
def test_a_choice_that_is_none_is_refused(
    tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        BagWriter(tmp_path / words[0], *words[1:])


def test_a_message_that_cannot_be_placed_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "drive") as writer:
        writer.add_topic(WHEEL)
        with pytest.raises(DataError, match=r"topic /wheel .* is in it already"):
            writer.add_topic(WHEEL)
        with pytest.raises(DataError, match=r"a message on /left, which was not added"):
            writer.write("/left", T0, b"")
        with pytest.raises(DataError, match=r"a message on /wheel of the time -1 ns"):
            writer.write("/wheel", -1, b"")
        writer.write("/wheel", T0, b"x")
    assert read(tmp_path / "drive") == [("/wheel", T0, b"x")]
