"""The bags of a fleet, as whoever replays them takes them: with retries, and losing no result."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2

from tracker_ros.errors import TrackerRosError
from tracker_ros.pipeline.parameters import read_params_file
from tracker_ros.replay.folder import unfinish
from tracker_ros.replay.job import Job
from tracker_ros.replay.outcome import Outcome
from tracker_ros.replay.run import Progress
from tracker_ros.replay.work import read_outcome, run_job

CRASH = "crash.txt"
"""In a bag's folder: where a replay of it broke off, for whoever mends it."""


@dataclass(frozen=True)
class Task:
    """One bag of a fleet."""

    job: Job
    fingerprint: str
    """Of the job: what its result is known by."""


class Watch(Protocol):
    """Hears how the bags of a fleet go."""

    def started(self, task: Task) -> None:
        """A worker has it now."""

    def advanced(self, task: Task, share: float) -> None:
        """So much of it has been replayed, 0 to 1."""

    def again(self, task: Task, why: str) -> None:
        """Its worker was lost; it will be replayed anew."""

    def finished(self, task: Task, outcome: Outcome) -> None:
        """It will not be replayed again; where that failed, the outcome says why."""


class Tasks:
    """Tasks that wait for a worker, and what becomes of those whose worker was lost."""

    def __init__(self, tasks: Sequence[Task], retries: int, watch: Watch) -> None:
        """retries: how often a task is started again after its worker was lost."""
        self._waiting = deque(tasks)
        self._starts: Counter[Path] = Counter()  # by the folder of the results
        self._retries = retries
        self._watch = watch

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> Task:
        """The next one. What an earlier replay left in its folder no longer counts."""
        task = self._waiting.popleft()
        if not self._starts[task.job.out]:
            with contextlib.suppress(OSError):  # then the worker says what is wrong
                unfinish(task.job.out)
        self._starts[task.job.out] += 1
        self._watch.started(task)
        return task

    def done(self, task: Task, outcome: Outcome) -> None:
        """It was replayed, or refused: the same would be refused again."""
        if not outcome.error:
            with contextlib.suppress(OSError):
                (task.job.out / CRASH).unlink(missing_ok=True)
        self._watch.finished(task, outcome)

    def lost(self, task: Task, why: str, trace: str = "") -> None:
        """Its worker ended without an outcome; trace: where it was, if it could still say so."""
        outcome = read_outcome(task.job.out, task.fingerprint)
        if outcome is not None:  # it was finished, and only could not say so any more
            self.done(task, outcome)
            return
        with contextlib.suppress(OSError):
            if trace:
                task.job.out.mkdir(parents=True, exist_ok=True)
                (task.job.out / CRASH).write_text(trace, errors="replace")
                why = f"{why} (see {task.job.out / CRASH})"
        starts = self._starts[task.job.out]
        if starts <= self._retries:
            self._watch.again(task, why)
            self._waiting.append(task)
        else:
            tried = f"; tried {starts} times" if starts > 1 else ""
            self.done(task, Outcome(str(task.job.bag), error=why + tried))


def attempt(task: Task, threads: int, progress: Progress) -> Outcome:
    """Replay a bag in this process; where it is refused, the outcome says why.

    threads: CPU threads of the networks and of OpenCV; 0 leaves that to the parameters and to
    OpenCV. The parameter `threads` goes first. Raises whatever is an error of ours.
    """
    try:
        job = task.job
        if threads:
            cv2.setNumThreads(threads)
            if not threads_asked(job):
                job = replace(job, settings={**job.settings, "threads": threads})
        return run_job(job, progress, task.fingerprint)
    except TrackerRosError as error:
        return Outcome(str(task.job.bag), error=str(error))


def threads_asked(job: Job) -> int:
    """The parameter `threads` of a job; 0: nothing is asked for, as in the files of config/.

    Raises ParameterError when the params file cannot be read.
    """
    given = {} if job.params_file is None else read_params_file(job.params_file, job.kind)
    threads = {**given, **job.settings}.get("threads", 0)
    return threads if isinstance(threads, int) else 0
