"""SiamRPN++ and SiamFC where pictures and targets are at their limits: no exception, no runaway."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from patch_scene import BACKGROUND, scene

from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box
from tracker_ros.sot import LoadedModel, load_model
from tracker_ros.sot.region_proposals import LOOK_ALIKE_IOU, Proposals, second_peak
from tracker_ros.track import Estimate, Evidence


@pytest.fixture(scope="module", params=["siamrpnpp", "siamfc"])
def model(request: pytest.FixtureRequest) -> LoadedModel:
    """The model that ships, and with the paper's own arithmetic: nothing held."""
    loaded = load_model(request.param, threads=1)
    return loaded.with_tracking({**loaded.card.tracking, "hold_score": 0.0})


def sane(box: Box, width: int, height: int) -> bool:
    """On the image, and no larger than SiamFC may grow from a target: five times."""
    finite = all(math.isfinite(value) for value in box)
    near = -0.5 <= box.cx <= width + 0.5 and -0.5 <= box.cy <= height + 0.5
    return finite and near and 0 < box.w <= 10 * width and 0 < box.h <= 10 * height


@pytest.mark.parametrize(
    "box",
    [
        Box(300, 200, 4, 4),
        Box(300, 200, 4, 120),
        Box(-20, -15, 60, 48),
        Box(610, 460, 60, 48),
        Box(0, 0, 640, 480),
        Box(-160, -120, 960, 720),
        Box(-300, -200, 1200, 900),
    ],
    ids=["4 pixels", "thin", "first corner", "last corner", "all", "larger", "twice"],
)
def test_any_target_that_is_accepted_gives_boxes_on_the_image(model: LoadedModel, box: Box) -> None:
    tracker = model.new_tracker()
    tracker.init(BACKGROUND, box)
    for i in range(6):
        estimate = tracker.track(scene(200 + 20 * i, 150))
        assert estimate.is_finite and sane(estimate.box, 640, 480)
    assert tracker.look_at(BACKGROUND, 0, 0).is_finite
    assert tracker.look_at(BACKGROUND, 640, 480).is_finite


def test_a_target_on_a_4k_image_is_followed_in_its_pixels(model: LoadedModel) -> None:
    large = cv2.resize(scene(200, 150), (3840, 2160))
    box = Box(1200, 675, 360, 216)
    tracker = model.new_tracker()
    tracker.init(large, box)
    assert tracker.track(large).box.iou(box) > 0.6
    corner = Box(3600, 2000, 240, 160)
    tracker.init(large, corner)
    assert sane(tracker.track(large).box, 3840, 2160)


def test_frames_that_turn_black_and_white_move_the_box_nowhere_far(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    tracker.init(scene(200, 150), Box(200, 150, 60, 48))
    for value in (0, 255) * 15:
        estimate = tracker.track(np.full_like(BACKGROUND, value))
        assert estimate.is_finite and sane(estimate.box, 640, 480)


def test_an_image_smaller_than_the_target_was_is_taken(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    tracker.init(scene(200, 150), Box(200, 150, 60, 48))
    small = np.ascontiguousarray(scene(200, 150)[:24, :32])
    assert tracker.track(small).is_finite


def test_a_tracker_goes_on_from_whatever_box_it_is_given(model: LoadedModel) -> None:
    tracker = model.new_tracker()
    tracker.init(scene(200, 150), Box(200, 150, 60, 48))
    evidence = Evidence(score=1.0, peak_ratio=0.0, size_change=1.0)
    for box in (Box(0, 0, 1, 1), Box(-50, -50, 2000, 10), Box(200, 150, 60, 48)):
        tracker.accept(Estimate(box, evidence))
        assert tracker.track(scene(200, 150)).is_finite
    tracker.accept(Estimate(Box(200, 150, 60, 48), evidence))
    tracker.rescale(0.01, 0.01)
    assert tracker.track(np.ascontiguousarray(BACKGROUND[:5, :7])).is_finite


@pytest.mark.parametrize("box", [Box(0, 0, 1, 1), Box(700, 0, 40, 40), Box(0, 0, math.inf, 9)])
def test_a_box_that_cannot_be_tracked_is_refused(model: LoadedModel, box: Box) -> None:
    with pytest.raises(TargetError):
        model.new_tracker().init(BACKGROUND, box)


# --- the arithmetic on maps, against the plain formulas ------------------------------------------


def random_maps(cells: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(cells)
    cls = rng.normal(0, 3, (1, 10, cells, cells)).astype(np.float32)
    return cls, rng.normal(0, 0.3, (1, 20, cells, cells)).astype(np.float32)


@pytest.mark.parametrize("cells", [17, 21, 25, 97])
def test_penalty_and_rank_are_those_of_the_specification(cells: int) -> None:
    proposals = Proposals(cells)
    cls, loc = random_maps(cells)
    score, boxes = proposals.score(cls).copy(), proposals.boxes(loc).copy()
    w, h = boxes[2:].astype(np.float64)

    def size(w: np.ndarray, h: np.ndarray) -> np.ndarray:
        margin = (w + h) / 2
        return np.sqrt((w + margin) * (h + margin))

    def change(ratio: np.ndarray) -> np.ndarray:
        return np.maximum(ratio, 1 / ratio)

    k, influence, target = 0.16, 0.4, (50.0, 70.0)
    of_size = change(size(w, h) / size(*np.array(target)))
    of_shape = change((target[0] / target[1]) / (w / h))
    penalty = np.exp(-(of_shape * of_size - 1) * k)
    found = proposals.penalty(boxes, *target, k).copy()
    assert found == pytest.approx(penalty, rel=1e-4)
    hann = np.hanning(cells)
    window = np.tile(np.outer(hann, hann).ravel(), 5)
    rank = penalty * score * (1 - influence) + window * influence
    assert proposals.rank(score, found, influence) == pytest.approx(rank, rel=1e-4, abs=1e-6)


def test_the_second_peak_is_the_highest_score_of_a_box_apart_however_many_are_near() -> None:
    proposals = Proposals(25)
    cls, loc = random_maps(25)
    score, boxes = proposals.score(cls).copy(), proposals.boxes(loc).copy()
    for best in (0, int(score.argmax()), 1500):
        chosen = Box.from_center(*boxes[:, best].tolist())
        apart = [Box.from_center(*box.tolist()).iou(chosen) < LOOK_ALIKE_IOU for box in boxes.T]
        expected = min(float(score[apart].max()) / float(score[best]), 1.0)
        assert second_peak(score, boxes, best) == pytest.approx(expected, rel=1e-5)
    boxes[:] = boxes[:, :1]  # all the same box: nothing is apart from it
    assert second_peak(score, boxes, 7) == 0.0
