"""SPM-Tracker's crop against plain sampling, and against that of the authors' code.

The latter is microsoft/SPM-Tracker at f3e997c (MIT), run outside this repository.
"""

import numpy as np
import pytest
from patch_scene import scene

from tracker_ros.sot.spm_crop import SquareSampler, searched_part

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (60, 80, 3), np.uint8)


def sampled_square(image: np.ndarray, x: float, y: float, side: float, out: int) -> np.ndarray:
    crop = np.full((3, out, out), np.nan, np.float32)
    SquareSampler(out).sample(image, x, y, side, crop)
    return crop.transpose(1, 2, 0)


def plain(image: np.ndarray, x: float, y: float, side: float, out: int) -> np.ndarray:
    """Crop-and-resize with mean padding, point by point, as specs, section 5, describe it."""
    height, width = image.shape[:2]
    mean = image.reshape(-1, 3).mean(axis=0)
    crop = np.tile(mean, (out, out, 1))
    for row in range(out):
        for column in range(out):
            px, py = x + column * side / (out - 1), y + row * side / (out - 1)
            if not (0 <= px <= width - 1 and 0 <= py <= height - 1):
                continue
            left, top = int(px), int(py)
            right, below = min(left + 1, width - 1), min(top + 1, height - 1)
            fx, fy = px - left, py - top
            upper = image[top, left] * (1 - fx) + image[top, right] * fx
            lower = image[below, left] * (1 - fx) + image[below, right] * fx
            crop[row, column] = upper * (1 - fy) + lower * fy
    return crop


@pytest.mark.parametrize(
    ("x", "y", "side"),
    [
        (20.3, 10.7, 30.0),
        (20.3, 10.7, 4.2),
        (-15.5, -9.1, 40.0),
        (50.2, 33.3, 51.9),
        (-35.5, -30.2, 140.0),
        (-1.3, 2.2, 59.0),
    ],
)
def test_the_crop_is_plain_sampling_with_the_mean_around_the_image(
    x: float, y: float, side: float
) -> None:
    for out in (25, 70):  # less than a band of rows, and a few of them
        crop = sampled_square(IMAGE, x, y, side, out)
        assert np.abs(crop - plain(IMAGE, x, y, side, out)).max() < 0.05


def test_a_sampler_leaves_nothing_of_its_last_crop() -> None:
    sampler, crop = SquareSampler(70), np.empty((3, 70, 70), np.float32)
    for x, side in ((20.3, 30.0), (-35.5, 140.0), (20.3, 30.0)):
        sampler.sample(IMAGE, x, 5.0, side, crop)
        assert np.array_equal(crop.transpose(1, 2, 0), sampled_square(IMAGE, x, 5.0, side, 70))


def test_the_crop_of_a_large_square_is_sampled_as_that_of_a_small_one() -> None:
    image = RNG.integers(0, 256, (400, 500, 3), np.uint8)  # more rows than twice those of the crop
    crop = sampled_square(image, 20.3, 10.7, 333.3, 25)
    assert np.abs(crop - plain(image, 20.3, 10.7, 333.3, 25)).max() < 0.05


def test_a_crop_over_the_border_is_that_of_the_authors_code() -> None:
    # Around the box (-20, 10, 60, 50), corner at (-106.24, -96.24): rows 20, 130, 240 of it.
    side = 146.24075757637763 + 106.24075757637763
    crop = sampled_square(scene(200, 150), -106.24075757637763, -96.24075757637763, side, 271)
    expected = np.array([
        [[130.05, 130.05, 130.05], [130.05, 167.22, 116.21], [130.05, 142.0, 231.25]],
        [[123.61, 123.61, 123.61], [123.61, 200.81, 206.22], [123.61, 210.59, 60.44]],
        [[128.08, 128.08, 128.08], [128.08, 195.0, 46.22], [128.08, 19.7, 206.75]],
    ])  # fmt: skip
    assert np.abs(crop[20::110, 20::110].transpose(2, 0, 1) - expected).max() < 0.02


def test_a_square_beside_the_image_has_its_mean_everywhere() -> None:
    crop = sampled_square(IMAGE, 300.0, 10.0, 30.0, 25)
    assert np.allclose(crop, IMAGE.reshape(-1, 3).mean(axis=0), atol=0.01)


def test_an_image_of_one_pixel_can_be_cropped() -> None:
    crop = sampled_square(IMAGE[:1, :1], -3.0, -3.0, 6.0, 25)
    assert np.allclose(crop, IMAGE[0, 0], atol=0.01)


def test_a_part_of_a_larger_array_is_cropped_as_its_copy() -> None:
    view = IMAGE[5:50, 7:70]  # rows with a step, as an image message may have
    crop = sampled_square(view, -4.0, 3.0, 40.0, 25)
    assert np.array_equal(crop, sampled_square(view.copy(), -4.0, 3.0, 40.0, 25))


def test_what_is_searched_is_the_part_on_the_image_without_a_copy() -> None:
    part = searched_part(IMAGE, -10.5, 40.2, 50.0, 271)
    assert part.shape == (20, 40, 3)
    assert part.base is not None
    assert searched_part(IMAGE, 300.0, 10.0, 30.0, 271).size == 0
    assert searched_part(IMAGE, 0.0, 0.0, 60.0, 20).shape == (20, 20, 3), "thinned out"
