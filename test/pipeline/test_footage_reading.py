"""Folders of pictures and bags, as what engines are calibrated and checked on."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from own_footage import CAMERA, SECOND, film, message, write_bag, write_folder

from tracker_ros.bags.bag import IMAGE, Topic
from tracker_ros.bags.writer import BagWriter
from tracker_ros.errors import DataError
from tracker_ros.pipeline.footage import FEWEST, MOMENTS, open_footage

PICTURES = film(48)
FIX = "name others with engine_samples, or leave it empty for drawn pictures"


def refused(where: Path | str) -> str:
    with pytest.raises(DataError) as refusal:
        open_footage(str(where))
    words = str(refusal.value)
    assert words.startswith(f"engine_samples '{where}': ") and words.endswith(f"; {FIX}")
    assert "\n" not in words
    return words


# --- what is taken -------------------------------------------------------------------------------


def test_clips_are_spread_over_a_folder_in_the_order_of_its_names(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "flight", PICTURES)
    footage = open_footage(str(folder))
    read = [cv2.imread(str(path)) for path in sorted(folder.iterdir())]
    clips = list(footage.clips())
    assert len(clips) == MOMENTS
    for clip, start in zip(clips, range(0, 48, 3), strict=True):
        shown, again, following = clip.pictures
        assert shown is again and np.array_equal(shown, read[start])
        assert np.array_equal(following, read[start + 1])
        assert (clip.box.cx, clip.box.cy) == (240, 180)
    assert re.fullmatch(r"flight: 32 of 48 pictures, sha256 [0-9a-f]{16}", footage.words)


def test_a_small_folder_has_a_clip_for_each_picture(tmp_path: Path) -> None:
    footage = open_footage(str(write_folder(tmp_path, PICTURES[:FEWEST])))
    assert len(list(footage.clips())) == FEWEST
    assert f": {FEWEST} of {FEWEST} pictures" in footage.words


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compressed", [False, True], ids=["raw", "compressed"])
def test_clips_are_spread_over_a_bag(tmp_path: Path, storage: str, compressed: bool) -> None:
    bag = write_bag(tmp_path / "drive", PICTURES, storage=storage, compressed=compressed)
    footage = open_footage(str(bag))
    clips = list(footage.clips())
    assert len(clips) == MOMENTS
    near = 12 if compressed else 0
    for clip, start in zip(clips, range(0, 48, 3), strict=True):
        for shown, number in ((clip.pictures[0], start), (clip.pictures[2], start + 1)):
            assert np.abs(shown.astype(int) - PICTURES[number]).mean() <= near
    assert footage.words.startswith(f"drive {CAMERA}: 32 of 48 pictures, sha256 ")


def test_a_file_of_a_bag_is_one_as_well(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "drive.mcap", PICTURES)
    assert open_footage(str(bag)).words.startswith(f"drive.mcap {CAMERA}: 32 of 48")


def test_a_camera_that_was_on_for_a_small_part_of_a_bag_is_enough(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "drive", PICTURES, chatter=600)
    assert len(list(open_footage(str(bag)).clips())) == MOMENTS


def test_of_several_cameras_one_can_be_named_and_else_it_is_the_fullest(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "drive", PICTURES[:20], topics=("/right", "/left"))
    assert open_footage(str(bag)).words.startswith("drive /left: 20 of 20")
    assert open_footage(f"{bag}:/right").words.startswith("drive /right: 20 of 20")
    assert "no image topic /rear; it holds /left (sensor_" in refused(f"{bag}:/rear")


def test_a_home_folder_may_be_written_as_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_folder(tmp_path / "flight", PICTURES[:9])
    assert open_footage("~/flight").words.startswith("flight: 9 of 9 pictures")


# --- what its words are of -----------------------------------------------------------------------


def test_the_same_pictures_in_another_place_are_the_same_footage(tmp_path: Path) -> None:
    one, other = (write_folder(tmp_path / name / "flight", PICTURES) for name in "ab")
    assert open_footage(str(one)).words == open_footage(str(other)).words


def test_other_pictures_are_other_footage(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "flight", PICTURES)
    words = {open_footage(str(folder)).words}
    cv2.imwrite(str(folder / "000.jpg"), PICTURES[7])
    words.add(open_footage(str(folder)).words)
    write_folder(folder, PICTURES[::-1])
    words.add(open_footage(str(folder)).words)
    (folder / "047.jpg").unlink()
    words.add(open_footage(str(folder)).words)
    words.add(open_footage(str(write_bag(tmp_path / "bag", PICTURES))).words)
    words.add(open_footage(str(write_bag(tmp_path / "rest", PICTURES[1:]))).words)
    assert len(words) == 6


# --- what is no footage --------------------------------------------------------------------------


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    assert "no such file or folder" in refused(tmp_path / "missing")


def test_a_folder_of_anything_else_is_told_what_it_should_hold(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    words = refused(tmp_path)
    assert "holds neither pictures (.jpg, .jpeg, .png) nor a bag" in words


def test_a_handful_of_pictures_is_too_few(tmp_path: Path) -> None:
    words = refused(write_folder(tmp_path / "few", PICTURES[:5]))
    assert "5 different pictures of the 5 in few can be used, and at least 8 are needed" in words
    words = refused(write_bag(tmp_path / "short", PICTURES[:3]))
    assert f"3 different pictures of the 3 in short {CAMERA}" in words
    words = refused(write_folder(tmp_path / "same", PICTURES[:1] * 40))
    assert "1 different pictures of the 40 in same" in words


def test_damaged_and_tiny_files_are_passed_over(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mixed", PICTURES[:20])
    (folder / "004.jpg").write_bytes(b"no picture")
    (folder / "005.jpg").write_bytes(b"")
    cv2.imwrite(str(folder / "006.jpg"), PICTURES[0][:9])
    (folder / "007.jpg").unlink()
    (folder / "007.jpg").mkdir()
    (folder / "notes.txt").write_text("not one either")
    clips = list(open_footage(str(folder)).clips())
    assert 12 <= len(clips) <= 16 and {c.pictures[0].shape for c in clips} == {(360, 480, 3)}
    for path in folder.glob("0*.jpg"):
        if path.is_file():
            path.write_bytes(b"no picture")
    assert "0 different pictures of the 19 in mixed can be used" in refused(folder)


def test_damaged_messages_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "drive"
    with BagWriter(path) as bag:
        bag.add_topic(Topic(CAMERA, IMAGE))
        for number, picture in enumerate(PICTURES):
            data = message(picture, number)
            bag.write(CAMERA, SECOND + number, data if number % 3 else data[: len(data) // 2])
    clips = list(open_footage(str(path)).clips())
    assert len(clips) == MOMENTS
    assert np.array_equal(clips[0].pictures[0], PICTURES[1])


def test_a_bag_without_images_is_told_what_it_holds(tmp_path: Path) -> None:
    words = refused(write_bag(tmp_path / "talk", [], topics=(), chatter=2))
    assert "holds no image topic; it holds /chatter (std_msgs/msg/String)" in words
    assert f"holds no message on {CAMERA}" in refused(write_bag(tmp_path / "still", [], chatter=2))


def test_a_file_that_is_no_bag_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    assert "cannot be read as a ROS 2 bag" in refused(tmp_path / "film.mp4")
    bag = tmp_path / "torn"
    bag.mkdir()
    (bag / "torn_0.mcap").write_bytes(bytes(300))
    assert "cannot be read as a ROS 2 bag" in refused(bag)


def test_a_folder_of_pictures_has_no_topics(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "flight", PICTURES[:9])
    assert f"flight is no bag: it has no topic {CAMERA}" in refused(f"{folder}:{CAMERA}")
