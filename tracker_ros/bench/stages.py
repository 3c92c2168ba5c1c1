"""Runs a tracker on serialized frames by the way a node goes, and takes the time of every stage.

receive       the bytes of a message -> its header; it is kept for the worker
decode        bytes -> pixels; of a multi-object tracker also its detections
track         pixels -> tracks: the three below, and the monitor of every target
  crop        the region that is searched, as the network takes it
  network     its run; FAMNet: embeddings, affinities and the assignment
  postprocess responses -> box; FAMNet: recovery and the management of its targets
publish       tracks -> the serialized messages of ~/tracks and ~/status
whole         all of it
rest          all of it but the network
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Protocol

from tracker_ros.bags.types import store
from tracker_ros.bench.films import Shot
from tracker_ros.errors import DataError, TrackerRosError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.mot.tracker import MultiTracker, believed
from tracker_ros.pipeline.answer import About, Answer, Counters
from tracker_ros.pipeline.cdr import Stamped
from tracker_ros.pipeline.detection_messages import DetectionArray
from tracker_ros.pipeline.frames import Frame, FrameHistory
from tracker_ros.pipeline.messages import STATUS, TRACKS, Messages
from tracker_ros.pipeline.mot_worker import MotAnswer, MotWorker, Names, Wanted
from tracker_ros.pipeline.pairing import Kind, Timing
from tracker_ros.pipeline.requests import Identities, TargetRequest
from tracker_ros.pipeline.sot_worker import Processed, TrackingWorker
from tracker_ros.sot import LoadedModel
from tracker_ros.sot.tracker import Tracker
from tracker_ros.track import Estimate, Evidence, StageTimes, Track, TrackState

STAGES = ("receive", "decode", "crop", "network", "postprocess", "publish")
"""The parts of a whole frame; what lies between them is a frame's, but no stage's."""
HISTORY = (1, 1 << 30)
"""Frames and bytes that a worker keeps: a benchmark points at the newest frame only."""


@dataclass(frozen=True)
class FrameTimes:
    """Milliseconds of one frame: wall time, and in `cpu` that of all threads of the process."""

    receive: float
    decode: float
    track: float
    publish: float
    whole: float
    cpu: float
    crop: float | None = None
    network: float | None = None
    postprocess: float | None = None
    """None: this tracker does not tell, or has no such stage."""

    @property
    def rest(self) -> float | None:
        """The whole frame without the network."""
        return None if self.network is None else self.whole - self.network


@dataclass(frozen=True)
class Outcome:
    """What came of one frame."""

    times: FrameTimes
    box: Box | None
    """Of the first target; None where the tracker says that it is lost."""
    tracks: int
    """Targets that were answered for, lost ones too."""


class Runner(Protocol):
    """A tracker that follows its targets through a film."""

    def start(self, shot: Shot, boxes: Sequence[Box]) -> None:
        """Point at the targets in the first frame. Raises TargetError."""

    def run(self, shot: Shot) -> Outcome:
        """Go through the next frame."""


class Publisher:
    """Builds and serializes what a node publishes of a frame."""

    def __init__(self, about: About) -> None:
        self._about, self._counters = about, Counters()
        self._store = store()
        self._messages = Messages(self._store.types)

    def publish(self, answer: Answer, shown: Sequence[Track], begun: float) -> None:
        """The messages of a frame whose work was begun at that time.perf_counter()."""
        header = self._messages.header(answer.header)
        self._store.serialize_cdr(self._messages.tracks(header, shown), TRACKS)
        status = self._messages.status_of(
            header, answer, self._about, self._counters,
            publish=0.0, age=perf_counter() - begun, latency=math.nan,
        )  # fmt: skip
        self._store.serialize_cdr(status, STATUS)


class _Clock:
    """The moments of one frame."""

    def __init__(self) -> None:
        self.received = self.tracked = self.published = 0.0
        self.begun, self._cpu = perf_counter(), process_time()

    def times(self, decode: float, stages: StageTimes | None) -> FrameTimes:
        """Of the frame that is done now; without stages, `track` is all that is known."""
        done, cpu = perf_counter(), process_time() - self._cpu

        def of(seconds: float) -> float | None:
            return 1e3 * seconds if seconds > 0 else None

        parts = stages or StageTimes()
        return FrameTimes(
            receive=1e3 * (self.received - self.begun),
            decode=1e3 * decode,
            track=1e3 * (self.tracked - self.received - decode),
            publish=1e3 * (self.published - self.tracked),
            whole=1e3 * (done - self.begun),
            cpu=1e3 * cpu,
            crop=of(parts.preprocess),
            network=of(parts.inference),
            postprocess=of(parts.postprocess),
        )


class _Hearing:
    """What both workers say besides tracks: on these films, nothing must go wrong."""

    def on_rejected(self, cause: str, reason: str) -> None:
        """A frame cannot be decoded."""
        raise DataError(f"a frame of the benchmark is refused ({cause}): {reason}")

    def on_ended(self, tracks: list[Track], reason: str) -> None:
        """Nobody ends targets here."""

    def on_news(self, words: str) -> None:
        """No target is late here."""

    def on_failure(self, reason: str, trace: str) -> None:
        """The tracker raised an error, or one of the methods here did."""
        raise TrackerRosError(f"the tracker failed in the benchmark: {reason}")


class SotRunner(_Hearing):
    """A single-object model, run by the node's own worker."""

    def __init__(self, model: LoadedModel) -> None:
        self._model, self._publisher = model, Publisher(model)
        self._clock = _Clock()
        self._processed: list[Processed] = []

    def start(self, shot: Shot, boxes: Sequence[Box]) -> None:
        """Point at the targets in the first frame. Raises TargetError."""
        self._worker = TrackingWorker(
            self._model, FrameHistory(*HISTORY), Identities(), self,
            thresholds=self._model.thresholds, max_targets=len(boxes),
        )  # fmt: skip
        self._worker.keep(Frame.of(shot.raw, compressed=shot.compressed, received=perf_counter()))
        answers = [self._worker.set_target(TargetRequest(box)) for box in boxes]
        self._worker.catch_up()
        for answer in answers:
            answer.result(timeout=0)
        self._processed.clear()

    def run(self, shot: Shot) -> Outcome:
        """Go through the next frame."""
        clock = self._clock = _Clock()
        self._worker.keep(Frame.of(shot.raw, compressed=shot.compressed, received=clock.begun))
        clock.received = perf_counter()
        self._worker.catch_up()
        processed = self._processed.pop()
        times = clock.times(processed.decode, processed.times)
        first = processed.tracks[0]
        box = first.box if first.state.visible else None
        return Outcome(times, box, len(processed.tracks))

    def on_processed(self, processed: Processed) -> None:
        """The worker has tracked the frame."""
        self._clock.tracked = perf_counter()
        shown = [track for track in processed.tracks if track.state.visible]
        self._publisher.publish(processed, shown, self._clock.begun)
        self._clock.published = perf_counter()
        self._processed.append(processed)


@dataclass(frozen=True)
class Words:
    """What runs, in words: see pipeline.answer.About."""

    tracker: str
    model: str
    backend: str
    precision: str


@dataclass(frozen=True)
class _BareAnswer:
    """What a tracker without a worker says of a frame."""

    header: Stamped
    received: float
    image: UInt8Image | None
    tracks: list[Track]
    decode: float
    times: StageTimes


class BareRunner:
    """A tracker that is not ours: one for each target, between the same stages as ours."""

    def __init__(self, new_tracker: Callable[[], Tracker], about: Words) -> None:
        self._new_tracker, self._publisher = new_tracker, Publisher(about)
        self._trackers: list[Tracker] = []

    def start(self, shot: Shot, boxes: Sequence[Box]) -> None:
        """Point at the targets in the first frame. Raises TargetError."""
        image = Frame.of(shot.raw, compressed=shot.compressed, received=0.0).decode()
        self._trackers = [self._new_tracker() for _ in boxes]
        for tracker, box in zip(self._trackers, boxes, strict=True):
            tracker.init(image, box)

    def run(self, shot: Shot) -> Outcome:
        """Go through the next frame."""
        clock = _Clock()
        frame = Frame.of(shot.raw, compressed=shot.compressed, received=clock.begun)
        clock.received = perf_counter()
        image = frame.decode()
        decode = perf_counter() - clock.received
        tracks = [
            _as_track(str(number), tracker.track(image))
            for number, tracker in enumerate(self._trackers, 1)
        ]
        clock.tracked = perf_counter()
        answer = _BareAnswer(frame.header, frame.received, image, tracks, decode, StageTimes())
        shown = [track for track in tracks if track.state.visible]
        self._publisher.publish(answer, shown, clock.begun)
        clock.published = perf_counter()
        box = tracks[0].box if tracks[0].state.visible else None
        return Outcome(clock.times(decode, None), box, len(tracks))


class MotRunner(_Hearing):
    """A multi-object tracker, run by the node's own worker on images and detections."""

    def __init__(self, new_tracker: Callable[[], MultiTracker], about: Words) -> None:
        self._new_tracker, self._publisher = new_tracker, Publisher(about)
        self._clock = _Clock()
        self._answers: list[MotAnswer] = []

    def start(self, shot: Shot, boxes: Sequence[Box]) -> None:
        """Begin with the first frame; nobody points at anything."""
        self._worker = MotWorker(
            self._new_tracker(), FrameHistory(*HISTORY), Names(""), self,
            timing=Timing(), wanted=Wanted(),
        )  # fmt: skip
        self.run(shot)

    def run(self, shot: Shot) -> Outcome:
        """Go through the next frame."""
        assert shot.detections is not None
        clock = self._clock = _Clock()
        frame = Frame.of(shot.raw, compressed=shot.compressed, received=clock.begun)
        array = DetectionArray.of(shot.detections, received=clock.begun)
        self._worker.keep(frame)
        self._worker.offer_detections(array)
        clock.received = perf_counter()
        self._worker.catch_up()
        answer = self._answers.pop()
        return Outcome(clock.times(answer.decode, answer.times), None, len(answer.tracks))

    def on_processed(self, answer: MotAnswer) -> None:
        """The worker has answered the image."""
        self._clock.tracked = perf_counter()
        self._publisher.publish(answer, believed(answer.tracks), self._clock.begun)
        self._clock.published = perf_counter()
        self._answers.append(answer)

    def on_paired(self, kind: Kind) -> None:
        """They have the same stamp."""

    def on_left_out(self, left_out: Counter[str]) -> None:
        """Weak detections may be left out."""

    def on_refused(self, cause: str, reason: str, number: int = 1) -> None:
        """Detections cannot be used."""
        raise DataError(f"detections of the benchmark are refused ({cause}): {reason}")

    def on_dropped(self, frames: int) -> None:
        """Nothing waits here, so nothing is dropped."""


def _as_track(id: str, estimate: Estimate) -> Track:
    """As ours are published: it tells nothing but whether it has failed."""
    e = estimate.evidence
    state = TrackState.TRACKING if e.score > 0 else TrackState.LOST
    return Track(id, estimate.box, state, Evidence(e.score, 0.0, e.size_change))
