"""Overlap of polygons: areas done by hand, and a raster as a second opinion."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tracker_ros.evaluation.metrics import overlaps
from tracker_ros.evaluation.polygons import polygon_overlaps, rectangles, signed_areas
from tracker_ros.evaluation.vot_files import stacked

SQUARE = [[0, 0], [4, 0], [4, 4], [0, 4]]
DIAMOND = [[2, -1], [5, 2], [2, 5], [-1, 2]]
"""Around the same middle, area 18; of each corner of the square a triangle of 1/2 is outside."""
L_SHAPE = [[0, 0], [4, 0], [4, 2], [2, 2], [2, 4], [0, 4]]
"""The square without its quarter at (4, 4): concave, area 12."""


def polygons(*shapes: list[list[float]]) -> np.ndarray:
    return stacked([np.array(shape, np.float64) for shape in shapes])


def overlap(first: list[list[float]], second: list[list[float]], *size: float) -> float:
    limits = (size[0], size[1]) if size else None
    return float(polygon_overlaps(polygons(first), polygons(second), limits)[0])


def test_a_square_and_a_diamond_share_an_octagon() -> None:
    # 16 - 4/2 = 14 of 16 + 18 - 14 = 20.
    assert overlap(SQUARE, DIAMOND) == pytest.approx(14 / 20)
    assert overlap(DIAMOND, SQUARE) == pytest.approx(14 / 20)


@pytest.mark.parametrize("shape", [SQUARE, DIAMOND, L_SHAPE])
def test_a_polygon_overlaps_itself_whole_whichever_way_it_runs(shape: list[list[float]]) -> None:
    assert overlap(shape, shape) == pytest.approx(1)
    assert overlap(shape, shape[::-1]) == pytest.approx(1)
    assert overlap(shape, shape[2:] + shape[:2]) == pytest.approx(1)


def test_a_notch_is_not_part_of_a_concave_polygon() -> None:
    assert overlap(L_SHAPE, SQUARE) == pytest.approx(12 / 16)
    assert overlap(L_SHAPE, [[2.5, 2.5], [4, 2.5], [4, 4], [2.5, 4]]) == pytest.approx(0)
    other = [[4, 4], [0, 4], [0, 2], [2, 2], [2, 0], [4, 0]]
    assert overlap(L_SHAPE, other) == pytest.approx(8 / 16)


def test_polygons_that_touch_or_lie_apart_overlap_nothing() -> None:
    assert overlap(SQUARE, [[4, 0], [8, 0], [8, 4], [4, 4]]) == 0
    assert overlap(SQUARE, [[9, 9], [12, 9], [12, 12], [9, 12]]) == 0


def test_both_are_clipped_to_the_image() -> None:
    # On an image of 3 x 4 the square keeps 12 of 16. The diamond loses what is above, below and
    # left, triangles of 1, and what lies right of x = 3, a triangle of 4.
    assert overlap(SQUARE, DIAMOND, 3, 4) == pytest.approx((12 - 2 * 0.5) / 12)
    assert overlap(SQUARE, SQUARE, 3, 4) == pytest.approx(1)
    assert overlap(SQUARE, [[-4, 0], [0, 0], [0, 4], [-4, 4]], 3, 4) == 0
    far = [[9, 9], [12, 9], [12, 12], [9, 12]]
    assert overlap(far, far, 3, 4) == 0


def test_unknown_and_flat_polygons_overlap_nothing() -> None:
    unknown = [[float("nan")] * 2] * 4
    line = [[0, 0], [4, 4], [4, 4], [0, 0]]
    first, second = polygons(SQUARE, unknown, line), polygons(unknown, SQUARE, SQUARE)
    assert polygon_overlaps(first, second).tolist() == [0, 0, 0]


def test_boxes_as_polygons_overlap_as_boxes_do() -> None:
    rng = np.random.default_rng(5)
    boxes, truth = rng.uniform(1, 60, (2, 300, 4))
    as_polygons = polygon_overlaps(rectangles(boxes), rectangles(truth))
    np.testing.assert_allclose(as_polygons, overlaps(boxes, truth), atol=1e-12)


def test_random_quadrangles_overlap_as_much_as_they_share_pixels() -> None:
    rng = np.random.default_rng(7)
    corners = rng.uniform(40, 360, (2, 60, 4, 2))
    middle = corners.mean(axis=2, keepdims=True)
    turn = np.arctan2(*np.moveaxis(corners - middle, -1, 0))
    order = np.argsort(turn, axis=2)[..., None]  # sorted around the middle: simple, often concave
    first, second = np.take_along_axis(corners, order, axis=2)
    exact = polygon_overlaps(first, second, (300, 320))
    for index, value in enumerate(exact):
        masks = []
        for shape in (first[index], second[index]):
            mask = np.zeros((320, 300), np.uint8)
            fine = np.round((shape - 0.5) * 256).astype(np.int32)
            cv2.fillPoly(mask, [fine], 1, shift=8)
            masks.append(mask.astype(bool))
        union = (masks[0] | masks[1]).sum()
        pixels = (masks[0] & masks[1]).sum() / union if union else 0
        assert value == pytest.approx(pixels, abs=0.03)
    assert np.count_nonzero(exact > 0.1) > 20


def test_the_area_tells_which_way_a_polygon_runs() -> None:
    shapes = polygons(SQUARE, SQUARE[::-1], L_SHAPE)
    assert signed_areas(shapes + 1e6).tolist() == pytest.approx([16, -16, 12])
