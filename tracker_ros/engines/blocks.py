"""What of an image a crop is made of, as a block of pixels of a fixed size for the device.

Pixels that lie side by side are copied as they are, up to 2S x 2S for a crop of S pixels. Of a
larger square a crop between pixels shows few: there the CPU resizes, and bytes go up all the same.
Where a crop is no picture of bytes, the rows and columns are taken that it shows: two at most for
each of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tracker_ros.engines.crops import Crop, Float64, Indices, UInt8
from tracker_ros.engines.engine import Float32

AWAY = -2.0
"""A place in a block that is further than a pixel from all that it holds."""
_NO_FRACTIONS = np.empty(0, np.uint16)


@dataclass(frozen=True)
class Line:
    """What is taken of an image along one axis."""

    begin: int
    number: int
    """Rows (or columns) that are taken: so many from `begin` on, or those in `cells`."""
    cells: Indices | None
    """Where they do not lie side by side."""
    places: Float64
    """Which of those that are taken each row of the crop shows."""
    border: bool
    """The last of the image is among them, and something beyond it is shown."""

    @classmethod
    def of(cls, places: Float64, size: int) -> Line:
        """Of an axis with `size` pixels, where (S,) `places` are shown: 2S of them at most.

        They are taken side by side, unless that would be more.
        """
        near = (places > -1) & (places < size)
        if not near.any():
            return cls(0, 0, None, np.full(len(places), AWAY), border=False)
        shown = places[near]
        begin, last = max(int(np.floor(shown[0])), 0), min(int(np.ceil(shown[-1])), size - 1)
        number = last - begin + 1
        border = bool(shown[-1] > size - 1)
        if number <= 2 * len(places):
            return cls(begin, number, None, np.where(near, places - begin, AWAY), border)
        lower = np.floor(shown).astype(np.intp)
        both = np.unique(np.concatenate([lower, np.ceil(shown).astype(np.intp)]))
        cells = both[(both >= 0) & (both < size)]
        within = np.full(len(places), AWAY)
        within[near] = np.where(lower < 0, -1, np.searchsorted(cells, lower)) + (shown - lower)
        return cls(begin, len(cells), cells, within, border)

    @property
    def taken(self) -> Indices:
        """All that are taken."""
        every = np.arange(self.begin, self.begin + self.number)
        return every if self.cells is None else self.cells


@dataclass(frozen=True)
class Piece:
    """What is taken of an image for one crop."""

    image: UInt8
    fill: tuple[float, float, float]
    across: Line
    down: Line

    @classmethod
    def of(cls, crop: Crop) -> Piece:
        """Of a crop; it is resized on the CPU where too much would have to be taken."""
        image, places = crop.image, crop.places()
        height, width = image.shape[:2]
        if places is None or max(_reach(places[0], width), _reach(places[1], height)) > 1:
            resized = crop.resized()
            if resized is not None:
                every = Line.of(np.arange(len(resized), dtype=np.float64), len(resized))
                return cls(resized, crop.fill, every, every)
        assert places is not None, "a crop that has no places is a picture of bytes"
        return cls(image, crop.fill, Line.of(places[0], width), Line.of(places[1], height))

    @property
    def side(self) -> int:
        """Of the smallest block that it fits into."""
        return max(self.across.number, self.down.number)

    def write(self, pixels: UInt8, across: Float32, down: Float32, fill: Float32) -> None:
        """Write a row of the graph's inputs: (M, M, 3), (S,), (S,) and (3, 1, 1).

        The rest of the block stays as it is: nothing is read there.
        """
        across[:], down[:] = self.across.places, self.down.places
        fill[:, 0, 0] = self.fill
        x, y, most = self.across, self.down, len(pixels)
        if x.number and y.number:
            self._take(pixels[: y.number, : x.number])
        # What is beside the image counts as the fill, also within the block.
        if x.border and x.number < most:
            pixels[: y.number, x.number] = self.fill
        if y.border and y.number < most:
            pixels[y.number, : min(x.number + 1, most)] = self.fill

    def _take(self, into: UInt8) -> None:
        image, x, y = self.image, self.across, self.down
        if x.cells is None and y.cells is None:
            into[:] = image[y.begin : y.begin + y.number, x.begin : x.begin + x.number]
            return
        which = np.empty((y.number, x.number, 2), np.int16)
        which[..., 0], which[..., 1] = x.taken, y.taken[:, None]
        cv2.remap(image, which, _NO_FRACTIONS, cv2.INTER_NEAREST, into)


def _reach(places: Float64, size: int) -> float:
    """How far it is from the first to the last place in an image, in sides of the largest block."""
    shown = places[(places > -1) & (places < size)]
    return float(shown[-1] - shown[0] + 2) / (2 * len(places)) if len(shown) else 0.0
