"""Data sets in the forms of the benchmarks: found out, read, written and read again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from films import ABSENT, PATCH, corner, true_lines, write_sequence

from tracker_ros.cli import main
from tracker_ros.errors import DataError
from tracker_ros.evaluation.conversion import WRITERS, write_sequences
from tracker_ros.evaluation.datasets import VideoSequence, load_sequence
from tracker_ros.evaluation.formats import detect, load_sequences

PROTOCOLS = {
    "folder": "visible", "otb": "otb", "lasot": "lasot", "got10k": "got10k",
    "vot": "vot-supervised", "pysot": "otb",
}  # fmt: skip
POLYGON = [[130.5, 90.0], [180.0, 95.0], [175.0, 140.0], [125.0, 135.0]]


def films(tmp_path: Path, polygons: bool = False) -> list[VideoSequence]:
    """Two sequences, in one of which the target is hidden once."""
    made = []
    for name, absent in (("ball", ()), ("hidden", (2,))):
        film = load_sequence(write_sequence(tmp_path / "own" / name, true_lines(5, absent)))
        if polygons:
            regions = np.tile(np.array(POLYGON), (5, 1, 1))
            regions[list(absent)] = np.nan
            anchors = np.array([1, 0, 0, 0, -1], np.int8)
            film = replace(film, regions=regions, anchors=anchors)
        made.append(film)
    return made


@pytest.mark.parametrize("form", WRITERS)
def test_what_is_written_is_recognised_and_read_again(tmp_path: Path, form: str) -> None:
    written = films(tmp_path)
    write_sequences(tmp_path / "out", form, written)
    assert detect(tmp_path / "out") == form
    data = load_sequences(tmp_path / "out")
    assert (data.form.name, data.protocol) == (form, PROTOCOLS[form])
    for one, again in zip(written, data.sequences, strict=True):
        assert (one.name, one.size) == (again.name, again.size)
        np.testing.assert_allclose(one.truth, again.truth, atol=1e-9)
        for index in range(len(one)):
            np.testing.assert_array_equal(one.read(index), again.read(index))


@pytest.mark.parametrize("form", ["vot", "pysot"])
def test_polygons_are_written_and_read_again(tmp_path: Path, form: str) -> None:
    written = films(tmp_path, polygons=True)
    write_sequences(tmp_path / "out", form, written)
    data = load_sequences(tmp_path / "out")
    assert data.protocol == ("vot-multistart" if form == "vot" else "vot-supervised")
    for one, again in zip(written, data.sequences, strict=True):
        assert one.regions is not None and again.regions is not None
        np.testing.assert_allclose(one.regions, again.regions)
        if form == "vot":
            np.testing.assert_array_equal(one.anchors, again.anchors)


@pytest.mark.parametrize("form", ["folder", "otb", "lasot", "got10k", "vot"])
def test_a_single_sequence_is_a_data_set_of_one(tmp_path: Path, form: str) -> None:
    write_sequences(tmp_path / "out", form, films(tmp_path))
    data = load_sequences(tmp_path / "out/ball")
    assert [sequence.name for sequence in data.sequences] == ["ball"]
    assert data.form.name == form


def test_otb_counts_pixels_from_1_and_has_several_targets_in_a_film(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "data/Jogging", true_lines(3))
    (folder / "groundtruth.txt").unlink()
    (folder / "groundtruth_rect.1.txt").write_text("11\t21\t30\t40\n" * 3)
    (folder / "groundtruth_rect.2.txt").write_text("5,6,7,8\n1,1,7,8\n5 6 7 8\n")
    data = load_sequences(tmp_path / "data")
    assert [sequence.name for sequence in data.sequences] == ["Jogging-1", "Jogging-2"]
    assert data.sequences[0].truth[0].tolist() == [10, 20, 30, 40]
    assert data.sequences[1].truth[1].tolist() == [0, 0, 7, 8]


@pytest.mark.parametrize(("first", "images"), [(300, 5), (298, 7)])
def test_only_the_images_that_a_known_truth_is_of_are_used(
    tmp_path: Path, first: int, images: int
) -> None:
    folder = write_sequence(tmp_path / "data/David", true_lines(images))
    for number, path in enumerate(sorted((folder / "img").iterdir()), first):
        path.rename(path.with_name(f"{number:04d}.png"))
    (folder / "groundtruth.txt").rename(folder / "groundtruth_rect.txt")
    lines = (folder / "groundtruth_rect.txt").read_text().splitlines(keepends=True)
    (folder / "groundtruth_rect.txt").write_text("".join(lines[-5:]))
    sequence = load_sequences(tmp_path / "data").sequences[0]
    assert [path.stem for path in sequence.images] == ["0300", "0301", "0302", "0303", "0304"]


def test_lasot_has_folders_of_classes_and_says_when_a_target_is_hidden(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "data/dog/dog-1", true_lines(4))
    (folder / "full_occlusion.txt").write_text("0,1,0,0\n")
    (folder / "out_of_view.txt").write_text("0,0,1,0\n")
    sequence = load_sequences(tmp_path / "data").sequences[0]
    assert sequence.name == "dog-1"
    assert sequence.visible.tolist() == [True, False, False, True]


def test_got10k_says_how_much_of_a_target_is_seen(tmp_path: Path) -> None:
    written = films(tmp_path)[:1]
    write_sequences(tmp_path / "out", "got10k", written)
    (tmp_path / "out/ball/cover.label").write_text("8\n1\n0\n3\n8\n")
    sequence = load_sequences(tmp_path / "out").sequences[0]
    assert sequence.visible.tolist() == [True, True, False, True, True]
    (tmp_path / "out/ball/cover.label").write_text("8\n1\n")
    with pytest.raises(DataError, match=r"cover\.label holds 2 values but .* 5 lines"):
        load_sequences(tmp_path / "out")
    (tmp_path / "out/ball/groundtruth.txt").write_text("1,2,3,4\n")
    with pytest.raises(DataError, match="1 line for 5 images; the truth of GOT-10k's test split"):
        load_sequences(tmp_path / "out")


def test_vot_mixes_boxes_and_polygons(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "data/ball", true_lines(3))
    (folder / "img").rename(folder / "color")
    lines = ["120,90,60,48", "120,90,180,90,180,138,120,138", "nan,nan,nan,nan"]
    (folder / "groundtruth.txt").write_text("\n".join([*lines, "120,90,60,48"]) + "\n")
    with pytest.raises(DataError, match="3 images in color/ but 4 lines"):
        load_sequences(tmp_path / "data")
    (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")
    sequence = load_sequences(tmp_path / "data").sequences[0]
    assert sequence.regions is not None
    np.testing.assert_array_equal(sequence.regions[0], sequence.regions[1])
    # A tracker is started on a box as it is, and on a polygon by pysot's rule: 1 px more.
    assert sequence.truth[:2].tolist() == [[120, 90, 60, 48], [120, 90, 61, 49]]
    assert np.isnan(sequence.regions[2]).all() and not sequence.visible[2]
    for form in ("vot", "pysot"):  # and so it is on the boxes of what is written from it
        write_sequences(tmp_path / form, form, [sequence])
        (again,) = load_sequences(tmp_path / form).sequences
        np.testing.assert_array_equal(again.truth, sequence.truth)


def test_polygons_of_other_sizes_in_the_file_do_not_shift_a_box(tmp_path: Path) -> None:
    lines = [
        "110,90,150,100,140,140,100,130",
        "100,90,110,90,120,95,120,105,110,110,105,110,100,105,97,95",
        "120,90,180,95,150,140",
        "120,90,60,48",
    ]
    boxes = []
    for number, line in enumerate(lines):
        folder = write_sequence(tmp_path / f"alone/{number}", true_lines(2))
        (folder / "img").rename(folder / "color")
        (folder / "groundtruth.txt").write_text(f"{line}\n{line}\n")
        boxes.append(load_sequences(folder).sequences[0].truth[0])
    folder = write_sequence(tmp_path / "mixed", true_lines(len(lines)))
    (folder / "img").rename(folder / "color")
    (folder / "groundtruth.txt").write_text("\n".join(lines))
    mixed = load_sequences(folder).sequences[0]
    np.testing.assert_array_equal(mixed.truth, boxes)
    write_sequences(tmp_path / "vot", "vot", [mixed])
    again = load_sequences(tmp_path / "vot").sequences[0]
    np.testing.assert_array_equal(again.truth, boxes)
    assert again.regions is not None and mixed.regions is not None
    np.testing.assert_array_equal(again.regions, mixed.regions)


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("groundtruth.txt", "1,2,3,4\n1,2\n3,4,5,6", "line 2: '1,2' holds 2 values; a polygon"),
        ("groundtruth.txt", "1,2,3,4\n1,2,3,4,5,6,7\n3,4,5,6", "line 2: '1,2,3,4,5,6,7' holds 7"),
        ("groundtruth.txt", "1,2,3,4\nm1,2,3\n3,4,5,6", "line 2: masks are not read"),
        ("groundtruth.txt", "1,2,-3,4\n1,2,3,4\n3,4,5,6", "line 1: '1,2,-3,4' has a negative side"),
        ("groundtruth.txt", "1,2,3,4\n1,2,inf,4\n3,4,5,6", "line 2: '1,2,inf,4' holds a value"),
        ("anchor.value", "1\n2\n0\n", "line 2: '2' is no anchor; expected 1 (forward), -1"),
        ("anchor.value", "1\n0\n", "has 2 lines but"),
    ],
)
def test_a_bad_line_of_vot_is_named(tmp_path: Path, file: str, text: str, complaint: str) -> None:
    folder = write_sequence(tmp_path / "data/ball", true_lines(3))
    (folder / "img").rename(folder / "color")
    (folder / file).write_text(text)
    with pytest.raises(DataError, match=re.escape(str(folder / file))) as refused:
        load_sequences(tmp_path / "data")
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("[]", "holds no annotations"),
        ("{", "cannot be read as JSON"),
        ({"img_names": []}, "'ball' has no list gt_rect"),
        ({"gt_rect": [[1, 2, 3, 4], [1, 2]]}, "gt_rect 2: [1, 2] is neither x,y,w,h nor a"),
        ({"gt_rect": [[1, 2, "3", 4]]}, "gt_rect 1: [1, 2, '3', 4] does not hold numbers only"),
        ({"gt_rect": [[1, 2, 3, 4]] * 2, "width": 3}, "'ball' has width 3 and height None"),
        ({"gt_rect": [[1, 2] * 101]}, "gt_rect 1: a polygon of 101 points; at most 100"),
    ],
)
def test_bad_annotations_are_named(
    tmp_path: Path, entry: str | dict[str, object], complaint: str
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(entry if isinstance(entry, str) else json.dumps({"ball": entry}))
    with pytest.raises(DataError, match=re.escape(str(path))) as refused:
        load_sequences(path, with_images=False)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../../escaped", "/escaped", "a/b", "a\0b", "a\nb", "\ud800", "b" * 201]
)
def test_a_sequence_that_would_be_written_elsewhere_is_refused(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({name: {"gt_rect": [[1, 2, 3, 4]] * 3, "img_names": []}}))
    out = tmp_path / "deep/er/out"
    words = ["eval", "convert", "--data", str(path), "--to", "vot", "--out", str(out)]
    assert main(words) == 2
    line = capsys.readouterr().err
    assert f"{path}: a sequence cannot be named {json.dumps(name)}: results" in line
    assert list(tmp_path.iterdir()) == [path]


def test_of_two_files_of_annotations_one_has_to_be_named(tmp_path: Path) -> None:
    text = json.dumps({"ball": {"gt_rect": [[1, 2, 3, 4]] * 3}})
    first, second, hidden = (tmp_path / name for name in ("VOT2018.json", "b.json", "._b.json"))
    first.write_text(text)
    hidden.write_text("no JSON")
    assert load_sequences(tmp_path, with_images=False).path == first
    second.write_text(text)
    with pytest.raises(
        DataError, match=r"several JSON files: VOT2018\.json, b\.json; name the one"
    ):
        load_sequences(tmp_path, with_images=False)
    assert load_sequences(second, with_images=False).path == second


def test_annotations_without_images_serve_to_score_only(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"ball": {"gt_rect": [[1, 2, 3, 4]] * 3}}))
    assert len(load_sequences(path, with_images=False).sequences[0]) == 3
    with pytest.raises(DataError, match="'ball' has no list img_names"):
        load_sequences(path)


def test_a_folder_of_truths_serves_to_score_only(tmp_path: Path) -> None:
    (tmp_path / "ball.txt").write_text("1,2,3,4\n" * 3)
    data = load_sequences(tmp_path, with_images=False)
    assert (data.form.name, data.protocol, data.sequences[0].name) == ("flat", "otb", "ball")
    with pytest.raises(DataError, match="holds truths but no images"):
        load_sequences(tmp_path)


def test_a_form_that_is_asked_for_and_not_there_is_refused(tmp_path: Path) -> None:
    write_sequence(tmp_path / "ball", true_lines(2))
    with pytest.raises(DataError, match=r"no sequence in it in the form 'otb'; expected NAME/img"):
        load_sequences(tmp_path, "otb")
    with pytest.raises(DataError, match=r"no sequence 'cat' in .*; there are ball"):
        load_sequences(tmp_path, names=["cat"])
    with pytest.raises(DataError, match="nowhere: no such folder"):
        load_sequences(tmp_path / "nowhere")


def test_convert_writes_another_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    films(tmp_path)
    words = ["eval", "convert", "--data", str(tmp_path / "own"), "--to", "otb", "--limit", "4"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    lines = (tmp_path / "out/hidden/groundtruth_rect.txt").read_text().splitlines()
    x, y = corner(0)
    assert lines[0] == f"{x + 1:.4f},{y + 1:.4f},{PATCH[0]:.4f},{PATCH[1]:.4f}"
    assert len(lines) == 4 and set(lines[2].split(",")) == {"0.0000"} and ABSENT not in lines
    assert (tmp_path / "out/hidden/img/0001.png").is_file()
    capsys.readouterr()
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "is there and not empty" in capsys.readouterr().err


def test_what_got10ks_toolkit_asks_for_is_there(tmp_path: Path) -> None:
    film = films(tmp_path)[1]
    film.truth[3] = [0, 50, 30, 40]
    film.truth[4] = [300, 50, 20, 40]  # of 320 x 240: up to the right border
    write_sequences(tmp_path / "val", "got10k", [film])
    folder = tmp_path / "val/hidden"
    assert (folder / "cut_by_image.label").read_text().split() == ["0", "0", "0", "1", "1"]
    assert (folder / "absence.label").read_text().split() == ["0", "0", "1", "0", "0"]
    # As the toolkit reads it: lines after the first, 'key: value'.
    lines = (folder / "meta_info.ini").read_text().strip().split("\n")[1:]
    assert dict(line.split(": ") for line in lines) == {"resolution": "(320, 240)"}
    assert (tmp_path / "val/list.txt").read_text() == "hidden\n"


@pytest.mark.parametrize("out", [".", "..", "new/../..", "/"])
def test_a_folder_without_a_name_of_its_own_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    film = films(tmp_path)[0]
    monkeypatch.chdir(tmp_path / "own")
    with pytest.raises(DataError, match=f"^{re.escape(str(Path(out)))} is there and not empty"):
        write_sequences(Path(out), "otb", [film])


def test_an_empty_folder_may_be_the_one_one_is_in_or_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = films(tmp_path)[0]
    for name in ("here", "linked"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_sequences(Path(), "otb", [film])
    (tmp_path / "link").symlink_to("linked")
    write_sequences(tmp_path / "link/../link", "otb", [film])
    for name in ("here", "linked"):
        assert [path.name for path in (tmp_path / name).iterdir()] == ["ball"]


def test_nothing_is_left_where_an_image_cannot_be_written(tmp_path: Path) -> None:
    film = films(tmp_path)[0]
    lost = replace(film, images=(*film.images[:-1], tmp_path / "gone.png"))
    with pytest.raises(DataError, match="cannot be written: No such file"):
        write_sequences(tmp_path / "out", "otb", [lost])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own"]
