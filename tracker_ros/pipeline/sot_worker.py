"""The thread that tracks: takes the newest frame, follows every target, hands the tracks on."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from tracker_ros.errors import TargetError
from tracker_ros.geometry import UInt8Image
from tracker_ros.pipeline.frames import Frame, FrameHistory, seconds
from tracker_ros.pipeline.images import ImageError, Stamped
from tracker_ros.pipeline.requests import Accepted, Identities, TargetRequest
from tracker_ros.pipeline.thread import WorkerThread
from tracker_ros.sot import LoadedModel
from tracker_ros.sot.monitor import Thresholds
from tracker_ros.sot.passes import run_together
from tracker_ros.sot.target import Target
from tracker_ros.track import StageTimes, Track

CATCH_UP_STEPS = 30
"""A target set on an old image reaches the present in at most so many frames."""
ASPECT_TOLERANCE = 0.02
"""A new image size of the same aspect ratio, within this share, shows the same view."""


@dataclass(frozen=True)
class Processed:
    """What became of one frame."""

    frame: Frame
    image: UInt8Image
    tracks: list[Track]
    decode: float
    """Seconds from message to array."""
    times: StageTimes
    """Summed over the targets."""

    @property
    def header(self) -> Stamped:
        """Of the image."""
        return self.frame.header

    @property
    def received(self) -> float:
        """time.perf_counter() when the image came."""
        return self.frame.received


class Listener(Protocol):
    """Hears of every frame, on the worker's thread."""

    def on_processed(self, processed: Processed) -> None:
        """A frame was tracked."""

    def on_rejected(self, cause: str, reason: str) -> None:
        """A frame could not be decoded; `cause` is a short stable key."""

    def on_ended(self, tracks: list[Track], reason: str) -> None:
        """Targets have ended, between two frames; `tracks` are their last, LOST."""

    def on_failure(self, reason: str, trace: str) -> None:
        """A tracker raised an error; its target is LOST, the others go on."""


class TrackingWorker(WorkerThread):
    """Owns the targets. Every public method may be called from any thread."""

    def __init__(
        self, model: LoadedModel, history: FrameHistory, identities: Identities,
        listener: Listener, *, thresholds: Thresholds, max_targets: int,
        clock: Callable[[], float] = perf_counter,
    ) -> None:  # fmt: skip
        super().__init__(history, listener.on_failure, clock)
        self._model = model
        self._identities, self._listener = identities, listener
        self._thresholds, self._max_targets = thresholds, max_targets
        self._targets: dict[str, Target] = {}
        self._size: tuple[int, int] | None = None
        self._slot: Frame | None = None

    def offer(self, frame: Frame) -> bool:
        """Leave the newest frame for tracking; True when one is dropped for it, or it is itself."""
        if not self.enabled:
            return True
        with self._wake:
            replaced = self._slot is not None
            self._slot = frame
            self._rouse()
        return replaced

    def set_target(self, request: TargetRequest) -> Future[Accepted]:
        """Start following; the future holds the answer, or the TargetError of a refusal."""
        return self._submit(lambda: self._set_target(request))

    def forget_frames(self) -> int:
        """Drop every frame that waits or is kept: time has jumped. Gives how many waited."""
        self._history.clear()
        with self._wake:
            waited, self._slot = self._slot is not None, None
        return int(waited)

    def tune(self, thresholds: Thresholds, max_targets: int) -> None:
        """Judge targets by other thresholds, from the next frame on."""

        def apply() -> None:
            self._thresholds, self._max_targets = thresholds, max_targets
            for target in self._targets.values():
                target.set_thresholds(thresholds)

        self._submit(apply)

    # --- on the worker's thread --------------------------------------------------------------

    def _take(self) -> Callable[[], None] | None:
        frame, self._slot = self._slot, None
        return None if frame is None else lambda: self._process(frame)

    def _process(self, frame: Frame) -> None:
        start = perf_counter()
        try:
            image = frame.decode()
        except ImageError as error:
            self._listener.on_rejected(error.cause, str(error))
            return
        decode = perf_counter() - start
        tracks = self._fit_to_size(image)
        waiting = [target for target in self._targets.values() if target.id not in tracks]
        preprocess = inference = postprocess = 0.0
        for target, (track, times) in zip(waiting, self._follow(waiting, image), strict=True):
            tracks[target.id] = track
            preprocess += times.preprocess
            inference += times.inference
            postprocess += times.postprocess
        times = StageTimes(preprocess, inference, postprocess)
        in_order = [tracks[id] for id in self._targets]
        self._listener.on_processed(Processed(frame, image, in_order, decode, times))

    def _follow(
        self, targets: Sequence[Target], image: UInt8Image
    ) -> list[tuple[Track, StageTimes]]:
        """Follow them together: they share the passes of their networks."""
        followed = []
        finished = run_together([target.following(image) for target in targets])
        for target, done in zip(targets, finished, strict=True):
            track = done.value
            if track is None:  # one target's failure must not end the others
                track = self._failed(target, done.error)
            followed.append((track, done.times))
        return followed

    def _failed(self, target: Target, error: Exception | None) -> Track:
        reason = f"the tracker failed: {type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error))
        self._listener.on_failure(f"target {target.id}: {reason}", trace)
        return target.lose(reason)

    def _fit_to_size(self, image: UInt8Image) -> dict[str, Track]:
        """Carry the targets over to a new image size; gives the tracks of those it loses."""
        height, width = image.shape[:2]
        before, self._size = self._size, (width, height)
        if before is None or before == self._size:
            return {}
        sx, sy = width / before[0], height / before[1]
        if abs(sx / sy - 1) <= ASPECT_TOLERANCE:
            for target in self._targets.values():
                target.rescale(sx, sy)
            return {}
        reason = f"the image changed from {before[0]}x{before[1]} to {width}x{height}, another view"
        return {target.id: target.lose(reason) for target in self._targets.values()}

    def _set_target(self, request: TargetRequest) -> Accepted:
        if not self.enabled:
            raise TargetError("tracking is disabled; enable it first (service ~/enable)")
        frame = self._frame_of(request.stamp)
        again = request.id in self._targets
        if not again and len(self._targets) >= self._max_targets > 1:
            raise TargetError(
                f"{len(self._targets)} targets are followed and max_targets is "
                f"{self._max_targets}; clear them, or give the id of one to point it at this box"
            )
        try:
            image = frame.decode()
        except ImageError as error:
            raise TargetError(f"that image could not be decoded: {error}") from error
        size = (image.shape[1], image.shape[0])
        if self._max_targets > 1 and self._targets and self._size not in (None, size):
            raise TargetError("that image has another size than those of now; use a newer one")
        target = self._model.new_target(request.id, request.label, self._thresholds)
        target.start(image, request.box)
        if request.handed_over:
            self._identities.take_over(request.id)
        elif not again:
            target.id = self._identities.claim(request.id)
        replaced: list[str] = []
        if self._max_targets == 1:
            self._targets.pop(target.id, None)
            replaced = self._end_targets(f"replaced by target {target.id}")
        self._targets[target.id] = target
        self._size = size
        # After the answer, before the next frame: the operator need not wait for it.
        with self._wake:
            self._jobs.appendleft(lambda: self._catch_up(target, frame.header.ns))
        words = f"following {target.id}"
        if replaced:
            words += f" instead of {', '.join(replaced)}"
        return Accepted(target.id, words)

    def _frame_of(self, stamp: int) -> Frame:
        """The frame that a request means. Raises TargetError when it is not there."""
        newest, oldest = self._history.newest(), self._history.oldest()
        if newest is None or oldest is None:
            raise TargetError("no image has arrived yet; is the camera publishing?")
        frame = self._history.at(stamp) if stamp else newest
        if frame is None:
            raise TargetError(
                f"no image is stamped {seconds(stamp)}; the history holds "
                f"{seconds(oldest.header.ns)} to {seconds(newest.header.ns)}: "
                "copy the stamp of the image, and see the parameter history_frames"
            )
        return frame

    def _catch_up(self, target: Target, since: int) -> None:
        """Follow a target from the image it was set on up to the newest, which comes next."""
        for left in range(CATCH_UP_STEPS, 0, -1):
            frames = self._history.after(since)[:-1]
            if not frames or self._stopping or self._targets.get(target.id) is not target:
                return
            frame = frames[math.ceil(len(frames) / left) - 1]
            since = frame.header.ns
            try:
                image = frame.decode()
            except ImageError:
                continue  # counted and named when it was the newest frame
            if (image.shape[1], image.shape[0]) == self._size:
                self._follow([target], image)

    def _end_targets(self, reason: str) -> list[str]:
        tracks = [target.lose(reason) for target in self._targets.values()]
        self._targets.clear()
        if tracks:
            self._listener.on_ended(tracks, reason)
        return [track.id for track in tracks]
