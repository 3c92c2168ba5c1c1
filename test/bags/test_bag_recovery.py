"""Of a damaged bag everything readable is given, and it says where it ended."""

from __future__ import annotations

import hashlib
import random
import re
import sqlite3
from pathlib import Path

import pytest
from bag_files import CUSTOM, T0, data_file, messages, read, record, unchunked
from damage import check, in_wal, places, whole_before, written
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from tracker_ros.bags.bag import Topic
from tracker_ros.bags.mcap_writer import McapStorage
from tracker_ros.bags.reader import open_bag
from tracker_ros.errors import DataError

MCAP, SQLITE = StoragePlugin.MCAP, StoragePlugin.SQLITE3

# --- mcap ----------------------------------------------------------------------------------------


def test_a_truncated_mcap_gives_every_message_before_the_cut(tmp_path: Path) -> None:
    content = messages(900)
    data = written(tmp_path / "drive.mcap", content).read_bytes()
    cut = tmp_path / "cut.mcap"
    for place in [*places(len(data), 60), len(data) - 1, len(data) - 40]:
        cut.write_bytes(data[:place])
        assert check(cut, content) == whole_before(data, place, content)


def test_a_truncated_mcap_without_chunks_gives_every_message_before_the_cut(tmp_path: Path) -> None:
    content = messages(900)
    data = unchunked(tmp_path / "drive.mcap", content, closed=False).read_bytes()
    cut = tmp_path / "cut.mcap"
    for place in [*places(len(data), 40), len(data)]:
        cut.write_bytes(data[:place])
        assert check(cut, content) == whole_before(data, place, content)


def test_of_a_cut_chunk_of_zstd_what_comes_before_the_cut_is_given(tmp_path: Path) -> None:
    content = messages(900)
    data = written(tmp_path / "drive.mcap", content, "zstd").read_bytes()
    cut = tmp_path / "cut.mcap"
    for place in places(len(data), 40):
        cut.write_bytes(data[:place])
        # zstd gives whole blocks of up to 128 KiB
        assert check(cut, content) >= whole_before(data, place - (130 << 10), content)


def test_of_a_cut_chunk_of_lz4_what_comes_before_the_cut_is_given(tmp_path: Path) -> None:
    content = messages(300, topics=["/left"])
    storage = McapStorage(tmp_path / "drive.mcap", "lz4")
    storage.add(1, Topic("/left", CUSTOM))
    for _, time, data in content:
        storage.write(1, time, data)
    storage.finish("")
    data, cut = (tmp_path / "drive.mcap").read_bytes(), tmp_path / "cut.mcap"
    for place in places(len(data), 10):
        cut.write_bytes(data[:place])
        assert check(cut, content) >= whole_before(data, place - (130 << 10), content)


def test_zeros_after_a_loss_of_power_are_no_messages(tmp_path: Path) -> None:
    content = messages(900)
    for compression in ("", "zstd"):
        data = written(tmp_path / f"drive{compression}.mcap", content, compression).read_bytes()
        cut = tmp_path / "cut.mcap"
        for place in places(len(data), 40, step=512):
            cut.write_bytes(data[:place] + bytes(100_000))
            number = check(cut, content)
            assert compression or number == whole_before(data, place, content)


def test_the_words_say_where_it_ended_and_how_much_is_lost(tmp_path: Path) -> None:
    content = messages(1000)
    data = written(tmp_path / "drive.mcap", content).read_bytes()
    cut = tmp_path / "cut.mcap"
    place = data.find(content[500][2]) + 1000
    cut.write_bytes(data[:place])
    readable = data.find(content[499][2]) + len(content[499][2])
    with open_bag(cut) as reader:
        assert reader.damage == (
            f"cut.mcap was not closed by its recorder, or was cut: it ends at byte {readable} of "
            f"{place}, in the middle of a chunk; the last message that can be read was recorded at "
            f"1700000004.990 s; {place - readable} bytes (0.1%) are lost"
        )


def test_a_chunk_whose_checksum_is_wrong_is_left_out_and_told(tmp_path: Path) -> None:
    content = messages(2000)
    path = written(tmp_path / "drive.mcap", content)
    data = bytearray(path.read_bytes())
    data[data.find(content[800][2]) + 50] ^= 1
    path.write_bytes(data)
    with open_bag(path) as reader:
        given = [(m.topic, m.recorded_ns, m.data) for m in reader.messages()]
        assert re.search(
            r"1 of 6 parts .* byte \d+: the checksum of a chunk is wrong", reader.damage
        )
    assert content[800] not in given
    assert given == [message for message in content if message in given]
    assert len(given) > 1500


def test_without_the_index_a_bad_chunk_is_left_out_and_what_follows_is_given(
    tmp_path: Path,
) -> None:
    content = messages(2000)
    path = written(tmp_path / "drive.mcap", content)
    data = bytearray(path.read_bytes()[:-100])
    data[data.find(content[800][2]) + 50] ^= 1
    path.write_bytes(data)
    with open_bag(path) as reader:
        given = [(m.topic, m.recorded_ns, m.data) for m in reader.messages()]
        assert reader.count == len(given) > 1500
        assert "checksum" in reader.damage and "cut in its index" in reader.damage
    assert given[-1] == content[-1]


# --- folders and compressed files ----------------------------------------------------------------


@pytest.mark.parametrize("storage", [MCAP, SQLITE])
def test_a_cut_file_of_zstd_gives_what_comes_before_the_cut(
    tmp_path: Path, storage: StoragePlugin
) -> None:
    content = messages(900)
    bag = record(tmp_path / "drive", content, storage, CompressionMode.FILE)
    file = data_file(bag)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    with open_bag(bag) as reader:
        given = [(m.topic, m.recorded_ns, m.data) for m in reader.messages()]
        assert given == content[: len(given)]
        assert 300 < len(given) == reader.count
        assert f"{file.name} is cut: of its {len(data) // 2} bytes (zstd) come" in reader.damage
        assert "the last message that can be read was recorded at" in reader.damage


def test_a_compressed_message_that_is_spoiled_is_left_out(tmp_path: Path) -> None:
    content = messages(30)
    bag = record(tmp_path / "drive", content, SQLITE, CompressionMode.MESSAGE)
    with sqlite3.connect(bag / "drive.db3") as db:
        db.execute("UPDATE messages SET data = substr(data, 1, 500) WHERE id = 8")
    db.close()
    with open_bag(bag) as reader:
        given = [(m.topic, m.recorded_ns, m.data) for m in reader.messages()]
        assert reader.damage == "1 messages of /right cannot be decompressed"
    assert given == content[:7] + content[8:]


@pytest.mark.parametrize("text", [None, "", "rosbag2_bagfile_information:\n  version: [", "x: 1"])
def test_a_folder_without_a_sound_metadata_is_read(tmp_path: Path, text: str | None) -> None:
    content = messages(30)
    bag = record(tmp_path / "drive", content)
    (bag / "metadata.yaml").unlink()
    if text is not None:
        (bag / "metadata.yaml").write_text(text)
    assert read(bag) == content
    with open_bag(bag) as reader:
        assert ("metadata.yaml cannot be read" in reader.damage) == (text is not None)


def test_a_file_that_is_missing_and_one_that_came_later_are_told(tmp_path: Path) -> None:
    content = messages(30)
    bag = record(tmp_path / "drive", content[:10])
    for number, part in enumerate((content[:10], content[10:20], content[20:])):
        path = written(bag / f"drive_{number}.mcap", part)
    path.with_name("drive.mcap").unlink()
    about = bag / "metadata.yaml"
    about.write_text(about.read_text().replace("drive.mcap", "drive_1.mcap"))
    with open_bag(bag) as reader:
        assert [m.data for m in reader.messages()] == [m[2] for m in content[10:]]
        assert reader.damage == (
            "drive_2.mcap is not in metadata.yaml: the recorder did not end well"
        )
    (bag / "drive_1.mcap").unlink()
    with open_bag(bag) as reader:
        assert [m.data for m in reader.messages()] == [m[2] for m in content[20:]]
        assert "drive_1.mcap, which metadata.yaml names, is missing" in reader.damage


def test_a_last_file_without_a_byte_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "drive").mkdir()
    content = messages(30)
    written(tmp_path / "drive" / "drive_0.mcap", content)
    (tmp_path / "drive" / "drive_1.mcap").touch()
    assert read(tmp_path / "drive") == content
    with open_bag(tmp_path / "drive") as reader:
        assert reader.damage == "drive_1.mcap holds nothing: 0 bytes"


@pytest.mark.parametrize("size", [0, 5, 8, 30, 200])
@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
def test_a_bag_cut_at_its_very_beginning_is_refused(tmp_path: Path, suffix: str, size: int) -> None:
    path = written(tmp_path / f"drive{suffix}", messages(30))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=rf"drive{suffix} cannot be read as a ROS 2 bag: ."):
        open_bag(path)


# --- whatever comes ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drive.mcap", "packed.mcap", "drive.db3", "without.mcap"])
def test_random_damage_never_ends_in_another_error(tmp_path: Path, kind: str) -> None:
    content = messages(60, size=500)
    path = tmp_path / kind
    if kind == "without.mcap":
        unchunked(path, content, closed=False)
    else:
        written(path, content, "zstd" if kind == "packed.mcap" else "")
    data = path.read_bytes()
    chosen = random.Random(5)
    refused = 0
    for _ in range(150):
        spoiled = bytearray(data)
        for _ in range(chosen.randrange(1, 30)):
            at = chosen.randrange(len(data)) if chosen.random() < 0.5 else chosen.randrange(3000)
            spoiled[at] = chosen.randrange(256)
        path.write_bytes(spoiled)
        try:
            with open_bag(path) as reader:
                read_on = [message.recorded_ns for message in reader.messages()]
                assert read_on == sorted(read_on) or kind.endswith(".mcap")
        except DataError:
            refused += 1
    assert refused < 150


@pytest.mark.parametrize("storage", [MCAP, SQLITE])
def test_reading_leaves_the_files_as_they_are(tmp_path: Path, storage: StoragePlugin) -> None:
    bags = [record(tmp_path / "whole", messages(100), storage), in_wal(tmp_path, messages(200))]
    cut = record(tmp_path / "cut", messages(100), storage)
    file = data_file(cut)
    file.write_bytes(file.read_bytes()[:200_000])

    def state() -> dict[str, tuple[str, int]]:
        return {
            str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for bag in (*bags, cut)
            for path in bag.iterdir()
        }

    before = state()
    for bag in (*bags, cut):
        for path in bag.iterdir():
            path.chmod(0o444)
        assert read(bag)
    assert state() == before


def test_a_time_of_recording_is_not_needed_to_be_sound(tmp_path: Path) -> None:
    content = [("/left", time, bytes(8)) for time in (0, 2**63 - 1, T0)]
    path = unchunked(tmp_path / "drive.mcap", content, closed=True)
    assert [time for _, time, _ in read(path)] == [0, T0, 2**63 - 1]
