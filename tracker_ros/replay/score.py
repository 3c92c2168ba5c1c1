"""How well a replay agrees with the truth: figures, and what they are made of frame by frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tracker_ros.errors import DataError
from tracker_ros.evaluation.metrics import (
    average_overlap,
    center_errors,
    has_target,
    normalized_errors,
    normalized_precision,
    overlaps,
    precision,
    success_auc,
    success_rate,
)
from tracker_ros.replay.annotations import BoolArray, CrowdTruth, TargetTruth
from tracker_ros.replay.figures import names_for
from tracker_ros.replay.mot_frames import MotFrames, match_frames
from tracker_ros.replay.result import FloatArray, IntArray, ReplayResult
from tracker_ros.track import TrackState

CLAIMED = (int(TrackState.TRACKING), int(TrackState.REACQUIRED))
"""States that say for sure that the target is in the box."""
NO_TRACK = -1


@dataclass(frozen=True, eq=False)
class SotFrames:
    """One target, frame by frame; all arrays have an entry for every frame of the timeline."""

    target: str
    states: IntArray
    """TrackState; `NO_TRACK` before it was set and after it ended."""
    boxes: FloatArray
    """As published, (frames, 4); nan where it was not."""
    truth: FloatArray
    """(frames, 4); nan where the target is not visible or the frame not annotated."""
    counted: BoolArray
    """Annotated, visible and after the frame that the target was set on."""
    absent: BoolArray
    """Annotated, not visible and after that frame."""
    overlap: FloatArray
    """In [0, 1], 0 where nothing was published; nan where the frame is not counted."""
    error: FloatArray
    """Distance of the centres, pixels; inf where nothing was published; nan as above."""
    norm_error: FloatArray
    """The same in sides of the true box."""


@dataclass(frozen=True, eq=False)
class Score:
    """What a replay is worth."""

    kind: str
    """sot or mot."""
    figures: Mapping[str, float]
    """By the names of `FIGURES` and in their order."""
    truth: str = ""
    """Where the truth came from, in words; empty without one."""
    notes: Sequence[str] = ()
    """What a reader of the figures has to know, in sentences."""
    sot: SotFrames | None = None
    mot: MotFrames | None = None


def score_replay(
    result: ReplayResult, truth: TargetTruth | CrowdTruth | None, target: str = ""
) -> Score:
    """Score a replay of either kind; without a truth, by what needs none.

    target: sot's, by its id; empty: the result's own, or the only one. Raises DataError when the
    truth is not that of these images, or nothing of it can be scored.
    """
    if truth is None:
        return score_plain(result)
    if isinstance(truth, CrowdTruth):
        return score_mot(result, truth)
    return score_sot(result, truth, target or result.target or only_target(result))


def score_plain(result: ReplayResult) -> Score:
    """The figures that need no truth."""
    return Score(result.kind, _in_order(result.kind, _plain_figures(result), truth=False))


def only_target(result: ReplayResult) -> str:
    """The id of the target that was followed. Raises DataError where there was not just one."""
    ids = list(dict.fromkeys([*result.starts, *result.timeline.ids]))
    if len(ids) != 1:
        held = f"{len(ids)} targets ({', '.join(ids)})" if ids else "no target"
        raise DataError(
            f"{result.bag}: {held} followed, but the truth is that of one; set one target, or name "
            "the one that the truth is of"
        )
    return ids[0]


def score_sot(result: ReplayResult, truth: TargetTruth, target: str) -> Score:
    """Score one target.

    Counted are the annotated frames after the one that the target was set on. Frames where it is
    not visible are in no figure but `tracking_when_absent`. Where it was LOST or had ended nothing
    was published, and the overlap is 0. Images that got no answer are not counted: `answered` is
    the share of those that did. Raises DataError.
    """
    truth.require_match(result)
    frames = _sot_frames(result, truth, target)
    if not (frames.counted | frames.absent).any():
        raise DataError(
            f"{truth.source}: none of the {len(result.timeline)} frames can be scored: no frame "
            f"after the one that '{target}' was set on is annotated"
        )
    figures = {**_plain_figures(result), **_sot_figures(frames, result)}
    return Score(
        "sot", _in_order("sot", figures, truth=True), truth.source, truth.notes_on(result),
        sot=frames,
    )  # fmt: skip


def score_mot(result: ReplayResult, truth: CrowdTruth) -> Score:
    """Score all identities that were published.

    Counted are the annotated frames that were answered; tracks on distractors are left out, as in
    MOT16 and later. Raises DataError; ModuleNotFoundError where trackeval is not installed.
    """
    from tracker_ros.evaluation.mot_metrics import evaluate_tracks, without_distractors

    truth.require_match(result)
    timeline = result.timeline
    rows, frames, annotated = truth.on(timeline)
    true = np.column_stack([frames, truth.ids[rows], truth.boxes[rows]]).astype(np.float64)
    out = timeline.published & annotated[timeline.frames]
    tracks = np.column_stack([timeline.frames, timeline.targets, timeline.boxes])[out]
    tracks = without_distractors(true, truth.distractor[rows], tracks)
    true = true[truth.counts[rows]]
    if not len(true):
        raise DataError(
            f"{truth.source}: none of the {len(timeline)} frames holds a box of the truth that "
            "counts; there is nothing to find"
        )
    try:
        found = evaluate_tracks(true, tracks)
    except ValueError as error:
        raise DataError(f"{truth.source} cannot be scored: {error}") from None
    figures = {
        **_plain_figures(result),
        **{name: getattr(found, name) for name in ("hota", "idf1", "mota", "motp", "deta", "assa")},
        **{name: float(getattr(found, name)) for name in ("idsw", "frag", "fp", "fn")},
        "mt": float(found.mostly_tracked),
        "ml": float(found.mostly_lost),
        "scored": float(annotated.sum()),
    }
    return Score(
        "mot",
        _in_order("mot", figures, truth=True),
        truth.source,
        truth.notes_on(result),
        mot=match_frames(len(timeline), annotated, true, tracks),
    )


def _sot_frames(result: ReplayResult, truth: TargetTruth, target: str) -> SotFrames:
    timeline = result.timeline
    if target not in timeline.ids:
        raise DataError(
            f"{result.bag}: no frame was answered with a target '{target}'; there were "
            f"{', '.join(timeline.ids) or 'none'}"
        )
    of_target = timeline.targets == timeline.ids.index(target)
    at, out = timeline.frames[of_target], timeline.published[of_target]
    states = np.full(len(timeline), NO_TRACK)
    states[at] = timeline.states[of_target]
    boxes = np.full((len(timeline), 4), np.nan)
    boxes[at[out]] = timeline.boxes[of_target][out]

    boxes_true, annotated = truth.on(timeline)
    annotated &= _after_start(result, target, int(at[0]))
    visible = has_target(boxes_true)
    counted = annotated & visible
    return SotFrames(
        target=target,
        states=states,
        boxes=boxes,
        truth=boxes_true,
        counted=counted,
        absent=np.asarray(annotated & ~visible, np.bool_),
        overlap=np.where(counted, overlaps(boxes, boxes_true), np.nan),
        error=np.where(counted, center_errors(boxes, boxes_true), np.nan),
        norm_error=np.where(counted, normalized_errors(boxes, boxes_true), np.nan),
    )


def _after_start(result: ReplayResult, target: str, first: int) -> BoolArray:
    """The frames whose image came after the one that a target was set on.

    Those from its first track on where nobody knows which image that was.
    """
    timeline = result.timeline
    if target in result.starts:
        return np.asarray(timeline.inputs > result.starts[target].number, np.bool_)
    return np.arange(len(timeline)) >= first


def _sot_figures(frames: SotFrames, result: ReplayResult) -> dict[str, float]:
    counted, states = frames.counted, frames.states
    gone = (states == TrackState.LOST) | (states == NO_TRACK)
    again = np.flatnonzero((states[:-1] == TrackState.LOST) & ~gone[1:]) + 1
    right = counted[again] & (np.nan_to_num(frames.overlap[again]) > 0)
    judged = counted[again] | frames.absent[again]
    figures = {
        "lost_when_visible": _share(gone, counted),
        "tracking_when_absent": _share(np.isin(states, CLAIMED), frames.absent),
        "reacquired": float(right.sum()),
        "false_reacquired": float((judged & ~right).sum()),
        "first_lost_s": _first_lost(np.asarray(gone & counted, np.bool_), frames, result),
        "scored": float(counted.sum()),
    }
    if not counted.any():
        return figures
    overlap = frames.overlap[counted]
    return {
        **figures,
        "auc": success_auc(overlap),
        "precision": precision(frames.error[counted]),
        "norm_precision": normalized_precision(frames.norm_error[counted]),
        "ao": average_overlap(overlap),
        "sr50": success_rate(overlap, 0.5),
        "sr75": success_rate(overlap, 0.75),
    }


def _first_lost(lost: BoolArray, frames: SotFrames, result: ReplayResult) -> float:
    if not lost.any():
        return math.inf
    received = result.timeline.received
    first = int(np.flatnonzero(frames.counted | frames.absent)[0])
    return float(received[lost.argmax()] - received[max(first - 1, 0)]) / 1e9


def _plain_figures(result: ReplayResult) -> dict[str, float]:
    timeline = result.timeline
    ages = timeline.ages * 1e3
    images = int((timeline.inputs >= 0).sum())
    return {
        "damaged": float(bool(result.damage)),
        "losses": float(_losses(result)),
        "identities": float(len(np.unique(timeline.targets[timeline.published]))),
        "frames": float(len(timeline)),
        "answered": images / result.received if result.received else math.nan,
        "latency_median_ms": float(np.median(ages)) if len(ages) else math.nan,
        "latency_p95_ms": float(np.percentile(ages, 95)) if len(ages) else math.nan,
        "speed_up": result.duration / result.wall if result.wall > 0 else math.nan,
    }


def _losses(result: ReplayResult) -> int:
    """How often a target went LOST, or ended by itself before it did."""
    timeline = result.timeline
    order = np.lexsort((timeline.frames, timeline.targets))
    lost = timeline.states[order] == TrackState.LOST
    same = np.diff(timeline.targets[order], prepend=-1) == 0
    ended = sum(not _was_lost(result, *end) for end in result.ended) if result.kind == "sot" else 0
    return int((lost & ~(np.roll(lost, 1) & same)).sum()) + ended


def _was_lost(result: ReplayResult, frame: int, id: str) -> bool:
    """Whether the last track of a target before a frame was LOST."""
    timeline = result.timeline
    if id not in timeline.ids:
        return False
    own = (timeline.targets == timeline.ids.index(id)) & (timeline.frames < frame)
    states = timeline.states[own]
    return bool(len(states)) and bool(states[-1] == TrackState.LOST)


def _share(wrong: BoolArray, of: BoolArray) -> float:
    return float(wrong[of].mean()) if of.any() else math.nan


def _in_order(kind: str, figures: Mapping[str, float], *, truth: bool) -> dict[str, float]:
    return {name: figures.get(name, math.nan) for name in names_for(kind, truth=truth)}
