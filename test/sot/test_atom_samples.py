"""ATOM's crops, labels and the pictures made of the first frame."""

import cv2
import numpy as np
import pytest

from tracker_ros.errors import ModelError
from tracker_ros.sot.atom_parameters import FIRST_SAMPLES, AtomParameters
from tracker_ros.sot.atom_samples import (
    as_input,
    crop_at,
    dropped,
    first_samples,
    label,
    normalised,
)
from tracker_ros.sot.ranges import checked

PARAMETERS = AtomParameters()
IMAGE = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


def test_a_crop_of_its_own_size_is_the_image_itself() -> None:
    crop = crop_at(IMAGE, 60.2, 44.8, 40, 40)
    assert np.array_equal(crop.pixels, IMAGE[25:65, 40:80])
    assert (crop.cx, crop.cy, crop.scale) == (59.5, 44.5, 1.0)


@pytest.mark.parametrize("side, step", [(33, 1), (67, 1), (68, 2), (101, 3), (400, 12)])
@pytest.mark.parametrize("cx, cy", [(60, 45), (3, 88), (130, -10)])
def test_a_large_crop_takes_every_so_manieth_pixel_and_repeats_the_border(
    side: int, step: int, cx: int, cy: int
) -> None:
    crop = crop_at(IMAGE, cx, cy, side, 32)
    number = round(side / step)
    places = step * (np.arange(number) - number // 2)
    rows, columns = cy + places, cx + places
    taken = IMAGE[np.ix_(rows.clip(0, 89), columns.clip(0, 119))]
    assert np.array_equal(crop.pixels, cv2.resize(taken, (32, 32)))
    assert (crop.cx, crop.cy) == (columns.mean(), rows.mean())
    assert crop.scale == pytest.approx(step * number / 32)


def test_places_in_a_crop_and_in_the_image_belong_together() -> None:
    ramp = np.zeros((400, 600, 3), np.uint8)
    ramp[..., 0] = np.arange(600) // 4
    ramp[..., 1] = np.arange(400)[:, None] // 4
    for side in (100, 288, 900):
        crop = crop_at(ramp, 301.3, 200.8, side, 288)
        x, y = crop.inward(310, 190)
        assert crop.outward(x, y) == pytest.approx((310, 190))
        if side == 900:
            continue  # reaches over the border
        seen = crop.pixels[round(y), round(x)]
        assert int(seen[0]) == pytest.approx(310 / 4, abs=1.5)
        assert int(seen[1]) == pytest.approx(190 / 4, abs=1.5)


def test_inputs_are_rgb_planes() -> None:
    crop = np.zeros((8, 8, 3), np.uint8)
    crop[..., 0] = 200
    blob = np.ones((3, 3, 8, 8), np.float32)
    taken = as_input([crop], blob)
    assert taken.shape == (1, 3, 8, 8) and np.shares_memory(taken, blob)
    assert taken[0, :, 0, 0].tolist() == [0, 0, 200]


def test_features_of_every_sample_have_the_same_power() -> None:
    strengths = np.array([3, 0.1]).reshape(2, 1, 1, 1)
    features = np.random.default_rng(1).normal(0, strengths, (2, 4, 5, 5))
    power = (normalised(features.astype(np.float32)) ** 2).mean((1, 2, 3))
    assert np.allclose(power, 1, atol=1e-4)
    assert not normalised(np.zeros((4, 5, 5), np.float32)).any()


def test_a_label_has_its_peak_at_the_target_and_the_papers_width() -> None:
    middle = label(PARAMETERS, 143.5, 143.5)
    assert middle.shape == (18, 18)
    assert divmod(int(middle.argmax()), 18) == (9, 9)
    assert middle[9, 9] == pytest.approx(1)
    assert middle[9, 10] == pytest.approx(np.exp(-0.5 / 0.9**2))
    shifted = label(PARAMETERS, 143.5 + 32, 143.5 - 16)
    assert divmod(int(shifted.argmax()), 18) == (8, 11)
    assert np.allclose(shifted[:17, 2:], middle[1:, :16])
    small = AtomParameters(sample=224, area_factor=4.0)
    assert label(small, 111.5, 111.5)[7, 8] == pytest.approx(np.exp(-0.5 / 0.875**2))


def test_the_first_frame_gives_twenty_three_pictures_with_the_target_where_they_say() -> None:
    image = np.full((600, 800, 3), 90, np.uint8)
    image[296:305, 396:405] = 255  # middle (400, 300)
    side = 288
    patch = crop_at(image, 400, 300, 2 * side, 2 * side)
    samples = list(first_samples(patch, 400, 300, side, np.random.default_rng(0)))
    assert len(samples) == 23
    for number, sample in enumerate(samples):
        assert sample.pixels.shape == (288, 288, 3)
        bright = sample.pixels[..., 0].astype(float) - 90
        rows, columns = np.nonzero(bright > 10)
        found = (
            np.average(columns, weights=bright[rows, columns]),
            np.average(rows, weights=bright[rows, columns]),
        )
        assert found == pytest.approx((sample.x, sample.y), abs=0.6), number
    plain, shifted = samples[0], samples[1:5]
    assert np.array_equal(plain.pixels, patch.pixels[144:432, 144:432])
    offsets = {(round(s.x - plain.x), round(s.y - plain.y)) for s in shifted}
    assert offsets == {(86, 86), (-86, 86), (86, -86), (-86, -86)}
    for sample in samples[5:]:
        assert abs(sample.x - plain.x) <= 49 and abs(sample.y - plain.y) <= 49
    assert len({(round(s.x), round(s.y)) for s in samples[5:]}) > 15


def test_the_flipped_picture_is_flipped_and_a_turned_one_turned() -> None:
    ramp = np.zeros((576, 576, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 255, 576)
    patch = crop_at(ramp, 288, 288, 576, 576)
    samples = list(first_samples(patch, 287.5, 287.5, 288, np.random.default_rng(0)))
    slopes = []
    for sample in samples:
        middle = sample.pixels[100:188, 100:188, 0].astype(float)
        slopes.append((np.gradient(middle, axis=1).mean(), np.gradient(middle, axis=0).mean()))
    assert slopes[0][0] > 0.4 and slopes[5][0] < -0.4
    angles = [np.degrees(np.arctan2(down, across)) for across, down in slopes[11:]]
    turns = [5, -5, 10, -10, 20, -20, 30, -30, 45, -45, 60, -60]
    assert angles == pytest.approx(turns, abs=2)


def test_dropped_copies_leave_out_a_fifth_of_the_channels() -> None:
    features = np.ones((1000, 2, 2), np.float32)
    copies = dropped(features, np.random.default_rng(0))
    assert copies.shape == (7, 1000, 2, 2)
    assert set(np.unique(copies).tolist()) == {0.0, 1.25}
    empty = (copies == 0).all((2, 3)).mean(1)
    assert np.allclose(empty, 0.2, atol=0.05) and len(set(empty.tolist())) > 1


@pytest.mark.parametrize(
    "key, value",
    [
        ("sample", 290),
        ("memory", FIRST_SAMPLES),
        ("memory", 10**9),
        ("area_factor", 1.0),
        ("update_interval", 0),
        ("learning_rate", 1.0),
        ("initial_share", 1.0),
        ("seed", -1),
    ],
)
def test_parameters_that_cannot_be_are_refused(key: str, value: float) -> None:
    with pytest.raises(ModelError, match=rf"a card: {key}.*{value}"):
        checked(AtomParameters, {key: value}, "a card")
    least = {"memory": FIRST_SAMPLES + 1, "sample": 64}
    assert checked(AtomParameters, least, "a card").memory == FIRST_SAMPLES + 1
