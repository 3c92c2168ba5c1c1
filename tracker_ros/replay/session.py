"""A node without ROS: takes the messages of a bag one by one and gives what the node publishes.

Between message and message runs what runs in the live nodes (`tracker_ros.pipeline`): intake,
pairing, worker, tracker, messages. Two things differ. The clock stands still while something is
computed and moves with the recording, so nothing depends on how fast this machine is; and the work
is done by whoever feeds the session, on no thread of its own. With `live` both are as on a robot.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar

from tracker_ros.errors import DataError, ImageError
from tracker_ros.pipeline.answer import About, Answer, Counters, latency
from tracker_ros.pipeline.frames import Frame
from tracker_ros.pipeline.intake import Intake
from tracker_ros.pipeline.messages import STATUS, TRACKS, Messages
from tracker_ros.pipeline.thread import WorkerThread
from tracker_ros.replay.result import Event, Start, Timeline, Trouble
from tracker_ros.track import Track

OVER = "the bag has ended"
LONGEST_PAUSE = 60.0
"""Seconds without a message that `--rate real` waits."""
W = TypeVar("W", bound=WorkerThread)


class Store(Protocol):
    """What serializes messages: a typestore of rosbags."""

    types: Any

    def serialize_cdr(self, message: object, typename: str) -> memoryview | bytes:
        """The message as it goes over the wire."""


class Output(Protocol):
    """Takes what is published, on the thread that published it."""

    def publish(self, kind: str, recorded: int, data: bytes) -> None:
        """A serialized message; kind: `tracks` or `status`; recorded: nanoseconds."""


class Session(ABC, Generic[W]):
    """Feeds a worker, and keeps what becomes of every frame."""

    worker: W
    _intake: Intake[W]

    def __init__(self, about: About, store: Store, output: Output, *, live: bool) -> None:
        self.timeline = Timeline()
        self.events: list[Event] = []
        self.troubles: dict[str, Trouble] = {}
        self.counters = Counters()
        self.starts: dict[str, Start] = {}
        """Where the targets were set, by id."""
        self.ended: list[tuple[int, str]] = []
        """Targets that ended by no wish of anybody: before which frame, and their id."""
        self.about, self._store, self._output = about, store, output
        self._messages = Messages(store.types)
        self._live = live
        self._start: int | None = None
        """When the first message came, nanoseconds of the recording: the clock counts from there,
        not from the bag's beginning, which may be decades away where a clock was set late."""
        self._began = 0.0
        self._now = 0
        self._fed = 0.0
        self._digest = hashlib.sha256()
        self._publish_time = 0.0
        self._stamp = 0
        self._unwritten: DataError | None = None
        self._lock = threading.Lock()  # live, the worker's thread counts too

    # --- the clock ---------------------------------------------------------------------------

    def clock(self) -> float:
        """Seconds since the recording began."""
        if self._start is None:
            return 0.0
        if self._live:
            return perf_counter() - self._began
        return (self._now - self._start) / 1e9

    @property
    def now(self) -> int:
        """The same as nanoseconds of the recording."""
        if self._live and self._start is not None:
            return self._start + round((perf_counter() - self._began) * 1e9)
        return self._now

    @property
    def span(self) -> float:
        """Seconds from the first message to the last."""
        return 0.0 if self._start is None else (self._now - self._start) / 1e9

    def _begin(self, recorded: int) -> None:
        """The first message comes: the clock starts; live, the worker gets its thread."""
        self._start = self._now = recorded
        self._began = perf_counter()
        if self._live:
            self.worker.start()

    def _advance(self, recorded: int) -> None:
        """Let time pass until a message comes, doing what falls due in between."""
        if self._start is None:
            self._begin(recorded)
        if self._live:
            self._wait_until(recorded)
            return
        while (due := self._due()) is not None and due <= recorded:
            self._now = max(self._now, due)
            self._catch_up()
            if self._due() == due:
                break  # nothing falls due by time alone any more
        self._now = max(self._now, recorded)

    def _due(self) -> int | None:
        """When there is something to do even if nothing comes, nanoseconds of the recording."""
        due = self.worker.deadline()
        if due is None or self._start is None:
            return None
        # A little later than exactly: the clock in seconds must not round to before it.
        return self._start + math.ceil((due + math.ulp(due)) * 1e9) + 1

    def _wait_until(self, recorded: int) -> None:
        """Live: until a message was recorded. Raises DataError for a pause of minutes."""
        assert self._start is not None
        left = (recorded - self._start) / 1e9 - self.clock()
        if left > LONGEST_PAUSE:
            raise DataError(
                f"the recording pauses for {left:.0f} s, and --rate real would wait for it: leave "
                "the pause out with --from or --to"
            )
        if left > 0:
            time.sleep(left)
        self._now = recorded

    def _catch_up(self) -> None:
        if not self._live:
            self._fed = perf_counter()
            self.worker.catch_up()

    # --- what comes --------------------------------------------------------------------------

    def add_image(self, raw: bytes, recorded: int, *, number: int, compressed: bool) -> None:
        """An image message has come; number: among those of its topic, from 0."""
        self._advance(recorded)
        try:
            frame = Frame.of(raw, compressed=compressed, received=self.clock(), number=number)
        except ImageError as error:
            self.on_received()
            self.on_rejected(error.cause, str(error))
            return
        self._intake.add_image(frame)
        self._catch_up()

    def end(self) -> None:
        """Do what still waits; live, end the thread."""
        if self._live and self.worker.alive:
            self.worker.settle()
            self.worker.stop(OVER)
            return
        last = None
        while (due := self._due()) not in (None, last):
            assert due is not None
            self._advance(due)
            last = due

    def require_written(self) -> None:
        """Raise DataError where something that was published could not be written."""
        if self._unwritten is not None:
            raise self._unwritten

    def about_it(self) -> dict[str, str]:
        """What else is to be said of it, for reports."""
        return {}

    @property
    def digest(self) -> str:
        """sha256 of all messages of tracks."""
        return self._digest.hexdigest()

    # --- what the worker and the intake say --------------------------------------------------

    def on_received(self) -> None:
        """An image has come."""
        self.counters.count("received")

    def on_dropped(self, frames: int) -> None:
        """Images are dropped."""
        self.counters.count("dropped", frames)

    def on_rejected(self, cause: str, reason: str) -> None:
        """An image is of no use."""
        self.counters.count("rejected")
        self._trouble(f"image: {cause}", reason)

    def on_time_jump(self, reason: str) -> None:
        """What was is not before what comes."""
        self.happened(f"{reason}; history and targets are cleared")

    def on_failure(self, reason: str, trace: str) -> None:
        """The tracker failed."""
        self._trouble("tracker", f"{reason}\n{trace}")

    def on_ended(self, tracks: list[Track], reason: str) -> None:
        """Targets have ended between two images."""
        ids = [track.id for track in tracks]
        self.happened(f"ended {', '.join(ids)}: {reason}")
        if reason != OVER and not reason.startswith("replaced by"):
            self.ended += [(len(self.timeline), id) for id in ids]
        header = self._messages.header_at(self.now)
        status = self._messages.status(header, tracks, self.about, self.counters)
        self._publish("status", STATUS, status)

    def _answered(self, answer: Answer, number: int) -> None:
        start = perf_counter()
        age = self.clock() - answer.received
        if not self._live:
            age += start - self._fed
        shown = self._shown(answer.tracks)
        header = self._messages.header(answer.header)
        self._publish("tracks", TRACKS, self._messages.tracks(header, shown))
        status = self._messages.status_of(
            header, answer, self.about, self.counters, publish=self._publish_time, age=age,
            latency=latency(answer.header, self.now),
        )  # fmt: skip
        self._publish("status", STATUS, status)
        self._publish_time = perf_counter() - start
        self._stamp = answer.header.ns
        self.timeline.add(
            answer.header.ns, self.now, number, answer.times, decode=answer.decode,
            publish=self._publish_time, age=age, tracks=answer.tracks, published=shown,
        )  # fmt: skip

    @abstractmethod
    def _shown(self, tracks: Sequence[Track]) -> list[Track]:
        """Those that are published."""

    def _publish(self, kind: str, type: str, message: object) -> None:
        data = bytes(self._store.serialize_cdr(message, type))
        if kind == "tracks":
            self._digest.update(data)
        try:
            self._output.publish(kind, self.now, data)
        except DataError as error:  # a worker would take it for a failure of its tracker
            self._unwritten = self._unwritten or error

    def happened(self, words: str) -> None:
        """Note that something has happened between two frames."""
        self.events.append(Event(self._stamp, len(self.timeline), words))

    def _trouble(self, cause: str, reason: str, number: int = 1) -> None:
        with self._lock:
            if cause in self.troubles:
                self.troubles[cause].count += number
            else:
                self.troubles[cause] = Trouble(number, reason, self.now)
