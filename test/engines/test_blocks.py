"""What of an image is put into a block, and that nothing else in the block is read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tracker_ros.engines.blocks import AWAY, Line, Piece
from tracker_ros.engines.crops import Float64, UInt8
from tracker_ros.engines.engine import Float32

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
SIDE = 10


@dataclass
class Looking:
    """A crop that shows these columns and rows."""

    across: Float64
    down: Float64
    image: UInt8
    bytes: UInt8 | None = None
    fill: tuple[float, float, float] = (9.0, 8.0, 7.0)

    def places(self) -> tuple[Float64, Float64]:
        return self.across, self.down

    def resized(self) -> UInt8 | None:
        return self.bytes

    def cut(self, into: Float32) -> None:
        raise AssertionError("not on the CPU")


def shown(crop: Looking, block: int = 2 * SIDE, *, garbage: int = 0) -> Float32:
    """What is found at the places of a block, with zeros beside it instead of the fill."""
    pixels = np.full((block, block, 3), garbage, np.uint8)
    across, down = np.empty((2, SIDE), np.float32)
    fill = np.empty((3, 1, 1), np.float32)
    Piece.of(crop).write(pixels, across, down, fill)
    offsets = pixels.astype(np.float32) - fill[:, 0, 0]
    rows, columns = (hats(places, block) for places in (down, across))
    found: Float32 = np.einsum("yi,ijc,xj->yxc", rows, offsets, columns) + fill[:, 0, 0]
    return found


def hats(places: Float32, number: int) -> Float32:
    """The share of each pixel (number) in each place: (S, number)."""
    shares: Float32 = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(number)))
    return shares


def plain(crop: Looking) -> Float32:
    """The same from the whole image, with the fill around it."""
    offsets = crop.image - np.array(crop.fill, np.float32)
    down, across = hats(crop.down, len(offsets)), hats(crop.across, offsets.shape[1])
    found: Float32 = np.einsum("yi,ijc,xj->yxc", down, offsets, across) + np.array(crop.fill)
    return found


def line(start: float, step: float) -> Float64:
    return start + step * np.arange(SIDE)


@pytest.mark.parametrize("garbage", [0, 255])
@pytest.mark.parametrize(
    ("across", "down"),
    [
        (line(20, 1), line(10, 1)),
        (line(20.3, 0.31), line(10.9, 0.2)),
        (line(-3.4, 1.7), line(2.2, 1.7)),
        (line(70.6, 1.3), line(50.8, 1.3)),
        (line(-40.2, 17.1), line(-60.7, 17.1)),
        (line(3.5, 7.5), line(4.1, 5.5)),
        (line(-0.5, 1), line(59.4, 0.05)),
        (line(79.5, 0.2), line(-0.9, 0.05)),
        (line(100, 3), line(4, 3)),
        (line(-np.inf, 0) * 1.0, line(4, 3)),
    ],
)
def test_a_block_holds_all_that_a_crop_shows(across: Float64, down: Float64, garbage: int) -> None:
    crop = Looking(across, down, IMAGE)
    assert np.abs(shown(crop, garbage=garbage) - plain(crop)).max() < 1e-3


def test_of_a_large_square_the_bytes_go_up_that_the_cpu_has_resized() -> None:
    resized = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    large = Looking(line(3.5, 7.5), line(4.1, 1.5), IMAGE, resized)
    assert Piece.of(large).side == SIDE
    assert np.abs(shown(large, SIDE, garbage=255) - resized).max() < 1e-3
    small = Looking(line(3.5, 1.9), line(4.1, 1.5), IMAGE, resized)
    assert np.abs(shown(small) - plain(small)).max() < 1e-3


def test_a_small_piece_is_taken_side_by_side_and_fits_a_small_block() -> None:
    crop = Looking(line(20.3, 0.9), line(10.2, 0.8), IMAGE)
    piece = Piece.of(crop)
    assert piece.across.cells is None and piece.side == SIDE
    assert np.abs(shown(crop, SIDE) - plain(crop)).max() < 1e-3


def test_never_more_than_two_rows_are_taken_for_one_of_the_crop() -> None:
    for step in (0.1, 1.0, 1.99, 2.3, 5.0, 7.7):
        assert Line.of(line(0.4, step), 4000).number <= 2 * SIDE


def test_beside_the_image_nothing_is_taken() -> None:
    for places in (line(-20, 1), line(80, 1), line(-1, 0)):
        found = Line.of(places, 80)
        assert found.number == 0 and np.array_equal(found.places, np.full(SIDE, AWAY))


def test_a_full_block_at_the_border_has_no_room_for_the_fill_and_needs_none() -> None:
    crop = Looking(line(75.5, 0.5), line(50.6, 0.99), IMAGE)
    assert Piece.of(crop).side == SIDE
    assert np.abs(shown(crop, SIDE, garbage=255) - plain(crop)).max() < 1e-3
