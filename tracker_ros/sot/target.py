"""A target: a tracker, its monitor and its identity; and the search when it is lost."""

from __future__ import annotations

import dataclasses
import math
from collections import deque

import numpy as np

from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.sot.first_picture import FirstPicture
from tracker_ros.sot.monitor import Monitor, Thresholds
from tracker_ros.sot.passes import Steps, run_alone
from tracker_ros.sot.tracker import SearchingTracker
from tracker_ros.track import Estimate, Evidence, Track, TrackState

USUAL = 45
"""A lost target is looked for in the median size of so many frames in which it was sure: a target
that is being covered shrinks before it is lost."""
LEVEL = 0.05
"""Weight of a sure frame in the level that the score is held against."""
SURE = (TrackState.TENTATIVE, TrackState.TRACKING)
"""States in which the target's usual size and level are learnt."""
_SEEN = Evidence(score=1.0, peak_ratio=0.0, size_change=1.0)


class Target:
    """Follows one identity through the frames, and says whether it is there."""

    def __init__(
        self, id: str, label: str, tracker: SearchingTracker, thresholds: Thresholds
    ) -> None:
        self.id, self.label = id, label
        self._tracker = tracker
        self._monitor = Monitor(thresholds)
        self._box = Box(0, 0, 0, 0)
        self._candidate: Box | None = None
        self._age = 0
        self._unseen = 0
        self._level, self._sure = 0.0, 0
        self._likeness = 1.0
        self._sizes: deque[tuple[float, float]] = deque(maxlen=USUAL)
        self.first: FirstPicture | None = None
        """What it was set on, so that another tracker can learn it; None before `start`."""

    @property
    def state(self) -> TrackState:
        """The state after the last frame."""
        return self._monitor.state

    @property
    def box(self) -> Box:
        """The last box in which the target was seen."""
        return self._box

    def set_thresholds(self, thresholds: Thresholds) -> None:
        """Judge by other thresholds from the next frame on."""
        self._monitor.thresholds = thresholds

    def start(self, image: UInt8Image, box: Box) -> Track:
        """Learn the target in `box` of `image`. Raises TargetError; the former target stays."""
        self._tracker.init(image, box)
        self._monitor = Monitor(self._monitor.thresholds)
        self._box, self._age, self._unseen = box, 0, 0
        self._candidate, self._likeness = None, 1.0
        self._level, self._sure = 0.0, 0
        self._sizes.clear()
        self._sizes.append((box.w, box.h))
        self.first = FirstPicture.of(image, box)
        return self._track(_SEEN, "target set")

    def following(self, image: UInt8Image) -> Steps[Track]:
        """Find the target in the next frame; a generator, see tracker_ros.sot.passes."""
        lost = self._monitor.state is TrackState.LOST
        looks = self._searching(image) if lost else self._tracker.following(image)
        estimate = yield from looks
        self._age += 1
        if not estimate.is_finite:
            return self.lose("the network's answer is not a number")
        evidence = self._weigh(estimate, image, lost)
        compared = self._monitor.wants_likeness(evidence)
        if compared:
            self._likeness = yield from self._tracker.comparing(image, estimate.box)
            evidence = dataclasses.replace(evidence, likeness=self._likeness)
        state, reason = self._monitor.update(evidence, compared=compared)
        if lost and state.visible:
            self._tracker.accept(estimate)
        elif self._monitor.doubted:
            self._tracker.doubt()
        self._candidate = estimate.box if lost and not self._monitor.doubted else None
        if state.visible:
            self._box, self._unseen = estimate.box, 0
            if state in SURE and not self._monitor.doubted:
                self._sizes.append((estimate.box.w, estimate.box.h))
                self._sure += 1
                self._level += max(LEVEL, 1 / self._sure) * (evidence.score - self._level)
        else:
            self._unseen += 1
            if not lost:
                self._expect_usual_size()
        return self._track(evidence, reason)

    def follow(self, image: UInt8Image) -> Track:
        """`following`, run alone."""
        return run_alone(self.following(image))[0]

    def rescale(self, sx: float, sy: float) -> None:
        """Go on in images of the same view that are sx times as wide and sy times as high."""
        box = self._box
        self._box = Box(box.x * sx, box.y * sy, box.w * sx, box.h * sy)
        self._sizes = deque(((w * sx, h * sy) for w, h in self._sizes), maxlen=USUAL)
        self._candidate = None
        self._tracker.rescale(sx, sy)
        if self.first is not None:
            self.first = self.first.rescaled(sx, sy)

    def change(self, tracker: SearchingTracker, thresholds: Thresholds) -> None:
        """Go on with another tracker, which has learned the target from `first`.

        Identity, state, box and age stay; the next frame is compared with the first.
        """
        self._tracker = tracker
        self._monitor.change(thresholds)
        self._candidate, self._likeness = None, 1.0
        self._level, self._sure = 0.0, 0  # scores are the model's own
        if self._monitor.state is TrackState.LOST:
            self._expect_usual_size()
        else:
            tracker.accept(Estimate(self._box, _SEEN))

    def lose(self, reason: str) -> Track:
        """Say that the target is lost, for a reason outside the picture."""
        self._monitor.lose()
        self._unseen += 1
        self._candidate = None
        self._expect_usual_size()
        return self._track(Evidence(0.0, 0.0, 1.0), reason)

    def _weigh(self, estimate: Estimate, image: UInt8Image, lost: bool) -> Evidence:
        """The tracker's evidence and what its boxes and its history add."""
        height, width = image.shape[:2]
        raw, box = estimate.evidence, estimate.box
        part = box.clipped(width, height).area
        before = self._candidate if lost else self._box
        jump = 0.0
        if before is not None:
            moved = math.hypot(box.cx - before.cx, box.cy - before.cy)
            jump = moved / math.sqrt(max(before.area, 1.0))
        return dataclasses.replace(
            raw,
            drift=raw.score / self._level - 1 if self._level > 0 else 0.0,
            jump=jump,
            inside=min(part / box.area, 1.0) if box.area > 0 else 0.0,
            likeness=self._likeness,
        )

    def _usual(self) -> Box:
        """Where it was seen last, in the size that a lost target is looked for in."""
        w, h = np.median(self._sizes, axis=0).tolist()
        return Box.from_center(self._box.cx, self._box.cy, w, h)

    def _expect_usual_size(self) -> None:
        self._tracker.accept(Estimate(self._usual(), _SEEN))

    def _searching(self, image: UInt8Image) -> Steps[Estimate]:
        """Look where something was found a frame ago, else where the target was last.

        Every other frame it is a next place of the image. One look a frame keeps the cost of a
        lost target that of a followed one.
        """
        if self._candidate is not None:
            cx, cy = self._candidate.cx, self._candidate.cy
        elif self._unseen % 2:
            cx, cy = self._box.cx, self._box.cy
        else:
            cx, cy = self._sweep(image, self._unseen // 2)
        height, width = image.shape[:2]
        cx, cy = min(max(cx, 0.0), float(width)), min(max(cy, 0.0), float(height))
        return self._tracker.looking(image, cx, cy)

    def _sweep(self, image: UInt8Image, step: int) -> tuple[float, float]:
        """Middle of a cell of a grid over the image; cells as large as the sure part of a look."""
        height, width = image.shape[:2]
        reach = 2 * math.sqrt(max(self._usual().area, 1.0))
        columns = max(1, math.ceil(width / reach))
        rows = max(1, math.ceil(height / reach))
        # A step that shares no factor with the number of cells visits all of them, far apart.
        cells = columns * rows
        stride = max(1, round(cells * 0.618))
        while math.gcd(stride, cells) != 1:
            stride += 1
        row, column = divmod(step * stride % cells, columns)
        return (column + 0.5) * width / columns, (row + 0.5) * height / rows

    def _track(self, evidence: Evidence, reason: str) -> Track:
        return Track(
            id=self.id,
            box=self._box,
            state=self._monitor.state,
            evidence=evidence,
            reason=reason,
            label=self.label,
            age=self._age,
            frames_since_seen=self._unseen,
        )
