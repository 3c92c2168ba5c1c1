"""Who crosses the demo's square, where and when, and how they walk."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tracker_ros.demo.people import Look, Pose

_LEAST_TURN = math.pi / 8
"""Nobody is drawn exactly from the side: three quarters show more of a person."""
_HEADINGS, _PHASES, _SWINGS = 16, 32, 4
"""How many different ones are drawn."""
_SMOOTH = 0.35
"""Seconds over which people turn, start and stop."""

_PALE, _LIGHT, _TAN, _BROWN, _DARK = (
    (160, 186, 232), (140, 170, 216), (112, 146, 196), (70, 102, 152), (52, 70, 100),
)  # fmt: skip
_BLACK_HAIR, _BROWN_HAIR, _BLOND, _GREY, _RED_HAIR = (
    (24, 22, 22), (34, 48, 70), (96, 156, 196), (140, 146, 150), (44, 76, 150),
)  # fmt: skip


@dataclass(frozen=True)
class Walker:
    """Somebody, and where he or she is when."""

    look: Look
    path: tuple[tuple[float, float, float], ...]
    """(second, x, z): from each point to the next in a straight line at a steady pace."""
    looks_away: bool = False
    """From the camera, when walking across the picture."""


# fmt: off
WALKERS = (
    Walker(Look(1.80, 1.29, _LIGHT, _BROWN_HAIR, (56, 58, 186), (96, 58, 40), (40, 40, 44)),
           ((0.6, -4.7, 9.3), (8.8, 5.6, 9.1))),
    Walker(Look(1.68, 1.18, _PALE, _BLOND, (150, 128, 40), (64, 56, 58), (50, 50, 130),
                wear="skirt", long_hair=True, bag=(36, 66, 150), tights=(44, 40, 46)),
           ((0, 3.2, 9.9), (7.4, -5.3, 9.7))),
    Walker(Look(1.76, 1.31, _BROWN, _BLACK_HAIR, (96, 146, 66), (104, 74, 44), (226, 228, 230),
                sleeves="short", wear="shorts", backpack=(44, 122, 222)),
           ((0, 2.6, 7.5), (1.6, 0.6, 7.45), (5.4, -4.4, 7.55), (8.5, -7.0, 8.6), (11.0, -5.9, 9.9),
            (18.8, 5.3, 9.8))),
    Walker(Look(1.78, 1.31, _TAN, _GREY, (70, 52, 42), (48, 48, 50), (28, 28, 30),
                wear="coat", hat=(54, 54, 62)),
           ((1.2, 6.0, 10.6), (8.5, -1.2, 6.9), (11.5, -4.6, 6.7))),
    Walker(Look(1.72, 1.22, _LIGHT, _RED_HAIR, (136, 70, 150), (64, 58, 56), (60, 60, 60),
                long_hair=True),
           ((5.2, -4.8, 7.0), (13.6, 4.2, 6.75))),
    Walker(Look(1.83, 1.31, _DARK, _BLACK_HAIR, (60, 120, 70), (92, 60, 42), (36, 40, 52),
                sleeves="short"),
           ((4.6, -4.9, 7.95), (13.2, 4.9, 7.6))),
    Walker(Look(1.74, 1.24, _BROWN, _BLACK_HAIR, (62, 128, 196), (62, 60, 64), (210, 210, 214)),
           ((6.0, 5.6, 9.6), (8.2, 2.1, 9.0), (10.8, -0.6, 9.0), (11.8, -0.6, 9.0),
            (15.6, 3.4, 8.7), (16.8, 5.2, 8.6))),
    Walker(Look(1.70, 1.24, _LIGHT, _BROWN_HAIR, (86, 60, 44), (58, 58, 62), (40, 40, 44)),
           ((8.4, -5.6, 10.2), (13.4, 0.9, 10.3), (15.8, 0.95, 10.3), (20.0, 5.9, 10.4))),
    Walker(Look(1.76, 1.24, _PALE, _BLOND, (80, 58, 46), (62, 60, 62), (46, 46, 48)),
           ((10.4, 4.6, 8.2), (16.2, -2.9, 7.4), (18.0, -5.2, 7.3))),
    Walker(Look(1.75, 1.18, _DARK, _BLACK_HAIR, (70, 190, 226), (50, 50, 52), (70, 70, 214),
                sleeves="short", wear="shorts"),
           ((12.6, -5.6, 9.1), (17.4, 6.0, 9.0))),
    Walker(Look(1.66, 1.19, _TAN, _BLACK_HAIR, (120, 84, 196), (84, 76, 70), (60, 56, 120),
                long_hair=True),
           ((0, -1.1, 6.9), (3.4, 4.3, 7.05), (4.6, 4.9, 7.2), (5.8, 4.3, 7.4), (11.4, -4.9, 8.9))),
    Walker(Look(1.79, 1.30, _PALE, _BROWN_HAIR, (140, 106, 60), (48, 62, 84), (40, 58, 88),
                backpack=(50, 56, 50)),
           ((13.0, 5.0, 7.4), (20.0, -3.2, 6.6))),
)
# fmt: on


class Route:
    """Where somebody is at any time, smoothly."""

    def __init__(self, walker: Walker) -> None:
        self._height = walker.look.height
        self._looks_away = walker.looks_away
        points = np.array(walker.path, float)
        self._begin, self._end = float(points[0, 0]), float(points[-1, 0])
        # Beyond its ends a path goes on, so that nobody slows down at them.
        first, last = points[1] - points[0], points[-1] - points[-2]
        points = np.vstack([points[0] - first / first[0], points, points[-1] + last / last[0]])
        self._times, self._places = points[:, 0], points[:, 1:]
        lengths = np.hypot(*np.diff(self._places, axis=0).T)
        self._walked = np.concatenate([[0.0], np.cumsum(lengths)])

    def at(self, second: float) -> tuple[float, float, Pose] | None:
        """x, z and pose; None before and after."""
        if not self._begin <= second <= self._end:
            return None
        around = second + np.linspace(-_SMOOTH, _SMOOTH, 15)
        x, z = (np.interp(around, self._times, self._places[:, axis]) for axis in (0, 1))
        walked = np.interp(around, self._times, self._walked)
        speed = (walked[-1] - walked[0]) / (2 * _SMOOTH)
        heading = self._heading(second)
        if abs(math.sin(heading)) < math.sin(_LEAST_TURN):
            away = 1 if self._looks_away else -1
            heading = away * _LEAST_TURN if math.cos(heading) > 0 else math.pi - away * _LEAST_TURN
        turn = round(heading / (2 * math.pi) * _HEADINGS) % _HEADINGS
        step = round(float(walked.mean()) / (0.82 * self._height) * _PHASES) % _PHASES
        swing = min(round(min(speed / 1.2, 1.5) * _SWINGS), 5)
        pose = Pose(2 * math.pi * turn / _HEADINGS, step / _PHASES, swing / _SWINGS)
        return float(x.mean()), float(z.mean()), pose

    def _heading(self, second: float) -> float:
        """Where somebody walks, or looks: standing, as the next step will go."""
        for ahead in (0.0, 0.5, 1.0, 2.0, 4.0):
            around = second + ahead + np.array([-_SMOOTH, _SMOOTH])
            x, z = (np.interp(around, self._times, self._places[:, axis]) for axis in (0, 1))
            if math.hypot(x[1] - x[0], z[1] - z[0]) > 0.1:
                break
        return math.atan2(z[1] - z[0], x[1] - x[0])
