"""VOT's supervised experiment, on runs short enough to be done by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from films import true_lines, write_sequence

from tracker_ros.errors import DataError, TargetError
from tracker_ros.evaluation import vot_supervised
from tracker_ros.evaluation.datasets import VideoSequence, load_sequence
from tracker_ros.evaluation.polygons import rectangles
from tracker_ros.evaluation.vot_files import (
    FAILED,
    SKIPPED,
    STARTED,
    TRACKED,
    MarkedRegions,
    aligned_boxes,
    read_marked,
)
from tracker_ros.evaluation.vot_supervised import (
    Supervised,
    SupervisedProtocol,
    average_over,
    expected_overlaps,
    fragments,
    run_supervised,
)
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.track import Estimate, Evidence

NAN = float("nan")


def sequence(frames: int, name: str = "made-up") -> VideoSequence:
    """A target of 10 x 10 that stands still."""
    truth = np.tile([10.0, 10.0, 10.0, 10.0], (frames, 1))
    return VideoSequence(name, (), truth, size=(100, 100))


def result(*lines: float) -> MarkedRegions:
    """A run by its overlaps; 1, 2 and 0 as integers are markers."""
    markers, boxes = [], []
    for line in lines:
        if isinstance(line, int):
            markers.append(line)
            boxes.append([NAN] * 4)
        else:  # a box that covers this share of the truth and nothing else
            markers.append(TRACKED)
            boxes.append([10.0, 10.0, 10.0 * line, 10.0])
    return MarkedRegions(np.array(markers, np.int8), rectangles(np.array(boxes)))


def scores(run: MarkedRegions, *more: MarkedRegions) -> dict[str, float]:
    protocol = SupervisedProtocol()
    scored = protocol.score([(sequence(len(run)), Supervised((run, *more), np.empty(0)))])
    return dict(scored.summary)


def test_the_ten_frames_from_a_start_on_do_not_count_for_the_accuracy() -> None:
    run = result(1, *[0.2] * 9, 0.5, 1.0)
    assert scores(run)["accuracy"] == pytest.approx(0.75)
    again = result(1, *[0.2] * 9, 0.5, 2, 0, 0, 0, 0, 1, *[0.2] * 9, 0.9)
    assert scores(again)["accuracy"] == pytest.approx(0.7)


def test_robustness_is_reported_both_ways() -> None:
    run = result(1, *[0.5] * 12, 2, 0, 0, 0, 0, 1, *[0.5] * 31)
    figures = scores(run)
    assert figures["failures"] == 1
    assert figures["robustness"] == pytest.approx(100 / 50)
    assert figures["reliability"] == pytest.approx(math.exp(-30 / 50))


def test_repetitions_count_as_one_run_together() -> None:
    steady = result(1, *[0.5] * 49)
    lost = result(1, *[0.5] * 12, 2, 0, 0, 0, 0, 1, *[0.5] * 31)
    assert scores(steady, lost)["failures"] == 0.5


def test_a_sequence_weighs_the_same_however_often_it_was_run() -> None:
    good, poor = result(1, *[0.9] * 49), result(1, *[0.3] * 49)
    for repetitions in (1, 15):
        runs = [
            (sequence(50, "good"), Supervised((good,) * repetitions, np.empty(0))),
            (sequence(50, "poor"), Supervised((poor,), np.empty(0))),
        ]
        assert SupervisedProtocol().score(runs).summary["accuracy"] == pytest.approx(0.6)


def test_repetitions_are_averaged_in_the_frames_in_which_they_count() -> None:
    steady = result(1, *[0.5] * 19)
    # Counts in frames 10 and 11 alone: from frame 17 on it is in the burn-in of its second start.
    lost = result(1, *[0.5] * 9, 0.9, 0.9, 2, 0, 0, 0, 0, 1, 0.9, 0.9)
    by_hand = (2 * (0.5 + 0.9) / 2 + 8 * 0.5) / 10
    assert scores(steady, lost)["accuracy"] == pytest.approx(by_hand)
    never = result(1, *[0.5] * 5, 2, *[0] * 4, 1, *[0.5] * 8)
    assert math.isnan(scores(never)["accuracy"])


def test_fragments_reach_from_a_start_to_the_next_one() -> None:
    run = result(1, 0.8, 0.6, 2, 0, 0, 0, 0, 1, 0.4, 0.2)
    first, last = fragments(run, sequence(11))
    assert first[0].tolist() == pytest.approx([0, 0.8, 0.6, 0, 0, 0, 0, 0, 0]) and first[1]
    assert last[0].tolist() == pytest.approx([0, 0.4, 0.2]) and not last[1]


def test_the_expected_overlap_is_the_mean_of_the_runs_that_are_so_long() -> None:
    run = result(1, 0.8, 0.6, 2, 0, 0, 0, 0, 1, 0.4, 0.2)
    curve = expected_overlaps(fragments(run, sequence(11)), [1, 1], 11)
    # One fragment: .8, .7, then 1.4/i. The other: .4, .3, and no more.
    by_hand = [1, 0.6, 0.5, *(1.4 / i for i in range(3, 11))]
    assert curve.tolist() == pytest.approx(by_hand)
    assert average_over(curve, 2, 4) == pytest.approx((0.6 + 0.5 + 1.4 / 3) / 3)


def test_weights_make_repetitions_count_as_one() -> None:
    pieces = [(np.array([0, 0.9]), False), (np.array([0, 0.3]), False), (np.array([0, 0.6]), False)]
    assert expected_overlaps(pieces, [0.5, 0.5, 1], 2)[1] == pytest.approx(0.6)
    assert expected_overlaps(pieces[:2], [0.75, 0.25], 2)[1] == pytest.approx(0.75)


def test_there_is_no_eao_of_a_length_that_no_run_has() -> None:
    protocol = SupervisedProtocol()
    short = protocol.score([(sequence(50), Supervised((result(1, *[0.5] * 49),), np.empty(0)))])
    assert math.isnan(short.summary["eao"])
    assert "no run reaches 356 frames" in protocol.notes([short])[0]
    long = protocol.score([(sequence(400), Supervised((result(1, *[0.5] * 399),), np.empty(0)))])
    assert long.summary["eao"] == pytest.approx(0.5) and protocol.notes([long]) == []


def test_each_challenge_has_its_interval() -> None:
    run = result(1, *[0.8] * 199, *[0.0] * 200)
    values = {
        name: SupervisedProtocol(name)
        .score([(sequence(400), Supervised((run,), np.empty(0)))])
        .summary["eao"]
        for name in vot_supervised.CHALLENGES
    }
    # mean of .8 up to frame 199, then 199 * .8 / i
    phi = np.array([1.0, *[0.8] * 199, *(0.8 * 199 / np.arange(200, 400))])
    assert values["vot2016"] == pytest.approx(phi[107:371].mean())
    assert values["vot2017"] == values["vot2018"] == pytest.approx(phi[99:356].mean())
    assert values["vot2019"] == pytest.approx(phi[45:291].mean())


def test_a_rotated_box_is_started_on_as_an_upright_one_of_its_area() -> None:
    # A square of side 10 * sqrt(2) on its corner: bounding box 20 x 20, half of it is covered.
    diamond = np.array([[[10, 0], [20, 10], [10, 20], [0, 10]]], np.float64)
    side = 20 * math.sqrt(0.5) + 1
    corner = 10 - (side - 1) / 2
    assert aligned_boxes(diamond)[0].tolist() == pytest.approx([corner, corner, side, side])
    flat = np.zeros((1, 4, 2))
    assert np.isnan(aligned_boxes(flat)).all() and np.isnan(aligned_boxes(flat * NAN)).all()


class Scripted:
    """A tracker that answers with the boxes it is told, and remembers where it was started."""

    def __init__(self, boxes: list[Box], refuses: int = 0) -> None:
        self.boxes, self.refuses, self.starts = boxes, refuses, 0

    def init(self, image: UInt8Image, box: Box) -> None:
        if self.refuses:
            self.refuses -= 1
            raise TargetError("too little of it")
        self.starts += 1

    def track(self, image: UInt8Image) -> Estimate:
        return Estimate(self.boxes.pop(0), Evidence(1, 0, 1))


def film(tmp_path: Path, frames: int, absent: tuple[int, ...] = ()) -> VideoSequence:
    return load_sequence(write_sequence(tmp_path / "patch", true_lines(frames, absent)))


HIT, MISS = Box(130, 95, 60, 48), Box(0, 0, 20, 20)


def test_a_tracker_is_started_anew_five_frames_after_a_failure(tmp_path: Path) -> None:
    tracker = Scripted([HIT, MISS, HIT, HIT])
    ticks: list[int] = []
    found, seconds = run_supervised(tracker, film(tmp_path, 10), lambda: ticks.append(1))
    assert found.markers.tolist() == [STARTED, TRACKED, FAILED, *[SKIPPED] * 4, STARTED, -1, -1]
    assert tracker.starts == 2 and len(seconds) == 4 and len(ticks) == 10
    assert found.regions[1].tolist() == [[130, 95], [190, 95], [190, 143], [130, 143]]


def test_nothing_fails_and_nothing_starts_where_the_truth_is_unknown(tmp_path: Path) -> None:
    tracker = Scripted([MISS, HIT, MISS, HIT])
    found, _ = run_supervised(tracker, film(tmp_path, 12, absent=(0, 2, 9)))
    assert found.markers.tolist() == [0, STARTED, -1, -1, FAILED, 0, 0, 0, 0, 0, STARTED, -1]


def test_where_a_tracker_cannot_start_the_next_frame_is_tried(tmp_path: Path) -> None:
    found, _ = run_supervised(Scripted([HIT], refuses=2), film(tmp_path, 4))
    assert found.markers.tolist() == [SKIPPED, SKIPPED, STARTED, TRACKED]


def test_equal_repetitions_are_kept_once(tmp_path: Path) -> None:
    protocol = SupervisedProtocol(repeat=5)
    made: list[Scripted] = []

    def new_tracker() -> Scripted:
        made.append(Scripted([HIT] * 3))
        return made[-1]

    ticks: list[int] = []
    sequence = film(tmp_path, 4)
    run = protocol.run(new_tracker, sequence, lambda: ticks.append(1))
    assert (len(made), len(run.repetitions), len(ticks)) == (2, 1, protocol.calls(sequence))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    lines = result(1, 0.8, 2, 0, 0, 0, 0, 1, 0.5)
    protocol = SupervisedProtocol()
    run = Supervised((lines, lines), np.empty(0))
    protocol.write(tmp_path, "mine", sequence(9, "ball"), run)
    file = tmp_path / "mine/baseline/ball/ball_001.txt"
    assert file.read_text().splitlines()[:3] == ["1", "10.0000,10.0000,8.0000,10.0000", "2"]
    back = protocol.read(tmp_path / "mine", sequence(9, "ball"))
    assert len(back.repetitions) == 2
    np.testing.assert_array_equal(back.repetitions[1].markers, lines.markers)
    np.testing.assert_allclose(back.repetitions[1].regions, lines.regions)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1\n3\n", "line 2: '3' is no marker; there are 1 (initialised), 2 (failed) and 0"),
        ("1\n1,2,3\n", "line 2: '1,2,3' holds 3 values; expected x,y,w,h, or x1,y1"),
        ("1\n1,2\n", "line 2: '1,2' holds 2 values; a polygon needs 3 points or more"),
        ("1\n1,2,3,4,5,6,7\n", "line 2: '1,2,3,4,5,6,7' holds 7 values"),
        ("1\n1,2,nan,4\n", "line 2: '1,2,nan,4' holds a value that is not finite"),
        ("1\n1,2,wide,4\n", "line 2: 'wide' is not a number"),
        ("5,5,9,9\n", "line 1: '5,5,9,9' is a region, but nothing was initialised before it"),
        ("1\nm0,0,2,2,1,3\n", "line 2: masks are not read"),
        (f"1\n{','.join(['1', '2'] * 101)}\n", "line 2: a polygon of 101 points; at most 100"),
    ],
)
def test_a_bad_line_of_a_result_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "ball_001.txt"
    path.write_text(text)
    with pytest.raises(DataError) as refused:
        read_marked(path)
    assert str(refused.value).startswith(f"{path}, ") and complaint in str(refused.value)


def test_a_result_of_another_length_or_never_started_is_refused(tmp_path: Path) -> None:
    protocol = SupervisedProtocol()
    (tmp_path / "ball_001.txt").write_text("1\n1,2,3,4\n")
    with pytest.raises(DataError, match="has 2 lines but the truth of 'ball' 9 frames"):
        protocol.read(tmp_path, sequence(9, "ball"))
    (tmp_path / "ball_001.txt").write_text("0\n0\n")
    with pytest.raises(DataError, match="the tracker is never initialised"):
        protocol.read(tmp_path, sequence(2, "ball"))
    with pytest.raises(DataError, match=r"no result of 'cat'; expected .*cat_001\.txt"):
        protocol.read(tmp_path, sequence(2, "cat"))


@pytest.mark.parametrize("name", ["ball", "ball[1]", "ball*", "{0}"])
def test_repetitions_are_numbered_without_a_gap(tmp_path: Path, name: str) -> None:
    protocol, film = SupervisedProtocol(), sequence(3, name)
    for other in (f"{name}_001.txt", f"{name}_002.txt", "ball1_003.txt", f"{name}_time.txt"):
        (tmp_path / other).write_text("1\n1,2,3,4\n1,2,3,4\n")
    assert len(protocol.read(tmp_path, film).repetitions) == 2
    (tmp_path / f"{name}_004.txt").write_text("1\n1,2,3,4\n1,2,3,4\n")
    with pytest.raises(DataError) as refused:
        protocol.read(tmp_path, film)
    assert f"{name}_004.txt is there but {name}_003.txt is not" in str(refused.value)


def test_a_sequence_whose_own_name_ends_in_a_number_has_one_result(tmp_path: Path) -> None:
    for name in ("ball_001", "ball_002"):
        (tmp_path / f"{name}.txt").write_text("1\n1,2,3,4\n")
    read = SupervisedProtocol().read(tmp_path, sequence(2, "ball_001"))
    assert len(read.repetitions) == 1


def test_a_longer_result_is_cut_where_the_film_is(tmp_path: Path) -> None:
    protocol, film = SupervisedProtocol(), sequence(9, "ball")
    whole = result(1, 0.8, 2, 0, 0, 0, 0, 1, 0.5)
    protocol.write(tmp_path, "mine", film, Supervised((whole,), np.empty(0)))
    (cut,) = protocol.read(tmp_path / "mine", film.cut(4)).repetitions
    np.testing.assert_array_equal(cut.markers, whole.markers[:4])
    np.testing.assert_allclose(cut.regions, whole.regions[:4])
    with pytest.raises(DataError, match="9 lines but the truth of 'ball' 10 frames, of which --li"):
        protocol.read(tmp_path / "mine", sequence(10, "ball").cut(4))
