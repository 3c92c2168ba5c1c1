"""What the held-out tracks decide: tracking values, monitor thresholds and the card's figures.

Everything here runs the exported graphs through the real trackers, so that what is chosen and
measured is what users get.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tracker_ros.errors import DataError
from tracker_ros.evaluation.metrics import success_auc
from tracker_ros.sot.model import LoadedModel, load_model
from tracker_ros.training.calibration import calibrate, film_of_track, frames_of
from tracker_ros.training.pictures import FrameTrack


def follow(model: LoadedModel, track: FrameTrack) -> npt.NDArray[np.float64]:
    """Overlaps of a tracker's boxes with a track's, from its second visible frame on."""
    tracker = model.new_tracker()
    visible = track.visible
    first = track.frames[visible[0]].box
    assert first is not None
    tracker.init(track.frames[visible[0]].image, first)
    overlaps = []
    for frame in track.frames[visible[0] + 1 :]:
        estimate = tracker.track(frame.image)
        if frame.box is not None:
            overlaps.append(estimate.box.iou(frame.box))
    return np.array(overlaps, np.float64)


def mean_auc(model: LoadedModel, tracks: list[FrameTrack]) -> float:
    """Success AUC, mean over tracks."""
    return float(np.mean([success_auc(follow(model, track)) for track in tracks]))


def choose_tracking(
    card: Path,
    start: Mapping[str, Any],
    grid: Mapping[str, Sequence[Any]],
    tracks: list[FrameTrack],
) -> tuple[dict[str, Any], float]:
    """Tracking values, improved one at a time on the held-out tracks, and the mean AUC.

    start: the values to begin with; grid: those to try of each, in its order.
    """
    model = load_model(str(card))
    chosen = dict(start)
    best = mean_auc(model, tracks)
    trials = [(key, value) for key, values in grid.items() for value in values]
    for key, value in tqdm(trials, desc="choosing tracking values", unit="trial"):
        if chosen.get(key) == value:
            continue
        auc = mean_auc(model.with_tracking({**chosen, key: value}), tracks)
        if auc > best:
            best, chosen = auc, {**chosen, key: value}
    return chosen, round(best, 4)


def thresholds_from_tracks(card: Path, tracks: list[FrameTrack]) -> dict[str, float]:
    """The card's `monitor`, as `tracker_ros calibrate` chooses it. One track alone: none of it."""
    model = load_model(str(card))
    films = [film_of_track(track) for track in tracks]
    try:
        with tqdm(total=frames_of(films), desc="choosing thresholds", unit="frame") as bar:
            return calibrate(model, films, tick=bar.update).monitor
    except DataError as error:
        print(f"the card gets no thresholds of its own: {error}")
        return {}


def held_out_pairs(card: Path, tracks: list[FrameTrack]) -> dict[str, float]:
    """Single-step accuracy: the target of frame i found in frame i + 20 from its place in i.

    Nothing of tracks that are all shorter.
    """
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
    if not overlaps:
        return {}
    values = np.array(overlaps)
    return {
        "held_out_pairs_hit": round(float((values > 0.3).mean()), 4),
        "held_out_pairs_iou": round(float(values.mean()), 4),
    }
