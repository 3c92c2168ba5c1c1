"""A line too many in a file of boxes shifts nothing: the video is left out, with what to do."""

from pathlib import Path

import pytest
from data_on_disk import BOXES, declare, lines, write_folder, write_pictures, write_text

from tracker_ros.errors import DataError
from tracker_ros.training.datasets.declaration import declared_sets
from tracker_ros.training.datasets.records import Kind
from tracker_ros.training.datasets.report import Survey
from tracker_ros.training.datasets.survey import survey
from tracker_ros.training.reading import read_collection


def surveyed(root: Path) -> Survey:
    declared = declare(root / "sets.yaml", "root: data, format: folder")
    return survey(declared_sets(declared), progress=False)


def from_0(root: Path, text: str) -> Path:
    """A track whose pictures count from 0, with these lines."""
    write_pictures(root / "data" / "yard" / "img", [f"{i:06d}.jpg" for i in range(len(BOXES))])
    truth = root / "data" / "yard" / "groundtruth.txt"
    write_text(truth, text)
    return truth


@pytest.mark.parametrize("header", ["x,y,w,h", "# x y w h", "left;top;width;height"])
@pytest.mark.parametrize("boxes", [BOXES, BOXES[1:]], ids=["a line too many", "as many lines"])
def test_a_header_leaves_the_video_out_and_is_named(
    tmp_path: Path, header: str, boxes: list[tuple[float, ...]]
) -> None:
    truth = from_0(tmp_path, f"{header}\n{lines(boxes)}")
    write_folder(tmp_path / "data")
    found = surveyed(tmp_path)
    (fault,) = found.faults.first
    assert fault.kind is Kind.TRACK
    assert f"{truth}, line 1 is no box but a header: remove it" in fault.message
    assert [track.name for track in found.sets[0].found.tracks] == ["dog"]


@pytest.mark.parametrize("at", [0, 3])
def test_a_line_that_is_no_box_and_one_too_many_leaves_the_video_out(
    tmp_path: Path, at: int
) -> None:
    rows = lines(BOXES).splitlines()
    truth = from_0(tmp_path, "\n".join([*rows[:at], "", *rows[at:]]))
    (fault, *_) = surveyed(tmp_path).faults.first
    assert fault.kind is Kind.TRACK and f"{truth}, line {at + 1} is no box" in fault.message
    assert "6 pictures for 7 lines: take the line out" in fault.message


def test_a_missing_picture_between_others_and_a_bad_line_lose_their_frames_alone(
    tmp_path: Path,
) -> None:
    rows = lines(BOXES).splitlines()
    truth = from_0(tmp_path, "\n".join([*rows[:3], "10,20,wide", *rows[4:]]))
    (truth.parent / "img" / "000002.jpg").unlink()
    (track,) = surveyed(tmp_path).sets[0].found.tracks
    assert [e.labels[0].values for e in track.entries] == [BOXES[0], BOXES[1], BOXES[4], BOXES[5]]


def test_the_last_picture_of_a_numbered_folder_may_be_missing(tmp_path: Path) -> None:
    truth = from_0(tmp_path, lines(BOXES))
    (truth.parent / "img" / "000005.jpg").unlink()
    found = surveyed(tmp_path)
    assert [fault.kind for fault in found.faults.first] == [Kind.MISSING]
    assert [e.labels[0].values for e in found.sets[0].found.tracks[0].entries] == BOXES[:5]


def test_a_folder_without_pictures_and_boxes_is_named_and_counted(tmp_path: Path) -> None:
    write_folder(tmp_path / "data")
    empty = tmp_path / "data" / "yard_5"
    empty.mkdir()
    found = surveyed(tmp_path)
    (fault,) = found.faults.first
    assert found.sets[0].dropped_videos == 1
    assert fault.message.startswith(f"{empty} holds neither img/ nor groundtruth.txt; put them")
    (empty / "img").mkdir()
    (fault,) = surveyed(tmp_path).faults.first
    assert f"{empty / 'groundtruth.txt'} is missing" in fault.message


def test_a_folder_that_is_itself_a_track_has_no_others(tmp_path: Path) -> None:
    write_folder(tmp_path, "data")
    assert surveyed(tmp_path).clean


def test_an_empty_root_is_called_empty(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (fault,) = surveyed(tmp_path).faults.first
    assert fault.kind is Kind.EMPTY and f"{root} is empty; expected NAME/" in fault.message
    with pytest.raises(DataError, match="data is empty"):
        read_collection(root, progress=False)
    (root / "notes.txt").write_text("nothing")
    (fault,) = surveyed(tmp_path).faults.first
    assert f"{root} has no folder of a track; expected NAME/" in fault.message


@pytest.mark.parametrize("line", ["10,20,nan,16", "200,20,24,16", "10,20,0,16", "10,20,24,1.5"])
def test_a_box_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path, line: str) -> None:
    rows = lines(BOXES).splitlines()
    from_0(tmp_path, "\n".join([*rows[:3], line, *rows[4:]]))
    (fault,) = surveyed(tmp_path).faults.first
    assert fault.message.endswith("; correct it, or say that the target is absent there")
