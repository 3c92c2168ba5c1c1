"""What is kept of the image that a target was set on: enough to learn it anew, and no more."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from patch_scene import scene

from tracker_ros.geometry import Box
from tracker_ros.sot import TRACKERS, LoadedModel, load_model, trackers_with_weights
from tracker_ros.sot.first_picture import MAX_PIXELS, FirstPicture
from tracker_ros.track import Estimate, Evidence

BOX = Box(200, 150, 60, 48)
SEEN = Evidence(1.0, 0.0, 1.0)


def test_it_is_a_copy_of_what_is_around_the_box_at_the_size_it_had() -> None:
    image = scene(200, 150)
    first = FirstPicture.of(image, BOX)
    assert first.pixels.shape == (324, 324, 3)  # six mean sides of 54 pixels
    assert (first.sx, first.sy, first.box.w, first.box.h) == (1, 1, 60, 48)
    assert FirstPicture.of(image, Box(200, 50, 60, 48)).pixels.shape == (236, 324, 3)  # cut
    x, y = round(first.box.x), round(first.box.y)
    kept = first.pixels[y : y + 48, x : x + 60].copy()
    assert (kept == image[150:198, 200:260]).all()
    image[:] = 0
    assert (first.pixels[y : y + 48, x : x + 60] == kept).all()


def test_of_a_large_target_a_smaller_picture_is_kept() -> None:
    image = np.zeros((2160, 3840, 3), np.uint8)
    box = Box(1000, 500, 900, 700)
    first = FirstPicture.of(image, box)
    assert max(first.pixels.shape) == MAX_PIXELS
    assert first.box.w * first.sx == pytest.approx(900)
    assert first.box.h * first.sy == pytest.approx(700)


@pytest.mark.parametrize(
    "box",
    [
        Box(-50, -40, 60, 48),
        Box(635, 470, 200, 300),
        Box(0, 238, 640, 4),
        Box(-300, -200, 1200, 900),
    ],
)
def test_whatever_box_can_be_tracked_can_be_learned_from_it(box: Box) -> None:
    box.require_trackable(640, 480)
    first = FirstPicture.of(scene(200, 150), box)
    height, width = first.pixels.shape[:2]
    first.box.require_trackable(width, height)


def test_a_large_target_of_which_hardly_a_strip_is_on_the_image_can_be_learned_from_it() -> None:
    box = Box(-997, 500, 1000, 800)
    box.require_trackable(3840, 2160)
    first = FirstPicture.of(np.zeros((2160, 3840, 3), np.uint8), box)
    height, width = first.pixels.shape[:2]
    first.box.require_trackable(width, height)


@pytest.fixture(
    scope="module", params=[name for name in TRACKERS if name in trackers_with_weights()]
)
def model(request: pytest.FixtureRequest) -> LoadedModel:
    return load_model(request.param, threads=1)


@pytest.mark.parametrize("factor", [1, 3])
def test_a_tracker_that_learns_from_it_finds_what_one_that_saw_the_image_finds(
    model: LoadedModel, factor: int
) -> None:
    def large(image: np.ndarray) -> np.ndarray:
        size = (640 * factor, 480 * factor)
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_NEAREST), np.uint8)

    box = Box(200 * factor, 150 * factor, 60 * factor, 48 * factor)
    image = large(scene(200, 150))
    there = model.new_tracker()
    there.init(image, box)
    later = model.new_tracker()
    FirstPicture.of(image, box).teach(later)
    later.accept(Estimate(box, SEEN))
    for step in range(1, 4):
        image = large(scene(200 + 5 * step, 150))
        assert there.track(image).box.iou(later.track(image).box) > 0.8
