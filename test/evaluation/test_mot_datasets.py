"""MOTChallenge folders are read exactly, and whatever is wrong with one is named."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from films import write_undecodable_jpeg
from mot_films import FRAMES, PERSON, SIZE, info, place, true_rows, write_mot_sequence

from tracker_ros.errors import DataError
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.evaluation.mot_datasets import (
    load_mot_dataset,
    load_mot_sequence,
    read_mot_truth,
)
from tracker_ros.evaluation.mot_files import read_rows, write_tracks
from tracker_ros.evaluation.mot_noise import noisy_detections
from tracker_ros.geometry import Box
from tracker_ros.mot.detections import Detection


def test_frames_boxes_and_scores_are_read_and_counted_from_0(tmp_path: Path) -> None:
    sequence = load_mot_sequence(write_mot_sequence(tmp_path / "walk"), "det")
    assert (sequence.name, sequence.frames, sequence.frame_rate) == ("walk", FRAMES, 10)
    assert sequence.truth.rows.shape == (2 * FRAMES, 6) and sequence.truth.counts.all()
    assert sequence.truth.rows[2:4].tolist() == [
        [2, 1, *place(0, 2), *PERSON],
        [2, 2, *place(1, 2), *PERSON],
    ]
    assert sequence.detections(3) == [
        Detection(Box(*place(0, 3), *PERSON), 0.9),
        Detection(Box(*place(1, 3), *PERSON), 0.9),
    ]
    image = sequence.read(7)
    assert image is not None and image.shape == (SIZE[1], SIZE[0], 3) and (image == 7).all()


def test_a_sequence_without_images_is_one_of_boxes(tmp_path: Path) -> None:
    sequence = load_mot_sequence(write_mot_sequence(tmp_path / "walk", images=False), "det")
    assert sequence.images == () and sequence.read(1) is None


def test_lines_in_any_order_and_frames_without_detections(tmp_path: Path) -> None:
    found = ["9,-1,1,1,20,40,.5", "2,-1,11,1,20,40,-3.5", "9,-1,21,1,20,40,.7"]
    sequence = load_mot_sequence(write_mot_sequence(tmp_path / "walk", found=found), "det")
    assert [len(sequence.detections(frame)) for frame in (1, 2, 9, 10)] == [0, 1, 2, 0]
    assert sequence.detections(2) == [Detection(Box(10, 0, 20, 40), -3.5)]


def test_an_empty_file_of_detections_is_a_detector_that_found_nothing(tmp_path: Path) -> None:
    sequence = load_mot_sequence(write_mot_sequence(tmp_path / "walk", found=[]), "det")
    assert sequence.detections(1) == [] and sequence.found.shape == (0, 6)


def test_detections_too_small_for_any_tracker_are_left_out_and_counted(tmp_path: Path) -> None:
    found = ["1,-1,1,1,20,40,.5", "1,-1,1,1,1.5,40,.5"]
    sequence = load_mot_sequence(write_mot_sequence(tmp_path / "walk", found=found), "det")
    assert len(sequence.detections(1)) == 1 and sequence.too_small == 1


def test_the_first_frames_alone_are_used(tmp_path: Path) -> None:
    sequence = load_mot_sequence(write_mot_sequence(tmp_path / "walk"), "det", limit=4)
    assert (sequence.frames, len(sequence.images)) == (4, 4)
    assert sequence.truth.rows[:, 0].max() == sequence.found[:, 0].max() == 4


def test_sequences_are_sorted_chosen_by_name_or_given_alone(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write_mot_sequence(tmp_path / name, images=False)
    assert [s.name for s in load_mot_dataset(tmp_path, "det")] == ["a", "b", "c"]
    assert [s.name for s in load_mot_dataset(tmp_path, "det", ["c", "a"])] == ["c", "a"]
    assert [s.name for s in load_mot_dataset(tmp_path / "b", "det")] == ["b"]
    with pytest.raises(DataError, match=r"no sequence 'd'.*there are a, b, c"):
        load_mot_dataset(tmp_path, "det", ["d"])


# --- which of the truth counts -------------------------------------------------------------------


def truth_of(tmp_path: Path, *lines: str, mot20: bool = False) -> tuple[list[bool], list[bool]]:
    """What counts and what distracts, in the order of ids."""
    path = tmp_path / "gt.txt"
    path.write_text("\n".join(lines))
    truth = read_mot_truth(path, mot20=mot20)
    return truth.counts.tolist(), truth.distractor.tolist()


def test_in_mot15_the_seventh_value_says_what_counts(tmp_path: Path) -> None:
    # Of ten values the last three are a place in the world, not a class.
    lines = "1,1,5,5,20,40,1,8.0,7.0,0", "1,2,5,5,20,40,0,1.0,-7.2,0"
    assert truth_of(tmp_path, *lines) == ([True, False], [False, False])
    assert truth_of(tmp_path, "1,1,5,5,20,40,1", "1,2,5,5,20,40,0")[0] == [True, False]


def test_from_mot16_on_pedestrians_count(tmp_path: Path) -> None:
    kinds = {1: 1, 2: 2, 3: 3, 6: 6, 7: 7, 8: 8, 12: 12}
    lines = [f"1,{identity},5,5,20,40,1,{kind},0.5" for identity, kind in kinds.items()]
    counts, distractor = truth_of(tmp_path, *lines, "1,13,5,5,20,40,0,1,0.5")
    assert counts == [True, *[False] * 7]
    assert distractor == [False, True, False, False, True, True, True, False]
    assert truth_of(tmp_path, *lines, mot20=True)[1][3]


def test_a_class_of_minus_1_is_none(tmp_path: Path) -> None:
    lines = "1,1,5,5,20,40,1,-1,-1", "1,2,5,5,20,40,0,-1,-1"
    assert truth_of(tmp_path, *lines) == ([True, False], [False, False])


def test_mot20_is_known_by_the_name_in_seqinfo(tmp_path: Path) -> None:
    truth = ["1,1,5,5,20,40,1,1,1", "1,2,5,5,20,40,1,6,1"]
    for name, distracts in (("MOT17-02-FRCNN", False), ("MOT20-01", True)):
        folder = write_mot_sequence(tmp_path / name, truth=truth, images=False, name=name)
        assert load_mot_sequence(folder, "det").truth.distractor[1] == distracts


# --- detections made from the truth --------------------------------------------------------------


def crowd(frames: int = 400) -> FloatArray:
    return np.array(
        [
            (t, i, 40.0 * i + t % 50, 60.0, 20.0, 50.0)
            for t in range(1, frames + 1)
            for i in (1, 2, 3)
        ]
    )


def test_noise_is_the_same_for_one_seed_and_name_however_many_frames() -> None:
    made = noisy_detections(crowd(), SIZE, name="a", seed=1)
    np.testing.assert_array_equal(made, noisy_detections(crowd(), SIZE, name="a", seed=1))
    fewer = noisy_detections(crowd(30), SIZE, name="a", seed=1)
    np.testing.assert_array_equal(made[: len(fewer)], fewer)
    for name, seed in (("a", 2), ("b", 1)):
        assert not np.array_equal(noisy_detections(crowd(30), SIZE, name=name, seed=seed), fewer)


def test_noise_jitters_misses_and_invents() -> None:
    truth = crowd()
    made = noisy_detections(truth, SIZE, name="a", seed=1)
    true = np.zeros(len(made), np.bool_)
    found = 0
    for row in truth:
        here = made[:, 0] == row[0]
        off = np.abs(made[:, 1:5] - row[2:6]).max(axis=1)
        nearest = np.where(here, off, np.inf).argmin()
        if off[nearest] < 15:
            true[nearest] = True
            found += 1
            assert off[nearest] > 0
    # An eighth of the time missed: 0.05 / (0.05 + 0.35); one invented for every ten.
    assert found / len(truth) == pytest.approx(0.875, abs=0.05)
    assert (~true).sum() / len(truth) == pytest.approx(0.1, abs=0.03)
    assert made[true, 5].mean() > made[~true, 5].mean() + 0.2
    assert ((made[:, 5] > 0) & (made[:, 5] <= 1)).all() and (made[:, 3:5] > 2).all()


def test_a_miss_lasts_a_few_frames() -> None:
    truth = crowd(2000)[::3]  # one person
    made = noisy_detections(truth, SIZE, name="a", seed=1)
    near = np.abs(made[:, 2] - 60) < 15
    seen = np.isin(truth[:, 0], made[near, 0])
    gaps = np.diff(np.flatnonzero(seen)) - 1
    assert 2 < gaps[gaps > 0].mean() < 4


def test_noise_needs_no_file_of_detections(tmp_path: Path) -> None:
    folder = write_mot_sequence(tmp_path / "walk")
    (folder / "det/det.txt").unlink()
    assert len(load_mot_sequence(folder, "gt-noisy", seed=4).found) > FRAMES


def test_noise_takes_the_size_of_the_picture_from_an_image_or_refuses(tmp_path: Path) -> None:
    folder = write_mot_sequence(tmp_path / "walk", imWidth="", imHeight="")
    with_images = load_mot_sequence(folder, "gt-noisy").found
    (folder / "seqinfo.ini").write_text(info())
    np.testing.assert_array_equal(with_images, load_mot_sequence(folder, "gt-noisy").found)
    bare = write_mot_sequence(tmp_path / "bare", images=False, imWidth="", imHeight="")
    with pytest.raises(DataError, match="gives no imWidth and imHeight"):
        load_mot_sequence(bare, "gt-noisy")


# --- what is wrong -------------------------------------------------------------------------------


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as error:
        load_mot_sequence(folder, "det")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("file", ["det/det.txt", "gt/gt.txt", "seqinfo.ini"])
def test_a_missing_file_is_named(tmp_path: Path, file: str) -> None:
    folder = write_mot_sequence(tmp_path / "walk")
    (folder / file).unlink()
    assert f"{folder / file} is missing" in refused(folder)


@pytest.mark.parametrize("file", ["det/det.txt", "gt/gt.txt"])
@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("2,-1,5,5,20,forty,1", "is not all numbers"),
        ("2,-1,5,5,20,40", "does not hold 7 values"),
        ("2,-1,5,5,20,40,1,1", "has 8 values, line 1 has"),
        ("", "is not all numbers"),
        ("2,-1,5,nan,20,40,1", "is not finite"),
        ("2,-1,5,5,inf,40,1", "is not finite"),
        ("2,-1,5,5,20,40,nan", "is not finite"),
        ("2,-1,1e200,5,20,40,1", "a box beyond 100000 px"),
        ("2,-1,5,5,20,1e308,1", "a box beyond 100000 px"),
        ("2,-1,5,5,0,40,1", "a box without size"),
        ("2,-1,5,5,20,-40,1", "a box without size"),
        ("0,-1,5,5,20,40,1", "frame '0' is not a whole number from 1 up"),
        ("2.5,-1,5,5,20,40,1", "frame '2.5' is not a whole number"),
        ("2,1.5,5,5,20,40,1", "id '1.5' is not a whole number"),
        ("11,-1,5,5,20,40,1", "frame 11 comes after the last one; seqLength in seqinfo.ini is 10"),
    ],
)
def test_a_bad_line_is_named_with_file_and_number(
    tmp_path: Path, file: str, line: str, complaint: str
) -> None:
    folder = write_mot_sequence(tmp_path / "walk", images=False)
    path = folder / file
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], line, *lines[1:]]))
    message = refused(folder)
    assert message.startswith(f"{path}, line 2: ") and complaint in message


def test_a_frame_after_the_last_one_is_refused_even_where_fewer_are_used(tmp_path: Path) -> None:
    folder = write_mot_sequence(tmp_path / "walk", truth=true_rows(11), images=False)
    with pytest.raises(DataError, match="line 21: frame 11 comes after"):
        load_mot_sequence(folder, "det", limit=3)


def test_an_identity_twice_in_a_frame_is_refused(tmp_path: Path) -> None:
    rows = [*true_rows(), true_rows()[3]]
    message = refused(write_mot_sequence(tmp_path / "walk", truth=rows, images=False))
    assert "gt.txt, line 21: id 2 is there twice in frame 2, also in line 4" in message


def test_a_class_that_no_benchmark_has_is_refused(tmp_path: Path) -> None:
    rows = ["1,1,5,5,20,40,1,1,1", "1,2,5,5,20,40,1,80,1"]
    message = refused(write_mot_sequence(tmp_path / "walk", truth=rows, images=False))
    assert "line 2: class '80' is none of MOT16" in message


def test_a_truth_of_which_nothing_counts_is_refused(tmp_path: Path) -> None:
    rows = ["1,1,5,5,20,40,0", "9,1,5,5,20,40,1"]
    folder = write_mot_sequence(tmp_path / "walk", truth=rows, images=False)
    load_mot_sequence(folder, "det")
    with pytest.raises(DataError, match="no row counts in the 8 frames used"):
        load_mot_sequence(folder, "det", limit=8)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"frameRate": "0"}, "frameRate '0' is not a number over 0"),
        ({"frameRate": "fast"}, "frameRate 'fast'"),
        ({"frameRate": "nan"}, "frameRate 'nan'"),
        ({"seqLength": "10\n 320"}, "seqLength '10 320'"),
        ({"seqLength": ""}, "seqLength ''"),
        ({"seqLength": "9.5"}, "seqLength '9.5' is not a whole number"),
        ({"imWidth": "-3"}, "imWidth '-3'"),
    ],
)
def test_a_seqinfo_without_its_figures_is_refused(
    tmp_path: Path, changes: dict[str, str], complaint: str
) -> None:
    folder = write_mot_sequence(tmp_path / "walk", images=False, **changes)
    message = refused(folder)
    assert str(folder / "seqinfo.ini") in message and complaint in message


@pytest.mark.parametrize("text", ["name=walk\n", "[Other]\nseqLength=3\n", "[Sequence]\nx\n", ""])
def test_a_seqinfo_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    folder = write_mot_sequence(tmp_path / "walk", images=False)
    (folder / "seqinfo.ini").write_text(text)
    assert "expected [Sequence] in it" in refused(folder)


def test_images_that_do_not_fit_the_length_are_refused(tmp_path: Path) -> None:
    folder = write_mot_sequence(tmp_path / "walk")
    (folder / "img1/000010.png").unlink()
    assert "holds 9 images, but seqLength in seqinfo.ini is 10" in refused(folder)
    (folder / "img1/000009.png").rename(folder / "img1/000011.png")
    assert "000011.png comes after 000008.png" in refused(folder)


def test_images_that_do_not_begin_with_1_are_refused(tmp_path: Path) -> None:
    folder = write_mot_sequence(tmp_path / "walk")
    (folder / "img1/000001.png").rename(folder / "img1/000011.png")
    assert "begins with 000002.png; frames count from 1" in refused(folder)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    folder = write_mot_sequence(tmp_path / "walk")
    path = folder / "img1/000006.png"
    path.write_bytes(path.read_bytes()[:-20])
    assert f"{path} is damaged" in refused(folder)


def test_a_first_image_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    folder = write_mot_sequence(tmp_path / "walk")
    (folder / "img1/000001.png").unlink()
    write_undecodable_jpeg(folder / "img1/000001.jpg")
    assert "000001.jpg cannot be decoded" in refused(folder)


# --- writing -------------------------------------------------------------------------------------


def test_tracks_are_written_as_they_are_read(tmp_path: Path) -> None:
    tracks = np.array([[1, 4, 10.25, 20, 30, 60, 0.875], [2, 4, -3, 0, 30, 60.125, 1]])
    write_tracks(tmp_path / "walk.txt", tracks)
    lines = (tmp_path / "walk.txt").read_text().splitlines()
    assert lines[0] == "1,4,11.250,21.000,30.000,60.000,0.875,-1,-1,-1"
    np.testing.assert_array_equal(read_rows(tmp_path / "walk.txt")[:, :7], tracks)
    assert [path.name for path in tmp_path.iterdir()] == ["walk.txt"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'no/walk.txt'} cannot be written")):
        write_tracks(tmp_path / "no/walk.txt", np.empty((0, 7)))
