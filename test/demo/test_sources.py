"""Every source gives its frames, its rate and its truth, or says what is wrong with it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bags import FIRST_STAMP, STORE, write_bag
from rosbags.rosbag2 import StoragePlugin

from tracker_ros.demo.bag import BagSource
from tracker_ros.demo.sources import (
    CameraSource,
    SceneSource,
    SequenceSource,
    Source,
    VideoSource,
    add_source_arguments,
    first_target,
    open_source,
    source_arguments,
)
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box, UInt8Image


def picture(index: int, width: int = 160, height: int = 120) -> UInt8Image:
    image = np.full((height, width, 3), (40, 90, 40), np.uint8)
    cv2.rectangle(image, (10 + 4 * index, 30), (40 + 4 * index, 70), (40, 40, 220), -1)
    return image


def write_sequence(folder: Path, truth: Sequence[str] | None) -> Path:
    (folder / "img").mkdir(parents=True)
    for index in range(3):
        cv2.imwrite(str(folder / "img" / f"{index + 1:06d}.png"), picture(index))
    if truth is not None:
        (folder / "groundtruth.txt").write_text("\n".join(truth) + "\n")
    return folder


def write_video(path: Path, frames: int = 12, fps: float = 25.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (160, 120))
    assert writer.isOpened()
    for index in range(frames):
        writer.write(picture(index))
    writer.release()
    return path


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_source_arguments(parser)
    return parser.parse_args(words)


def test_a_sequence_gives_its_images_in_order_with_their_truth(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", ["10,30,30,40", "nan,nan,nan,nan", "18 30\t30 40"])
    source = SequenceSource(folder, fps=15.0)
    for index, image in enumerate(source):
        np.testing.assert_array_equal(image, picture(index))
    assert source.truth == (Box(10, 30, 30, 40), None, Box(18, 30, 30, 40))
    assert (source.name, source.fps) == ("ball", 15.0)


def test_a_plain_folder_of_images_is_a_sequence_without_truth(tmp_path: Path) -> None:
    source = SequenceSource(write_sequence(tmp_path / "ball", None) / "img")
    assert len(list(source)) == 3
    assert source.truth is None


def test_a_sequence_can_be_read_twice(tmp_path: Path) -> None:
    source = SequenceSource(write_sequence(tmp_path / "ball", None))
    assert len(list(source)) == len(list(source)) == 3


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder; expected a folder of images"):
        SequenceSource(tmp_path / "nowhere")


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image"):
        SequenceSource(tmp_path)


def test_a_damaged_image_is_named_when_its_turn_comes(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", None)
    (folder / "img" / "000002.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    with pytest.raises(DataError, match=r"000002\.png cannot be decoded as an image"):
        list(SequenceSource(folder))


def test_a_truth_of_another_length_is_refused(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", ["10,30,30,40"] * 2)
    with pytest.raises(DataError, match="2 lines for 3 images"):
        SequenceSource(folder)


def test_images_are_in_the_order_of_their_numbers_and_an_empty_box_is_no_target(
    tmp_path: Path,
) -> None:
    images = tmp_path / "img"
    images.mkdir()
    for index in range(12):
        cv2.imwrite(str(images / f"{index + 1}.png"), picture(index))
    truth = ["0,0,0,0", *(f"{10 + 4 * i},30,30,40" for i in range(1, 12))]
    (tmp_path / "groundtruth.txt").write_text("\ufeff" + "\n".join(truth) + "\n\n")
    source = SequenceSource(tmp_path)
    for index, image in enumerate(source):
        np.testing.assert_array_equal(image, picture(index))
    assert source.truth is not None and source.truth[0] is None
    assert source.truth[11] == Box(54, 30, 30, 40)


def test_without_a_truth_numbers_may_be_missing(tmp_path: Path) -> None:
    for number in (1, 5, 12):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number))
    for image, number in zip(SequenceSource(tmp_path), (1, 5, 12), strict=True):
        np.testing.assert_array_equal(image, picture(number))


def test_a_truth_line_that_is_no_box_is_named(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", ["10,30,30,40", "10,30,wide,40", "10,30,30,40"])
    with pytest.raises(DataError, match=r"line 2: 'wide' is not a number"):
        SequenceSource(folder)


def test_a_video_gives_its_frames_and_its_own_rate(tmp_path: Path) -> None:
    source = VideoSource(write_video(tmp_path / "clip.mp4"))
    images = list(source)
    assert len(images) == 12
    assert source.fps == pytest.approx(25.0)
    assert np.abs(images[5].astype(int) - picture(5)).mean() < 6
    assert len(list(source)) == 12, "it starts again"


def test_the_rate_of_a_video_can_be_overruled(tmp_path: Path) -> None:
    assert VideoSource(write_video(tmp_path / "clip.mp4"), fps=5.0).fps == 5.0


def test_a_file_that_is_no_video_is_named(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("not a video")
    with pytest.raises(DataError, match=r"clip\.mp4 is not a video that OpenCV can read"):
        VideoSource(path)


def test_a_video_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--video .*gone\.mp4: no such file"):
        VideoSource(tmp_path / "gone.mp4")


def test_a_camera_that_is_not_there_is_named_with_what_to_do() -> None:
    with pytest.raises(DataError, match=r"--camera 63 cannot be opened; .*/dev/video"):
        CameraSource(63)


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_bag_gives_its_images_and_its_messages(tmp_path: Path, storage: StoragePlugin) -> None:
    pictures = [picture(index) for index in range(5)]
    folder = write_bag(tmp_path / "drive", pictures, fps=20.0, storage=storage)
    source = BagSource(folder)
    for image, wanted in zip(source, pictures, strict=True):
        np.testing.assert_array_equal(image, wanted)
    assert source.fps == pytest.approx(20.0, rel=0.01)
    assert source.name == "drive, topic /camera/image_raw"
    messages = list(source.messages())
    assert messages[2].stamp == messages[2].recorded == FIRST_STAMP + 100_000_000
    assert (messages[2].frame_id, messages[2].width, messages[2].height) == (
        "bag_optical_frame", 160, 120,
    )  # fmt: skip
    again: Any = STORE.deserialize_cdr(messages[2].serialized, "sensor_msgs/msg/Image")
    np.testing.assert_array_equal(again.data, pictures[2].reshape(-1))


def test_a_bag_file_is_read_without_its_folder(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "drive", [picture(0)] * 3)
    assert len(list(BagSource(next(folder.glob("*.mcap"))))) == 3


def test_a_bag_of_compressed_images_is_decoded(tmp_path: Path) -> None:
    source = BagSource(write_bag(tmp_path / "drive", [picture(0)] * 3, compressed=True))
    assert source.compressed
    images = list(source)
    assert len(images) == 3
    assert np.abs(images[0].astype(int) - picture(0)).mean() < 4


def test_an_image_of_a_bag_that_cannot_be_decoded_shows_the_one_before(tmp_path: Path) -> None:
    pictures = [picture(index) for index in range(5)]
    folder = write_bag(tmp_path / "drive", pictures, compressed=True, spoiled={0, 3})
    shown = list(BagSource(folder))
    assert len(shown) == 5
    assert not shown[0].any()
    assert shown[1].any() and np.array_equal(shown[3], shown[2])
    assert not np.array_equal(shown[4], shown[3])


def test_a_topic_that_the_bag_does_not_hold_is_refused_with_those_it_does(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "drive", [picture(0)])
    with pytest.raises(DataError, match=r"no image topic /left; it holds /camera/image_raw"):
        BagSource(folder, "/left")


def test_a_bag_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--bag .*gone\.mcap: no such file"):
        BagSource(tmp_path / "gone.mcap")


@pytest.mark.parametrize("name", ["broken.mcap", "broken.db3", "broken.txt"])
def test_a_file_that_is_no_bag_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"this is no bag" * 100)
    with pytest.raises(DataError, match=rf"{name} cannot be read as a ROS 2 bag: ."):
        BagSource(path)


def test_a_bag_that_was_cut_off_is_named(tmp_path: Path) -> None:
    path = next(write_bag(tmp_path / "drive", [picture(0)] * 3).glob("*.mcap"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"cannot be read as a ROS 2 bag: ."):
        list(BagSource(path))


def test_a_ros1_bag_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "old.bag"
    path.write_bytes(b"#ROSBAG V2.0\n")
    with pytest.raises(DataError, match="ROS 1 bag; rosbags-convert"):
        BagSource(path)


def test_without_options_the_source_is_the_scene() -> None:
    source = open_source(parse())
    assert isinstance(source, SceneSource)
    assert next(iter(source)).shape == (480, 640, 3)


def test_the_scene_has_the_asked_size_and_rate() -> None:
    source: Source = open_source(parse("--size", "320x200", "--fps", "10"))
    assert next(iter(source)).shape == (200, 320, 3)
    assert source.fps == 10.0


def test_options_survive_the_way_to_another_process(tmp_path: Path) -> None:
    words = ["--bag", str(tmp_path / "b.mcap"), "--topic", "/left", "--limit", "9"]
    assert parse(*source_arguments(parse(*words))) == parse(*words)
    assert parse(*source_arguments(parse("--size", "320x200"))).size == (320, 200)


@pytest.mark.parametrize("words", [["--size", "big"], ["--fps", "0"], ["--fps", "nan"]])
def test_options_out_of_range_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(*words)


def test_a_limit_under_one_frame_is_refused() -> None:
    with pytest.raises(DataError, match="--limit 0"):
        open_source(parse("--limit", "0"))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--topic", "/left"], "give --bag FILE too"),
        (["--bag", "b.mcap", "--fps", "5"], "--fps 5: a bag is replayed as it was recorded"),
        (["--video", "a.mp4", "--size", "320x200"], "--size 320x200 is that of a scene"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(words: list[str], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        open_source(parse(*words))


def test_a_scene_and_a_film_of_ones_own_exclude_each_other() -> None:
    with pytest.raises(SystemExit):
        parse("--video", "a.mp4", "--scene", "square")


def test_the_target_is_the_given_box_else_the_first_of_the_truth() -> None:
    assert first_target((None, Box(1, 2, 3, 4)), None) == (1, Box(1, 2, 3, 4))
    assert first_target((None, Box(1, 2, 3, 4)), Box(5, 6, 7, 8)) == (0, Box(5, 6, 7, 8))


def test_without_a_box_and_without_truth_the_operator_is_asked_for_one() -> None:
    with pytest.raises(DataError, match=r"which target\? .* --box X,Y,W,H"):
        first_target(None, None)
