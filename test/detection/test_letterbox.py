"""Pictures in a network's canvas, and the way back."""

from __future__ import annotations

import numpy as np
import pytest

from tracker_ros.detection.letterbox import GREY, Letterbox

PICTURES = [(640, 480), (480, 640), (1920, 1080), (33, 777), (641, 479), (1, 1), (5000, 3)]
CANVASES = [(640, 640), (320, 320), (416, 256)]


@pytest.mark.parametrize("canvas", CANVASES)
@pytest.mark.parametrize("size", PICTURES)
def test_a_box_that_goes_in_comes_back_exactly(
    size: tuple[int, int], canvas: tuple[int, int]
) -> None:
    fit = Letterbox(size, canvas)
    boxes = np.random.default_rng(3).uniform(-0.2, 1.2, (50, 4)) * np.array(size * 2)
    assert np.abs(fit.back(fit.into(boxes)) - boxes).max() < 1e-9


@pytest.mark.parametrize("canvas", CANVASES)
@pytest.mark.parametrize("size", PICTURES)
def test_the_corners_of_the_picture_are_those_of_its_place_in_the_canvas(
    size: tuple[int, int], canvas: tuple[int, int]
) -> None:
    fit = Letterbox(size, canvas)
    whole = np.array([[0.0, 0.0, *size]])
    x0, y0, x1, y1 = fit.into(whole)[0].round(9)
    assert (x0, y0) == fit.corner
    assert (x1 - x0, y1 - y0) == fit.size
    assert x0 >= 0 and x1 <= canvas[0] and y0 >= 0 and y1 <= canvas[1]
    assert x1 - x0 == canvas[0] or y1 - y0 == canvas[1], "it is as large as it can be"


@pytest.mark.parametrize("size", [(640, 480), (300, 700), (97, 61)])
def test_a_patch_is_found_where_its_box_is_mapped_to(size: tuple[int, int]) -> None:
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    x0, y0, x1, y1 = width // 4, height // 3, width // 2, height // 2
    image[y0:y1, x0:x1] = 255
    fit = Letterbox(size, (640, 640))
    canvas = fit.apply(image)
    bright = np.argwhere(canvas[..., 0] > 127 + (canvas[..., 0] == GREY) * 255)
    seen = np.array([[*bright.min(0)[::-1], *(bright.max(0)[::-1] + 1)]], np.float64)
    mapped = fit.back(seen)[0]
    pixel = max(width / fit.size[0], height / fit.size[1])
    assert np.abs(mapped - [x0, y0, x1, y1]).max() <= pixel, "within a pixel of the canvas"


def test_what_is_beside_the_picture_is_grey() -> None:
    canvas = Letterbox((640, 480), (320, 320)).apply(np.zeros((480, 640, 3), np.uint8))
    assert canvas.shape == (320, 320, 3)
    assert (canvas[:40] == GREY).all() and (canvas[280:] == GREY).all()
    assert not canvas[40:280].any()
