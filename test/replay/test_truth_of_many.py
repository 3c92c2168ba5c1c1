"""Where many targets really are."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from replays import stamp_of, write_arrays
from truths import annotated_bag, crowd, images, target, written

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.replay.annotations import TargetTruth
from tracker_ros.replay.truth import Truth, load_truth


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return annotated_bag(tmp_path)


def test_frame_1_of_motchallenge_is_the_first_image(tmp_path: Path, bag: Path) -> None:
    path = written(tmp_path, "1,4,11,21,5,6,1\n3,4,12,21,5,6,1\n3,9,51,1,5,6,0\n", "gt.txt")
    truth = crowd(path, bag)
    rows, frames, annotated = truth.on(images([0, 1, 2]).timeline)
    assert frames.tolist() == [0, 2, 2]
    assert truth.ids[rows].tolist() == [4, 4, 9]
    np.testing.assert_array_equal(truth.boxes[rows][0], [10, 20, 5, 6])  # 0-based
    assert truth.counts[rows].tolist() == [True, True, False]
    assert annotated.all()


def test_motchallenge_beyond_the_last_image_is_refused_with_both_lengths(
    tmp_path: Path, bag: Path
) -> None:
    truth = crowd(written(tmp_path, "1,4,11,21,5,6,1\n9,4,12,21,5,6,1\n", "gt.txt"), bag)
    with pytest.raises(DataError, match=r"reaches to frame 9, but drive\.mcap holds 3 images"):
        truth.require_match(images([0, 1, 2]))


def test_frames_outside_of_the_replayed_part_are_no_part_of_the_truth(
    tmp_path: Path, bag: Path
) -> None:
    rows = "".join(f"{frame},4,{frame},21,5,6,1\n" for frame in range(1, 10))
    truth = crowd(written(tmp_path, rows, "gt.txt"), bag)
    part = images([3, 4, 6], first=3, received=4, images=9)
    truth.require_match(part)
    shown, frames, _ = truth.on(part.timeline)
    np.testing.assert_array_equal(truth.boxes[shown][:, 0], [3, 4, 6])
    assert frames.tolist() == [0, 1, 2]


def test_motchallenge_of_the_part_alone_is_not_taken_for_that_of_all(
    tmp_path: Path, bag: Path
) -> None:
    (tmp_path / "gt").mkdir()
    path = written(tmp_path / "gt", "1,4,11,21,5,6,1\n4,4,12,21,5,6,1\n", "gt.txt")
    part = images([3, 4, 5, 6], first=3, images=9)
    with pytest.raises(DataError, match=r"frame 4, .* 9 images .* 4 were replayed.*seqLength=9"):
        crowd(path, bag).require_match(part)
    crowd(path, bag).require_match(images([0, 1, 2, 3], images=9))  # the same either way
    info = "[Sequence]\nname=A\nframeRate=10\nseqLength="
    written(tmp_path, f"{info}9\n", "seqinfo.ini")
    crowd(path, bag).require_match(part)  # nobody is there in the end
    written(tmp_path, f"{info}4\n", "seqinfo.ini")
    with pytest.raises(DataError, match=r"truth of 4 images .* holds 9 images .* 4 were replayed"):
        crowd(path, bag).require_match(part)


def test_of_a_damaged_bag_the_first_frames_are_scored_and_that_is_said(
    tmp_path: Path, bag: Path
) -> None:
    truth = crowd(written(tmp_path, "1,4,11,21,5,6,1\n9,4,12,21,5,6,1\n", "gt.txt"), bag)
    result = images([0, 1, 2], damage="it ends at 12 s")
    truth.require_match(result)
    assert truth.on(result.timeline)[1].tolist() == [0]
    assert "holds 3 of the 9 images" in " ".join(truth.notes_on(result))


def test_the_length_in_seqinfo_is_the_length_of_the_truth(tmp_path: Path, bag: Path) -> None:
    (tmp_path / "gt").mkdir()
    written(tmp_path, "[Sequence]\nname=A\nframeRate=10\nseqLength=4\n", "seqinfo.ini")
    truth = crowd(written(tmp_path / "gt", "1,4,11,21,5,6,1\n", "gt.txt"), bag)
    truth.require_match(images([0, 1, 2, 3]))
    with pytest.raises(DataError, match=r"truth of 4 images .*, but .* holds 3 images"):
        truth.require_match(images([0, 1, 2]))


def test_a_topic_of_many_is_matched_by_stamp_and_identity(bag: Path) -> None:
    truth = crowd("/crowd", bag)
    rows, frames, annotated = truth.on(images([0, 1, 2]).timeline)
    assert annotated.tolist() == [True, False, True]
    assert frames.tolist() == [0, 0, 2]
    first, other, later = truth.ids[rows].tolist()
    assert other == later != first


@pytest.mark.parametrize(
    ("items", "complaint"),
    [
        ([("", "person", Box(0, 0, 5, 6))], "without an id or a size"),
        ([("7", "person", Box(0, 0, 0, 6))], "without an id or a size"),
        ([("7", "person", Box(0, math.nan, 5, 6))], "without an id or a size"),
        ([("7", "a", Box(0, 0, 5, 6)), ("7", "b", Box(9, 0, 5, 6))], "id '7' is there twice"),
    ],
)
def test_identities_that_are_none_are_refused(
    tmp_path: Path, items: list[tuple[str, str, Box]], complaint: str
) -> None:
    bag = write_arrays(tmp_path / "bad", {"/truth": {stamp_of(0): items}})
    with pytest.raises(DataError, match=complaint):
        crowd("/truth", bag)


def test_one_target_of_many_is_no_truth_of_many(bag: Path) -> None:
    with pytest.raises(DataError, match="mot needs all of them"):
        crowd("/crowd#7", bag)


def test_a_file_with_the_name_of_a_topic_is_not_guessed_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bag = write_arrays(tmp_path / "named", {"truth": {}})
    written(tmp_path, "1,2,3,4\n", "truth")
    with pytest.raises(DataError, match="both a file and a topic"):
        target("truth", bag)
    loaded: Truth = load_truth("./truth", "sot", bag)
    assert isinstance(loaded, TargetTruth) and len(loaded.keys) == 1
