"""OpenCV's classical trackers behind our interface: what a learned tracker has to beat."""

from __future__ import annotations

import math
from typing import Any

import cv2

from tracker_ros.errors import ModelError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.track import Estimate, Evidence, StageTimes

_CONSTRUCTORS = {
    "kcf": "TrackerKCF_create",
    "csrt": "TrackerCSRT_create",
    "mil": "TrackerMIL_create",
}
OPENCV_TRACKERS = tuple(_CONSTRUCTORS)
"""kcf and csrt are in OpenCV's contrib modules, mil in every OpenCV."""


class OpenCVTracker:
    """One of `OPENCV_TRACKERS` with OpenCV's default parameters."""

    def __init__(self, name: str) -> None:
        """Raises ModelError, saying what to install, when this OpenCV lacks the tracker."""
        constructor = getattr(cv2, _CONSTRUCTORS[name], None)
        if constructor is None:
            raise ModelError(
                f"tracker '{name}' is not in this OpenCV ({cv2.__version__}, without contrib): "
                "pip uninstall opencv-python-headless opencv-python, then "
                "pip install 'opencv-contrib-python-headless>=4.8,<5'"
            )
        self._create = constructor
        self._tracker: Any = None
        self._box = Box(0, 0, 0, 0)

    def init(self, image: UInt8Image, box: Box) -> None:
        """Learn the target in `box`. Raises TargetError when the box cannot be tracked."""
        height, width = image.shape[:2]
        box.require_trackable(width, height)
        # OpenCV takes whole pixels, and some of its trackers fail on a box over the border.
        x, y = max(round(box.x), 0), max(round(box.y), 0)
        w = min(round(box.x + box.w), width) - x
        h = min(round(box.y + box.h), height) - y
        tracker = self._create()
        tracker.init(image, (x, y, w, h))
        self._tracker, self._box = tracker, box

    def track(self, image: UInt8Image) -> Estimate:
        """Find the target; where OpenCV says it has failed, the box stays and the score is 0."""
        found, corners = self._tracker.update(image)
        before = self._box
        if found:
            self._box = Box(*(float(value) for value in corners))
        change = self._box.area / before.area if before.area > 0 else 1.0
        # OpenCV tells nothing but whether it succeeded.
        evidence = Evidence(score=float(bool(found)), peak_ratio=math.nan, size_change=change)
        return Estimate(self._box, evidence, StageTimes())
