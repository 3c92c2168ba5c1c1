"""What is wrong with data is found before training, named with file and line, and left out."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from data_on_disk import (
    BOXES,
    HEIGHT,
    WIDTH,
    declare,
    lines,
    picture,
    write_coco,
    write_collection,
    write_folder,
    write_lasot,
    write_masks,
    write_mot,
    write_palette_png,
    write_text,
)

from tracker_ros.cli import main
from tracker_ros.errors import DataError
from tracker_ros.training.datasets.declaration import declared_sets
from tracker_ros.training.datasets.records import Kind
from tracker_ros.training.datasets.report import Survey
from tracker_ros.training.datasets.survey import survey
from tracker_ros.training.reading import read_collection

REAL = Path(__file__).parents[3] / "shared" / "data" / "train"


def surveyed(path: Path, keys: str = "") -> Survey:
    declared = declare(path / "sets.yaml", f"root: ., {keys}") if keys else path
    return survey(declared_sets(declared), progress=False)


def only_fault(found: Survey) -> tuple[Kind, str]:
    (fault,) = found.faults.first
    return fault.kind, fault.message


# --- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[: len(data) // 2], "its end is missing"),
        (lambda data: b"", "neither a JPEG nor a PNG"),
        (lambda data: b"<html>404</html>", "neither a JPEG nor a PNG"),
        (lambda data: data[:2] + b"\xff\xd8" * 9 + b"\xff\xd9", "its header gives no size"),
    ],
    ids=["cut short", "empty", "another file", "no header"],
)
def test_a_damaged_picture_is_found_without_decoding(
    tmp_path: Path, damage: Callable[[bytes], bytes], words: str
) -> None:
    write_collection(tmp_path)
    path = tmp_path / "still" / "a.jpg"
    path.write_bytes(damage(path.read_bytes()))
    found = surveyed(tmp_path)
    kind, message = only_fault(found)
    assert kind is Kind.DAMAGED and words in message and str(path) in message
    assert message.startswith(f"{tmp_path / 'still.json'}, 'still/a.jpg'")
    report = found.sets[0]
    assert (report.dropped_pictures, report.dropped_boxes) == (1, 2)


def test_a_photograph_that_was_cut_short_is_found_though_its_preview_has_an_end(
    tmp_path: Path,
) -> None:
    write_collection(tmp_path)
    path = tmp_path / "still" / "a.jpg"
    data, preview = path.read_bytes(), cv2.imencode(".jpg", picture(9, (16, 16)))[1].tobytes()
    header = b"\xff\xe1" + (2 + len(preview)).to_bytes(2, "big") + preview
    whole = data[:2] + header + data[2:]
    path.write_bytes(whole)
    assert surveyed(tmp_path).clean
    path.write_bytes(whole[: -len(data) // 3])
    half = cv2.imread(str(path))
    assert half is not None and np.ptp(half[-8:]) < 3, "OpenCV makes the rest grey"
    kind, message = only_fault(surveyed(tmp_path))
    assert kind is Kind.DAMAGED and f"{path} is damaged: its end is missing" in message


def test_what_only_decoding_shows_is_found_by_it_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_collection(tmp_path)
    path = tmp_path / "unlabelled" / "n.png"
    cv2.imwrite(str(path), picture())
    data = bytearray(path.read_bytes())
    at = data.index(b"IDAT")
    data[at + 4 : at + 200] = bytes(196)
    path.write_bytes(bytes(data))
    assert main(["data", "check", str(tmp_path), "--headers"]) == 0
    assert main(["data", "check", str(tmp_path)]) == 1
    assert f"{path} cannot be decoded" in capsys.readouterr().out
    for memory in (0, 1 << 30):
        assert len(read_collection(tmp_path, progress=False, memory=memory).unlabelled) == 1
    lazily = read_collection(tmp_path, progress=False, memory=0, decode=False)
    with pytest.raises(DataError, match=f"{path} cannot be decoded.*'data check'"):
        [still.image for still in lazily.unlabelled]


def test_a_picture_of_another_size_than_its_annotation_says_is_left_out(tmp_path: Path) -> None:
    write_coco(tmp_path)
    cv2.imwrite(str(tmp_path / "train2017" / "1.jpg"), picture(0, (HEIGHT, WIDTH)))
    found = surveyed(
        tmp_path, "format: coco, annotations: annotations/instances.json, images: train2017"
    )
    kind, message = only_fault(found)
    assert kind is Kind.SIZE and f"is {HEIGHT}x{WIDTH}, not {WIDTH}x{HEIGHT}" in message
    assert found.sets[0].pictures == 1


# --- boxes ---------------------------------------------------------------------------------------

BAD_BOXES = [
    ("10,20,nan,16", Kind.FINITE),
    ("10,20,inf,16", Kind.FINITE),
    ("10,20,0,16", Kind.AREA),
    ("10,20,-24,16", Kind.AREA),
    ("10,20,24,1.5", Kind.SMALL),
    ("200,20,24,16", Kind.OUTSIDE),
    ("-20,20,24,16", Kind.OUTSIDE),
    ("10,20,24", Kind.WORDS),
    ("10,20,24,16,5", Kind.WORDS),
    ("10,20,24,wide", Kind.WORDS),
    ("", Kind.WORDS),
]


@pytest.mark.parametrize(("line", "kind"), BAD_BOXES)
def test_a_bad_line_loses_its_frame_and_is_named(tmp_path: Path, line: str, kind: Kind) -> None:
    truth = write_folder(tmp_path)
    rows = truth.read_text().splitlines()
    rows[3] = line
    truth.write_text("\n".join(rows))
    found = surveyed(tmp_path, "format: folder")
    assert only_fault(found)[0] is kind
    assert only_fault(found)[1].startswith(f"{truth}, line 4")
    report = found.sets[0]
    assert (report.pictures, report.boxes, report.dropped_boxes) == (5, 5, 1)


@pytest.mark.parametrize("line", ["nan,nan,nan,nan", "0,0,0,0", "5,5,0,0"])
def test_an_absent_target_is_no_fault(tmp_path: Path, line: str) -> None:
    truth = write_folder(tmp_path)
    truth.write_text(lines(BOXES[:3]) + line + "\n" + lines(BOXES[4:]))
    found = surveyed(tmp_path, "format: folder")
    assert found.clean and (found.sets[0].pictures, found.sets[0].boxes) == (6, 5)


def test_a_box_over_the_border_stays_as_it_is_while_a_quarter_is_inside(tmp_path: Path) -> None:
    write_collection(tmp_path)
    boxes = [[-15, 20, 24, 16], [90, 20, 24, 16], [91, 20, 24, 16]]
    write_text(tmp_path / "still.json", json.dumps({"still/a.jpg": {"boxes": boxes}}))
    found = surveyed(tmp_path)
    kind, message = only_fault(found)
    assert kind is Kind.OUTSIDE and "still/a.jpg', box 3" in message
    still = found.sets[0].found.stills[0]
    assert [label.values for label in still.labels] == [(-15, 20, 24, 16), (90, 20, 24, 16)]


def test_bad_boxes_of_the_json_tables_are_named_by_track_and_frame(tmp_path: Path) -> None:
    write_collection(tmp_path)
    table = json.loads((tmp_path / "video.json").read_text())
    table["dog"]["boxes"][1:4] = [[10, 20, 24], [1, 2, float("nan"), 4], ["a", 2, 3, 4]]
    table["cat"] = {"frames": ["000.jpg"], "boxes": []}
    table["cow"] = {"frames": []}
    write_text(tmp_path / "video.json", json.dumps(table))
    found = surveyed(tmp_path)
    messages = [fault.message for fault in found.faults.first]
    assert any("track 'dog', frame 2 (001.jpg): [10, 20, 24] is not a list" in m for m in messages)
    assert any("track 'dog', frame 3 (002.jpg): box 1,2,nan,4" in m for m in messages)
    assert any("track 'cat': 1 frames but 0 boxes" in m for m in messages)
    assert any("track 'cow': expected a table" in m for m in messages)
    assert [len(track.entries) for track in found.sets[0].found.tracks] == [3]


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"image_id": [1]}, Kind.WORDS, "annotation 1: it has no image_id"),
        ({"bbox": [1, 2, 3]}, Kind.WORDS, r"annotation 11: \[1, 2, 3\] is not a list"),
        ({"bbox": [1, 2, 30, 0]}, Kind.AREA, "annotation 11: box 1,2,30,0"),
        ({"segmentation": [[1, 2, 3]]}, Kind.MASK, "annotation 11: its segmentation"),
        ({"segmentation": [[]]}, Kind.MASK, "less than 3 points"),
        ({"segmentation": {"size": [4, 4], "counts": [3]}}, Kind.MASK, "3 pixels for 4x4"),
    ],
    ids=str,
)
def test_bad_annotations_of_coco_are_named_by_their_id(
    tmp_path: Path, change: dict[str, object], kind: Kind, words: str
) -> None:
    write_coco(tmp_path)
    path = tmp_path / "annotations" / "instances.json"
    table = json.loads(path.read_text())
    table["annotations"][0].update(change)
    path.write_text(json.dumps(table))
    found = surveyed(
        tmp_path, "format: coco, annotations: annotations/instances.json, images: train2017"
    )
    assert only_fault(found)[0] is kind
    assert re.search(words, only_fault(found)[1])
    assert found.sets[0].boxes == (3 if kind is Kind.MASK else 2)


def test_a_mask_that_cannot_be_used_leaves_its_box(tmp_path: Path) -> None:
    write_collection(tmp_path)
    mask = tmp_path / "video" / "dog" / "mask" / "001.png"
    cv2.imwrite(str(mask), np.zeros((10, 10), np.uint8))
    found = surveyed(tmp_path)
    kind, message = only_fault(found)
    assert kind is Kind.MASK and f"{mask} is 10x10" in message
    assert (found.sets[0].boxes, found.sets[0].masks) == (7, 4)


# --- videos and sets -----------------------------------------------------------------------------


def test_labels_of_another_length_drop_the_video(tmp_path: Path) -> None:
    write_lasot(tmp_path)
    path = tmp_path / "dog" / "dog-1" / "out_of_view.txt"
    path.write_text("0,0,0")
    write_folder(tmp_path)
    found = surveyed(tmp_path, "format: lasot")
    kind, message = only_fault(found)
    assert kind is Kind.TRACK and f"{path} holds 3 values" in message


def test_coloured_masks_without_a_palette_are_refused(tmp_path: Path) -> None:
    write_masks(tmp_path)
    path = tmp_path / "Annotations" / "480p" / "cow" / "00001.png"
    cv2.imwrite(str(path), picture())
    found = surveyed(tmp_path, "format: masks")
    assert only_fault(found)[0] is Kind.MASK and f"{path} holds colours" in only_fault(found)[1]
    write_palette_png(path, np.zeros((HEIGHT, WIDTH)))
    assert surveyed(tmp_path, "format: masks").clean


def test_a_fault_of_a_motchallenge_truth_is_named_with_its_line(tmp_path: Path) -> None:
    write_mot(tmp_path)
    path = tmp_path / "MOT17-02" / "gt" / "gt.txt"
    path.write_text(path.read_text().replace("\n2,1,", "\n2,one,", 1))
    with pytest.raises(DataError, match=r"gt\.txt, line 2"):
        surveyed(tmp_path, "format: motchallenge").require_usable(tmp_path)


def test_a_missing_frame_of_motchallenge_is_named_for_each_identity_in_it(tmp_path: Path) -> None:
    write_mot(tmp_path)
    missing = tmp_path / "MOT17-02" / "img1" / "000004.jpg"
    missing.unlink()
    found = surveyed(tmp_path, "format: motchallenge")
    path = tmp_path / "MOT17-02" / "gt" / "gt.txt"
    assert [fault.message for fault in found.faults.first] == [
        f"{path}, line {line}: {missing} is missing; put it back" for line in (4, 10)
    ]


def test_an_empty_set_is_reported_and_nothing_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    write_folder(tmp_path / "some")
    both = ("format: otb, root: none", "format: folder, root: some")
    found = survey(declared_sets(declare(tmp_path / "both.yaml", *both)), progress=False)
    assert only_fault(found)[0] is Kind.EMPTY and "'s0'" in only_fault(found)[1]
    alone = declare(tmp_path / "alone.yaml", both[0])
    with pytest.raises(DataError, match=re.escape("alone.yaml: none of its data can be used")):
        read_collection(alone, progress=False)
    assert main(["data", "check", str(alone)]) == 2


# --- the report ----------------------------------------------------------------------------------


def test_the_first_faults_are_shown_and_all_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_collection(tmp_path)
    boxes = [[10, 20, 0, 5]] * 30 + [[500, 20, 10, 10]] * 12 + [[10, 20, 24, 16]]
    write_text(tmp_path / "still.json", json.dumps({"still/a.jpg": {"boxes": boxes}}))
    assert main(["data", "check", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert len(re.findall(r"^box .*still\.json", out, re.MULTILINE)) == 20
    assert "the first 20 of 42" in out
    assert re.search(r"^ +30  box without area$", out, re.MULTILINE)
    assert re.search(r"^ +12  box outside the picture$", out, re.MULTILINE)
    row = next(line for line in out.splitlines() if line.startswith(tmp_path.name))
    assert row.split()[1:] == ["1", "8", "6", "5", "0", "0", "42"]


def test_training_prints_the_same_table_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = write_folder(tmp_path)
    truth.write_text(lines(BOXES[:5]) + "1,2\n")
    collection = read_collection(declare(tmp_path / "s.yaml", "format: folder, root: ."))
    assert len(collection.tracks[0].frames) == 5
    err = capsys.readouterr().err
    assert "dropped" in err and f"{truth}, line 6" in err


@pytest.mark.skipif(
    not REAL.is_dir(), reason="the footage that this project trains on is not beside the repository"
)
def test_the_collection_at_hand_is_clean() -> None:
    found = surveyed(REAL)
    assert found.clean, found.complaints()
    (report,) = found.sets
    counts = (len(report.found.tracks), report.pictures, report.boxes, report.masks)
    assert counts == (24, 4581, 7396, 828)
    assert sum(not still.labels for still in report.found.stills) == 1000
