"""The moments of a replay that are worth a look: where it went wrong, with pictures."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tracker_ros.drawing import STATE_COLOURS, draw_box, draw_identities, draw_label
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.replay.result import FloatArray, ReplayResult
from tracker_ros.replay.score import CLAIMED, Score, SotFrames
from tracker_ros.track import Evidence, Track, TrackState

ImageOf = Callable[[int], UInt8Image | None]
"""The image of a number, (height, width, 3) BGR; None where it cannot be had."""

MOST = 6
BAD = 0.5
"""How bad frames are that follow each other, to make one moment."""
_WIDTH = 560
"""Of a picture, pixels."""
_SHOWN = 0.4
"""A picture shows at least this share of the image's width and height, around what matters."""
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class Moment:
    """A frame worth a look, and what is wrong with it."""

    frame: int
    words: str
    frames: int = 1
    """How long it lasted."""


def worst_moments(result: ReplayResult, score: Score, most: int = MOST) -> list[Moment]:
    """At most so many moments, in the order of time, well apart from each other.

    With a truth, the frames that agree with it least; without one, those with the lowest score or
    the weakest states. Frames that are bad one after the other are one moment.
    """
    if not len(result.timeline):
        return []
    badness = _badness(result, score)
    moments = [
        Moment(frame, _words(result, score, frame), frames)
        for frame, frames in _apart(badness, most, max(len(badness) // (4 * most), 5))
    ]
    return sorted(moments, key=lambda moment: moment.frame)


def pictures(
    result: ReplayResult, score: Score, moments: Sequence[Moment], image_of: ImageOf
) -> list[str]:
    """A JPEG as data URI for each moment, empty where there is no image; in their order."""
    uris = []
    for moment in moments:
        number = int(result.timeline.inputs[moment.frame])
        image = image_of(number) if number >= 0 else None
        uris.append("" if image is None else _picture(result, score, moment.frame, image))
    return uris


def _badness(result: ReplayResult, score: Score) -> FloatArray:
    """How bad every frame is: 0 is fine, from `BAD` on it is a moment."""
    timeline = result.timeline
    if score.sot is not None:
        sot = score.sot
        wrong = np.where(sot.counted, 1 - np.nan_to_num(sot.overlap), 0.0)
        wrong[sot.absent & np.isin(sot.states, CLAIMED)] = 1.2
        return wrong
    if score.mot is not None:
        # Errors are everywhere in a crowd: the tenth of the frames with the most makes moments.
        errors = score.mot.errors
        return errors * (BAD / max(float(np.percentile(errors, 90)), 1.0))
    weak = np.zeros(len(timeline))
    if result.kind == "sot":
        # Less than what makes a moment: a low score alone is no failure, but ranks the rest.
        np.maximum.at(weak, timeline.frames, (BAD - 0.01) * (1 - np.clip(timeline.scores, 0, 1)))
        for state, much in ((TrackState.UNCERTAIN, 0.6), (TrackState.LOST, 1.0)):
            np.maximum.at(weak, timeline.frames[timeline.states == state], much)
    else:
        unsure = timeline.frames[timeline.states == TrackState.UNCERTAIN]
        np.add.at(weak, unsure, 0.1)
        np.add.at(weak, timeline.frames[timeline.states == TrackState.LOST], 0.2)
    return weak


def _apart(badness: FloatArray, most: int, distance: int) -> list[tuple[int, int]]:
    """Frame and length of the worst stretches; no two frames closer than `distance`."""
    bad = badness >= BAD
    edges = np.flatnonzero(np.diff(np.concatenate([[False], bad, [False]]).astype(np.int8)))
    stretches = [
        (int(a + badness[a:b].argmax()), int(b - a))
        for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]
    stretches.sort(key=lambda stretch: (-badness[stretch[0]], -stretch[1], stretch[0]))
    chosen: list[tuple[int, int]] = []
    for frame, frames in stretches:
        if len(chosen) < most and all(abs(frame - other) >= distance for other, _ in chosen):
            chosen.append((frame, frames))
    rest = np.where(bad, 0.0, badness)
    while len(chosen) < most:
        for frame, _ in chosen:
            rest[max(frame - distance + 1, 0) : frame + distance] = 0
        frame = int(rest.argmax())
        if rest[frame] <= 0:
            break
        chosen.append((frame, 1))
    return chosen


def _words(result: ReplayResult, score: Score, frame: int) -> str:
    if score.sot is not None:
        return _sot_words(score.sot, frame)
    if score.mot is not None:
        mot = score.mot
        parts = [(mot.misses, "missed"), (mot.false, "false"), (mot.switches, "switched identity")]
        held = [f"{values[frame]} {name}" for values, name in parts if values[frame]]
        return f"of {mot.true[frame]} true boxes: " + (", ".join(held) or "all found")
    timeline = result.timeline
    if result.kind == "mot":
        here = timeline.states[timeline.frames == frame].tolist()
        states = [TrackState(state).name for state in here]
        counts = [f"{states.count(s.name)} {s.name}" for s in TrackState if s.name in states]
        return ", ".join(counts) or "no track"
    names = [
        f"{track.id}: {track.state.name}, score {track.evidence.score:.2f}"
        for track in _tracks(result, frame)[:3]
    ]
    return "; ".join(names) or "no track"


def _sot_words(sot: SotFrames, frame: int) -> str:
    state = sot.states[frame]
    name = TrackState(int(state)).name if state >= 0 else "no track"
    if sot.absent[frame]:
        return f"the target is not visible, published as {name}"
    if state == TrackState.LOST:
        return "called LOST, but the target is visible"
    if state < 0:
        return "the target had ended, but it is visible"
    return f"overlap {sot.overlap[frame]:.2f}, {name}"


def _picture(result: ReplayResult, score: Score, frame: int, image: UInt8Image) -> str:
    tracks = _tracks(result, frame)
    if score.sot is not None:
        tracks = [track for track in tracks if track.id == score.sot.target]
        truth = [Box(*row) for row in score.sot.truth[frame : frame + 1].tolist()]
        truth = [box for box in truth if all(np.isfinite(tuple(box)))]
    else:
        missed = score.mot.missed(frame) if score.mot is not None else np.empty((0, 4))
        truth = [Box(*row) for row in missed.tolist()]
    of_many = result.kind == "mot"
    window = _window(image, [] if of_many else [*truth, *(track.box for track in tracks)])
    x0, y0, w, h = (round(value) for value in window)
    factor = _WIDTH / w
    view = cv2.resize(
        image[y0 : y0 + h, x0 : x0 + w], (_WIDTH, max(round(h * factor), 1)),
        interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR,
    ).astype(np.uint8, copy=False)  # fmt: skip

    def placed(box: Box) -> Box:
        return Box((box.x - x0) * factor, (box.y - y0) * factor, box.w * factor, box.h * factor)

    for box in truth:  # white with a black edge: it stands out on anything
        draw_box(view, placed(box), _BLACK, 4)
        draw_box(view, placed(box), _WHITE, 2)
    shown = [
        Track(track.id, placed(track.box), track.state, track.evidence, label=track.label)
        for track in tracks
    ]
    if of_many:
        draw_identities(view, shown)
    else:
        for track in shown:
            dashed = not track.state.visible
            colour = STATE_COLOURS[track.state]
            draw_box(view, track.box, colour, 2, dashed=dashed)
            if len(shown) > 1:
                corner = (max(track.box.x, 0.0), max(track.box.y - 20, 0.0))
                draw_label(view, corner, track.id, colour, 0.75)
    done, jpeg = cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode() if done else ""


def _tracks(result: ReplayResult, frame: int) -> list[Track]:
    """The tracks of a frame: all of single targets, the published ones of many."""
    timeline = result.timeline
    here = timeline.frames == frame
    if result.kind == "mot":
        here &= timeline.published
    columns = (timeline.targets, timeline.boxes, timeline.states, timeline.scores)
    return [
        Track(
            id=timeline.ids[target],
            box=Box(*box),
            state=TrackState(state),
            evidence=Evidence(score, 0.0, 1.0),
            label=timeline.labels[target],
        )
        for target, box, state, score in zip(*(c[here].tolist() for c in columns), strict=True)
    ]


def _window(image: UInt8Image, boxes: Sequence[Box]) -> tuple[float, float, float, float]:
    """The part of an image, x, y, w, h of its aspect ratio, around boxes; all of it without any."""
    height, width = image.shape[:2]
    inside = [box.clipped(width, height) for box in boxes]
    if not inside:
        return 0, 0, width, height
    left, top = min(box.x for box in inside), min(box.y for box in inside)
    right, bottom = (max(box.x + box.w for box in inside), max(box.y + box.h for box in inside))
    share = min(max(1.8 * (right - left) / width, 1.8 * (bottom - top) / height, _SHOWN), 1.0)
    w, h = max(share * width, 1.0), max(share * height, 1.0)
    x = min(max((left + right - w) / 2, 0.0), width - w)
    y = min(max((top + bottom - h) / 2, 0.0), height - h)
    return x, y, w, h
