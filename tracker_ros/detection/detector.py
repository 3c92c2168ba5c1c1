"""The one interface of whatever finds objects in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from tracker_ros.geometry import UInt8Image
from tracker_ros.mot.detections import Detection, fault, select

MOST = 1000
"""Detections of one image, the strongest: more are no picture's."""


@dataclass(frozen=True)
class Wanted:
    """Which detections are given; may be changed between two images."""

    min_score: float = 0.25
    """In [0, 1]."""
    nms_iou: float = 0.45
    """Of two boxes of one class that overlap more, the weaker is left out."""
    only: frozenset[str] = frozenset()
    """Labels; empty: all."""

    def is_named(self, label: str) -> bool:
        """Whether detections of that label are wanted."""
        return not self.only or label in self.only


ALL = Wanted()
"""What is given unless told otherwise."""


class Detector(Protocol):
    """Finds objects. Touches no files, no ROS and no threads; remembers nothing of an image."""

    name: str
    """As it is chosen: hog, yolo or ssd."""
    model: str
    """What was learned: a file name, for people."""
    about: str
    """What was found out about the model, for the log."""
    backend: str
    """What runs it: `opencv`, `onnxruntime`, ..."""
    precision: str
    """The precision it computes in: `fp32`, ..."""
    labels: tuple[str, ...]
    """The classes that it can give, as far as that is known; empty when it is not."""
    wanted: Wanted

    def detect(self, image: UInt8Image) -> list[Detection]:
        """The objects in (H, W, 3) BGR: boxes in its pixels and on it, scores in [0, 1]."""


def on_picture(
    detections: Sequence[Detection], image: UInt8Image, wanted: Wanted, *, alone: bool
) -> list[Detection]:
    """What is given of what a network or a classifier said, the strongest first.

    Boxes are cut at the border of the image. `alone`: nothing is doubled already, so nothing is
    suppressed.
    """
    height, width = image.shape[:2]
    inside = [
        replace(detection, box=detection.box.clipped(width, height))
        for detection in detections
        if wanted.is_named(detection.label) and not fault(detection)
    ]
    chosen = select(
        inside, min_score={}, default_score=wanted.min_score,
        nms_iou=1.0 if alone else wanted.nms_iou, most=MOST,
    )  # fmt: skip
    return sorted(chosen.kept, key=lambda detection: -detection.score)
