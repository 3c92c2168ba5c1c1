"""Where ATOM's classifier sees the target, and how sure that is. Source: specs of ATOM, 4."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from tracker_ros.sot.atom_memory import Float32
from tracker_ros.sot.atom_parameters import STRIDE, AtomParameters

NEIGHBOURHOOD = 2.2
"""Sides of the box around a peak, in the target's, in which there is no second peak."""


class Flag(Enum):
    """What the peaks of the scores say."""

    NORMAL = "normal"
    HARD_NEGATIVE = "hard negative"
    """The target, and something else that looks like it: learn to tell them apart at once."""
    UNCERTAIN = "uncertain"
    """Two peaks, and no telling which is the target: follow, but learn nothing."""
    NOT_FOUND = "not found"


@dataclass(frozen=True)
class Found:
    """The peak taken for the target."""

    flag: Flag
    dx: float
    dy: float
    """From the middle of the crop, in its pixels."""
    score: float
    """Of the peak taken."""
    peak_ratio: float
    """The second peak over the first, in [0, 1]."""


def upsampling(cells: int) -> Float32:
    """U (16 cells, cells): U S U^T is the Fourier series of scores S, at every pixel of the crop.

    The middle of a crop is pixel 8 cells. The highest frequency counts twice, as in the authors'
    code: at a cell a lone score comes out (cells + 1) / cells times itself.
    """
    places = np.arange(cells * STRIDE)[:, None] / STRIDE - np.arange(cells)
    frequencies = np.arange(1, cells // 2 + 1)
    waves = np.cos(2 * np.pi / cells * places[..., None] * frequencies)
    matrix: Float32 = ((1 + 2 * waves.sum(-1)) / cells).astype(np.float32)
    return matrix


class Localiser:
    """From the classifier's scores to a place."""

    def __init__(self, parameters: AtomParameters) -> None:
        self._p = parameters
        self._matrix = upsampling(parameters.cells)
        phase = 2 * np.pi * np.arange(parameters.sample) / parameters.sample
        hann = 0.5 * (1 - np.cos(phase))
        self._window = np.outer(hann, hann).astype(np.float32) if parameters.window else None

    def locate(self, scores: Float32, w: float, h: float) -> Found:
        """The target, of size (w, h) in pixels of the crop, in scores (cells, cells)."""
        # In parts, each too small for OpenBLAS to wake its threads (see atom_memory).
        rows = (self._matrix @ scores).reshape(-1, STRIDE, self._p.cells)
        fine = np.matmul(rows, self._matrix.T).reshape(self._p.sample, -1)
        if self._window is not None:
            fine *= self._window
        first, dx, dy = self._peak(fine)
        middle = self._p.sample // 2
        beside = _near(dx + middle, w * NEIGHBOURHOOD / 2, self._p.sample)
        around = _near(dy + middle, h * NEIGHBOURHOOD / 2, self._p.sample)
        fine[around, beside] = 0
        second, dx2, dy2 = self._peak(fine)
        ratio = min(max(second / first, 0.0), 1.0) if first > 0 else 1.0
        flag, other = self._judge(first, math.hypot(dx, dy), second, math.hypot(dx2, dy2))
        if other:
            return Found(flag, dx2, dy2, second, ratio)
        return Found(flag, dx, dy, first, ratio)

    def _judge(
        self, first: float, distance: float, second: float, distance2: float
    ) -> tuple[Flag, bool]:
        """The flag, and whether the second peak is the target."""
        p = self._p
        if not first >= p.not_found:  # also where scores are no numbers
            return Flag.NOT_FOUND, False
        if second > p.distractor * first:
            reach = p.displacement * p.sample / 2
            if distance2 > reach and distance < reach:
                return Flag.HARD_NEGATIVE, False
            if distance2 < reach and distance > reach:
                return Flag.HARD_NEGATIVE, True
            return Flag.UNCERTAIN, False
        if second > p.hard_negative * first and second > p.hard_negative_score:
            return Flag.HARD_NEGATIVE, False
        return Flag.NORMAL, False

    def _peak(self, fine: npt.NDArray[np.float32]) -> tuple[float, float, float]:
        """The highest value, and its place from the middle of the crop."""
        row, column = divmod(int(fine.argmax()), self._p.sample)
        middle = self._p.sample // 2
        return float(fine[row, column]), float(column - middle), float(row - middle)


def _near(place: float, reach: float, size: int) -> slice:
    return slice(max(0, round(place - reach)), min(size, round(place + reach) + 1))
