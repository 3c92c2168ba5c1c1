"""The plots of a report: curves of accuracy, and how long frames took."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from tracker_ros.evaluation.metrics import (
    NORMALIZED_PRECISION,
    NORMALIZED_THRESHOLDS,
    PRECISION_PIXELS,
    SUCCESS_THRESHOLDS,
    success_curve,
)
from tracker_ros.replay.result import STAGES, FloatArray, Timeline
from tracker_ros.replay.score import SotFrames
from tracker_ros.replay.svg import Drawing, scale, ticks

_WIDTH, _HEIGHT = 360.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 12.0, 14.0, 46.0
_BINS = 48
FEW = 3
"""Frames below which a distribution is not drawn."""


def accuracy_curves(frames: SotFrames) -> list[tuple[str, Markup]]:
    """Title and drawing of success, precision and normalised precision; none without a frame."""
    if not frames.counted.any():
        return []
    overlap = frames.overlap[frames.counted]
    success = success_curve(overlap)
    return [
        (
            "Success",
            _curve(
                SUCCESS_THRESHOLDS, success, "overlap threshold", 0.5,
                f"AUC {success.mean():.3f}", f"{np.interp(0.5, SUCCESS_THRESHOLDS, success):.3f}",
            ),
        ),
        _within(
            "Precision", frames.error, frames, np.arange(51.0), "centre error, px", PRECISION_PIXELS
        ),
        _within(
            "Normalised precision", frames.norm_error, frames, NORMALIZED_THRESHOLDS,
            "centre error, sides of the target", NORMALIZED_PRECISION,
        ),
    ]  # fmt: skip


def latency_histogram(timeline: Timeline) -> Markup | None:
    """How long it took from message to publication; None for a handful of frames."""
    ages = timeline.ages * 1e3
    if len(ages) < FEW:
        return None
    median, p95, p995 = (float(np.percentile(ages, share)) for share in (50, 95, 99.5))
    high = max(p995, p95 * 1.1, median * 1.5, 1e-3)
    counts, edges = np.histogram(np.minimum(ages, high), _BINS, (0, high))
    over = int((ages > high).sum())
    drawing = Drawing(
        760, 250,
        f"Histogram of latency: median {median:.1f} ms, 95th percentile {p95:.1f} ms, "
        f"longest {ages.max():.1f} ms",
        "middle",
    )  # fmt: skip
    x = scale(0, high, _LEFT, drawing.width - _RIGHT)
    base = drawing.height - _BOTTOM
    y = scale(0, float(counts.max()), base, _TOP + 18)
    for value in ticks(0, high, 10):
        drawing.line(float(x(value)), base, float(x(value)), base + 4, "axis")
        drawing.text(float(x(value)), base + 18, f"{value:g}", "tick", "middle")
    for value in ticks(0, float(counts.max()), 4):
        drawing.line(_LEFT, float(y(value)), drawing.width - _RIGHT, float(y(value)), "grid")
        drawing.text(_LEFT - 6, float(y(value)) + 4, f"{value:g}", "tick", "end")
    for count, start, end in zip(counts.tolist(), edges[:-1], edges[1:], strict=True):
        if count:
            left, right, top = float(x(start)), float(x(end)), float(y(count))
            words = f"{start:.2f} to {end:.2f} ms: {count} frames"
            drawing.rect(left + 0.5, top, right - left - 1, base - top, "bar", words)
    drawing.line(_LEFT, base, drawing.width - _RIGHT, base, "axis")
    near = float(x(p95) - x(median)) < 130
    for value, name, css, anchor in (
        (median, "median", "mark", "end" if near else "start"),
        (p95, "p95", "mark dashed", "start"),
    ):
        at = float(x(value))
        if anchor == "start" and at > drawing.width - 110:
            anchor = "end"
        drawing.line(at, _TOP + 4, at, base, css)
        beside = at + (5 if anchor == "start" else -5)
        drawing.text(beside, _TOP + 12, f"{name} {value:.1f} ms", "note", anchor)
    more = f" ({over} longer frames are in the last bar)" if over else ""
    drawing.text(
        (_LEFT + drawing.width) / 2, drawing.height - 6,
        f"milliseconds from message to publication; frames{more}", "label", "middle",
    )  # fmt: skip
    return drawing.markup()


def stage_rows(timeline: Timeline) -> list[dict[str, float | str]]:
    """Median, p95, longest and share of the time of every stage, milliseconds."""
    seconds = timeline.seconds * 1e3
    if not len(seconds):
        return []
    total = float(seconds.sum()) or 1.0
    columns = [(name, seconds[:, index]) for index, name in enumerate(STAGES)]
    rows = [_stage(name, values, float(values.sum()) / total) for name, values in columns]
    return [*rows, _stage("message to publication", timeline.ages * 1e3, float("nan"))]


def _stage(name: str, values: FloatArray, share: float) -> dict[str, float | str]:
    return {
        "name": name,
        "median": float(np.median(values)),
        "p95": float(np.percentile(values, 95)),
        "longest": float(values.max()),
        "share": share,
    }


def _within(
    title: str, error: FloatArray, frames: SotFrames, limits: FloatArray, axis: str, at: float
) -> tuple[str, Markup]:
    """The share of frames whose error is at most each of the limits."""
    shares = (error[frames.counted][:, None] <= limits).mean(axis=0)
    value = float(np.interp(at, limits, shares))
    return title, _curve(limits, shares, axis, at, f"{value:.3f} at {at:g}", "")


def _curve(
    limits: FloatArray, shares: FloatArray, axis: str, at: float, note: str, beside: str
) -> Markup:
    drawing = Drawing(_WIDTH, _HEIGHT, f"Share of frames by {axis}: {note}", "small")
    x = scale(float(limits[0]), float(limits[-1]), _LEFT, _WIDTH - _RIGHT)
    y = scale(0, 1, _HEIGHT - _BOTTOM, _TOP)
    for value in (0, 0.25, 0.5, 0.75, 1):
        drawing.line(_LEFT, float(y(value)), _WIDTH - _RIGHT, float(y(value)), "grid")
        drawing.text(_LEFT - 6, float(y(value)) + 4, f"{value:g}", "tick", "end")
    for value in ticks(float(limits[0]), float(limits[-1]), 5):
        drawing.text(float(x(value)), _HEIGHT - _BOTTOM + 17, f"{value:g}", "tick", "middle")
    area = np.concatenate([x(limits), x(limits[[-1, 0]])]), np.concatenate([y(shares), y([0, 0])])
    drawing.curve(*area, "area")
    drawing.curve(x(limits), y(shares), "main")
    here = float(y(np.interp(at, limits, shares)))
    drawing.line(float(x(at)), here, float(x(at)), _HEIGHT - _BOTTOM, "mark dashed")
    drawing.circle(float(x(at)), here, 3.5, "dot")
    if beside:
        drawing.text(float(x(at)) + 7, here - 6, beside, "note")
    low = shares[len(shares) // 2 :].mean() < 0.5  # the words go where the curve is not
    corner = _TOP + 18 if low else _HEIGHT - _BOTTOM - 12
    drawing.text(_WIDTH - _RIGHT - 6, corner, note, "note strong", "end")
    drawing.text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, axis, "label", "middle")
    return drawing.markup()
