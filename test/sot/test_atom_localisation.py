"""Where ATOM sees the target, what it makes of two peaks, and the boxes it tries."""

import numpy as np
import pytest

from tracker_ros.sot.atom_localisation import Flag, Localiser, upsampling
from tracker_ros.sot.atom_parameters import AtomParameters
from tracker_ros.sot.atom_refinement import BOXES, chosen, proposals
from tracker_ros.sot.atom_samples import label

PARAMETERS = AtomParameters()
SIDE = 57.6
"""Of the target in a crop: 288 / 5."""


def peaks(*places: tuple[float, float, float]) -> np.ndarray:
    """Scores with peaks of a height at (dx, dy) pixels from the middle of the crop."""
    maps = [height * label(PARAMETERS, 143.5 + dx, 143.5 + dy) for height, dx, dy in places]
    return np.max(maps, axis=0)


@pytest.mark.parametrize("cells", [18, 14])
def test_a_lone_score_comes_out_at_its_own_place(cells: int) -> None:
    matrix = upsampling(cells)
    assert matrix.shape == (16 * cells, cells)
    # The highest frequency counts twice: specs of ATOM, section 4.
    at_cells = matrix[::16]
    assert np.allclose(np.diag(at_cells), (cells + 1) / cells, atol=1e-6)
    lone = np.zeros((cells, cells), np.float32)
    lone[5, 7] = 1
    fine = matrix @ lone @ matrix.T
    assert divmod(int(fine.argmax()), 16 * cells) == (16 * 5, 16 * 7)


def test_a_level_map_stays_level() -> None:
    fine = upsampling(18) @ np.ones((18, 18), np.float32) @ upsampling(18).T
    assert np.allclose(fine, 1, atol=1e-5)


@pytest.mark.parametrize("dx, dy", [(0, 0), (16, -32), (5, 11), (-70, 40)])
def test_the_target_is_found_to_the_pixel(dx: int, dy: int) -> None:
    found = Localiser(PARAMETERS).locate(peaks((0.9, dx, dy)), SIDE, SIDE)
    assert (found.dx, found.dy) == pytest.approx((dx, dy), abs=1.0)
    assert found.score == pytest.approx(0.9, abs=0.1)
    assert found.flag is Flag.NORMAL and found.peak_ratio < 0.1


FAR = 125.0
"""Further from the middle than .8 * 144 = 115.2 px."""
TABLE = [
    (peaks((0.24, 0, 0)), Flag.NOT_FOUND, 0),
    (np.zeros((18, 18), np.float32), Flag.NOT_FOUND, None),
    (np.full((18, 18), np.nan, np.float32), Flag.NOT_FOUND, None),
    (peaks((0.3, 0, 0)), Flag.NORMAL, 0),
    (peaks((0.9, 0, 0), (0.2, 90, 0)), Flag.NORMAL, 0),
    # A second peak of half the first's height is learnt from, unless it is low itself.
    (peaks((0.9, 0, 0), (0.6, 90, 0)), Flag.HARD_NEGATIVE, 0),
    (peaks((0.32, 0, 0), (0.22, 90, 0)), Flag.NORMAL, 0),
    # Two alike: the one that has moved too far is not it; both near or both far: who knows.
    (peaks((0.9, 0, 0), (0.85, 90, 0)), Flag.UNCERTAIN, 0),
    (peaks((0.9, 0, 0), (0.85, FAR, 0)), Flag.HARD_NEGATIVE, 0),
    (peaks((0.85, 0, 0), (0.9, FAR, 0)), Flag.HARD_NEGATIVE, 0),
    (peaks((0.9, -FAR, 0), (0.85, FAR, 0)), Flag.UNCERTAIN, -FAR),
    (peaks((0.9, FAR, 0), (0.2, 0, 0)), Flag.NORMAL, FAR),
]


@pytest.mark.parametrize("scores, flag, place", TABLE)
def test_two_peaks_are_judged_as_the_table_says(
    scores: np.ndarray, flag: Flag, place: float | None
) -> None:
    found = Localiser(PARAMETERS).locate(scores, SIDE, SIDE)
    assert found.flag is flag
    if place is not None:
        assert found.dx == pytest.approx(place, abs=4)


def test_what_is_near_the_peak_is_no_second_peak_by_the_size_of_the_target() -> None:
    scores = peaks((0.9, 0, 0), (0.8, 40, 0))
    assert Localiser(PARAMETERS).locate(scores, SIDE, SIDE).flag is Flag.NORMAL
    assert Localiser(PARAMETERS).locate(scores, 20, SIDE).flag is not Flag.NORMAL
    assert Localiser(PARAMETERS).locate(scores, SIDE, 20).flag is Flag.NORMAL


def test_a_window_prefers_the_middle() -> None:
    scores = peaks((0.8, 0, 0), (0.9, 80, 0))
    assert Localiser(PARAMETERS).locate(scores, SIDE, SIDE).dx == pytest.approx(80, abs=2)
    windowed = Localiser(AtomParameters(window=True)).locate(scores, SIDE, SIDE)
    assert windowed.dx == pytest.approx(0, abs=2)
    assert windowed.score == pytest.approx(0.8, abs=0.1)


# --- boxes ----------------------------------------------------------------------------------------


def test_the_boxes_tried_are_the_given_one_and_nine_around_it() -> None:
    boxes = np.concatenate(
        [proposals(100, 90, 64, 36, np.random.default_rng(seed)) for seed in range(200)]
    )
    assert boxes.shape == (200, BOXES, 4) and boxes.dtype == np.float32
    assert np.allclose(boxes[:, 0], [100, 90, 64, 36])
    side = (64 * 36) ** 0.5
    centres = boxes[:, 1:, :2] + boxes[:, 1:, 2:] / 2 - [132, 108]
    sizes = boxes[:, 1:, 2:] - [64, 36]
    assert 0.045 * side < np.abs(centres).max() <= 0.05 * side + 1e-3
    assert 0.24 * side < np.abs(sizes).max() <= 0.25 * side + 1e-3
    assert proposals(0, 0, 100, 4, np.random.default_rng(0))[..., 2:].min() > 4 / 3 - 1e-6


def test_the_answer_is_the_mean_of_the_best_three_that_can_be() -> None:
    boxes = np.zeros((1, BOXES, 4), np.float32)
    boxes[0] = [10, 10, 20, 20]
    boxes[0, 1] = [13, 10, 20, 20]
    boxes[0, 2] = [10, 16, 23, 20]
    boxes[0, 4] = [0, 0, 70, 11]  # too long
    boxes[0, 5] = [0, 0, 0.5, 0.5]  # too small
    boxes[0, 6] = [np.nan, 0, 20, 20]
    overlap = np.zeros((1, BOXES), np.float32)
    overlap[0, [1, 2, 3]] = [0.5, 0.6, 0.7]
    overlap[0, [4, 5, 6]] = 0.9
    overlap[0, 7] = np.nan
    assert chosen(boxes, overlap) == pytest.approx((11, 12, 21, 20))


def test_without_a_box_that_can_be_there_is_no_answer() -> None:
    boxes = np.tile(np.array([0, 0, 60, 9], np.float32), (1, BOXES, 1))
    assert chosen(boxes, np.ones((1, BOXES), np.float32)) is None
