"""Which picture a line of boxes is of, where pictures are missing."""

from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from data_on_disk import (
    BOXES,
    declare,
    picture,
    write_folder,
    write_got10k,
    write_lasot,
    write_otb,
    write_trackingnet,
)

from tracker_ros.training.datasets.declaration import declared_sets
from tracker_ros.training.datasets.records import Kind
from tracker_ros.training.datasets.report import Survey
from tracker_ros.training.datasets.survey import survey


def surveyed(root: Path, form: str) -> Survey:
    declared = declare(root / "sets.yaml", f"root: ., format: {form}")
    return survey(declared_sets(declared), progress=False)


def first_fault(found: Survey) -> tuple[Kind, str]:
    fault = found.faults.first[0]
    return fault.kind, fault.message


def test_a_missing_frame_is_named_with_its_line_and_the_others_keep_their_boxes(
    tmp_path: Path,
) -> None:
    truth = write_folder(tmp_path)
    missing = truth.parent / "img" / "000003.jpg"
    missing.unlink()
    found = surveyed(tmp_path, "folder")
    kind, message = first_fault(found)
    assert kind is Kind.MISSING
    assert message == f"{truth}, line 3: {missing} is missing; put it back"
    (track,) = found.sets[0].found.tracks
    assert [entry.labels[0].values for entry in track.entries] == BOXES[:2] + BOXES[3:]


def test_a_missing_first_picture_does_not_shift_the_boxes(tmp_path: Path) -> None:
    truth = write_folder(tmp_path)
    (truth.parent / "img" / "000001.jpg").unlink()
    found = surveyed(tmp_path, "folder")
    assert "groundtruth.txt, line 1:" in first_fault(found)[1]
    (track,) = found.sets[0].found.tracks
    for entry in track.entries:
        number = int(Path(str(entry.picture)).stem)
        assert entry.labels[0].values == BOXES[number - 1]


def test_pictures_1_to_5_of_6_may_count_from_0_or_from_1_and_drop_the_video(tmp_path: Path) -> None:
    truth = write_folder(tmp_path)
    (truth.parent / "img" / "000006.jpg").unlink()
    kind, message = first_fault(surveyed(tmp_path, "folder"))
    assert kind is Kind.TRACK and "5 pictures" in message and "6 lines" in message
    assert "the first line may be that of picture 0 or of picture 1" in message


@pytest.mark.parametrize(
    ("write", "form", "folder", "lost", "line"),
    [
        (write_trackingnet, "trackingnet", "TRAIN_0/frames/aaa_0", "0.jpg", 1),
        (write_lasot, "lasot", "dog/dog-1/img", "00000006.jpg", 6),
        (write_got10k, "got10k", "GOT-10k_Train_000001", "00000006.jpg", 6),
        (write_otb, "otb", "Dog/img", "0006.jpg", 6),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_format_that_counts_from_a_number_says_which_picture_is_missing(
    tmp_path: Path, write: Callable[[Path], None], form: str, folder: str, lost: str, line: int
) -> None:
    write(tmp_path)
    (tmp_path / folder / lost).unlink()
    kind, message = first_fault(surveyed(tmp_path, form))
    assert kind is Kind.MISSING and f"{lost} is missing" in message
    assert f", line {line}: " in message


def test_pictures_that_cannot_be_told_to_lines_drop_the_video(tmp_path: Path) -> None:
    truth = write_folder(tmp_path)
    cv2.imwrite(str(truth.parent / "img" / "000009.jpg"), picture())
    write_folder(tmp_path, "cat")
    found = surveyed(tmp_path, "folder")
    kind, message = first_fault(found)
    assert kind is Kind.TRACK and "7 pictures" in message and "6 lines" in message
    assert [track.name for track in found.sets[0].found.tracks] == ["cat"]
