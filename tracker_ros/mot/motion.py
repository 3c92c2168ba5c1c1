"""Where a target is, and how it moves: Kalman filters at nearly constant velocity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

MEASURED = np.array([0.10, 0.05, 0.20, 0.10])
"""Standard deviations of a detection: centre in widths and heights, logarithms of both sides.
About those of the detections of MOT15."""
UNKNOWN_SPEED = np.array([1.5, 0.75, 0.3, 0.3])
"""... of the velocity of a target seen once, a second."""
ACCELERATION = np.array([2.0, 0.7, 0.3, 0.3])
"""... of what changes the velocity, a second, over a second."""
COAST = 0.5
"""Seconds that a target which is not seen is expected to go on as it went."""


class Motion:
    """Centre and size of one target. The four figures of a box are filtered on their own.

    Width and height are filtered as logarithms; noise is proportional to the target's size.
    """

    def __init__(self, box: Float64, time: float) -> None:
        """Start at a box (4,): centre x and y, width, height in pixels; time in seconds."""
        self.time = time
        self._value = _logarithmic(box)
        self._speed = np.zeros(4)
        scale = _scale(box)
        self._p00 = (MEASURED * scale) ** 2
        self._p01 = np.zeros(4)
        self._p11 = (UNKNOWN_SPEED * scale) ** 2

    @property
    def box(self) -> Float64:
        """The box (4,) at the last observation, filtered."""
        return _linear(self._value)

    @property
    def velocity(self) -> tuple[float, float]:
        """Of the centre, pixels a second."""
        return float(self._speed[0]), float(self._speed[1])

    def at(self, time: float) -> Float64:
        """The box (4,) expected at a time: at constant velocity for a while, then at rest."""
        gap = min(max(time - self.time, 0.0), COAST)
        moved = self._value.copy()
        moved[:2] += gap * self._speed[:2]
        return _linear(moved)

    def observe(self, box: Float64, time: float) -> None:
        """Take in an observation (4,) of a later time."""
        gap = max(time - self.time, 1e-3)
        scale = _scale(self.box)
        drive = (ACCELERATION * scale) ** 2
        value = self._value + gap * self._speed
        p00 = self._p00 + gap * (2 * self._p01 + gap * self._p11) + drive * gap**3 / 3
        p01 = self._p01 + gap * self._p11 + drive * gap**2 / 2
        p11 = self._p11 + drive * gap
        total = p00 + (MEASURED * scale) ** 2
        position, speed = p00 / total, p01 / total
        surprise = _logarithmic(box) - value
        self._value = value + position * surprise
        self._speed = self._speed + speed * surprise
        self._p00, self._p01 = (1 - position) * p00, (1 - position) * p01
        self._p11 = p11 - speed * p01
        self.time = time


def _logarithmic(box: Float64) -> Float64:
    return np.concatenate((box[:2], np.log(box[2:])))


def _linear(value: Float64) -> Float64:
    return np.concatenate((value[:2], np.exp(value[2:])))


def _scale(box: Float64) -> Float64:
    return np.array([box[2], box[3], 1.0, 1.0])
