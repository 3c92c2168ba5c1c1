"""What a replay looked like over time: states of targets, lives of identities, events, overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from tracker_ros.drawing import identity_colour
from tracker_ros.replay.annotations import BoolArray
from tracker_ros.replay.result import FloatArray, ReplayResult, Timeline
from tracker_ros.replay.score import Score
from tracker_ros.replay.svg import Drawing, Scale, merged, scale, ticks
from tracker_ros.track import TrackState

MOST_TARGETS = 8
MOST_IDENTITIES = 40
MOST_NUMBERS = 40
"""More events than this get no numbers in the drawing."""
_WIDTH, _LEFT, _RIGHT = 1000.0, 118.0, 14.0
_LANE, _ROW, _PLOT = 13.0, 15.0, 130.0
_LANES = (
    TrackState.TRACKING, TrackState.REACQUIRED, TrackState.TENTATIVE, TrackState.UNCERTAIN,
    TrackState.LOST,
)  # fmt: skip
"""From the top down: the surer, the higher."""


@dataclass(frozen=True, eq=False)
class _Times:
    """Where frames lie on the axis of time."""

    place: Scale
    seconds: FloatArray
    """When each was recorded, since the first, never falling."""
    start: FloatArray
    """Pixels, of each frame."""
    end: FloatArray
    """Pixels: where the next begins, or one usual distance on where that is far."""

    @classmethod
    def of(cls, timeline: Timeline) -> _Times:
        seconds = frame_seconds(timeline)
        steps = np.diff(seconds)
        usual = float(np.median(steps)) if len(steps) else 1.0
        ends = seconds + np.append(np.minimum(steps, 3 * usual), usual)
        place = scale(0.0, max(float(ends[-1]), 1e-3), _LEFT, _WIDTH - _RIGHT)
        return cls(place, seconds, place(seconds), place(ends))

    def stretches(self, frames: BoolArray, gap: float = 0.75) -> list[tuple[float, float]]:
        """The stretches of time that some of the frames, (frames,), take."""
        return merged(self.start[frames], self.end[frames], gap)


def frame_seconds(timeline: Timeline) -> FloatArray:
    """When each frame was recorded, seconds since the first; never falling."""
    received = timeline.received
    if not len(received):
        return np.empty(0)
    return np.asarray(np.maximum.accumulate((received - received[0]) / 1e9), np.float64)


def timeline_chart(result: ReplayResult, score: Score) -> Markup | None:
    """States or identities over time, with events; None where no frame was answered."""
    if not len(result.timeline):
        return None
    times = _Times.of(result.timeline)
    return _sot(result, score, times) if result.kind == "sot" else _mot(result, score, times)


def _sot(result: ReplayResult, score: Score, times: _Times) -> Markup:
    timeline = result.timeline
    ids = timeline.ids[:MOST_TARGETS]
    group = len(_LANES) * _LANE + 22
    lanes = 40 + len(ids) * group
    height = lanes + 34 + _PLOT + 26
    truth = score.sot is not None
    drawing = Drawing(
        _WIDTH, height,
        f"States of {len(timeline.ids)} targets over {times.seconds[-1]:.0f} seconds, and "
        + ("the overlap with the truth" if truth else "the tracker's score"),
        "wide",
    )  # fmt: skip
    bottom = height - 26
    drawing.time_axis(times.place, 0, float(times.seconds[-1]), 26, bottom)
    if score.sot is not None:
        absent = times.stretches(score.sot.absent)
        drawing.bars(absent, lanes + 34, _PLOT, "absent")
    top = 34.0
    frames, targets, states = timeline.frames, timeline.targets, timeline.states
    for index, id in enumerate(ids):
        label = timeline.labels[index]
        drawing.text(4, top + 9, _cut(f"{id} {label}".strip(), 40), "label strong")
        for lane, state in enumerate(_LANES):
            y = top + 14 + lane * _LANE
            drawing.text(_LEFT - 8, y + 9.5, state.name, "lane", "end")
            drawing.line(_LEFT, y + _LANE, _WIDTH - _RIGHT, y + _LANE, "grid")
            here = np.zeros(len(timeline), np.bool_)
            here[frames[(targets == index) & (states == state)]] = True
            drawing.bars(times.stretches(here), y + 1.5, _LANE - 3, f"state {state.name.lower()}")
        top += group
    _draw_unanswered(drawing, result, times, lanes + 8)
    _draw_quality(drawing, result, score, times, lanes + 34)
    _draw_events(drawing, result, times, bottom)
    return drawing.markup()


def _draw_quality(
    drawing: Drawing, result: ReplayResult, score: Score, times: _Times, top: float
) -> None:
    """The overlap with the truth, and the score of the same target, or of the first."""
    timeline = result.timeline
    y = scale(0, 1, top + _PLOT, top)
    for value in (0, 0.5, 1):
        drawing.line(_LEFT, float(y(value)), _WIDTH - _RIGHT, float(y(value)), "grid")
        drawing.text(_LEFT - 8, float(y(value)) + 4, f"{value:g}", "tick", "end")
    target = score.sot.target if score.sot is not None else (timeline.ids or [""])[0]
    values = np.full(len(timeline), np.nan)
    if target in timeline.ids:
        of_target = timeline.targets == timeline.ids.index(target)
        values[timeline.frames[of_target]] = np.clip(timeline.scores[of_target], 0, 1)
    drawing.curve(times.start, y(values), "second")
    drawing.line(4, top + 32, 24, top + 32, "second")
    drawing.text(29, top + 36, "score", "lane")
    if len(timeline.ids) > 1:
        drawing.text(4, top + 74, _cut(f"of {target}", 16), "lane")
    if score.sot is not None:
        drawing.curve(times.start, y(score.sot.overlap), "main")
        drawing.line(4, top + 14, 24, top + 14, "main")
        drawing.text(29, top + 18, "overlap", "lane")
        if score.sot.absent.any():
            drawing.rect(4, top + 45, 20, 11, "absent")
            drawing.text(29, top + 54, "not visible", "lane")


def _mot(result: ReplayResult, score: Score, times: _Times) -> Markup:
    timeline = result.timeline
    chosen, more = longest_lived(timeline)
    rows = 30 + len(chosen) * _ROW + (16 if more else 0)
    height = rows + 34 + _PLOT + 26
    drawing = Drawing(
        _WIDTH, height,
        f"{len(timeline.ids)} identities over {times.seconds[-1]:.0f} seconds, and boxes a frame",
        "wide",
    )  # fmt: skip
    bottom = height - 26
    drawing.time_axis(times.place, 0, float(times.seconds[-1]), 26, bottom)
    order = np.argsort(timeline.targets, kind="stable")
    edges = np.searchsorted(timeline.targets[order], np.arange(len(timeline.ids) + 1))
    frames, states, published = timeline.frames, timeline.states, timeline.published
    for row, index in enumerate(chosen):
        tracks = order[edges[index] : edges[index + 1]]
        y = 30 + row * _ROW
        id = timeline.ids[index]
        name = _cut(f"{id} {timeline.labels[index]}".strip(), 17)
        drawing.text(_LEFT - 8, y + 11, name, "lane", "end")
        blue, green, red = identity_colour(id)
        colour = f"#{red:02x}{green:02x}{blue:02x}"
        unsure = states[tracks] == TrackState.UNCERTAIN
        for some, inset, css in (
            (published[tracks] & ~unsure, 2.0, "life"),
            (published[tracks] & unsure, 2.0, "life unsure"),
            (~published[tracks], 6.0, "life hidden"),
        ):
            here = np.zeros(len(timeline), np.bool_)
            here[frames[tracks[some]]] = True
            drawing.bars(times.stretches(here, 1.5), y + inset, _ROW - 2 * inset, css, colour)
    if more:
        drawing.text(4, rows - 2, f"and {more} more identities, none longer than these", "label")
    _draw_unanswered(drawing, result, times, rows + 8)
    _draw_counts(drawing, result, score, times, rows + 34)
    _draw_events(drawing, result, times, bottom)
    return drawing.markup()


def _draw_counts(
    drawing: Drawing, result: ReplayResult, score: Score, times: _Times, top: float
) -> None:
    """Boxes that were published in every frame, those of the truth, and switches of identity."""
    timeline, mot = result.timeline, score.mot
    boxes = np.bincount(timeline.frames[timeline.published], minlength=len(timeline)).astype(float)
    high = max(float(boxes.max()), float(mot.true.max()) if mot else 0.0, 1.0)
    y = scale(0, high, top + _PLOT, top)
    for value in ticks(0, high, 4):
        drawing.line(_LEFT, float(y(value)), _WIDTH - _RIGHT, float(y(value)), "grid")
        drawing.text(_LEFT - 8, float(y(value)) + 4, f"{value:g}", "tick", "end")
    drawing.curve(times.start, y(boxes), "main")
    drawing.line(4, top + 14, 24, top + 14, "main")
    drawing.text(29, top + 18, "boxes", "lane")
    if mot is None:
        return
    drawing.curve(times.start, y(np.where(mot.annotated, mot.true, np.nan)), "second")
    drawing.line(4, top + 32, 24, top + 32, "second")
    drawing.text(29, top + 36, "truth", "lane")
    switches = times.stretches(mot.switches > 0)
    drawing.bars(switches, top + _PLOT - 9, 9, "state lost")
    drawing.bars([(4.0, 24.0)], top + 45, 9, "state lost")
    drawing.text(29, top + 54, "switch", "lane")


def longest_lived(timeline: Timeline) -> tuple[list[int], int]:
    """The identities to draw, in the order in which they came, and how many are left out."""
    lives = np.bincount(timeline.targets, minlength=len(timeline.ids))
    chosen = np.sort(np.argsort(-lives, kind="stable")[:MOST_IDENTITIES])
    return chosen.tolist(), max(len(timeline.ids) - MOST_IDENTITIES, 0)


def unanswered(result: ReplayResult) -> FloatArray:
    """Numbers of the images that got no tracks: rejected, refused or dropped."""
    came = np.arange(result.first, result.first + result.received)
    return np.setdiff1d(came, result.timeline.inputs).astype(np.float64)


def _draw_unanswered(drawing: Drawing, result: ReplayResult, times: _Times, y: float) -> None:
    missing = unanswered(result)
    if not len(missing):
        return
    inputs = result.timeline.inputs
    known = inputs >= 0
    if not known.any():
        return
    # Their times are not known: they lie between those of the images that were answered.
    order = np.argsort(inputs[known], kind="stable")
    at = times.place(np.interp(missing, inputs[known][order], times.seconds[known][order]))
    drawing.text(_LEFT - 8, y + 9.5, "NO ANSWER", "lane", "end")
    drawing.bars(merged(at, at + 1.0), y, 10, "unanswered")


def event_seconds(result: ReplayResult) -> list[float]:
    """When each event was, seconds since the first frame."""
    seconds = frame_seconds(result.timeline)
    if not len(seconds):
        return [0.0] * len(result.events)
    return [
        float(seconds[min(max(event.frame - 1, 0), len(seconds) - 1)]) for event in result.events
    ]


def _draw_events(drawing: Drawing, result: ReplayResult, times: _Times, bottom: float) -> None:
    moments: Sequence[float] = times.place(event_seconds(result)).tolist()
    last = -100.0
    for number, x in enumerate(moments, 1):
        if x - last >= 1 or number == 1:
            drawing.line(x, 22, x, bottom, "event")
        if len(moments) <= MOST_NUMBERS and x - last >= 14:
            drawing.text(x, 17, str(number), "event-number", "middle")
            last = x
    if moments:
        drawing.text(4, 17, "EVENTS", "lane")


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
