"""A target: a tracker, its monitor and its identity; and the search when it is lost."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.sot.monitor import Monitor, Thresholds
from tracker_ros.sot.passes import Steps, run_alone
from tracker_ros.sot.tracker import SearchingTracker
from tracker_ros.track import Estimate, Evidence, Track, TrackState

USUAL = 45
"""A lost target is looked for in the median size of so many frames in which it was visible: a
target that is being covered shrinks before it is lost."""
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
        self._age = 0
        self._unseen = 0
        self._sizes: deque[tuple[float, float]] = deque(maxlen=USUAL)

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
        self._sizes.clear()
        self._sizes.append((box.w, box.h))
        return self._track(_SEEN, "target set")

    def following(self, image: UInt8Image) -> Steps[Track]:
        """Find the target in the next frame; a generator, see tracker_ros.sot.passes."""
        lost = self._monitor.state is TrackState.LOST
        looks = self._searching(image) if lost else self._tracker.following(image)
        estimate = yield from looks
        self._age += 1
        if not estimate.is_finite:
            return self.lose("the network's answer is not a number")
        state, reason = self._monitor.update(estimate.evidence)
        if lost and state.visible:
            self._tracker.accept(estimate)
        if state.visible:
            self._box, self._unseen = estimate.box, 0
            self._sizes.append((estimate.box.w, estimate.box.h))
        else:
            self._unseen += 1
            if not lost:
                self._expect_usual_size()
        return self._track(estimate.evidence, reason)

    def follow(self, image: UInt8Image) -> Track:
        """`following`, run alone."""
        return run_alone(self.following(image))[0]

    def rescale(self, sx: float, sy: float) -> None:
        """Go on in images of the same view that are sx times as wide and sy times as high."""
        box = self._box
        self._box = Box(box.x * sx, box.y * sy, box.w * sx, box.h * sy)
        self._sizes = deque(((w * sx, h * sy) for w, h in self._sizes), maxlen=USUAL)
        self._tracker.rescale(sx, sy)

    def lose(self, reason: str) -> Track:
        """Say that the target is lost, for a reason outside the picture."""
        self._monitor.lose()
        self._unseen += 1
        self._expect_usual_size()
        return self._track(Evidence(0.0, 0.0, 1.0), reason)

    def _expect_usual_size(self) -> None:
        w, h = np.median(self._sizes, axis=0).tolist()
        usual = Box.from_center(self._box.cx, self._box.cy, w, h)
        self._tracker.accept(Estimate(usual, _SEEN))

    def _searching(self, image: UInt8Image) -> Steps[Estimate]:
        """Look where the target was last, and every other frame at a next place of the image.

        One look a frame keeps the cost of a lost target that of a followed one.
        """
        if self._unseen % 2:
            height, width = image.shape[:2]
            cx = min(max(self._box.cx, 0.0), float(width))
            cy = min(max(self._box.cy, 0.0), float(height))
        else:
            cx, cy = self._sweep(image, self._unseen // 2)
        return self._tracker.looking(image, cx, cy)

    def _sweep(self, image: UInt8Image, step: int) -> tuple[float, float]:
        """Middle of a cell of a grid over the image; cells as large as the sure part of a look."""
        height, width = image.shape[:2]
        reach = 2 * math.sqrt(max(self._box.area, 1.0))
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
