"""FAMNet's tracker: a window solved for each frame, and the management of its targets.

What the paper tells is the parts: features, affinity and assignment in one network, recovery by
single-object tracking, and suppression of noisy detections. Everything else is ours; see
docs/famnet.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from time import perf_counter

import numpy as np
import numpy.typing as npt

from tracker_ros.engines.upgrade import joined
from tracker_ros.geometry import UInt8Image
from tracker_ros.mot.detections import Detection, pairwise_iou
from tracker_ros.mot.model import FamnetModel
from tracker_ros.mot.recovery import Recovery
from tracker_ros.mot.settings import Settings
from tracker_ros.mot.targets import Embedding, Observation, Target
from tracker_ros.mot.window import logits_of_own, match_pairs, match_window
from tracker_ros.sot import LoadedModel
from tracker_ros.track import StageTimes, Track, TrackState

Float64 = npt.NDArray[np.float64]

USUAL_STEP = 0.01
"""Weight of a new detection's score in the running mean of believed targets' scores."""
SURE = (0.5, 0.8)
"""Lowest value of an assignment: soon after a target was seen, and later, when others have come
near to where it was."""
SURE_OF_PAIR = (0.7, 0.9)
"""... of one that is made from pairs alone."""
SOON = 0.5
"""Seconds."""
SAME_PLACE = 0.5
"""A detection that overlaps a recovered target so much is that target."""


class FamnetTracker:
    """See MultiTracker for the interface."""

    def __init__(
        self, model: FamnetModel, recoverer: LoadedModel | None = None, *, frames: int = 2,
        pairwise: bool = False, settings: Settings | None = None, name: str = "famnet",
    ) -> None:  # fmt: skip
        """Without a recoverer the targets that the detector misses are only expected.

        frames: K, the number of past frames in a window, 1 to 4. pairwise: no window at all, but
        the Hungarian method on the affinities of pairs: a baseline.
        """
        self.name = name
        self.settings = settings or Settings()
        self.times = StageTimes()
        self._model, self._past, self._pairwise = model, frames, pairwise
        self._recovery = Recovery(recoverer) if recoverer is not None else None
        helper = f", recovery by {recoverer.model}" if recoverer is not None else ", no recovery"
        how = "pairs alone" if pairwise else f"K={frames}"
        self._how = f"{how}{helper}"
        parts = (model,) if recoverer is None else (model, recoverer)
        self.parts = tuple(networks for part in parts for networks in part.parts)
        self.upgrade = joined(part.upgrade for part in parts)
        self._targets: list[Target] = []
        self._last_id = 0
        self._first_frame = True
        self._usual_score = 0.0
        """Running mean of what believed targets are detected with."""

    @property
    def about(self) -> str:
        """What exactly runs, see MultiTracker."""
        on = f"{self._model.card.name} on {self.backend} {self.precision}"
        return f"{self.name}: {on}, {self._how}"

    @property
    def backend(self) -> str:
        """What runs FAMNet's networks now."""
        return self._model.backend

    @property
    def precision(self) -> str:
        """The precision that they are computed in now."""
        return self._model.precision

    def update(
        self, image: UInt8Image | None, detections: Sequence[Detection], time: float
    ) -> list[Track]:
        """Associate the detections of the next frame; see MultiTracker."""
        start = perf_counter()
        found = self._observe(image, detections, time)
        matched = self._match(found, detections)
        solved = perf_counter()
        for target, column in matched:
            self._detected(target, found[column])
        left = set(range(len(found))) - {column for _, column in matched}
        missed = [t for t in self._targets if t.last.time < time]
        self._recover(image, time, missed, found, left, detections)
        self._begin(found, detections, left)
        self._end(time, image)
        if self._recovery is not None:
            self._recovery.remember(image, time, self._targets)
        done = perf_counter()
        self.times = StageTimes(inference=solved - start, postprocess=done - solved)
        return [target.track(time) for target in self._targets]

    def predict(self, time: float) -> list[Track]:
        """Where the targets are expected; see MultiTracker."""
        tracks = []
        for target in self._targets:
            track = target.track(time)
            if track.state in (TrackState.TRACKING, TrackState.REACQUIRED):
                reason = "no detections for this image"
                track = dataclasses.replace(track, state=TrackState.UNCERTAIN, reason=reason)
            tracks.append(track)
        return tracks

    def forget(self) -> None:
        """End all targets; see MultiTracker."""
        self._targets.clear()
        self._first_frame = True
        if self._recovery is not None:
            self._recovery.forget()

    # --- the steps of an update ----------------------------------------------------------------

    def _observe(
        self, image: UInt8Image | None, detections: Sequence[Detection], time: float
    ) -> list[Observation]:
        """The detections as candidates, with embeddings where there is an image."""
        boxes = np.array([(d.box.cx, d.box.cy, d.box.w, d.box.h) for d in detections], np.float64)
        embeddings: list[Embedding | None] = [None] * len(detections)
        if image is not None and len(detections):
            templates, searches = self._model.appearance.embed(image, boxes)
            embeddings = [Embedding(*pair) for pair in zip(templates, searches, strict=True)]
        return [
            Observation(box, time, detection.score, embedding)
            for box, detection, embedding in zip(boxes, detections, embeddings, strict=True)
        ]

    def _match(
        self, found: Sequence[Observation], detections: Sequence[Detection]
    ) -> list[tuple[Target, int]]:
        if not found or not self._targets:
            return []
        names = [detection.label for detection in detections]
        if self._pairwise:
            pairs = match_pairs(self._model, self._targets, found, names)
            return _sure(self._targets, found, pairs, SURE)
        pairs = match_window(self._model, self._targets, found, names, self._past)
        matched = _sure(self._targets, found, pairs, SURE)
        # Where hypotheses share their mass evenly the window decides for none: pairs may tell.
        taken = {target.id for target, _ in matched}
        targets = [target for target in self._targets if target.id not in taken]
        columns = sorted(set(range(len(found))) - {column for _, column in matched})
        left = [found[column] for column in columns]
        pairs = match_pairs(self._model, targets, left, [names[c] for c in columns])
        matched += [(t, columns[c]) for t, c in _sure(targets, left, pairs, SURE_OF_PAIR)]
        return matched

    def _detected(self, target: Target, observation: Observation) -> None:
        target.detected(observation, self._usual_score)
        if target.believed:
            step = USUAL_STEP if self._usual_score else 1.0
            self._usual_score += step * (observation.score - self._usual_score)

    def _recover(
        self, image: UInt8Image | None, time: float, missed: Sequence[Target],
        found: Sequence[Observation], left: set[int], detections: Sequence[Detection],
    ) -> None:  # fmt: skip
        """Look for the believed targets that were missed; the others are missed."""
        recovered: dict[int, Observation] = {}
        wanted = [target for target in missed if target.recoverable(time)]
        if self._recovery is not None and image is not None:
            wanted = sorted(wanted, key=lambda t: -t.confidence)[: self.settings.recover_most]
            seen = [target for target in self._targets if target.last.time == time]
            recovered = self._verified(image, self._recovery.look(image, time, wanted, seen))
        for target in missed:
            observation = recovered.get(target.id)
            if observation is None:
                target.missed()
                continue
            column = _same_place(observation, found, left, detections, target.label)
            if column is None:
                target.found(observation)
            else:  # it was detected after all: the window did not know it again
                left.discard(column)
                self._detected(target, found[column])

    def _verified(
        self, image: UInt8Image, recovered: dict[int, Observation]
    ) -> dict[int, Observation]:
        """What looks and moves like its target by the network's own affinity."""
        if not recovered:
            return {}
        targets = [target for target in self._targets if target.id in recovered]
        boxes = np.array([recovered[target.id].box for target in targets])
        templates, searches = self._model.appearance.embed(image, boxes)
        found = [
            dataclasses.replace(recovered[target.id], embedding=Embedding(template, search))
            for target, template, search in zip(targets, templates, searches, strict=True)
        ]
        logits = logits_of_own(self._model, targets, found)
        return {
            target.id: observation
            for target, observation, logit in zip(targets, found, logits, strict=True)
            if logit > 0
        }

    def _begin(
        self, found: Sequence[Observation], detections: Sequence[Detection], left: set[int]
    ) -> None:
        for column in sorted(left):
            settings = self.settings.of(detections[column].label)
            if detections[column].score < settings.start_score:
                continue
            self._last_id += 1
            self._targets.append(
                Target(
                    self._last_id, detections[column], found[column], settings,
                    believed=self._first_frame,
                )
            )  # fmt: skip
        if found:
            self._first_frame = False

    def _end(self, time: float, image: UInt8Image | None) -> None:
        height, width = image.shape[:2] if image is not None else (None, None)
        doubles = self._doubles(time)
        self._targets = [
            target
            for target in self._targets
            if target.id not in doubles and not target.ended(time, width, height)
        ]

    def _doubles(self, time: float) -> set[int]:
        """Ids of the younger of two believed targets that have lain on each other for long."""
        seen = [t for t in self._targets if t.believed and t.last.time == time]
        boxes = np.array([target.last.box for target in seen]).reshape(-1, 4)
        overlap = np.triu(pairwise_iou(_corners(boxes), _corners(boxes)), 1)
        ids = set()
        doubled = set()
        for a, b in np.argwhere(overlap > self.settings.duplicate_iou).tolist():
            younger = max(seen[a], seen[b], key=lambda target: target.id)
            if younger.label == seen[a].label == seen[b].label:
                doubled.add(younger.id)
        for target in seen:
            target.overlapped = target.overlapped + 1 if target.id in doubled else 0
            if target.overlapped >= target.settings.duplicate_frames:
                ids.add(target.id)
        return ids


def _sure(
    targets: Sequence[Target], found: Sequence[Observation],
    pairs: Sequence[tuple[int, int, float]], least: tuple[float, float],
) -> list[tuple[Target, int]]:  # fmt: skip
    """The pairs (target, detection, value) whose value is high enough."""
    return [
        (targets[row], column)
        for row, column, value in pairs
        if value >= least[found[column].time - targets[row].last.time > SOON]
    ]


def _same_place(
    observation: Observation, found: Sequence[Observation], left: set[int],
    detections: Sequence[Detection], label: str,
) -> int | None:  # fmt: skip
    """The detection of that label that is not taken and lies where a target was recovered."""
    columns = [column for column in sorted(left) if detections[column].label == label]
    if not columns:
        return None
    boxes = np.array([observation.box, *(found[column].box for column in columns)])
    overlap = pairwise_iou(_corners(boxes[:1]), _corners(boxes[1:]))[0]
    best = int(overlap.argmax())
    return columns[best] if overlap[best] >= SAME_PLACE else None


def _corners(boxes: Float64) -> Float64:
    """Boxes (n, 4) of centre and size as x, y, w, h."""
    return np.column_stack((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]))
