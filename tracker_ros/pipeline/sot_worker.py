"""The thread that tracks: takes the newest frame, follows every target, hands the tracks on."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from tracker_ros.errors import ModelError, TargetError
from tracker_ros.geometry import UInt8Image
from tracker_ros.pipeline.catch_up import CatchUp
from tracker_ros.pipeline.frames import Frame, FrameHistory
from tracker_ros.pipeline.images import ImageError, Stamped
from tracker_ros.pipeline.requests import Accepted, Identities, TargetRequest, image_of
from tracker_ros.pipeline.thread import WorkerThread
from tracker_ros.sot import LoadedModel
from tracker_ros.sot.first_picture import FirstPicture
from tracker_ros.sot.monitor import Thresholds
from tracker_ros.sot.passes import run_together
from tracker_ros.sot.target import Target
from tracker_ros.sot.tracker import SearchingTracker
from tracker_ros.track import StageTimes, Track

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

    def on_news(self, words: str) -> None:
        """Something happened between two frames that is worth a line in a log."""

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
        self._late: deque[CatchUp] = deque()
        """Those that are on their way to the present; the one whose turn is next comes first."""
        self._owed = False
        """Whether a frame was tracked since the last step of a late one."""
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

    def change_model(
        self, model: LoadedModel, thresholds: Thresholds, then: Callable[[], None]
    ) -> None:
        """Follow the targets with another model from the next frame on; they keep their identities.

        Returns when that is done; `then` is called at that moment, on the worker's thread. The
        targets are learned on the thread of the caller, while the former model goes on; it stays
        where that raises. Raises TargetError when the worker is stopped, and ModelError when the
        model cannot learn one of the targets.
        """
        firsts = self._submit(lambda: {id: t.first for id, t in self._targets.items()}).result()
        taught = {id: (first, self._taught(model, first)) for id, first in firsts.items()}

        def swap() -> None:
            trackers = {}
            for id, target in self._targets.items():
                first, tracker = taught.get(id, (None, None))
                if tracker is None or first is not target.first:  # set or rescaled meanwhile
                    tracker = self._taught(model, target.first)
                trackers[id] = tracker
            for id, tracker in trackers.items():
                self._targets[id].change(tracker, thresholds)
            self._model, self._thresholds = model, thresholds
            then()

        self._submit(swap).result()

    @staticmethod
    def _taught(model: LoadedModel, first: FirstPicture | None) -> SearchingTracker:
        tracker = model.new_tracker()
        assert first is not None  # every target of a worker was started
        try:
            first.teach(tracker)
        except TargetError as error:
            raise ModelError(f"model '{model.model}' cannot learn a target: {error}") from error
        return tracker

    # --- on the worker's thread --------------------------------------------------------------

    def _take(self) -> Callable[[], None] | None:
        if self._late and self.enabled and (self._slot is None or self._may_catch_up()):
            self._owed = False
            return self._catch_up
        frame, self._slot = self._slot, None
        self._owed = frame is not None
        return None if frame is None else lambda: self._process(frame)

    def _may_catch_up(self) -> bool:
        """Whether a late target comes before the frame that waits: else it would never arrive.

        With others it takes turns, a step a frame; alone it need not wait for a frame in which
        nothing is followed.
        """
        return self._owed or len(self._late) == len(self._targets)

    def _process(self, frame: Frame) -> None:
        start = perf_counter()
        try:
            image = frame.decode()
        except ImageError as error:
            self._listener.on_rejected(error.cause, str(error))
            return
        decode = perf_counter() - start
        tracks = self._fit_to_size(image)
        late = [one.target for one in self._late]
        waiting = [t for t in self._targets.values() if t.id not in tracks and t not in late]
        preprocess = inference = postprocess = 0.0
        for target, (track, times) in zip(waiting, self._follow(waiting, image), strict=True):
            tracks[target.id] = track
            preprocess += times.preprocess
            inference += times.inference
            postprocess += times.postprocess
        times = StageTimes(preprocess, inference, postprocess)
        in_order = [tracks[id] for id in self._targets if id in tracks]
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
        self._late.clear()  # what they would go through is another view too
        reason = f"the image changed from {before[0]}x{before[1]} to {width}x{height}, another view"
        return {target.id: target.lose(reason) for target in self._targets.values()}

    def _set_target(self, request: TargetRequest) -> Accepted:
        if not self.enabled:
            raise TargetError("tracking is disabled; enable it first (service ~/enable)")
        frame = image_of(request, self._history)
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
        self._late = deque(one for one in self._late if one.target.id != target.id)
        self._targets[target.id] = target
        self._size = size
        words = f"following {target.id}"
        if replaced:
            words += f" instead of {', '.join(replaced)}"
        missed = self._missed(frame.header.ns)
        if not missed:
            return Accepted(target.id, words)
        # After the answer: the operator need not wait for it.
        self._late.append(CatchUp(target, frame.header.ns, self._clock()))
        late = (missed[-1].header.ns - frame.header.ns) / 1e9
        images = f"{len(missed)} image{'s' * (len(missed) > 1)}"
        return Accepted(target.id, f"{words}, set {late:.2f} s late: catches up on {images}", late)

    def _missed(self, since: int) -> list[Frame]:
        """The images after that stamp, without the one that is tracked next."""
        with self._wake:
            waits = self._slot
            return [frame for frame in self._history.after(since) if frame is not waits]

    def _catch_up(self) -> None:
        """Follow the late target whose turn it is through one more image."""
        late = self._late[0]
        missed = self._missed(late.since)
        if missed:
            frame = late.choose(missed, self._clock())
            self._late.rotate(-1)
            try:
                image = frame.decode()
            except ImageError:
                pass  # counted and named when it was the newest frame
            else:
                if (image.shape[1], image.shape[0]) == self._size:
                    self._follow([late.target], image)
        if not missed or late.done or not self._missed(late.since):
            self._late.remove(late)
            self._listener.on_news(late.words)

    def _end_targets(self, reason: str) -> list[str]:
        tracks = [target.lose(reason) for target in self._targets.values()]
        self._targets.clear()
        self._late.clear()
        if tracks:
            self._listener.on_ended(tracks, reason)
        return [track.id for track in tracks]
