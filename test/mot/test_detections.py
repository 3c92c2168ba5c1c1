"""Which detections are associated, and which are refused and why."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tracker_ros.geometry import Box
from tracker_ros.mot.detections import Detection, Selection, as_array, pairwise_iou, select

STANDING = Box(100, 100, 40, 80)


def selected(*detections: Detection, nms_iou: float = 1.0, most: int = 100) -> Selection:
    return select(detections, min_score={"car": 0.5}, default_score=0.2, nms_iou=nms_iou, most=most)


def test_a_detection_keeps_its_box_score_and_class_name() -> None:
    detection = Detection(STANDING, 0.7, "person")
    assert selected(detection).kept == [detection]


@pytest.mark.parametrize(
    ("detection", "reason"),
    [
        (Detection(Box(math.nan, 0, 10, 10)), "a value that is not finite"),
        (Detection(Box(0, 0, math.inf, 10)), "a value that is not finite"),
        (Detection(STANDING, math.nan), "a value that is not finite"),
        (Detection(Box(50, 50, -20, 10)), "a side under 2 px"),
        (Detection(Box(50, 50, 20, 0)), "a side under 2 px"),
        (Detection(Box(1e9, 50, 20, 20)), "a coordinate over 100000 px"),
    ],
)
def test_wrong_input_is_refused_and_counted_by_reason(detection: Detection, reason: str) -> None:
    selection = selected(detection, Detection(STANDING))
    assert selection.kept == [Detection(STANDING)]
    assert selection.refused == {reason: 1}


def test_every_class_has_its_own_lowest_score() -> None:
    car, person = Detection(STANDING, 0.4, "car"), Detection(STANDING, 0.4, "person")
    selection = selected(car, person)
    assert selection.kept == [person]
    assert selection.left_out == {"low score": 1}


def test_of_two_boxes_of_one_class_on_each_other_the_stronger_stays() -> None:
    strong, weak = Detection(STANDING, 0.9, "a"), Detection(Box(102, 100, 40, 80), 0.8, "a")
    other = Detection(STANDING, 0.3, "b")
    selection = selected(weak, strong, other, nms_iou=0.7)
    assert selection.kept == [strong, other]
    assert selection.left_out == {"overlaps a stronger one": 1}


def test_of_too_many_the_strongest_stay() -> None:
    many = [Detection(Box(5.0 * i, 0, 20, 20), i / 10_000) for i in range(10_000)]
    selection = selected(*many, most=50)
    assert len(selection.kept) == 50
    assert min(detection.score for detection in selection.kept) == pytest.approx(0.995)
    assert selection.left_out["more than max_detections"] == 7950


def test_overlaps_of_all_pairs_are_those_of_the_boxes() -> None:
    boxes = [STANDING, Box(110, 90, 40, 80), Box(500, 0, 3, 3)]
    table = pairwise_iou(as_array(boxes), as_array(boxes[:2]))
    assert table.shape == (3, 2)
    for i, a in enumerate(boxes):
        for j, b in enumerate(boxes[:2]):
            assert table[i, j] == pytest.approx(a.iou(b))
    assert pairwise_iou(as_array([]), as_array(boxes)).shape == (0, 3)
    assert np.isfinite(table).all()
