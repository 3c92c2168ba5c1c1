"""What is kept of a run: a record for every processed frame, and what they add up to."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tracker_ros.evaluation.metrics import success_auc
from tracker_ros.geometry import Box
from tracker_ros.track import TrackState

FOLLOWED_IOU = 0.3
"""Overlap with the truth from which on the target counts as followed."""
NEAR_THE_END = 3
"""The last processed frame is the last frame when no more than this many came after it."""


# fmt: off
_COLUMNS = ("frame", "stamp", "state", "x", "y", "w", "h", "score", "frame_age_ms", "latency_ms",
            "truth_x", "truth_y", "truth_w", "truth_h", "iou", "reason")
# fmt: on


@dataclass(frozen=True)
class FrameRecord:
    """What the node said of one frame."""

    index: int
    """Of the frame in its source, from 0."""
    stamp: int
    """Of the image, nanoseconds."""
    state: TrackState
    box: Box
    score: float
    reason: str
    frame_age: float
    """Seconds from the receipt of the image to the publication of its tracks."""
    latency: float
    """Seconds from the stamp of the image to the publication; nan where the clocks differ."""


@dataclass
class Recording:
    """One run: filled while it goes on, then read."""

    source: str
    tracker: str = ""
    backend: str = ""
    stamps: list[int] = field(default_factory=list)
    """Of the published frames, in order, nanoseconds."""
    records: list[FrameRecord] = field(default_factory=list)
    """Of the frames processed with a target, in order."""
    frames_received: int = 0
    frames_processed: int = 0
    frames_dropped: int = 0
    frames_rejected: int = 0


@dataclass(frozen=True)
class Summary:
    """A run in numbers."""

    source: str
    tracker: str
    backend: str
    frames_published: int
    frames_received: int
    frames_processed: int
    frames_dropped: int
    frames_rejected: int
    states: dict[str, int]
    """How many frames were in which state."""
    last_state: str
    """In the last processed frame; empty when there was none."""
    followed_to_the_end: bool | None
    """None: the truth is not known."""
    frame_age_ms: tuple[float, float] | None
    """Median and 95th percentile."""
    latency_ms: tuple[float, float] | None
    mean_iou: float | None
    """Over the processed frames where the target is visible, the first left out; a LOST target
    overlaps nothing. None: the truth is not known."""
    success_auc: float | None
    """Of the same overlaps: mean share above the thresholds 0, 0.05, ..., 1."""
    false_tracking: int | None
    """Frames called TRACKING though the target was not visible."""


def summarise(recording: Recording, truth: Sequence[Box | None] | None) -> Summary:
    """Add up a run; `truth` is the target's box in every frame of the source, if known."""
    overlaps = np.array(_overlaps(recording, truth)) if truth is not None else np.empty(0)
    states = Counter(record.state.name for record in recording.records)
    return Summary(
        source=recording.source,
        tracker=recording.tracker,
        backend=recording.backend,
        frames_published=len(recording.stamps),
        frames_received=recording.frames_received,
        frames_processed=recording.frames_processed,
        frames_dropped=recording.frames_dropped,
        frames_rejected=recording.frames_rejected,
        states={state.name: states[state.name] for state in TrackState if states[state.name]},
        last_state=recording.records[-1].state.name if recording.records else "",
        followed_to_the_end=_followed_to_the_end(recording, truth),
        frame_age_ms=median_and_p95([record.frame_age for record in recording.records]),
        latency_ms=median_and_p95([record.latency for record in recording.records]),
        mean_iou=round(float(overlaps.mean()), 4) if overlaps.size else None,
        success_auc=(round(success_auc(overlaps), 4) if overlaps.size else None),
        false_tracking=(
            None
            if truth is None
            else sum(
                record.state is TrackState.TRACKING and truth[record.index] is None
                for record in recording.records
            )
        ),
    )


def _overlaps(recording: Recording, truth: Sequence[Box | None]) -> list[float]:
    overlaps = []
    for record in recording.records[1:]:
        box = truth[record.index]
        if box is not None:
            overlaps.append(record.box.iou(box) if record.state.visible else 0.0)
    return overlaps


def _followed_to_the_end(recording: Recording, truth: Sequence[Box | None] | None) -> bool | None:
    """Whether the last frame was processed and the target was then where it is said to be."""
    if truth is None:
        return None
    if not recording.records:
        return False
    last = recording.records[-1]
    if last.index < len(recording.stamps) - 1 - NEAR_THE_END:
        return False
    box = truth[last.index]
    if box is None:
        return not last.state.visible
    return last.state.visible and last.box.iou(box) >= FOLLOWED_IOU


def median_and_p95(seconds: Sequence[float]) -> tuple[float, float] | None:
    """Of the finite ones, in milliseconds; None when there is none."""
    values = np.array(seconds, float)
    values = values[np.isfinite(values)] * 1e3
    if not values.size:
        return None
    return round(float(np.median(values)), 1), round(float(np.percentile(values, 95)), 1)


def write_tracks(path: Path, recording: Recording, truth: Sequence[Box | None] | None) -> None:
    """Write a line per processed frame; the truth columns are empty where it is not known."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(_COLUMNS)
        for record in recording.records:
            box = truth[record.index] if truth is not None else None
            row = [str(record.index), f"{record.stamp // 10**9}.{record.stamp % 10**9:09d}"]
            row += [record.state.name, *(f"{value:.2f}" for value in record.box)]
            row += [f"{record.score:.4f}"]
            row += [f"{seconds * 1e3:.1f}" for seconds in (record.frame_age, record.latency)]
            row += [f"{value:.2f}" for value in box] if box else [""] * 4
            row += [f"{record.box.iou(box):.4f}" if box else "", record.reason]
            table.writerow(row)


def write_summary(path: Path, summary: Summary) -> None:
    """Write the summary as JSON."""
    path.write_text(json.dumps(asdict(summary), indent=2) + "\n")


def describe(summary: Summary) -> str:
    """Say the summary in a few lines for the terminal."""
    states = ", ".join(f"{name} {count}" for name, count in summary.states.items()) or "none"
    lines = [
        f"source    {summary.source}",
        f"tracker   {summary.tracker} on {summary.backend}",
        f"frames    {summary.frames_published} published, {summary.frames_received} received, "
        f"{summary.frames_processed} processed, {summary.frames_dropped} dropped, "
        f"{summary.frames_rejected} rejected",
        f"states    {states}",
    ]
    if summary.frame_age_ms:
        timing = "frame age median {:.0f} ms, p95 {:.0f} ms".format(*summary.frame_age_ms)
        if summary.latency_ms:
            timing += "; from camera to track median {:.0f} ms, p95 {:.0f} ms".format(
                *summary.latency_ms
            )
        lines.append(f"timing    {timing}")
    if summary.mean_iou is not None:
        lines.append(
            f"truth     mean IoU {summary.mean_iou:.3f}, success AUC {summary.success_auc:.3f}, "
            f"called TRACKING while not visible: {summary.false_tracking} frames"
        )
    if summary.followed_to_the_end is not None:
        followed = "yes" if summary.followed_to_the_end else "no"
        lines.append(f"followed  to the last frame: {followed}")
    else:
        lines.append(f"at last   {summary.last_state}; whether that is right, no truth says")
    return "\n".join(lines)
