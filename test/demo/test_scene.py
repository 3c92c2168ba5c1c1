"""The rendered scene: the same every time, and its truth is true."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from tracker_ros.demo.scene import MIN_VISIBLE, Scene
from tracker_ros.geometry import Box, UInt8Image


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene()


def box_of_red_body(image: UInt8Image) -> Box:
    """The box round the strongly red pixels: the body of the target, and nothing else."""
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
    red = ((hue <= 9) & (saturation > 180) & (value > 150)).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(red)
    parts = stats[1:count][stats[1:count, cv2.CC_STAT_AREA] > 40]  # tail lights are smaller
    x0, y0 = parts[:, 0].min(), parts[:, 1].min()
    x1, y1 = (parts[:, 0] + parts[:, 2]).max(), (parts[:, 1] + parts[:, 3]).max()
    return Box(float(x0), float(y0), float(x1 - x0), float(y1 - y0))


def test_the_same_frame_comes_out_the_same_in_any_order(scene: Scene) -> None:
    other = Scene()
    for index in (599, 0, 318):
        np.testing.assert_array_equal(other.frame(index).image, scene.frame(index).image)
        assert other.frame(index).box == scene.frame(index).box


def test_another_seed_is_another_world(scene: Scene) -> None:
    assert not np.array_equal(Scene(seed=8).frame(0).image, scene.frame(0).image)


def test_frames_are_bgr_images_of_the_asked_size() -> None:
    scene = Scene(width=320, height=240, fps=10.0)
    assert len(scene) == 200
    image = scene.frame(50).image
    assert image.shape == (240, 320, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("index", [0, 60, 180, 250, 400, 560, 599])
def test_the_truth_bounds_the_pixels_of_the_target(scene: Scene, index: int) -> None:
    frame = scene.frame(index)
    assert frame.box is not None
    assert frame.visibility > 0.99
    body, box = box_of_red_body(frame.image), frame.box
    # The body lies inside; the dark seam and the headlights take 5 px along, the wheels 9 across.
    assert box.x - 1 <= body.x <= box.x + 6
    assert box.y - 1 <= body.y <= box.y + 14
    assert box.x + box.w - 10 <= body.x + body.w <= box.x + box.w + 1
    assert box.y + box.h - 14 <= body.y + body.h <= box.y + box.h + 1


def test_where_the_target_is_hidden_there_is_no_box_and_no_red_pixel(scene: Scene) -> None:
    for index in (320, 330, 470, 490):
        frame = scene.frame(index)
        assert frame.box is None
        assert frame.visibility < MIN_VISIBLE
        hue, saturation, value = cv2.split(cv2.cvtColor(frame.image, cv2.COLOR_BGR2HSV))
        assert np.count_nonzero((hue <= 9) & (saturation > 180) & (value > 150)) < 12


def test_the_story_is_told_occlusion_departure_and_return(scene: Scene) -> None:
    truth = scene.truth()
    absent = [index for index, box in enumerate(truth) if box is None]
    gaps = np.split(absent, np.flatnonzero(np.diff(absent) > 1) + 1)
    assert [(int(gap[0]) // 30, int(gap[-1]) // 30) for gap in gaps] == [(10, 11), (15, 16)]
    assert 15 <= len(gaps[0]) <= 40, "hidden by the bridge for about 0.8 s"
    assert 30 <= len(gaps[1]) <= 70, "out of the picture for about 1.6 s"
    assert truth[0] is not None
    assert truth[-1] is not None


def test_the_target_leaves_the_picture_and_comes_back_at_the_same_edge(scene: Scene) -> None:
    truth = scene.truth()
    last, first = truth[457], truth[506]
    assert last is not None
    assert first is not None
    assert last.x + last.w == pytest.approx(scene.width)
    assert first.x + first.w == pytest.approx(scene.width)
    assert abs(last.cy - first.cy) < 100


def test_the_truth_without_filming_is_that_of_the_frames(scene: Scene) -> None:
    truth = scene.truth()
    assert len(truth) == len(scene)
    for index in range(0, 600, 53):
        assert truth[index] == scene.frame(index).box


def test_motion_is_smooth(scene: Scene) -> None:
    truth = scene.truth()
    for before, after in pairwise(truth):
        if before is not None and after is not None:
            assert np.hypot(after.cx - before.cx, after.cy - before.cy) < 9.0


def test_a_frame_beyond_the_end_is_refused(scene: Scene) -> None:
    with pytest.raises(IndexError, match="frame 600"):
        scene.frame(600)
