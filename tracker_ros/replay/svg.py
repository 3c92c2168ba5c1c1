"""Draws plots as inline SVG, whose colours the page's style sheet gives: light, dark and print."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from tracker_ros.replay.result import FloatArray

Scale = Callable[[npt.ArrayLike], FloatArray]
"""From values to pixels of the drawing."""


def scale(low: float, high: float, start: float, end: float) -> Scale:
    """The linear scale that takes low to `start` and high to `end`."""
    span = (high - low) or 1.0

    def place(values: npt.ArrayLike) -> FloatArray:
        return start + (np.asarray(values, np.float64) - low) / span * (end - start)

    return place


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most about `most` round values from low to high."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low]
    raw = span / max(most, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def clock(seconds: float, longest: float | None = None) -> str:
    """A time on an axis or in a list: 4.5 s, or 2:05 from two minutes on.

    longest: of several times that are to be written in one way.
    """
    if (seconds if longest is None else longest) < 120:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def thinned(x: FloatArray, y: FloatArray) -> list[FloatArray]:
    """The parts of a curve between its NaNs, each (points, 2), at most about two points a pixel.

    x: pixels, never falling. Of the points in one pixel the lowest and the highest are kept, so
    that no peak is lost.
    """
    if len(x) > 2 * (float(np.ptp(x)) + 1 if len(x) else 1):
        x, y = _extremes(x, y)
    known = np.isfinite(y)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    return [
        np.column_stack([x[a:b], y[a:b]])
        for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]


def _extremes(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    starts = np.flatnonzero(np.diff(np.floor(x), prepend=-np.inf))
    known = np.isfinite(y)
    low = np.minimum.reduceat(np.where(known, y, np.inf), starts)
    high = np.maximum.reduceat(np.where(known, y, -np.inf), starts)
    low, high = (np.where(np.isfinite(side), side, np.nan) for side in (low, high))
    return np.repeat(np.floor(x[starts]), 2), np.column_stack([low, high]).reshape(-1)


def merged(starts: FloatArray, ends: FloatArray, gap: float = 0.75) -> list[tuple[float, float]]:
    """Stretches in pixels, in the order of their starts, those closer than `gap` joined."""
    stretches: list[tuple[float, float]] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if stretches and start - stretches[-1][1] < gap:
            stretches[-1] = (stretches[-1][0], max(end, stretches[-1][1]))
        else:
            stretches.append((start, end))
    return stretches


class Drawing:
    """A drawing that grows to the width of the page; every text in it is escaped."""

    def __init__(self, width: float, height: float, label: str, css: str = "") -> None:
        """label: what it shows, for those who do not see it."""
        self.width, self.height = width, height
        self._label, self._css = label, css
        self._parts: list[Markup] = []

    def line(self, x0: float, y0: float, x1: float, y1: float, css: str) -> None:
        """A straight line."""
        self._add(
            '<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>',
            css, x0, y0, x1, y1,
        )  # fmt: skip

    def text(self, x: float, y: float, words: str, css: str = "", anchor: str = "start") -> None:
        """Words whose baseline begins, ends or has its middle at (x, y)."""
        self._add(
            '<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>',
            css, x, y, anchor, words,
        )  # fmt: skip

    def rect(self, x: float, y: float, w: float, h: float, css: str, words: str = "") -> None:
        """A rectangle, with words that show when one points at it."""
        self._add(
            '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">{}</rect>',
            css, x, y, w, h, Markup("<title>{}</title>").format(words) if words else "",
        )  # fmt: skip

    def circle(self, x: float, y: float, radius: float, css: str) -> None:
        """A circle."""
        self._add('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>', css, x, y, radius)

    def curve(self, x: FloatArray, y: FloatArray, css: str) -> None:
        """A line through points in pixels, broken where y is NaN; thinned to what one can see."""
        steps = []
        for part in thinned(x, y):
            points = " ".join(f"{a:.1f} {b:.1f}" for a, b in part.tolist())
            # A point alone is drawn as a short line: a path of one point draws nothing.
            steps.append(f"M{points}" + ("h0.8" if len(part) == 1 else ""))
        if steps:
            self._add('<path class="{}" d="{}"/>', css, "".join(steps))

    def bars(
        self, stretches: Sequence[tuple[float, float]], y: float, height: float, css: str,
        fill: str = "",
    ) -> None:  # fmt: skip
        """Bars of one height, at least a pixel wide; fill: a colour of their own."""
        steps = []
        for start, end in stretches:
            width = max(end - start, 1.0)
            steps.append(f"M{start:.1f} {y:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z")
        if steps:
            own = Markup(' fill="{}" stroke="{}"').format(fill, fill) if fill else ""
            self._add('<path class="{}"{} d="{}"/>', css, own, "".join(steps))

    def time_axis(
        self, place: Scale, low: float, high: float, top: float, bottom: float, most: int = 10
    ) -> None:
        """Lines of the grid and times below them."""
        unit = 1.0 if high < 120 else 60.0 if high < 7200 else 3600.0
        for value in ticks(low / unit, high / unit, most):
            x = float(place(value * unit))
            self.line(x, top, x, bottom, "grid")
            self.text(x, bottom + 16, clock(value * unit, high), "tick", "middle")

    def markup(self) -> Markup:
        """The drawing."""
        head = Markup(
            '<svg class="chart {}" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">'
        ).format(self._css, self.width, self.height, self._label)
        return head + Markup("").join(self._parts) + Markup("</svg>")

    def _add(self, template: str, *values: object) -> None:
        self._parts.append(Markup(template).format(*values))
