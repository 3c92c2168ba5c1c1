"""Success and precision: definitions of the object tracking benchmark, on figures done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tracker_ros.evaluation.metrics import (
    SUCCESS_THRESHOLDS,
    accuracy,
    center_errors,
    overlaps,
    precision,
    success_auc,
    success_curve,
)
from tracker_ros.geometry import Box

NAN = float("nan")
SQUARE = [10.0, 10.0, 20.0, 20.0]
ABSENT = [NAN, NAN, NAN, NAN]
FAR = [500.0, 500.0, 20.0, 20.0]


def array(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float64)


def test_overlap_is_intersection_over_union_without_inclusive_pixels() -> None:
    truth = array([0, 0, 20, 40], [0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10])
    boxes = array([2, 0, 20, 40], [0, 0, 10, 10], [10, 0, 10, 10], [5, 5, 10, 10])
    # 18 of 22 columns: the golden case of the specification, section 6.
    assert overlaps(boxes, truth).tolist() == pytest.approx([18 / 22, 1, 0, 25 / 175])


def test_overlap_agrees_with_the_boxes_of_the_trackers() -> None:
    rng = np.random.default_rng(3)
    boxes, truth = rng.uniform(1, 60, (2, 200, 4))
    expected = [Box(*a).iou(Box(*b)) for a, b in zip(boxes, truth, strict=True)]
    assert overlaps(boxes, truth).tolist() == pytest.approx(expected)
    assert 0 < np.count_nonzero(expected) < 200


def test_an_empty_unknown_or_infinite_box_overlaps_nothing() -> None:
    boxes = array([10, 10, 0, 20], ABSENT, [10, 10, -20, -20], SQUARE, SQUARE)
    truth = array(SQUARE, SQUARE, SQUARE, [10, 10, 0, 0], ABSENT)
    assert overlaps(boxes, truth).tolist() == [0] * 5


def test_there_are_21_thresholds_from_0_to_1() -> None:
    assert len(SUCCESS_THRESHOLDS) == 21
    assert (SUCCESS_THRESHOLDS[0], SUCCESS_THRESHOLDS[7], SUCCESS_THRESHOLDS[20]) == (0, 0.35, 1)


def test_success_needs_more_overlap_than_the_threshold() -> None:
    assert success_curve(np.array([0.5]))[[9, 10]].tolist() == [1, 0]
    assert success_curve(np.array([0.0]))[0] == 0
    assert success_curve(np.array([1.0]))[[19, 20]].tolist() == [1, 0]


def test_auc_is_the_mean_of_the_success_at_the_21_thresholds() -> None:
    # A perfect box passes 20 thresholds, one of overlap 0.5 passes 10, a miss none.
    assert success_auc(np.array([1.0])) == pytest.approx(20 / 21)
    assert success_auc(np.array([1.0, 0.5, 0.0])) == pytest.approx((20 + 10 + 0) / 21 / 3)


def test_the_centre_error_is_between_the_middles_of_the_boxes() -> None:
    truth = array([0, 0, 10, 10], [0, 0, 10, 10])
    assert center_errors(array([3, 4, 10, 10], [0, 0, 30, 10]), truth).tolist() == [5, 10]


def test_precision_counts_a_centre_exactly_20_px_off() -> None:
    assert precision(np.array([0.0, 20.0, 20.001, np.inf])) == 0.5


def test_the_given_box_and_absent_frames_are_left_out() -> None:
    truth = array(SQUARE, SQUARE, ABSENT, [0, 0, 0, 0], SQUARE)
    boxes = array(SQUARE, SQUARE, SQUARE, SQUARE, FAR)
    scored = accuracy(boxes, truth)
    assert scored.frames == 2
    assert scored.auc == pytest.approx(20 / 21 / 2)
    assert scored.precision == 0.5


def test_all_frames_counts_the_given_box_and_takes_absence_as_failure() -> None:
    truth = array(SQUARE, SQUARE, ABSENT, [0, 0, 0, 0], SQUARE)
    boxes = array(SQUARE, SQUARE, SQUARE, [0, 0, 0, 0], FAR)
    scored = accuracy(boxes, truth, all_frames=True)
    assert scored.frames == 5
    assert scored.auc == pytest.approx(2 * 20 / 21 / 5)
    assert scored.precision == 2 / 5


def test_a_run_without_a_frame_to_score_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the 2 frames"):
        accuracy(array(SQUARE, SQUARE), array(SQUARE, ABSENT))


def test_boxes_and_truth_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 4\) against a truth of shape \(2, 4\)"):
        accuracy(array(SQUARE), array(SQUARE, SQUARE))
