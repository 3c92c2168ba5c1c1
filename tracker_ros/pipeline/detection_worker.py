"""The thread that detects: takes the newest frame, and hands on what is in it. No ROS in here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from tracker_ros.detection.detector import Detector
from tracker_ros.mot.detections import Detection
from tracker_ros.pipeline.frames import Frame, FrameHistory
from tracker_ros.pipeline.images import ImageError
from tracker_ros.pipeline.thread import WorkerThread


@dataclass(frozen=True)
class Detected:
    """What is in one frame."""

    frame: Frame
    detections: list[Detection]
    decode: float
    """Seconds from message to array."""
    detection: float
    """Seconds from array to boxes."""


class DetectionListener(Protocol):
    """Hears of every frame, on the worker's thread."""

    def on_detected(self, detected: Detected) -> None:
        """A frame was looked at."""

    def on_rejected(self, cause: str, reason: str) -> None:
        """A frame could not be decoded; `cause` is a short stable key."""

    def on_failure(self, reason: str, trace: str) -> None:
        """The detector raised an error; the next frame may be better."""


class DetectionWorker(WorkerThread):
    """Looks at the newest frame, at most `max_rate` times a second (0: as often as it can)."""

    def __init__(
        self, detector: Detector, history: FrameHistory, listener: DetectionListener, *,
        max_rate: float,
    ) -> None:  # fmt: skip
        super().__init__(history, listener.on_failure)
        self._detector, self._listener = detector, listener
        self._slot: Frame | None = None
        self._period = _period(max_rate)
        self._begun = -math.inf
        """time.perf_counter() when the last frame was taken."""

    def offer(self, frame: Frame) -> bool:
        """Leave the newest frame to be looked at; True when an older one is dropped for it."""
        with self._wake:
            replaced = self._slot is not None
            self._slot = frame
            self._rouse()
        return replaced

    def forget_frames(self) -> int:
        """Drop the frame that waits, if any: time has jumped. Gives how many waited."""
        self._history.clear()
        with self._wake:
            waited, self._slot = self._slot is not None, None
        return int(waited)

    def tune(self, max_rate: float) -> None:
        """Change the rate, from the next frame on."""
        with self._wake:
            self._period = _period(max_rate)
            self._rouse()

    # --- on the worker's thread --------------------------------------------------------------

    def _take(self) -> Callable[[], None] | None:
        frame, now = self._slot, self._clock()
        if frame is None or now < self._begun + self._period:
            return None
        self._slot, self._begun = None, now
        return lambda: self._process(frame)

    def _due(self) -> float | None:
        return None if self._slot is None else self._begun + self._period

    def _process(self, frame: Frame) -> None:
        start = perf_counter()
        try:
            image = frame.decode()
        except ImageError as error:
            self._listener.on_rejected(error.cause, str(error))
            return
        decoded = perf_counter()
        detections = self._detector.detect(image)
        done = perf_counter()
        self._listener.on_detected(Detected(frame, detections, decoded - start, done - decoded))

    def _end_targets(self, reason: str) -> list[str]:
        return []  # a detector follows nothing


def _period(max_rate: float) -> float:
    """Seconds from one frame to the next; 0 as often as it can."""
    return 1 / max_rate if max_rate > 0 else 0.0
