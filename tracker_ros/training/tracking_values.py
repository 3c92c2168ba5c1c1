"""Which tracking values a model gets: those with which it follows held-out tracks best.

Everything here runs the exported graphs through the real trackers, so that what is chosen is what
users get.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tracker_ros.evaluation.metrics import success_auc
from tracker_ros.sot.model import LoadedModel
from tracker_ros.training.pictures import Frame, FrameTrack

GRIDS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "siamrpnpp": {
        "online_weight": (0.0, 0.4, 0.8),
        "hold_score": (0.0, 0.2, 0.4),
        "window_influence": (0.2, 0.3, 0.4, 0.5),
        "penalty_k": (0.04, 0.1, 0.2, 0.3),
        "lr": (0.3, 0.4, 0.5, 0.6),
    },
    "siamfc": {
        "online_weight": (0.0, 0.4, 0.8),
        "window_influence": (0.1, 0.176, 0.25, 0.35),
        "scale_lr": (0.35, 0.59),
        "scale_penalty": (0.95, 0.9745),
    },
    "spm": {
        "online_weight": (0.0, 0.4, 0.8),
        "windows_influence": (0.2, 0.3, 0.4, 0.5),
        "fm_score_influence": (0.3, 0.5, 0.7),
        "fm_bbox_influence": (1.0, 3.0, 6.0),
        "lr": (0.4, 0.5, 0.7),
    },
    "atom": {
        "size_rate": (0.05, 0.1, 0.2, 0.4, 1.0),
        "not_found": (0.15, 0.25),
        "learning_rate": (0.005, 0.01, 0.02),
        "update_interval": (5, 10),
        "window": (False, True),
    },
}
"""By tracker: the values that are tried of each parameter, in this order."""
LONGEST = 120
"""Most frames that a tracker runs through at a time: one that is lost tells nothing more."""
LEAST_GAIN = 0.002
"""Another value is taken for at least so much more of the measure: few tracks fit by chance."""


@dataclass(frozen=True)
class Passage:
    """Frames that a tracker runs through, from one in which the target is there."""

    footage: str
    frames: tuple[Frame, ...]


def passages(tracks: Sequence[FrameTrack]) -> list[Passage]:
    """Each track from its first visible frame on, and backwards from its last: two different tests.

    As VOT's multi-start protocol starts trackers at both sides; tracks with one visible frame have
    nothing to follow.
    """
    found = []
    for track in tracks:
        visible = track.visible
        if len(visible) < 2:
            continue
        seen = track.frames[visible[0] : visible[-1] + 1]
        for frames in (seen, seen[::-1]):
            found.append(Passage(track.footage, frames[:LONGEST]))
    return found


def follow(model: LoadedModel, frames: Sequence[Frame]) -> npt.NDArray[np.float64]:
    """Overlaps of a tracker's boxes with the target's, from the second frame in which it is there.

    frames: the target is there in the first.
    """
    tracker = model.new_tracker()
    first = frames[0].box
    assert first is not None
    tracker.init(frames[0].image, first)
    overlaps = []
    for frame in frames[1:]:
        estimate = tracker.track(frame.image)
        if frame.box is not None:
            overlaps.append(estimate.box.iou(frame.box))
    return np.array(overlaps, np.float64)


def footage_auc(model: LoadedModel, through: Sequence[Passage]) -> float:
    """Success AUC: the mean over footages of the mean over their passages.

    Ten people of one film say no more than one dog of another.
    """
    of: dict[str, list[float]] = {}
    for passage in through:
        of.setdefault(passage.footage, []).append(success_auc(follow(model, passage.frames)))
    return float(np.mean([np.mean(values) for values in of.values()]))


def choose_tracking(
    model: LoadedModel, tracks: Sequence[FrameTrack]
) -> tuple[dict[str, Any], float]:
    """The tracking values of a model's card, improved one at a time, and the measure they reach."""
    through = passages(tracks)
    chosen = dict(model.card.tracking)
    grid = GRIDS[model.tracker]
    trials = [(key, value) for key, values in grid.items() for value in values]
    with tqdm(trials, desc="choosing tracking values", unit="trial") as bar:
        best = footage_auc(model, through)
        for key, value in bar:
            if chosen.get(key) == value:
                continue
            auc = footage_auc(model.with_tracking({**chosen, key: value}), through)
            if auc >= best + LEAST_GAIN:
                best, chosen = auc, {**chosen, key: value}
            bar.set_postfix_str(f"AUC {best:.3f}")
    return chosen, round(best, 4)
