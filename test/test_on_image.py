"""What of a search region shows the image: the rest is filled in, and proves nothing."""

import numpy as np
import pytest

from tracker_ros.geometry import grey_contrast, on_image, square_crop

IMAGE = np.full((90, 120, 3), 200, np.uint8)
FILL = (10.0, 10.0, 10.0)


def shown(cx: float, cy: float, side: int, out: int) -> tuple[np.ndarray, np.ndarray]:
    """The crop of the square with that middle, and its part on the image."""
    crop = square_crop(IMAGE, round(cx - side / 2), round(cy - side / 2), side, out, FILL)
    return crop, on_image(crop, IMAGE, cx, cy, side)


@pytest.mark.parametrize("out", [17, 64, 255])
@pytest.mark.parametrize("side", [20, 63, 300])
@pytest.mark.parametrize("cy", [0.0, 12.5, 45.0, 90.0])
@pytest.mark.parametrize("cx", [0.0, 3.3, 60.0, 119.7])
def test_nothing_that_was_filled_in_is_shown(cx: float, cy: float, side: int, out: int) -> None:
    _, part = shown(cx, cy, side, out)
    assert (part == 200).all()
    assert grey_contrast(part) == 0.0


def test_a_region_within_the_image_is_shown_whole_and_not_copied() -> None:
    crop, part = shown(60, 45, 60, 30)
    assert part.shape == crop.shape and np.shares_memory(part, crop)


def test_of_a_region_over_a_corner_the_quarter_on_the_image_is_shown() -> None:
    crop, part = shown(0, 0, 80, 160)
    assert part.shape[:2] == pytest.approx((80, 80), abs=4)
    assert grey_contrast(crop) > 0.2 and grey_contrast(part) == 0.0


def test_of_a_region_beside_the_image_nothing_is_shown() -> None:
    _, part = shown(-100, 45, 60, 60)
    assert part.size == 0 and grey_contrast(part) == 0.0
