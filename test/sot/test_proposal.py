"""A box around a point that was clicked on: what stands out there, or a square; never an error."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.sot.proposal import propose

USUAL = 0.22


def texture(width: int, height: int, grain: int, low: int, high: int) -> UInt8Image:
    """Smooth noise with blobs of about `grain` pixels."""
    shape = (height // grain + 2, width // grain + 2, 3)
    small = np.random.default_rng(5).integers(low, high, shape, np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def picture(box: Box, scale: int = 1) -> UInt8Image:
    """A thing of reds on a background of greens and blues, 640 x 480 times `scale`."""
    image = texture(640, 480, 40, 60, 200)
    image[..., 2] = 40
    x, y, w, h = (round(value) for value in box)
    thing = texture(w, h, 9, 20, 120)
    thing[..., 2] = 200
    image[y : y + h, x : x + w] = thing
    size = (640 * scale, 480 * scale)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize(
    "box",
    [
        Box(300, 200, 60, 60),
        Box(150, 100, 160, 60),
        Box(400, 120, 50, 140),
        Box(240, 160, 180, 170),
    ],
)
def test_what_differs_in_colour_from_its_surroundings_is_boxed(box: Box) -> None:
    proposal = propose(picture(box), box.cx, box.cy, USUAL)
    assert proposal.found
    square = Box.from_center(box.cx, box.cy, USUAL * 480, USUAL * 480)
    assert proposal.box.iou(box) > max(0.5, square.iou(box) - 0.1)


def test_the_size_of_the_image_makes_no_difference() -> None:
    box = Box(150, 100, 160, 60)
    large = Box(*(4 * value for value in box))
    assert propose(picture(box), box.cx, box.cy, USUAL).box.iou(box) > 0.5
    assert propose(picture(box, 4), large.cx, large.cy, USUAL).box.iou(large) > 0.5


def test_the_answer_is_the_same_every_time() -> None:
    image = picture(Box(300, 200, 60, 60))
    assert propose(image, 320, 230, USUAL) == propose(image, 320, 230, USUAL)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_where_nothing_stands_out_the_box_is_a_square_of_the_usual_size(grey: int) -> None:
    blank = np.full((480, 640, 3), grey, np.uint8)
    proposal = propose(blank, 200, 300, USUAL)
    assert not proposal.found
    assert proposal.box.iou(Box.from_center(200, 300, USUAL * 480, USUAL * 480)) > 0.999


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (2, 3), (9, 7), (3, 4000), (33, 40), (480, 640), (2160, 3840)]
)
def test_at_every_point_of_every_size_there_is_a_box_that_can_be_tracked(
    height: int, width: int
) -> None:
    image = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    for x in (0.0, width / 2, np.nextafter(width, 0)):
        for y in (0.0, height / 2, np.nextafter(height, 0)):
            box = propose(image, x, y, USUAL).box
            if min(width, height) >= 2:  # a smaller image holds nothing that can be tracked
                box.require_trackable(max(width, 4), max(height, 4))
            assert box.x - 1e-6 <= x <= box.x + box.w + 1e-6
            assert box.y - 1e-6 <= y <= box.y + box.h + 1e-6
