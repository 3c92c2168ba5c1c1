"""What SPM-Tracker computes between its stages. Goldens of specs and of the authors' code.

The latter is microsoft/SPM-Tracker at f3e997c (MIT), run outside this repository.
"""

import numpy as np
import pytest

from tracker_ros.sot import spm_proposals as spm

CURRENT = np.array((100, 100, 170, 170), np.float32)


def seeded() -> tuple[np.ndarray, np.ndarray]:
    """Boxes (1805, 4) and scores (1805,) that the authors' code was given as well."""
    rng = np.random.default_rng(3)
    deltas = rng.normal(0, 0.3, (1805, 4)).astype(np.float32)
    return spm.decoded(spm.anchor_table(), deltas), rng.random(1805, dtype=np.float32)


def test_the_five_anchors_have_the_shapes_of_the_specification() -> None:
    expected = [[112, 40], [88, 48], [64, 64], [48, 96], [40, 120]]
    assert spm.anchor_shapes().tolist() == expected


def test_1805_anchors_lie_around_the_middle_of_the_crop_by_row_column_and_anchor() -> None:
    table = spm.anchor_table()
    assert table.shape == (1805, 4)
    centres = (table[:, :2] + table[:, 2:]) / 2
    assert centres[0].tolist() == [63.5, 63.5]
    assert ((centres[0] + centres[-1]) / 2).tolist() == [135.5, 135.5]
    assert centres[5].tolist() == [71.5, 63.5], "columns follow each other"
    assert centres[5 * 19].tolist() == [63.5, 71.5], "then rows"
    # The authors' table, its first six rows without the third and the last row.
    assert table[[0, 1, 3, 4, 1804]].tolist() == [
        [8, 44, 119, 83], [20, 40, 107, 87], [40, 16, 87, 111], [44, 4, 83, 123],
        [188, 148, 227, 267],
    ]  # fmt: skip


def test_no_delta_leaves_the_size_and_shifts_the_middle_by_half_a_pixel() -> None:
    box = np.array([[32, 32, 95, 95]], np.float32)  # 64 px, of which the corner counts as one
    assert spm.decoded(box, np.zeros((1, 4), np.float32)).tolist() == [[32, 32, 96, 96]]


def test_a_size_grows_by_255_over_32_at_most() -> None:
    box = np.array([[0, 0, 31, 31]], np.float32)
    grown = spm.decoded(box, np.array([[0, 0, 50, -50]], np.float32))[0]
    assert grown[2] - grown[0] == pytest.approx(255)
    assert grown[3] - grown[1] == pytest.approx(0, abs=1e-6)


def test_boxes_are_decoded_as_the_authors_code_does() -> None:
    boxes, _ = seeded()
    assert np.allclose(
        boxes[[0, 902, 1804]],
        [
            [69.0913, 16.4643, 196.0585, 50.1997],
            [78.6754, 97.0576, 159.4300, 147.6710],
            [184.8652, 74.6428, 216.5243, 215.0788],
        ],
        atol=2e-4,
    )


def test_coarse_channels_are_background_then_foreground_and_anchor_times_4_plus_coordinate() -> (
    None
):
    cls = np.zeros((1, 10, 19, 19), np.float32)
    cls[0, 5 + 3, 2, 7] = 4  # foreground of anchor 3, in row 2 and column 7
    cls[0, 1, 2, 7] = 4  # background of anchor 1
    scores = spm.foreground(cls)
    row = (2 * 19 + 7) * 5
    assert scores[row + 3] == pytest.approx(1 / (1 + np.exp(-4)))
    assert scores[row + 1] == pytest.approx(1 / (1 + np.exp(4)))
    assert np.count_nonzero(scores != 0.5) == 2
    bbox = np.zeros((1, 20, 19, 19), np.float32)
    bbox[0, 3 * 4 + 2, 2, 7] = 0.25
    assert np.argwhere(spm.deltas_of(bbox)).tolist() == [[row + 3, 2]]


def test_logits_of_any_size_give_probabilities() -> None:
    cls = np.zeros((1, 10, 19, 19), np.float32)
    cls[0, :5], cls[0, 5:] = 3e38, -3e38
    with np.errstate(all="ignore"):
        assert (spm.foreground(cls) == 0).all()


@pytest.mark.parametrize(("current", "near"), [((100, 100, 170, 170), 234), ((0, 0, 20, 20), 16)])
def test_proposals_are_those_of_the_authors_code(
    current: tuple[int, int, int, int], near: int
) -> None:
    boxes, scores = seeded()
    chosen = spm.propose(boxes, scores, np.array(current, np.float32), score_factor=0.1, nms=0.5)
    assert chosen.tolist() == [1658, 226, 1344, 69, 1132, 1416, 765, 481, near]


def test_of_the_boxes_where_the_target_was_the_best_scoring_goes_on() -> None:
    boxes = np.array(
        [[100, 100, 170, 170], [101, 100, 171, 170], [99, 99, 169, 171], [0, 0, 70, 70]], np.float32
    )
    scores = np.array([0.1, 0.3, 0.2, 0.9], np.float32)
    chosen = spm.propose(boxes, scores, CURRENT, score_factor=0.1, nms=0.5)
    # Box 2 takes box 0 with it; box 1, the near one, is not among those that can be suppressed.
    assert chosen.tolist() == [3, 2, 1]


def test_with_one_box_near_the_target_that_overlaps_most_goes_on_whatever_it_scores() -> None:
    boxes = np.array([[100, 100, 170, 170], [140, 100, 210, 170], [0, 0, 9, 9]], np.float32)
    scores = np.array([0.01, 0.9, 0.5], np.float32)
    assert spm.propose(boxes, scores, CURRENT, score_factor=0.1, nms=0.5).tolist() == [1, 2, 0]


def test_boxes_that_score_a_tenth_of_the_best_are_no_proposals() -> None:
    boxes = np.array([[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9], [100, 100, 170, 170]])
    scores = np.array([0.9, 0.089, 0.091, 0.0], np.float32)
    chosen = spm.propose(boxes.astype(np.float32), scores, CURRENT, score_factor=0.1, nms=0.5)
    assert chosen.tolist() == [0, 2, 3]


def test_answers_that_are_no_numbers_leave_one_proposal() -> None:
    boxes, _ = seeded()
    nothing = np.full(1805, np.nan, np.float32)
    assert len(spm.propose(boxes, nothing, CURRENT, score_factor=0.1, nms=0.5)) == 1
    nowhere = np.full((1805, 4), np.nan, np.float32)
    assert len(spm.propose(nowhere, nothing, CURRENT, score_factor=0.1, nms=0.5)) == 1


def test_the_pixel_counts_where_the_authors_code_counts_it() -> None:
    boxes = np.array([[0, 0, 9, 9]], np.float32)
    half = np.array((5, 0, 14, 9), np.float32)
    assert spm.overlaps(boxes, half, pixel=1)[0] == pytest.approx(50 / 150)
    assert spm.overlaps(boxes, half)[0] == pytest.approx(36 / 126)
    # Near by 0.8 is with it: of these two, the first is so by that alone, and scores more.
    near = np.array([[0, 0, 9, 7.15], [0, 0, 9, 8], [30, 30, 39, 39]], np.float32)
    scores = np.array((0.9, 0.5, 0.7), np.float32)
    assert spm.propose(near, scores, boxes[0], score_factor=0.1, nms=0.5)[-1] == 0


def test_boxes_of_both_stages_are_weighted_by_their_scores() -> None:
    # Specs, section 8: c = .6, f = .2, beta = 3 give w = .5.
    coarse = np.array([[0, 0, 10, 10]], np.float32)
    fine = np.array([[10, 20, 30, 40]], np.float32)
    c, f = np.array([0.6], np.float32), np.array([0.2], np.float32)
    assert np.allclose(spm.fused(coarse, fine, c, f, 3.0), [[5, 10, 20, 25]])


def test_two_stages_that_see_nothing_leave_the_fine_box() -> None:
    coarse, fine = np.zeros((1, 4), np.float32), np.ones((1, 4), np.float32)
    nothing = np.zeros(1, np.float32)
    assert spm.fused(coarse, fine, nothing, nothing, 3.0).tolist() == [[1, 1, 1, 1]]


def test_the_window_is_1_in_the_middle_and_0_at_the_border_and_beyond() -> None:
    middles = np.array([(135, 135), (0, 135), (270, 270), (-50, 135), (67.5, 135)], np.float32)
    boxes = np.concatenate([middles - 20, middles + 20], axis=1)
    assert np.allclose(spm.windowed(boxes, 271), [1, 0, 0, 0, 0.5], atol=1e-6)
