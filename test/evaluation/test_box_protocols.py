"""LaSOT and GOT-10k on figures done by hand, and the files of results of all of one pass."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import VideoSequence
from tracker_ros.evaluation.metrics import (
    average_overlap,
    clipped,
    got10k_overlaps,
    normalized_errors,
    normalized_precision,
    normalized_precision_auc,
    success_rate,
)
from tracker_ros.evaluation.one_pass import OnePass
from tracker_ros.evaluation.one_pass_protocols import GOT10K, LASOT, OTB, VISIBLE, read_boxes
from tracker_ros.evaluation.report import timing

NAN = float("nan")
ABSENT = [NAN] * 4
BOX = [10.0, 10.0, 40.0, 20.0]


def array(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float64)


def sequence(*truth: list[float], one_based: bool = False) -> VideoSequence:
    return VideoSequence("ball", (), array(*truth), one_based=one_based)


def one_pass(*boxes: list[float], start: int = 0) -> OnePass:
    return OnePass(start, array(*boxes), np.empty(0))


def test_the_error_is_measured_in_sides_of_the_true_box() -> None:
    # 4 px right and 4 px down of a box of 40 x 20: .1 and .2.
    errors = normalized_errors(array([14, 14, 40, 20], ABSENT, BOX), array(BOX, BOX, ABSENT))
    assert errors.tolist() == pytest.approx([np.hypot(0.1, 0.2), np.inf, np.inf])


def test_normalised_precision_is_the_value_at_a_fifth_or_the_mean_up_to_a_half() -> None:
    errors = np.array([0.0, 0.2, 0.29, np.inf])
    assert normalized_precision(errors) == 2 / 4
    # Of the 51 thresholds 51, 31 and 22 are not below; the last is never reached.
    assert normalized_precision_auc(errors) == pytest.approx((51 + 31 + 22) / 51 / 4)


def test_boxes_are_clipped_to_the_image() -> None:
    boxes = array([-5, -5, 10, 10], [95, 40, 20, 20], [200, 200, 5, 5], ABSENT)
    parts = clipped(boxes, 100, 50)
    assert parts[:2].tolist() == [[0, 0, 5, 5], [95, 40, 5, 10]]
    assert parts[2, 2:].tolist() == [0, 0] and np.isnan(parts[3]).all()


def test_got10k_leaves_out_the_first_frame_and_absent_ones_and_clips() -> None:
    truth = array(BOX, [90, 10, 20, 20], ABSENT, BOX)
    boxes = array(BOX, [90, 10, 10, 20], BOX, [10, 10, 20, 20])
    overlap = got10k_overlaps(boxes, truth, (100, 100))
    assert overlap.tolist() == pytest.approx([1, 0.5])  # outside the image nothing counts
    assert got10k_overlaps(boxes, truth, None).tolist() == pytest.approx([0.5, 0.5])
    assert average_overlap(overlap) == pytest.approx(0.75)
    assert (success_rate(overlap, 0.5), success_rate(overlap, 0.75)) == (0.5, 0.5)


def test_got10k_takes_the_frames_of_all_sequences_as_one() -> None:
    short = VideoSequence("short", (), array(BOX, BOX))
    long = VideoSequence("long", (), array(BOX, BOX, BOX, BOX))
    half = [10.0, 10.0, 20.0, 20.0]
    runs = [(short, one_pass(BOX, BOX)), (long, one_pass(BOX, half, half, half))]
    scored = GOT10K.score(runs)
    assert scored.summary["ao"] == pytest.approx((1 + 3 * 0.5) / 4)
    assert scored.sequences["long"]["ao"] == pytest.approx(0.5)
    assert scored.frames == {"short": 1, "long": 3}


def test_got10k_takes_the_frames_of_all_repetitions_as_one(tmp_path: Path) -> None:
    truth = VideoSequence("ball", (), array(BOX, BOX, BOX))
    half = [10.0, 10.0, 20.0, 20.0]
    run = OnePass(0, array(BOX, BOX, BOX), np.empty(0), (array(BOX, BOX, half),))
    GOT10K.write(tmp_path, "mine", truth, run)
    (tmp_path / "mine/ball/ball_time.txt").write_text("0\n0.1\n0.1\n")
    again = GOT10K.read(tmp_path / "mine", truth)
    scored = GOT10K.score([(truth, again)])
    for figures in (scored.summary, scored.sequences["ball"]):
        assert (figures["ao"], figures["sr_50"]) == (pytest.approx(3.5 / 4), 3 / 4)
    assert scored.frames == {"ball": 2}
    (tmp_path / "mine/ball/ball_002.txt").rename(tmp_path / "mine/ball/ball_003.txt")
    with pytest.raises(DataError, match=r"ball_003\.txt is there but ball_002\.txt is not"):
        GOT10K.read(tmp_path / "mine", truth)


def test_lasot_takes_absent_frames_for_failures_and_the_given_box_as_found() -> None:
    truth = sequence(BOX, BOX, ABSENT, BOX)
    scored = LASOT.score([(truth, one_pass([90, 90, 1, 1], BOX, BOX, [14, 14, 40, 20]))])
    figures = scored.summary
    assert scored.frames == {"ball": 4}
    # .2236 sides off: within 20 px, not within .20 of a side.
    assert (figures["precision"], figures["normalized_precision"]) == (3 / 4, 2 / 4)


def test_otb_takes_a_result_as_it_stands() -> None:
    truth = sequence(BOX, BOX)
    scored = OTB.score([(truth, one_pass([90, 90, 1, 1], BOX))])
    assert scored.summary["precision"] == 0.5


@pytest.mark.parametrize(
    ("protocol", "file"),
    [
        (VISIBLE, "mine/ball.txt"),
        (OTB, "mine/ball.txt"),
        (LASOT, "mine_tracking_result/ball.txt"),
        (GOT10K, "mine/ball/ball_001.txt"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
@pytest.mark.parametrize("one_based", [False, True])
def test_results_are_written_in_the_layout_of_the_benchmark_and_read_again(
    tmp_path: Path, protocol: type[OTB], file: str, one_based: bool
) -> None:
    truth = sequence(ABSENT, BOX, BOX, one_based=one_based)
    run = OnePass(1, array(BOX, [1.25, 2, 3, 4]), np.array([0.01]))
    protocol.write(tmp_path, "mine", truth, run)
    path = tmp_path / file
    first = "11.0000,11.0000" if one_based else "10.0000,10.0000"
    assert path.read_text().splitlines()[:2] == ["nan,nan,nan,nan", f"{first},40.0000,20.0000"]
    again = protocol.read(tmp_path / file.split("/")[0], truth)
    assert again.start == 1
    np.testing.assert_allclose(again.boxes, run.boxes)
    times = path.with_name("ball_time.txt")
    assert times.is_file() == (protocol is GOT10K)
    if times.is_file():
        assert times.read_text().split() == ["0.000000", "0.000000", "0.010000"]


@pytest.mark.parametrize("name", ["Jogging-2", "Jogging_2", "Jogging.2"])
def test_a_second_target_is_found_however_a_toolkit_spells_it(tmp_path: Path, name: str) -> None:
    truth = VideoSequence("Jogging-2", (), array(BOX, BOX))
    (tmp_path / f"{name}.txt").write_text("1,2,3,4\n5,6,7,8\n")
    assert OTB.read(tmp_path, truth).boxes[1].tolist() == [5, 6, 7, 8]


def test_boxes_without_a_size_are_no_error_in_a_result(tmp_path: Path) -> None:
    path = tmp_path / "ball.txt"
    path.write_text("1,2,0,0\n1,2,-3,4\nnan,nan,nan,nan\n")
    assert read_boxes(path)[:2].tolist() == [[1, 2, 0, 0], [1, 2, -3, 4]]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1,2,3", "'1,2,3' holds 3 values, not 4: x,y,w,h"),
        ("1", "'1' holds 1 values, not 4: x,y,w,h; is it a result of VOT? --protocol vot"),
        ("1,2,nan,4", "'1,2,nan,4' is neither a box nor nan,nan,nan,nan"),
        ("1,2,inf,4", "'1,2,inf,4' is neither a box nor nan,nan,nan,nan"),
        ("1,2,3,x", "'x' is not a number"),
    ],
)
def test_a_bad_line_of_a_result_of_boxes_is_named(
    tmp_path: Path, line: str, complaint: str
) -> None:
    path = tmp_path / "ball.txt"
    path.write_text(f"1,2,3,4\n{line}\n")
    with pytest.raises(DataError, match=re.escape(f"{path}, line 2: ")) as refused:
        read_boxes(path)
    assert complaint in str(refused.value)


def test_a_result_of_another_length_is_refused_with_both(tmp_path: Path) -> None:
    (tmp_path / "ball.txt").write_text("1,2,3,4\n" * 3)
    with pytest.raises(DataError, match="has 3 lines but the truth of 'ball' 2 frames"):
        OTB.read(tmp_path, sequence(BOX, BOX))


def test_a_longer_result_is_cut_where_the_film_is(tmp_path: Path) -> None:
    (tmp_path / "ball.txt").write_text("".join(f"{n},2,3,4\n" for n in range(5)))
    film = sequence(*[BOX] * 5)
    assert OTB.read(tmp_path, film.cut(3)).boxes[:, 0].tolist() == [0, 1, 2]
    (tmp_path / "ball.txt").write_text("1,2,3,4\n" * 3)  # as a run over 3 frames saved it
    assert len(OTB.read(tmp_path, film.cut(3)).boxes) == 3
    with pytest.raises(DataError, match="has 3 lines but the truth of 'ball' 5 frames; expected"):
        OTB.read(tmp_path, film.cut(5))


def test_a_missing_result_is_refused_by_the_names_it_could_have(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no result of 'ball'; expected ball\.txt or ball/ball_0"):
        OTB.read(tmp_path, sequence(BOX, BOX))


def test_the_time_of_a_call_is_its_median_and_95th_percentile() -> None:
    figures = timing(np.array([0.001] * 90 + [0.1] * 10))
    assert figures["ms_median"] == pytest.approx(1) and figures["ms_p95"] == pytest.approx(100)
    assert figures["fps"] == pytest.approx(100 / 1.09)
