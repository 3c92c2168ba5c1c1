"""The crop of SPM-Tracker: crop-and-resize with the frame's own mean around the image.

Source: specs of SPM-Tracker, section 5. OpenCV's warps round the places they sample at to 1/32 of
a pixel; here they are exact, in about a millisecond.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.geometry import UInt8Image, mean_colour

Float32 = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
CHANNELS = 3
_NO_FRACTIONS = np.empty(0, np.uint16)


def sampled_square(image: UInt8Image, x: float, y: float, side: float, out: int) -> Float32:
    """The square with top-left point (x, y) as (out, out, 3), float32, BGR in 0..255.

    Pixel i shows the image at x + i * side / (out - 1), between its four neighbours. Points
    outside [0, width - 1] have the mean colour of this image.
    """
    height, width = image.shape[:2]
    left, right, share_x, columns = _samples(x, side, out, width)
    above, below, share_y, rows = _samples(y, side, out, height)
    # Where the square has fewer rows than the two that each row of the crop lies between, every
    # one of them is taken once.
    top, bottom = int(above[0]), int(below[-1]) + 1
    if bottom - top < 2 * out:
        taken, above, below = np.arange(top, bottom), above - top, below - top
    else:
        taken, above, below = np.concatenate([above, below]), np.arange(out), np.arange(out) + out
    places = np.empty((len(taken), 2 * out, 2), np.int16)
    places[..., 0] = np.concatenate([left, right])
    places[..., 1] = taken[:, None]
    near = np.asarray(cv2.remap(image, places, _NO_FRACTIONS, cv2.INTER_NEAREST))
    near = near.reshape(len(taken), 2 * out * CHANNELS)
    lines = near[:, : out * CHANNELS].astype(np.float32)
    change = np.subtract(near[:, out * CHANNELS :], lines)
    change *= np.repeat(share_x, CHANNELS)
    lines += change
    crop: Float32 = lines[above]
    change = lines[below]
    change -= crop
    change *= share_y[:, None]
    crop += change
    crop = crop.reshape(out, out, CHANNELS)
    if not (columns.all() and rows.all()):
        mean = np.array(mean_colour(image), np.float32)
        crop[~rows] = mean
        crop[:, ~columns] = mean
    return crop


def searched_part(image: UInt8Image, x: float, y: float, side: float, out: int) -> UInt8Image:
    """What of the image such a square shows, thinned out to at most about (out, out, 3): a view."""
    height, width = image.shape[:2]
    step = max(1, int(side) // out)
    left, top = max(math.floor(x), 0), max(math.floor(y), 0)
    right, bottom = min(math.ceil(x + side), width), min(math.ceil(y + side), height)
    return image[top : max(bottom, top) : step, left : max(right, left) : step]


def _samples(
    start: float, side: float, out: int, size: int
) -> tuple[Indices, Indices, Float32, npt.NDArray[np.bool_]]:
    """Pixels before and after each sample, the share of the latter, and which are inside.

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
    return before, after, share, (points >= 0) & (points <= size - 1)
