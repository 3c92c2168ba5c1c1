"""A worker's thread: takes one piece of work after the other, requests first.

Live, the thread does what there is to do as it comes. A replay starts no thread: it moves a clock
of its own and has the same work done in between, so that nothing depends on how fast a machine is.
"""

from __future__ import annotations

import threading
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from time import perf_counter
from typing import TypeVar

from tracker_ros.errors import TargetError
from tracker_ros.pipeline.frames import Frame, FrameHistory

T = TypeVar("T")


class WorkerThread(ABC):
    """Owns what it works with. Every public method may be called from any thread."""

    def __init__(
        self, history: FrameHistory, on_failure: Callable[[str, str], None],
        clock: Callable[[], float] = perf_counter,
    ) -> None:  # fmt: skip
        """on_failure: gets the reason and the trace of work that raised, on this thread.

        clock: seconds, as `Frame.received` has them.
        """
        self._history, self._on_failure, self._clock = history, on_failure, clock
        self._wake = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._stopping = ""
        """Why, once it is."""
        self._idle = False
        """Whether the thread waits, and nothing falls due by time alone."""
        self.enabled = True
        """False: frames are kept for later requests, and not tracked."""
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, reason: str) -> None:
        """End the thread after the frame it is at, and all targets for that reason.

        Requests that it has not begun are refused.
        """
        with self._wake:
            self._stopping = reason
            self._rouse()
        if self._thread.ident is None:  # never started: nothing that waits for it may be lost
            self._run()
        else:
            self._thread.join()

    def settle(self) -> None:
        """Wait until the thread has done all there is to do, or has ended."""
        with self._wake:
            self._wake.wait_for(lambda: self._idle or not self.alive)

    def catch_up(self) -> None:
        """Without a thread: do all there is to do at this moment of the clock, then return."""
        while True:
            with self._wake:
                work = self._jobs.popleft() if self._jobs else self._take()
            if work is None:
                return
            self._do(work)

    def deadline(self) -> float | None:
        """When there will be something to do even if nothing comes, by the clock; None if never."""
        with self._wake:
            return self._due()

    @property
    def alive(self) -> bool:
        """Whether the thread runs, as it does from start to stop."""
        return self._thread.is_alive()

    def keep(self, frame: Frame) -> bool:
        """Add a frame to the history and offer it, with nothing done in between; see `offer`."""
        with self._wake:
            self._history.add(frame)
            return self.offer(frame)

    @abstractmethod
    def offer(self, frame: Frame) -> bool:
        """Leave the newest frame for tracking; True when one is dropped for it, or it is itself."""

    @abstractmethod
    def forget_frames(self) -> int:
        """Drop every frame that waits or is kept: time has jumped. Gives how many waited."""

    def forget(self, reason: str) -> int:
        """Time has jumped: drop all frames, and end all targets for that reason.

        Gives how many frames waited.
        """
        waited = self.forget_frames()
        self.end_targets(reason).add_done_callback(self._tell_failure)
        return waited

    def between_frames(self, work: Callable[[], T]) -> Future[T]:
        """Have something done on the worker's thread, after the frame that it is at.

        The future holds a TargetError where the worker was stopped before.
        """
        return self._submit(work)

    def end_targets(self, reason: str) -> Future[list[str]]:
        """End all targets for that reason; the future holds their ids."""
        return self._submit(lambda: self._end_targets(reason))

    def _rouse(self) -> None:
        """There is work for the thread; the lock `_wake` is held."""
        self._idle = False
        self._wake.notify_all()

    def _tell_failure(self, done: Future[list[str]]) -> None:
        """Of targets that were to end; that the worker was stopped meanwhile is none."""
        error = None if done.cancelled() else done.exception()
        if error is not None and not isinstance(error, TargetError):
            trace = "".join(traceback.format_exception(error))
            self._on_failure(f"targets could not be ended: {error}", trace)

    # --- on the worker's thread --------------------------------------------------------------

    @abstractmethod
    def _take(self) -> Callable[[], None] | None:
        """The next piece of work, None when there is none; the lock `_wake` is held."""

    @abstractmethod
    def _end_targets(self, reason: str) -> list[str]:
        """End all targets, and tell; gives their ids."""

    def _due(self) -> float | None:
        """Time at which `_take` may give what it does not give now; the lock is held."""
        return None

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        """Have the worker's thread do something before its next frame."""
        future: Future[T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return  # withdrawn
            try:
                if self._stopping:
                    raise TargetError(self._stopping)
                future.set_result(work())
            except Exception as error:  # the asker's to judge: nothing is swallowed here
                future.set_exception(error)

        with self._wake:
            if not self._stopping:
                self._jobs.append(job)
                self._rouse()
                return future
        job()
        return future

    def _run(self) -> None:
        try:
            while True:
                with self._wake:
                    work = self._next()
                if work is None:
                    break
                self._do(work)
            self._end_targets(self._stopping)
        except Exception as error:  # told: a node without its worker must not look well
            self._on_failure(f"the worker ended: {error}", traceback.format_exc())
        finally:
            with self._wake:
                self._idle = True
                self._wake.notify_all()  # who waits in `settle`

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # the thread must live: the next frame may be better
            self._on_failure(f"a frame failed: {error}", traceback.format_exc())

    def _next(self) -> Callable[[], None] | None:
        """Wait for work: requests first. None when the thread is to end."""
        while True:
            if self._jobs:
                return self._jobs.popleft()
            if self._stopping:
                return None
            work = self._take()
            if work is not None:
                return work
            due = self._due()
            self._idle = due is None
            if self._idle:
                self._wake.notify_all()  # who waits in `settle`
            self._wake.wait(None if due is None else max(0.0, due - self._clock()))
