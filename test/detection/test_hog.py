"""The pedestrian detector that is built in."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker_ros.detection.detector import Wanted
from tracker_ros.detection.hog import HogDetector, HogSettings, body, merged, score_of
from tracker_ros.geometry import Box, UInt8Image

CAMPUS = Path(__file__).parents[3] / "shared/data/mot/TUD-Campus"


def campus(number: int) -> tuple[UInt8Image, list[Box]]:
    """A picture of a street, and the people in it."""
    if not CAMPUS.is_dir():
        pytest.skip("no ../shared/data/mot/TUD-Campus beside this checkout")
    image = cv2.imread(str(CAMPUS / f"img1/{number:06d}.jpg"))
    rows = [line.split(",") for line in (CAMPUS / "gt/gt.txt").read_text().splitlines()]
    people = [
        Box(float(row[2]) - 1, float(row[3]) - 1, float(row[4]), float(row[5]))
        for row in rows
        if int(row[0]) == number and row[6] == "1"
    ]
    return np.asarray(image, np.uint8), people


# --- pictures ------------------------------------------------------------------------------------


def test_people_in_a_street_are_found_with_boxes_around_their_bodies() -> None:
    detector = HogDetector()
    found = everybody = right = said = 0
    for number in range(1, 72, 10):
        image, people = campus(number)
        detections = detector.detect(image)
        assert all(d.label == "person" and 0.25 <= d.score <= 1 for d in detections)
        assert [d.score for d in detections] == sorted((d.score for d in detections), reverse=True)
        found += sum(any(p.iou(d.box) >= 0.5 for d in detections) for p in people)
        right += sum(any(p.iou(d.box) >= 0.5 for p in people) for d in detections)
        everybody += len(people)
        said += len(detections)
    assert found / everybody > 0.35
    assert right / said > 0.4


def test_without_the_margin_of_the_window_boxes_fit_better() -> None:
    image, people = campus(1)
    bodies = [d.box for d in HogDetector().detect(image)]
    windows = [Box.from_center(b.cx, b.cy, b.w / 0.55, b.h / 0.75) for b in bodies]

    def fit(boxes: list[Box]) -> float:
        return sum(max(person.iou(box) for box in boxes) for person in people)

    assert fit(bodies) > 1.3 * fit(windows)


def test_the_size_that_a_picture_is_resized_to_does_not_move_its_boxes() -> None:
    image, _ = campus(1)
    large = cv2.resize(image, None, fx=2.5, fy=2.5, interpolation=cv2.INTER_CUBIC)
    detector = HogDetector()
    small_boxes = [d.box for d in detector.detect(image)]
    large_boxes = [d.box for d in detector.detect(np.asarray(large, np.uint8))]
    assert small_boxes
    for box in small_boxes[:2]:
        scaled = Box(*(2.5 * side for side in box))
        assert max(scaled.iou(other) for other in large_boxes) > 0.7


def test_a_view_of_a_larger_picture_is_searched_like_a_copy_of_it() -> None:
    image, _ = campus(1)
    wide = np.full((480, 700, 3), 255, np.uint8)
    wide[:, :640] = image
    for settings in (HogSettings(), HogSettings(resize_to=0)):
        detector = HogDetector(settings)
        assert detector.detect(wide[:, :640]) == detector.detect(image)


@pytest.mark.parametrize("value", [0, 114, 255])
def test_nobody_is_in_an_empty_picture(value: int) -> None:
    assert HogDetector().detect(np.full((480, 640, 3), value, np.uint8)) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (30, 60), (63, 127), (64, 128)])
@pytest.mark.parametrize("resize_to", [0, 960])
def test_pictures_of_any_shape_are_looked_at(size: tuple[int, int], resize_to: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    for detection in HogDetector(HogSettings(resize_to=resize_to)).detect(noise):
        box = detection.box
        assert box.x >= 0 and box.x + box.w <= size[1] + 1e-9


def test_a_huge_picture_is_resized_before_it_is_searched() -> None:
    image, _ = campus(1)
    huge = np.asarray(cv2.resize(image, (5120, 3840)), np.uint8)
    assert HogDetector().detect(huge)


# --- the parts -----------------------------------------------------------------------------------


def test_scores_grow_with_the_weight_and_stay_between_nought_and_one() -> None:
    scores = score_of(np.array([-100.0, -1, 0, 0.75, 2, 100]))
    assert (np.diff(scores) > 0).all() and scores.min() >= 0 and scores.max() <= 1
    assert scores[2:5] == pytest.approx([0.151, 0.5, 0.947], abs=1e-3)


def test_a_body_stands_in_the_middle_of_its_window() -> None:
    assert body(np.array([[100.0, 50, 64, 128]]))[0] == pytest.approx([114.4, 66, 35.2, 96])


def test_windows_on_one_person_become_one_box_that_the_stronger_ones_draw() -> None:
    boxes = np.array([[10.0, 10, 40, 80], [14, 10, 40, 80], [200, 10, 40, 80]])
    means, weights = merged(boxes, np.array([0.5, 1.5, 0.2]), 0.45)
    assert weights.tolist() == [1.5, 0.2]
    assert 12 < means[0, 0] < 14
    assert means[1].tolist() == boxes[2].tolist()


def test_nothing_is_merged_of_nothing() -> None:
    means, weights = merged(np.empty((0, 4)), np.empty(0), 0.45)
    assert means.shape == (0, 4) and weights.shape == (0,)


def test_when_only_other_classes_are_wanted_nobody_is_looked_for() -> None:
    image, _ = campus(1)
    assert HogDetector(wanted=Wanted(only=frozenset({"car"}))).detect(image) == []
