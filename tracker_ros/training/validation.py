"""What the held-out tracks decide besides tracking values: thresholds and the card's figures.

Everything here runs the exported graphs through the real trackers, so that what is chosen and
measured is what users get.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from tracker_ros.errors import DataError
from tracker_ros.evaluation.metrics import success_auc
from tracker_ros.sot.model import LoadedModel, load_model
from tracker_ros.training.calibration import calibrate, film_of_track, frames_of
from tracker_ros.training.pictures import FrameTrack
from tracker_ros.training.tracking_values import follow


def mean_auc(model: LoadedModel, tracks: list[FrameTrack]) -> float:
    """Success AUC from the first visible frame to the last, mean over tracks."""
    seen = [track.frames[track.visible[0] :] for track in tracks]
    return round(float(np.mean([success_auc(follow(model, frames)) for frames in seen])), 4)


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
