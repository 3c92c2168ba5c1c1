"""OpenCV's pedestrian detector: histograms of oriented gradients and a linear classifier.

Source: Dalal and Triggs, Histograms of Oriented Gradients for Human Detection, CVPR 2005. The
classifier's weights are in OpenCV, so that there is nothing to download. It finds people who
stand or walk and are seen whole, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tracker_ros.detection.detector import ALL, Wanted, on_picture
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.mot.detections import Detection, Float64, pairwise_iou

LABEL = "person"
WINDOW = (64, 128)
"""Width and height of the classifier's window, pixels: the smallest that is found."""
BODY = (0.55, 0.75)
"""Share of a window's width and height that the person in it takes, about its middle. The
classifier was trained with a margin around people; measured on TUD-Campus: docs/detector.md."""
STEEPNESS, MIDDLE = 2.3, 0.75
"""Of `score`. Fitted on TUD-Campus, where it is the share of windows of that weight that are
right; on PETS09-S2L1 more of them are."""
SHARPNESS = 2.0
"""How much more a window of a greater weight counts where windows are merged: exp(2 * weight)."""
MAX_ENLARGEMENT = 4.0
"""Enlarged further, a picture shows nothing new."""
MOST_WINDOWS = 1000
"""Windows of one image that are merged, the strongest."""


@dataclass(frozen=True)
class HogSettings:
    """How closely a picture is searched; the defaults are for 640x480 on two cores."""

    resize_to: int = 960
    """Longest side that the picture is resized to before, pixels; 0: it is left as it is. Larger
    finds smaller people, and takes longer."""
    scale: float = 1.2
    """From one size of the window to the next."""
    stride: int = 8
    """Pixels from one place of the window to the next, a multiple of 8."""
    hit_threshold: float = 0.0
    """Windows of a smaller weight are not looked at further."""


DEFAULTS = HogSettings()


class HogDetector:
    """The detector that is there on every machine.

    `threads` 0 leaves their number to OpenCV; another number is set for the whole process.
    """

    name, model = "hog", "OpenCV's people detector"
    backend, precision = f"opencv {cv2.__version__}", "fp32"
    about = "people who stand or walk and are seen whole"
    labels: tuple[str, ...] = (LABEL,)

    def __init__(
        self, settings: HogSettings = DEFAULTS, wanted: Wanted = ALL, *, threads: int = 0
    ) -> None:
        self.settings, self.wanted = settings, wanted
        if threads:
            cv2.setNumThreads(threads)
        self._hog = cv2.HOGDescriptor()
        weights = cv2.HOGDescriptor.getDefaultPeopleDetector()
        self._hog.setSVMDetector(np.asarray(weights, np.float32))

    def detect(self, image: UInt8Image) -> list[Detection]:
        """The people in (H, W, 3) BGR."""
        settings = self.settings
        height, width = image.shape[:2]
        scale = _scale(max(height, width), settings.resize_to)
        size = (round(width * scale), round(height * scale))
        if size[0] < WINDOW[0] or size[1] < WINDOW[1] or not self.wanted.is_named(LABEL):
            return []
        if size != (width, height):
            kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            image_there = cv2.resize(image, size, interpolation=kind)
        else:
            image_there = np.ascontiguousarray(image)
        found, weights = self._hog.detectMultiScale(
            image_there, hitThreshold=settings.hit_threshold,
            winStride=(settings.stride, settings.stride), padding=(16, 16), scale=settings.scale,
            groupThreshold=0,
        )  # fmt: skip
        windows = np.asarray(found, np.float64).reshape(-1, 4)
        back = np.array([width / size[0], height / size[1]] * 2)
        bodies, strengths = merged(
            body(windows * back), np.asarray(weights, np.float64).ravel(), self.wanted.nms_iou
        )
        detections = [
            Detection(Box(*row), score, LABEL)
            for row, score in zip(bodies.tolist(), score_of(strengths).tolist(), strict=True)
        ]
        return on_picture(detections, image, self.wanted, alone=True)


def body(windows: Float64) -> Float64:
    """Boxes (n, 4) x, y, w, h around the people in windows (n, 4)."""
    size = windows[:, 2:] * BODY
    return np.hstack((windows[:, :2] + (windows[:, 2:] - size) / 2, size))


def score_of(weights: Float64) -> Float64:
    """Scores in [0, 1] of weights of the classifier (n,): the logistic function.

    score = 1 / (1 + exp(-2.3 * (weight - 0.75))): 0.15 for a weight of 0, 0.5 for 0.75, 0.95
    for 2.
    """
    return np.asarray(1 / (1 + np.exp(-STEEPNESS * (weights - MIDDLE))), np.float64)


def merged(boxes: Float64, weights: Float64, iou: float) -> tuple[Float64, Float64]:
    """One box for the many windows that see one person, and the greatest of their weights.

    boxes (n, 4) and weights (n,) -> (m, 4) and (m,). The strongest is joined by all that overlap
    it more than `iou`, then the strongest of the rest: their mean, weighted by SHARPNESS.
    """
    order = np.argsort(-weights, kind="stable")[:MOST_WINDOWS]
    boxes, weights = boxes[order], weights[order]
    overlaps = pairwise_iou(boxes, boxes)
    means, greatest = [], []
    left = np.ones(len(boxes), np.bool_)
    for index in range(len(boxes)):
        if not left[index]:
            continue
        joined = left & (overlaps[index] > iou)
        joined[index] = True
        shares = np.exp(SHARPNESS * (weights[joined] - weights[index]))
        means.append(shares @ boxes[joined] / shares.sum())
        greatest.append(weights[index])
        left &= ~joined
    return np.array(means, np.float64).reshape(-1, 4), np.array(greatest, np.float64)


def _scale(longest: int, resize_to: int) -> float:
    return min(resize_to / longest, MAX_ENLARGEMENT) if resize_to else 1.0
