"""What of the images and detections that come goes to a worker: the rules of their stamps."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Generic, Protocol, TypeVar

from tracker_ros.pipeline.detection_messages import DetectionArray
from tracker_ros.pipeline.frames import Frame
from tracker_ros.pipeline.mot_worker import MotWorker
from tracker_ros.pipeline.pairing import AHEAD
from tracker_ros.pipeline.thread import WorkerThread

TIME_JUMP = 0.5
"""Seconds that a stamp must lie before the last one to be a jump of time, not a late image."""
BLIND = 2.0
"""Seconds without an image after which the stamps of detections alone tell the time."""

W = TypeVar("W", bound=WorkerThread)


class IntakeListener(Protocol):
    """Hears, on the thread that brings images and detections, what becomes of them."""

    def on_received(self) -> None:
        """An image has come."""

    def on_dropped(self, frames: int) -> None:
        """Images are dropped: for newer ones, or because time has jumped."""

    def on_rejected(self, cause: str, reason: str) -> None:
        """An image is of no use; `cause` is a short stable key."""

    def on_time_jump(self, reason: str) -> None:
        """What was is not before what comes: history and targets are about to be cleared."""


class Intake(Generic[W]):
    """Gives a worker the images that come, one thread at a time."""

    def __init__(self, worker: W, listener: IntakeListener, *, repeats: bool = True) -> None:
        """repeats: whether an image may have the stamp of the one before."""
        self.worker = worker
        self._listener, self._repeats = listener, repeats
        self._last: int | None = None
        """Stamp of the last image."""

    def add_image(self, frame: Frame) -> None:
        """An image has come."""
        self._listener.on_received()
        last, stamp = self._last, frame.header.ns
        if last is not None and stamp < last + (not self._repeats):
            back = (last - stamp) / 1e9
            if back < TIME_JUMP:
                words = f"{back:.3f} s before" if back else "as"
                self._listener.on_rejected("stamp", f"an image is stamped {words} the last one")
                return
            self.jump_back(f"image stamps jumped back by {back:.1f} s")
        self._last = stamp
        if self.worker.keep(frame):
            self._listener.on_dropped(1)

    def jump_back(self, reason: str) -> None:
        """Time jumped, as in a looped bag: drop the frames of before and end the targets.

        Nothing happens where no image came since the last jump.
        """
        if self._last is not None:
            self._forget(reason)

    def _forget(self, reason: str) -> None:
        self._last = None
        self._listener.on_time_jump(reason)
        self._listener.on_dropped(self.worker.forget(reason))


class MotIntake(Intake[MotWorker]):
    """Gives a worker images and detections."""

    def __init__(
        self, worker: MotWorker, listener: IntakeListener,
        clock: Callable[[], float] = perf_counter,
    ) -> None:  # fmt: skip
        """clock: that of the worker."""
        super().__init__(worker, listener, repeats=False)
        self._clock = clock
        self._last_array: int | None = None
        """Stamp of the last array of detections."""
        self._seen: float | None = None
        """When the last image came."""

    def add_image(self, frame: Frame) -> None:
        """An image has come."""
        self._seen = frame.received
        array = self._last_array
        # Before the first image, detections told the time: perhaps by another clock than its own.
        if self._last is None and array is not None:
            ahead = (array - frame.header.ns) / 1e9
            if ahead > AHEAD:
                words = "detections before the first image were stamped"
                self._forget(f"{words} {ahead:.1f} s ahead of it")
        super().add_image(frame)

    def add_array(self, array: DetectionArray) -> None:
        """An array of detections has come."""
        last, stamp = self._last_array, array.header.ns
        # Where images come, theirs tell the time: detections may well be late, and mixed up.
        if last is not None and (last - stamp) / 1e9 >= TIME_JUMP and self._is_blind():
            back = (last - stamp) / 1e9
            self._forget(f"stamps of detections jumped back by {back:.1f} s")
        self._last_array = stamp
        self.worker.offer_detections(array)

    def _is_blind(self) -> bool:
        return self._seen is None or self._clock() - self._seen > BLIND

    def _forget(self, reason: str) -> None:
        self._last_array = None
        super()._forget(reason)
