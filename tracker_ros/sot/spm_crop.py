"""The crop of SPM-Tracker: crop-and-resize with the frame's own mean around the image.

Source: specs of SPM-Tracker, section 5. OpenCV's warps round the places they sample at to 1/32 of
a pixel; here they are exact, in about a millisecond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.engines.crops import Float64, Indices
from tracker_ros.geometry import UInt8Image

Float32 = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
CHANNELS = 3
BAND = 32
"""Rows of the crop that are made at a time: what they take stays in the cache."""
_NO_FRACTIONS = np.empty(0, np.uint16)


class _Samples(NamedTuple):
    """Along one axis, for each row of the crop."""

    before: Indices
    after: Indices
    """Pixels before and after it."""
    share: Float32
    """Of the latter."""
    inside: Flags
    """Whether the image is there."""


class SquareSampler:
    """Makes crops of one size; the buffers for it are kept."""

    def __init__(self, out: int) -> None:
        self.out = out
        """Side of the crops."""
        self._places = np.empty((2 * BAND, 2 * out, 2), np.int16)
        self._near = np.empty((2 * BAND, 2 * out, CHANNELS), np.uint8)
        self._lines = np.empty((2 * BAND, out * CHANNELS), np.float32)
        self._change = np.empty((2 * BAND, out * CHANNELS), np.float32)
        self._upper = np.empty((BAND, out * CHANNELS), np.float32)
        self._lower = np.empty((BAND, out * CHANNELS), np.float32)

    def sample(self, image: UInt8Image, x: float, y: float, side: float, into: Float32) -> None:
        """Fill `into` (3, out, out), BGR in 0..255, with the square whose top-left point is (x, y).

        Pixel i shows the image at x + i * side / (out - 1), between its four neighbours. Points
        outside [0, width - 1] have the mean colour of this image.
        """
        height, width = image.shape[:2]
        left, right, share_x, columns = _samples(x, side, self.out, width)
        above, below, share_y, rows = _samples(y, side, self.out, height)
        self._places[..., 0] = np.concatenate([left, right])
        share_x = np.repeat(share_x, CHANNELS)
        for first in range(0, self.out, BAND):
            band = slice(first, min(first + BAND, self.out))
            crop = self._band(image, above[band], below[band], share_x, share_y[band, None])
            into[:, band] = crop.reshape(-1, self.out, CHANNELS).transpose(2, 0, 1)
        if not (columns.all() and rows.all()):
            mean = _mean(image)[:, None, None]
            into[:, ~rows] = mean
            into[:, :, ~columns] = mean

    def _band(
        self, image: UInt8Image, above: Indices, below: Indices, share_x: Float32, share_y: Float32
    ) -> Float32:
        """Rows of the crop, each between the rows `above` and `below` of the image."""
        number, half = len(above), self.out * CHANNELS
        # Where they lie close together, rows of the image that several share are taken once.
        top, bottom = int(above[0]), int(below[-1]) + 1
        if bottom - top <= 2 * number:
            taken, above, below = np.arange(top, bottom), above - top, below - top
        else:
            taken, above = np.concatenate([above, below]), np.arange(number)
            below = above + number
        places, near = self._places[: len(taken)], self._near[: len(taken)]
        places[..., 1] = taken[:, None]
        cv2.remap(image, places, _NO_FRACTIONS, cv2.INTER_NEAREST, near)
        flat = near.reshape(len(taken), 2 * half)
        lines, change = self._lines[: len(taken)], self._change[: len(taken)]
        lines[:] = flat[:, :half]
        np.subtract(flat[:, half:], lines, out=change)
        change *= share_x
        lines += change
        upper, lower = self._upper[:number], self._lower[:number]
        np.take(lines, above, axis=0, out=upper, mode="clip")
        np.take(lines, below, axis=0, out=lower, mode="clip")
        lower -= upper
        lower *= share_y
        upper += lower
        return upper


@dataclass(frozen=True, eq=False)
class SampledSquare:
    """A square of an image (height, width, 3) that a sampler makes a crop of."""

    image: UInt8Image
    x: float
    y: float
    side: float
    """Its top-left point and its size."""
    sampler: SquareSampler

    @cached_property
    def fill(self) -> tuple[float, float, float]:
        """The mean colour of this image, where some of it is shown: B, G, R."""
        if all(line.inside.all() for line in self._lines):
            return (0.0, 0.0, 0.0)
        b, g, r = _mean(self.image).tolist()
        return b, g, r

    def cut(self, into: Float32) -> None:
        """Fill `into` (3, out, out), BGR in 0..255."""
        self.sampler.sample(self.image, self.x, self.y, self.side, into)

    def places(self) -> tuple[Float64, Float64]:
        """Column and row of the image for each of the crop; those outside far outside: (out,)."""
        across, down = (
            np.where(line.inside, line.before + line.share.astype(np.float64), -math.inf)
            for line in self._lines
        )
        return across, down

    def resized(self) -> None:
        """It is none of bytes."""

    @cached_property
    def _lines(self) -> tuple[_Samples, _Samples]:
        height, width = self.image.shape[:2]
        return (
            _samples(self.x, self.side, self.sampler.out, width),
            _samples(self.y, self.side, self.sampler.out, height),
        )


def searched_part(image: UInt8Image, x: float, y: float, side: float, out: int) -> UInt8Image:
    """What of the image such a square shows, thinned out to at most about (out, out, 3): a view."""
    height, width = image.shape[:2]
    step = max(1, int(side) // out)
    left, top = max(math.floor(x), 0), max(math.floor(y), 0)
    right, bottom = min(math.ceil(x + side), width), min(math.ceil(y + side), height)
    return image[top : max(bottom, top) : step, left : max(right, left) : step]


def _mean(image: UInt8Image) -> Float32:
    """Mean of each channel, B, G, R: by columns first, a quarter of the time of cv2.mean."""
    height, width = image.shape[:2]
    flat = image.reshape(height, width * CHANNELS)
    sums = np.asarray(cv2.reduce(flat, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S))
    mean = sums.reshape(width, CHANNELS).sum(axis=0) / (width * height)
    return np.asarray(mean, np.float32)


def _samples(start: float, side: float, out: int, size: int) -> _Samples:
    """What each sample is made of.

    The places are rounded as the authors' code rounds them, in single precision by way of shares
    of the image: a target whose middle is held at the border has a line of samples exactly on it,
    and whether that line shows the image or the mean is a matter of the last digit.
    """
    span = np.float32(max(size - 1, 1))
    first, last = np.float32(start) / span, np.float32(start + side) / span
    step = (last - first) * span / np.float32(out - 1)
    points = first * span + np.arange(out, dtype=np.float32) * step
    floors = np.floor(points)
    share = (points - floors).astype(np.float32)
    before = np.clip(floors, 0, size - 1).astype(np.intp)
    after = np.clip(np.ceil(points), 0, size - 1).astype(np.intp)
    return _Samples(before, after, share, (points >= 0) & (points <= size - 1))
