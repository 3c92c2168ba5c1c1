"""Sequences on disk are read exactly, and whatever is wrong with one is named."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from films import (
    ABSENT,
    HEIGHT,
    PATCH,
    WIDTH,
    corner,
    picture,
    true_lines,
    write_sequence,
    write_undecodable_jpeg,
)

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import load_dataset, load_sequence, read_truth


def test_a_sequence_gives_its_images_and_boxes_in_order(tmp_path: Path) -> None:
    sequence = load_sequence(write_sequence(tmp_path / "ball", true_lines(4)))
    assert (sequence.name, len(sequence), sequence.start) == ("ball", 4, 0)
    for index in range(4):
        np.testing.assert_array_equal(sequence.read(index), picture(index))
        assert sequence.truth[index].tolist() == [*corner(index), *PATCH]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png", ".JPG"])
def test_jpeg_and_png_images_are_read(tmp_path: Path, suffix: str) -> None:
    sequence = load_sequence(write_sequence(tmp_path / "ball", true_lines(2), suffix))
    assert sequence.read(1).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3.5,4\nnan,nan,nan,nan\n",
        "1\t2\t3.5\t4\nNaN\tNaN\tNaN\tNaN",
        "1 2  3.5 4 \n nan nan nan nan\n\n\n",
        "1, 2, 3.5, 4\r\nnan, nan, nan, nan\r\n",
        "\ufeff1,2,3.5,4\nnan,nan,nan,nan\n",
        "1,2,3.5,4\n0,0,0,0\n",
    ],
    ids=["commas", "tabs", "blanks", "windows", "byte order mark", "no size"],
)
def test_truth_is_read_however_it_is_parted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "groundtruth.txt"
    path.write_bytes(text.encode())
    boxes = read_truth(path)
    assert boxes[0].tolist() == [1, 2, 3.5, 4]
    assert boxes.shape == (2, 4) and np.isnan(boxes[1]).all()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1,2,three,4", "'three' is not a number"),
        ("1,2,3", "'1,2,3' does not hold 4 values"),
        ("1,,3,4", "'1,,3,4' does not hold 4 values"),
        ("", "'' does not hold 4 values"),
        ("1,2,3,4,5,6,7,8", "polygons have to be turned into boxes"),
        ("1,2,nan,4", "'1,2,nan,4' is neither a box nor absent"),
        ("1,2,inf,4", "'1,2,inf,4' is neither a box nor absent"),
        ("30,40,-10,20", "'30,40,-10,20' has a negative side"),
        ("30,40,0,-20", "'30,40,0,-20' has a negative side"),
    ],
)
def test_a_bad_line_is_named_with_file_and_number(
    tmp_path: Path, line: str, complaint: str
) -> None:
    path = tmp_path / "groundtruth.txt"
    path.write_text(f"1,2,3,4\n{line}\n1,2,3,4\n")
    with pytest.raises(DataError, match=re.escape(f"{path}, line 2: ")) as refused:
        read_truth(path)
    assert complaint in str(refused.value)


def test_a_truth_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "groundtruth.txt"
    path.write_bytes(b"\x80\x81\xff")
    with pytest.raises(DataError, match=re.escape(f"{path} cannot be read as text")):
        read_truth(path)


def test_a_missing_truth_is_named(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", true_lines(2))
    (folder / "groundtruth.txt").unlink()
    with pytest.raises(DataError, match=r"ball/groundtruth\.txt is missing"):
        load_sequence(folder)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", true_lines(4))
    (folder / "img/000003.png").unlink()
    with pytest.raises(DataError, match=r"000004\.png comes after .*; number 3 is missing"):
        load_sequence(folder)


def test_fewer_images_than_lines_are_counted(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", true_lines(4))
    (folder / "img/000004.png").unlink()
    with pytest.raises(DataError, match="3 images in img/ but 4 lines"):
        load_sequence(folder)


def test_images_numbered_without_zeros_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", true_lines(11))
    for path in (folder / "img").iterdir():
        path.rename(path.with_name(f"{int(path.stem)}.png"))
    names = [path.name for path in load_sequence(folder).images]
    assert names == [f"{number}.png" for number in range(1, 12)]


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", true_lines(2))
    for path in (folder / "img").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"ball/img holds no image"):
        load_sequence(folder)
    (folder / "img").rmdir()
    with pytest.raises(DataError, match=r"ball/img is missing"):
        load_sequence(folder)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_an_image_that_was_cut_short_is_named(tmp_path: Path, suffix: str) -> None:
    folder = write_sequence(tmp_path / "ball", true_lines(3), suffix)
    image = folder / f"img/000002{suffix}"
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    with pytest.raises(DataError, match=re.escape(f"{image} is damaged: its end is missing")):
        load_sequence(folder)


def test_an_image_that_is_none_is_named(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", true_lines(3))
    image = folder / "img/000002.png"
    for content in (b"", b"<html>404 Not Found</html>"):
        image.write_bytes(content)
        with pytest.raises(DataError, match=re.escape(f"{image} is damaged: it is neither")):
            load_sequence(folder)


def test_an_image_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", true_lines(3))
    image = folder / "img/000002.png"
    image.unlink()
    image.symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(DataError, match=re.escape(f"{image} cannot be read: No such file")):
        load_sequence(folder)


def test_an_image_that_cannot_be_decoded_is_named_when_it_is_read(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", true_lines(3), ".jpg")
    image = folder / "img/000002.jpg"
    write_undecodable_jpeg(image)
    with pytest.raises(DataError, match=re.escape(f"{image} cannot be decoded")):
        load_sequence(folder).read(1)


def test_it_starts_where_the_target_is_first_visible(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", true_lines(5, absent=[0, 1, 3]))
    sequence = load_sequence(folder)
    assert sequence.start == 2
    assert sequence.visible.tolist() == [False, False, True, False, True]


def test_a_target_seen_less_than_twice_cannot_be_scored(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", true_lines(5, absent=[1, 2, 3]))
    assert len(load_sequence(folder)) == 5
    with pytest.raises(DataError, match="visible in 1 of the 4 frames used"):
        load_sequence(folder, limit=4)


def test_a_first_box_off_the_image_is_named_with_its_line(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", [ABSENT, "900,30,40,32", "20,30,40,32"])
    with pytest.raises(DataError, match=r"line 2: .* box x=900 .* lies outside the 320x240 image"):
        load_sequence(folder)


def test_the_limit_cuts_images_and_truth_alike(tmp_path: Path) -> None:
    sequence = load_sequence(write_sequence(tmp_path / "ball", true_lines(5)), limit=3)
    assert (len(sequence.images), sequence.truth.shape) == (3, (3, 4))


def test_a_data_set_is_its_folders_by_name(tmp_path: Path) -> None:
    for name in ("dog", "ball", "cat"):
        write_sequence(tmp_path / name, true_lines(2))
    (tmp_path / "README.md").write_text("what these are")
    (tmp_path / ".cache").mkdir()
    assert [sequence.name for sequence in load_dataset(tmp_path)] == ["ball", "cat", "dog"]
    chosen = load_dataset(tmp_path, ["dog", "ball", "dog"])
    assert [sequence.name for sequence in chosen] == ["dog", "ball"]


def test_a_folder_that_is_a_sequence_is_a_data_set_of_one(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "ball", true_lines(2))
    assert [sequence.name for sequence in load_dataset(folder)] == ["ball"]


def test_a_folder_that_is_no_sequence_is_an_error_and_not_skipped(tmp_path: Path) -> None:
    write_sequence(tmp_path / "ball", true_lines(2))
    (tmp_path / "notes").mkdir()
    with pytest.raises(DataError, match=r"notes/groundtruth\.txt is missing"):
        load_dataset(tmp_path)


def test_an_unknown_sequence_is_refused_with_the_choices(tmp_path: Path) -> None:
    for name in ("ball", "cat"):
        write_sequence(tmp_path / name, true_lines(2))
    with pytest.raises(DataError, match=r"no sequence 'dog' in .*; there are ball, cat"):
        load_dataset(tmp_path, ["dog"])


def test_a_data_folder_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        load_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no sequence in it"):
        load_dataset(tmp_path)
