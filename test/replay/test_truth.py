"""`--gt FILE|TOPIC`: what is read, to which images it belongs, and what is refused."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from replays import replay_of, stamp_of, timeline_of, write_arrays

from tracker_ros.bags.types import DETECTIONS
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.pipeline.frames import seconds
from tracker_ros.replay.annotations import CrowdTruth, TargetTruth
from tracker_ros.replay.fingerprint import fingerprint
from tracker_ros.replay.job import Job
from tracker_ros.replay.result import ReplayResult
from tracker_ros.replay.truth import Truth, load_truth
from tracker_ros.replay.truth_files import parse_stamp

NAN = [math.nan] * 4


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A bag with truth on two topics, of images 0 to 3."""
    return write_arrays(
        tmp_path / "drive",
        {
            "/truth": {
                stamp_of(0): [("7", "person", Box(10, 20, 30, 40))],
                stamp_of(1): [],
                stamp_of(3): [("7", "person", Box(12, 20, 30, 40))],
            },
            "/crowd": {
                stamp_of(0): [("7", "person", Box(0, 0, 5, 6)), ("b", "car", Box(50, 0, 5, 6))],
                stamp_of(2): [("b", "car", Box(51, 0, 5, 6))],
            },
        },
    )


def images(numbers: Sequence[int], **fields: object) -> ReplayResult:
    """A replay in which those images were answered."""
    return replay_of(timeline_of(lambda image: [], numbers), **fields)


def written(folder: Path, text: str, name: str = "truth.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def target(spec: str | Path, bag: Path) -> TargetTruth:
    truth = load_truth(str(spec), "sot", bag)
    assert isinstance(truth, TargetTruth)
    return truth


def crowd(spec: str | Path, bag: Path) -> CrowdTruth:
    truth = load_truth(str(spec), "mot", bag)
    assert isinstance(truth, CrowdTruth)
    return truth


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


# --- topics --------------------------------------------------------------------------------------


def test_a_topic_is_matched_by_stamp_and_an_empty_array_says_not_visible(bag: Path) -> None:
    truth = target("/truth", bag)
    boxes, annotated = truth.on(images([0, 1, 2, 3]).timeline)
    assert annotated.tolist() == [True, True, False, True]
    np.testing.assert_array_equal(boxes, [[10, 20, 30, 40], NAN, NAN, [12, 20, 30, 40]])


@pytest.mark.parametrize("spec", ["/crowd#7", "/crowd#person"])
def test_one_of_several_detections_is_chosen_by_its_id_or_its_label(bag: Path, spec: str) -> None:
    boxes, annotated = target(spec, bag).on(images([0, 2]).timeline)
    assert annotated.all()
    np.testing.assert_array_equal(boxes, [[0, 0, 5, 6], NAN])


def test_several_detections_without_a_choice_are_ambiguous(bag: Path) -> None:
    with pytest.raises(DataError, match=r"holds 2 boxes \(7, b\); choose one .*'/crowd#ID'"):
        target("/crowd", bag)


def test_an_id_that_nothing_has_is_refused_with_those_there_are(bag: Path) -> None:
    with pytest.raises(DataError, match=r"/crowd#8: no detection .*; held: 7, b"):
        target("/crowd#8", bag)


def test_a_turned_box_is_scored_by_what_bounds_it_and_that_is_said(tmp_path: Path) -> None:
    box = Box.from_center(50, 50, 40, 10)
    bag = write_arrays(
        tmp_path / "turned", {"/truth": {stamp_of(0): [("1", "", box)]}}, theta=math.pi / 2
    )
    truth = target("/truth", bag)
    np.testing.assert_allclose(truth.boxes, [[45, 30, 10, 40]], atol=1e-9)
    assert "turned" in " ".join(truth.notes)


def test_a_topic_of_another_type_is_refused_with_its_type(tmp_path: Path) -> None:
    bag = write_arrays(
        tmp_path / "other", {"/truth": {}}, also=[("/odom", "nav_msgs/msg/Odometry")]
    )
    with pytest.raises(DataError, match="/odom is a topic of nav_msgs/msg/Odometry; expected vis"):
        target("/odom", bag)


@pytest.mark.parametrize("kind", ["sot", "mot"])
def test_what_else_is_on_the_topic_is_no_truth(tmp_path: Path, kind: str) -> None:
    bag = write_arrays(
        tmp_path / "two", {"/truth": {stamp_of(1): [("7", "", Box(1, 2, 3, 4))]}},
        also=[("/truth", "std_msgs/msg/String")],
        raw=[("/truth", "std_msgs/msg/String", b"\0\1\0\0\2\0\0\0a\0")],
    )  # fmt: skip
    truth = load_truth("/truth", kind, bag)
    assert truth.keys.tolist() == [stamp_of(1)]
    np.testing.assert_allclose(truth.boxes, [[1, 2, 3, 4]])


def test_what_is_neither_file_nor_topic_gets_the_topics_that_would_do(bag: Path) -> None:
    with pytest.raises(
        DataError, match=r"--gt /truht: no such file.*: /crowd, /truth|/truth, /cro"
    ):
        target("/truht", bag)


def test_a_broken_array_is_an_error_and_no_crash(tmp_path: Path) -> None:
    bag = write_arrays(
        tmp_path / "broken", {"/truth": {}}, raw=[("/truth", DETECTIONS, b"\0\1\0\0junk")]
    )
    with pytest.raises(DataError, match="--gt /truth: the array of detections is broken"):
        target("/truth", bag)


# --- many targets --------------------------------------------------------------------------------


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
