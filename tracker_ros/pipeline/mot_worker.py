"""The thread that gives detections identities. No ROS in here: the node feeds it, and listens."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Protocol

from tracker_ros.errors import DetectionsError
from tracker_ros.geometry import UInt8Image
from tracker_ros.mot.detections import Detection, select
from tracker_ros.mot.tracker import MultiTracker
from tracker_ros.pipeline.detection_messages import DetectionArray, usable
from tracker_ros.pipeline.frames import Frame, FrameHistory
from tracker_ros.pipeline.images import ImageError, Stamped
from tracker_ros.pipeline.pairing import Kind, Pairing, Step, Timing
from tracker_ros.pipeline.thread import WorkerThread
from tracker_ros.track import StageTimes, Track, TrackState


@dataclass(frozen=True)
class Wanted:
    """Which detections are associated; see mot.detections.select."""

    default_score: float = 0.3
    nms_iou: float = 1.0
    most: int = 300
    min_score: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MotAnswer:
    """What became of one image, or of detections without one."""

    header: Stamped
    received: float
    tracks: list[Track]
    decode: float
    """Seconds from the messages to the image and its detections."""
    times: StageTimes
    frame: Frame | None

    @property
    def image(self) -> UInt8Image | None:
        """The pixels, decoded again: only who draws on them needs them."""
        try:
            return None if self.frame is None else self.frame.decode()
        except ImageError:
            return None


class MotListener(Protocol):
    """Hears of everything on the worker's thread, or on that which brings images and detections."""

    def on_processed(self, answer: MotAnswer) -> None:
        """An image is answered, or detections without one."""

    def on_paired(self, kind: Kind) -> None:
        """An array was applied, or an image answered without."""

    def on_left_out(self, left_out: Counter[str]) -> None:
        """Detections that were not wanted, by reason."""

    def on_refused(self, cause: str, reason: str, number: int = 1) -> None:
        """Detections are of no use; `cause` is a short stable key."""

    def on_rejected(self, cause: str, reason: str) -> None:
        """An image is of no use."""

    def on_dropped(self, frames: int) -> None:
        """Images are dropped for newer ones."""

    def on_ended(self, tracks: list[Track], reason: str) -> None:
        """All targets have ended; `tracks` are their last, LOST."""

    def on_failure(self, reason: str, trace: str) -> None:
        """The tracker raised an error."""


class Names:
    """The identities as published: a prefix, and a number that never comes again.

    Trackers count from 1; when the node gets a new one, its numbers go on after those before.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._last = self._before = 0

    def begin(self) -> None:
        """A new tracker counts from 1 again."""
        self._before = self._last

    def of(self, id: str) -> str:
        """The name of the tracker's target `id`, a decimal number."""
        number = self._before + int(id)
        self._last = max(self._last, number)
        return f"{self._prefix}{number}"


class MotWorker(WorkerThread):
    """Owns the tracker and the pairing. Every public method may be called from any thread."""

    def __init__(
        self, tracker: MultiTracker, history: FrameHistory, names: Names, listener: MotListener, *,
        timing: Timing, wanted: Wanted, clock: Callable[[], float] = perf_counter,
    ) -> None:  # fmt: skip
        super().__init__(history, listener.on_failure, clock)
        self._tracker, self._names, self._listener = tracker, names, listener
        self._wanted = wanted
        self._pairing = Pairing(history, listener, timing)
        self._tracks: list[Track] = []
        """Of the last update."""
        self._published: int | None = None
        """Stamp of the newest array that went out."""

    def offer(self, frame: Frame) -> bool:
        """Leave an image to be answered; True when it is dropped."""
        if not self.enabled:
            return True
        with self._wake:
            self._pairing.add_image(frame)
            self._rouse()
        return False

    def offer_detections(self, array: DetectionArray) -> None:
        """Leave an array of detections to be applied."""
        if not self.enabled:
            return
        with self._wake:
            self._pairing.add_array(array)
            self._rouse()

    def forget_frames(self) -> int:
        """Drop all that waits or is kept: time has jumped. Gives how many images waited."""
        self._history.clear()
        with self._wake:
            waited = self._pairing.forget()
        self._submit(self._forget_published)  # after the image of before that it may be at
        return waited

    def tune(self, timing: Timing, wanted: Wanted, apply: Callable[[], None]) -> None:
        """Go by other values from the next frame on; `apply` runs on the worker's thread."""

        def change() -> None:
            self._pairing.timing, self._wanted = timing, wanted
            apply()

        self._submit(change)

    # --- on the worker's thread --------------------------------------------------------------

    def _take(self) -> Callable[[], None] | None:
        step = self._pairing.next(self._clock())
        return None if step is None else lambda: self._process(step)

    def _due(self) -> float | None:
        return self._pairing.deadline()

    def _process(self, step: Step) -> None:
        start = perf_counter()
        detections = self._read(step.array) if step.array is not None else []
        image, readable = None, True
        if detections is None and step.frame is None:
            return  # an array that cannot be read, and nothing else
        if detections is not None and step.frame is not None and step.kind is not Kind.PREDICTED:
            image = self._decode(step.frame)
            readable = image is not None
        decode = perf_counter() - start
        source = step.frame or step.array
        assert source is not None  # a step has one of them
        time, times = source.header.ns / 1e9, StageTimes()
        if detections is None or step.kind is Kind.PREDICTED:
            tracks = self._tracker.predict(time)
        else:
            tracks, times = self._update(image, detections, time)
        self._listener.on_paired(step.kind if detections is not None else Kind.PREDICTED)
        named = [replace(track, id=self._names.of(track.id)) for track in tracks]
        if step.kind is not Kind.PREDICTED:
            self._tracks = named
        # What is late was answered before, and no array goes out that is older than the last.
        late = self._published is not None and source.header.ns <= self._published
        if readable and not late and step.kind is not Kind.LATE:
            self._published = source.header.ns
            answer = MotAnswer(source.header, source.received, named, decode, times, step.frame)
            self._listener.on_processed(answer)

    def _forget_published(self) -> None:
        self._published = None

    def _read(self, array: DetectionArray) -> list[Detection] | None:
        """The detections of an array that are wanted; None when it cannot be read."""
        try:
            found, turned = usable(array.read())
        except DetectionsError as error:
            self._listener.on_refused("message", str(error))
            return None
        wanted = self._wanted
        selection = select(
            found, min_score=dict(wanted.min_score), default_score=wanted.default_score,
            nms_iou=wanted.nms_iou, most=wanted.most,
        )  # fmt: skip
        for cause, number in (turned + selection.refused).items():
            reason = f"a detection was refused: {cause}"
            self._listener.on_refused(f"detection: {cause}", reason, number)
        self._listener.on_left_out(selection.left_out)
        return selection.kept

    def _decode(self, frame: Frame) -> UInt8Image | None:
        """The pixels; None, after saying why, when there are none: motion goes on without."""
        try:
            return frame.decode()
        except ImageError as error:
            self._listener.on_rejected(error.cause, str(error))
            return None

    def _update(
        self, image: UInt8Image | None, detections: list[Detection], time: float
    ) -> tuple[list[Track], StageTimes]:
        try:
            return self._tracker.update(image, detections, time), self._tracker.times
        except Exception as error:  # the thread must live, and the image get its answer
            reason = f"the tracker failed: {type(error).__name__}: {error}"
            self._listener.on_failure(reason, traceback.format_exc())
            return self._tracker.predict(time), StageTimes()

    def _end_targets(self, reason: str) -> list[str]:
        tracks = [replace(t, state=TrackState.LOST, reason=reason) for t in self._tracks]
        self._tracker.forget()
        self._tracks = []
        if tracks:
            self._listener.on_ended(tracks, reason)
        return [track.id for track in tracks]
