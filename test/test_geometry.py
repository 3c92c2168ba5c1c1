"""Boxes and sub-windows."""

import math

import cv2
import numpy as np
import pytest

from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box, context_side, grey_contrast, mean_colour, square_crop


def ramp(width: int, height: int) -> np.ndarray:
    """An image whose pixels tell their own place: blue is x, green is y, red is x + y."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y, x + y], axis=-1).astype(np.uint8)


def padded_crop(
    image: np.ndarray, x0: int, y0: int, side: int, fill: tuple[int, ...]
) -> np.ndarray:
    """The square by the papers' own way: pad the whole image by `side`, then slice."""
    big = cv2.copyMakeBorder(image, side, side, side, side, cv2.BORDER_CONSTANT, value=fill)
    return big[y0 + side : y0 + 2 * side, x0 + side : x0 + 2 * side]


def test_iou_of_equal_disjoint_and_half_overlapping_boxes() -> None:
    box = Box(10, 10, 20, 10)
    assert box.iou(box) == 1.0
    assert box.iou(Box(30, 10, 5, 5)) == 0.0
    assert box.iou(Box(20, 10, 20, 10)) == pytest.approx(1 / 3)


def test_a_box_is_read_from_text_or_refused_with_the_text() -> None:
    assert Box.parse("1,2.5, 3,4") == Box(1, 2.5, 3, 4)
    with pytest.raises(TargetError, match="'1,2,3'"):
        Box.parse("1,2,3")


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (Box(math.nan, 0, 10, 10), "x=nan"),
        (Box(0, 0, math.inf, 10), "w=inf"),
        (Box(0, 0, 0, 10), "w=0"),
        (Box(0, 0, 10, -5), "h=-5"),
        (Box(700, 10, 20, 20), "640x480"),
        (Box(-30, 10, 31, 20), "outside"),
    ],
)
def test_a_box_that_no_tracker_can_start_on_is_refused_with_its_values(
    box: Box, words: str
) -> None:
    with pytest.raises(TargetError, match=words):
        box.require_trackable(640, 480)


def test_a_box_that_reaches_over_the_border_is_trackable() -> None:
    Box(-10, 470, 30, 30).require_trackable(640, 480)


@pytest.mark.parametrize("corner", [(20, 12), (-7, -3), (60, 50), (-7, 50), (-20, -15)])
def test_a_crop_equals_the_slice_of_a_padded_image_pixel_for_pixel(corner: tuple[int, int]) -> None:
    image = ramp(80, 60)
    crop = square_crop(image, *corner, 31, 31, (1, 2, 3))
    assert np.array_equal(crop, padded_crop(image, *corner, 31, (1, 2, 3)))


def test_a_crop_is_resized_as_cv2_does() -> None:
    image = ramp(80, 60)
    expected = cv2.resize(padded_crop(image, -5, 10, 40, (9, 9, 9)), (63, 63))
    assert np.array_equal(square_crop(image, -5, 10, 40, 63, (9, 9, 9)), expected)


@pytest.mark.parametrize(("x0", "y0", "side"), [(-40, -25, 160), (30, 20, 200), (-300, 5, 500)])
def test_a_large_crop_over_the_border_is_sampled_within_two_grey_levels(
    x0: int, y0: int, side: int
) -> None:
    image = cv2.GaussianBlur(ramp(120, 90), (0, 0), 6)
    fill = tuple(int(value) for value in mean_colour(image))
    expected = cv2.resize(padded_crop(image, x0, y0, side, fill), (40, 40))
    crop = square_crop(image, x0, y0, side, 40, fill)
    # Along the border the picture meets the fill: there a sample's place counts most.
    differences = np.abs(crop.astype(int) - expected)
    assert np.quantile(differences, 0.95) <= 2 and differences.mean() < 0.5


def test_a_crop_of_any_size_takes_a_bounded_memory() -> None:
    crop = square_crop(ramp(80, 60), -(10**6), -(10**6), 2 * 10**6, 255, (10, 20, 30))
    assert crop.shape == (255, 255, 3)


def test_a_crop_wholly_outside_the_image_is_the_fill_colour() -> None:
    crop = square_crop(ramp(80, 60), 500, -900, 40, 16, (10, 20, 30))
    assert crop.shape == (16, 16, 3)
    assert np.unique(crop.reshape(-1, 3), axis=0).tolist() == [[10, 20, 30]]


def test_a_crop_inside_the_image_at_its_own_size_is_not_copied() -> None:
    image = ramp(80, 60)
    assert np.shares_memory(square_crop(image, 5, 5, 31, 31, (0, 0, 0)), image)


def test_context_side_of_the_papers() -> None:
    # w + p = 60 + 50, h + p = 40 + 50 with p = (60 + 40) / 2
    assert context_side(60, 40) == pytest.approx(math.sqrt(110 * 90))


def test_contrast_tells_a_blank_image_from_a_picture() -> None:
    assert grey_contrast(np.zeros((100, 100, 3), np.uint8)) == 0.0
    assert grey_contrast(ramp(200, 200)) > 0.1
    assert mean_colour(np.full((4, 4, 3), (1, 2, 3), np.uint8)) == (1.0, 2.0, 3.0)
