"""What the held-out tracks decide: tracking values, monitor thresholds and the card's figures.

Everything here runs the exported graphs through the real trackers, so that what is chosen and
measured is what users get.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tracker_ros.evaluation.metrics import success_auc
from tracker_ros.sot.model import LoadedModel, load_model
from tracker_ros.training.pictures import FrameTrack
from tracker_ros.training.recipe import Recipe

GRID: dict[str, dict[str, tuple[float, ...]]] = {
    "siamrpnpp": {
        "hold_score": (0.0, 0.2, 0.4),
        "window_influence": (0.2, 0.3, 0.4, 0.5),
        "penalty_k": (0.04, 0.1, 0.2, 0.3),
        "lr": (0.3, 0.4, 0.5, 0.6),
    },
    "siamfc": {
        "window_influence": (0.1, 0.176, 0.25, 0.35),
        "scale_lr": (0.35, 0.59),
        "scale_penalty": (0.95, 0.9745),
    },
}
"""Values tried one parameter at a time, the others at the best found so far."""


@dataclass(frozen=True)
class Followed:
    """A tracker's results on one held-out track, from its second frame on."""

    iou: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    peak_ratio: npt.NDArray[np.float64]


def follow(model: LoadedModel, track: FrameTrack) -> Followed:
    """Run a tracker over a track from its first visible frame; absent frames are left out."""
    tracker = model.new_tracker()
    visible = track.visible
    first = track.frames[visible[0]].box
    assert first is not None
    tracker.init(track.frames[visible[0]].image, first)
    rows = []
    for frame in track.frames[visible[0] + 1 :]:
        estimate = tracker.track(frame.image)
        if frame.box is not None:
            evidence = estimate.evidence
            rows.append((estimate.box.iou(frame.box), evidence.score, evidence.peak_ratio))
    table = np.array(rows, np.float64).reshape(-1, 3)
    return Followed(table[:, 0], table[:, 1], table[:, 2])


def mean_auc(model: LoadedModel, tracks: list[FrameTrack]) -> float:
    """Success AUC, mean over tracks."""
    return float(np.mean([success_auc(follow(model, track).iou) for track in tracks]))


def _with_tracking(model: LoadedModel, values: dict[str, float]) -> LoadedModel:
    return model.with_tracking({**model.card.tracking, **values})


def choose_tracking(
    card: Path, recipe: Recipe, tracks: list[FrameTrack]
) -> tuple[dict[str, float], float]:
    """The recipe's tracking values, improved one at a time on the held-out tracks, and the AUC."""
    model = load_model(str(card))
    chosen = dict(recipe.tracking)
    best = mean_auc(model, tracks)
    trials = [(key, value) for key, values in GRID[recipe.tracker].items() for value in values]
    for key, value in tqdm(trials, desc="choosing tracking values", unit="trial"):
        if chosen.get(key) == value:
            continue
        auc = mean_auc(_with_tracking(model, {**chosen, key: value}), tracks)
        if auc > best:
            best, chosen = auc, {**chosen, key: value}
    return chosen, round(best, 4)


def _absent(model: LoadedModel, tracks: list[FrameTrack]) -> Iterator[float]:
    """Scores on frames where the target is certainly not: those of another video.

    Nothing where there is no other.
    """
    for track, other in zip(tracks, [*tracks[1:], *tracks[:1]], strict=True):
        if re.sub(r"\d+", "", track.name) == re.sub(r"\d+", "", other.name):
            continue  # person9 and person11: the same people may walk in both
        tracker = model.new_tracker()
        start = track.visible[0]
        box = track.frames[start].box
        assert box is not None
        tracker.init(track.frames[start].image, box)
        for frame in other.frames[::3]:
            height, width = frame.image.shape[:2]
            yield tracker.look_at(frame.image, width / 2, height / 2).evidence.score


def thresholds_from_tracks(
    card: Path, tracking: dict[str, float], tracks: list[FrameTrack]
) -> dict[str, float]:
    """Score thresholds of the monitor, from what following and searching give.

    Two scores are where doubt begins: the one that parts hits (IoU over 0.5) from misses (under
    0.1) of following, with as many hits under it as misses over it, and the one that one hit in
    twenty lies under. Under both for a while a target is LOST (`lost_score`), under either it is
    UNCERTAIN (`uncertain_score`). `recover_score` is the 90th percentile of what a search finds
    in pictures without the target. Without two unlike tracks none of this is known: no thresholds.
    """
    model = _with_tracking(load_model(str(card)), tracking)
    runs = [follow(model, track) for track in tracks]
    hits = np.concatenate([run.score[run.iou > 0.5] for run in runs])
    misses = np.concatenate([run.score[run.iou < 0.1] for run in runs])
    absences = np.array(list(_absent(model, tracks)))
    if not len(hits) or not len(absences):
        return {}
    doubt = [float(np.quantile(hits, 0.05)), float(np.quantile(hits, 0.02))]
    if len(misses) >= 50:  # else there are too few to part anything
        candidates = np.unique(np.concatenate([hits, misses]))
        gap = [abs((hits < c).mean() - (misses >= c).mean()) for c in candidates]
        doubt[1] = float(candidates[int(np.argmin(gap))])
    return {
        "lost_score": round(min(doubt), 3),
        "uncertain_score": round(max(doubt), 3),
        "recover_score": round(float(np.quantile(absences, 0.9)), 3),
    }


def held_out_pairs(card: Path, tracks: list[FrameTrack]) -> dict[str, float]:
    """Single-step accuracy: the target of frame i found in frame i + 20 from its place in i."""
    model = load_model(str(card))
    overlaps = []
    for track in tracks:
        visible = track.visible
        for i in range(0, len(visible) - 20, 10):
            first, second = track.frames[visible[i]], track.frames[visible[i + 20]]
            assert first.box is not None and second.box is not None
            tracker = model.new_tracker()
            tracker.init(first.image, first.box)
            estimate = tracker.look_at(second.image, first.box.cx, first.box.cy)
            overlaps.append(estimate.box.iou(second.box))
    values = np.array(overlaps)
    return {
        "held_out_pairs_hit": round(float((values > 0.3).mean()), 4),
        "held_out_pairs_iou": round(float(values.mean()), 4),
    }
