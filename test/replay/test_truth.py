"""Where a target really is: a line for every image, or stamps; and what names a truth."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from replays import stamp_of
from truths import NAN, annotated_bag, images, target, written

from tracker_ros.errors import DataError
from tracker_ros.pipeline.frames import seconds
from tracker_ros.replay.fingerprint import fingerprint
from tracker_ros.replay.job import Job
from tracker_ros.replay.truth import load_truth
from tracker_ros.replay.truth_files import parse_stamp


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return annotated_bag(tmp_path)


# --- a line for every image ----------------------------------------------------------------------


def test_a_line_for_every_image_belongs_to_the_images_by_their_number(
    tmp_path: Path, bag: Path
) -> None:
    truth = target(written(tmp_path, "1,2,3,4\n5\t6 7,8\nnan,nan,nan,nan\n9,9,0,9\n"), bag)
    boxes, annotated = truth.on(images([0, 1, 2, 3]).timeline)
    np.testing.assert_array_equal(boxes, [[1, 2, 3, 4], [5, 6, 7, 8], NAN, NAN])
    assert annotated.all()


def test_a_rejected_image_has_its_line_too(tmp_path: Path, bag: Path) -> None:
    truth = target(written(tmp_path, "0,0,9,9\n1,0,9,9\n2,0,9,9\n"), bag)
    result = images([0, 2], received=3, rejected=1)
    truth.require_match(result)
    np.testing.assert_array_equal(truth.on(result.timeline)[0][:, 0], [0, 2])


def test_an_answer_without_an_image_is_not_annotated(tmp_path: Path, bag: Path) -> None:
    truth = target(written(tmp_path, "0,0,9,9\n1,0,9,9\n"), bag)
    _, annotated = truth.on(images([0, -1, 1]).timeline)
    assert annotated.tolist() == [True, False, True]


def test_polygons_are_scored_by_what_bounds_them_and_that_is_said(
    tmp_path: Path, bag: Path
) -> None:
    truth = target(written(tmp_path, "10,0,20,10,10,20,0,10\n" + ",".join(["nan"] * 8)), bag)
    np.testing.assert_array_equal(truth.boxes, [[0, 0, 20, 20], NAN])
    assert "polygons" in " ".join(truth.notes)


def test_a_truth_of_another_length_is_refused_with_both_lengths(tmp_path: Path, bag: Path) -> None:
    truth = target(written(tmp_path, "0,0,9,9\n" * 5), bag)
    with pytest.raises(DataError, match=r"5 lines, but drive\.mcap holds 3 images on /camera"):
        truth.require_match(images([0, 1, 2]))
    with pytest.raises(DataError, match=r"5 lines, but .* holds 9 images .*damaged: it ends"):
        truth.require_match(images(range(9), damage="it ends at 12 s"))


def test_a_part_of_a_bag_is_compared_with_its_part_of_the_truth(tmp_path: Path, bag: Path) -> None:
    truth = target(written(tmp_path, "".join(f"{n},0,9,9\n" for n in range(8))), bag)
    result = images([3, 4, 6], first=3, received=4, images=8)
    truth.require_match(result)
    assert truth.notes_on(result) == ()
    np.testing.assert_array_equal(truth.on(result.timeline)[0][:, 0], [3, 4, 6])


def test_a_truth_of_the_part_alone_is_not_taken_for_that_of_all(tmp_path: Path, bag: Path) -> None:
    truth = target(written(tmp_path, "0,0,9,9\n" * 4), bag)
    for first in (0, 3):  # --to alone, and --from
        part = images(range(first, first + 4), first=first, images=8)
        with pytest.raises(DataError, match=r"4 lines, but .* 8 images .*of which 4 were replayed"):
            truth.require_match(part)


def test_of_a_damaged_bag_the_prefix_is_scored_and_that_is_said(tmp_path: Path, bag: Path) -> None:
    truth = target(written(tmp_path, "".join(f"{n},0,9,9\n" for n in range(5))), bag)
    result = images([0, 1, 2], damage="it ends at 12 s")
    truth.require_match(result)
    np.testing.assert_array_equal(truth.on(result.timeline)[0][:, 0], [0, 1, 2])
    (note,) = truth.notes_on(result)
    assert "holds 3 of the 5 images" in note and "the first 3" in note
    assert truth.notes_on(images(range(5), damage="it ends at 12 s")) == ()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1,2,3", "line 2: '1,2,3' holds 3 values"),
        ("1,2,3,4,5", "holds 5 values"),
        ("1,2,x,4", "line 2: 'x' is not a number"),
        ("1,2,-3,4", "negative side"),
        ("1,nan,3,4", "neither a region nor absent"),
        ("1,inf,3,4", "neither a region nor absent"),
    ],
)
def test_a_line_that_is_no_region_is_named(
    tmp_path: Path, bag: Path, line: str, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        target(written(tmp_path, f"1,2,3,4\n{line}\n"), bag)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00 no text"])
def test_a_file_with_nothing_to_read_is_refused(tmp_path: Path, bag: Path, content: bytes) -> None:
    path = tmp_path / "truth.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"truth\.txt (is empty|cannot be read)"):
        target(path, bag)


# --- CSV with stamps -----------------------------------------------------------------------------


def test_csv_belongs_to_the_images_by_the_exact_stamp(tmp_path: Path, bag: Path) -> None:
    ns = stamp_of(1)
    text = f"id, stamp, x, y, w, h\n7, {ns // 10**9}.{ns % 10**9:09d}, 1, 2, 3, 4\n"
    boxes, annotated = target(written(tmp_path, text), bag).on(images([0, 1, 2]).timeline)
    assert annotated.tolist() == [False, True, False]
    np.testing.assert_array_equal(boxes, [NAN, [1, 2, 3, 4], NAN])


def test_a_stamp_without_a_decimal_point_is_in_nanoseconds(tmp_path: Path, bag: Path) -> None:
    truth = target(written(tmp_path, f"stamp,x,y,w,h\n{stamp_of(2)},1,2,3,4\n"), bag)
    assert truth.keys.tolist() == [stamp_of(2)]


@pytest.mark.parametrize("ns", [0, 5, -1, -33_000_000, -1_500_000_000, stamp_of(7), -(2**62)])
def test_a_stamp_is_read_as_it_is_written(ns: int) -> None:
    assert parse_stamp(seconds(ns)) == ns


def test_a_nanosecond_beside_the_image_is_not_its_truth(tmp_path: Path, bag: Path) -> None:
    truth = target(written(tmp_path, f"stamp,x,y,w,h\n{stamp_of(2) + 1},1,2,3,4\n"), bag)
    with pytest.raises(DataError, match=r"none of its 1 stamps .* is that of one of the 3 images"):
        truth.require_match(images([0, 1, 2]))


def test_a_stamp_that_is_there_twice_may_not_say_two_things(tmp_path: Path, bag: Path) -> None:
    row = f"{stamp_of(2)},1,2,3,4\n"
    assert len(target(written(tmp_path, "stamp,x,y,w,h\n" + row + row), bag).keys) == 1
    with pytest.raises(DataError, match=r"1700000000\.066666666 is there twice"):
        target(written(tmp_path, f"stamp,x,y,w,h\n{row}{stamp_of(2)},9,2,3,4\n"), bag)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("stamp,x,y,w\n1.5,1,2,3\n", "lacks h"),
        ("stamp,x,y,w,h\nsoon,1,2,3,4\n", "line 2: stamp 'soon' is neither"),
        ("stamp,x,y,w,h\n1.0000000001,1,2,3,4\n", "neither seconds"),
        ("stamp,x,y,w,h\n99999999999.5,1,2,3,4\n", "neither seconds"),
        ("stamp,x,y,w,h\n,1,2,3,4\n", "stamp '' is neither"),
        ("stamp,x,y,w,h\n1.5,1,2,3,4\n15,1,2,3,4\n", "mixes stamps"),
        ("stamp,x,y,w,h\n1.5,1,2,,4\n", "line 2: '' is not a number"),
        ("stamp,x,y,w,h\n1.5,1,2\n", "line 2: '' is not a number"),
    ],
)
def test_csv_that_could_be_misread_is_refused(
    tmp_path: Path, bag: Path, text: str, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        target(written(tmp_path, text), bag)


def test_csv_without_a_row_has_nothing_to_score_against(tmp_path: Path, bag: Path) -> None:
    truth = target(written(tmp_path, "stamp,x,y,w,h\n"), bag)
    assert not truth.on(images([0, 1]).timeline)[1].any()
    with pytest.raises(DataError, match="holds nothing"):
        truth.require_match(images([0, 1]))


# --- names of files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["x" * 300, "x/" * 4000, "nul\0byte"], ids=["long name", "long path", "zero byte"]
)
def test_a_name_that_no_file_can_have_is_an_error_and_no_crash(bag: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"--gt .*: no such file.*/crowd") as error:
        load_truth(name, "sot", bag)
    assert len(str(error.value)) < 600
    assert fingerprint(Job(bag, bag.parent, "sot", gt=name))


def test_a_folder_is_no_truth_and_the_error_says_that_it_is_one(tmp_path: Path, bag: Path) -> None:
    with pytest.raises(DataError, match="it is a folder"):
        target(tmp_path, bag)


@pytest.mark.parametrize(("kind", "line"), [("sot", "1,2,3,4\n"), ("mot", "1,7,2,3,3,4,1\n")])
def test_a_pipe_is_read_once(tmp_path: Path, bag: Path, kind: str, line: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    job = Job(bag, tmp_path, kind, gt=str(pipe))
    # What is read from it cannot be compared later: no result of it is kept for another run.
    assert fingerprint(job) != fingerprint(job)
    writer = threading.Thread(target=pipe.write_text, args=(line,), daemon=True)
    writer.start()
    truth = load_truth(str(pipe), kind, bag)
    writer.join(10)
    np.testing.assert_array_equal(truth.boxes, [[1, 2, 3, 4]])
