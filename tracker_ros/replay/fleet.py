"""Replays many bags on this machine: a process for each, several at a time.

A process serves one bag and ends, so that what kills one (a crash in native code, the kernel for
want of memory, kill -9) takes nothing with it: the others go on, and its bag is tried again.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait

from tracker_ros.replay.outcome import Outcome
from tracker_ros.replay.run import Progress
from tracker_ros.replay.tasks import Task, Tasks, Watch, attempt

# Not fork: the networks' threads do not survive it, and what they hold would stay locked.
PROCESSES = multiprocessing.get_context("spawn")
TELL_EVERY = 0.5
"""Seconds between two words of a worker on how far it is."""
TIME_TO_END = 10.0
"""Seconds that a worker has to end after it was told to, or has said its last word."""


@dataclass(frozen=True)
class Broken:
    """A replay that ended with an error of ours: its last words."""

    why: str
    trace: str


def replay_here(tasks: Sequence[Task], watch: Watch, *, at_once: int, retries: int) -> None:
    """Replay bags in `at_once` processes, each with its share of the cores; all are told to watch.

    An interrupt ends the processes; results that were finished stay.
    """
    at_once = min(at_once, len(tasks))
    # A single worker goes about it as a replay of one bag does.
    threads = max(1, len(os.sched_getaffinity(0)) // at_once) if at_once > 1 else 0
    waiting = Tasks(tasks, retries, watch)
    running: dict[Connection, _Worker] = {}
    resource_tracker.ensure_running()  # starting it lets SIGINT through: not amid _Worker's
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                task = waiting.take()
                try:
                    worker = _Worker(task, threads)
                except OSError as error:  # no memory for one more, or no process
                    waiting.lost(task, f"no process could be started: {error.strerror}")
                else:
                    running[worker.connection] = worker
            ready = wait(list(running))
            for worker in [worker for each, worker in running.items() if each in ready]:
                word = worker.hear()
                if isinstance(word, float):
                    watch.advanced(worker.task, word)
                    continue
                del running[worker.connection]
                code = worker.end()
                if isinstance(word, Outcome):
                    waiting.done(worker.task, word)
                elif isinstance(word, Broken):
                    waiting.lost(worker.task, word.why, word.trace)
                else:
                    waiting.lost(worker.task, _in_words(code))
    finally:
        for worker in running.values():
            worker.process.terminate()
        for worker in running.values():
            worker.end()


class _Worker:
    """A process that replays one bag."""

    def __init__(self, task: Task, threads: int) -> None:
        """Raises OSError when no process can be started."""
        self.task = task
        self.connection, theirs = PROCESSES.Pipe(duplex=False)
        self.process = PROCESSES.Process(target=_work, args=(task, threads, theirs), daemon=True)
        # Ctrl-C reaches every process of the terminal. A worker leaves it to this one, which ends
        # it in order: a blocked signal stays blocked in a process that is started meanwhile.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            theirs.close()  # so that its death is the end of the connection
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def hear(self) -> object:
        """Its next word: the share that is done, an Outcome, Broken; None when it is dead."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def end(self) -> int:
        """Wait until it has ended, or end it; its exit code, negative: that of a signal.

        Nothing half written is left then.
        """
        self.connection.close()
        self.process.join(TIME_TO_END)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        code = self.process.exitcode or 0
        self.process.close()
        if code:  # killed, it could not remove the halves of what it was writing
            for half in list(self.task.job.out.rglob(".*.partial")):
                if half.is_dir():
                    shutil.rmtree(half, ignore_errors=True)
                else:
                    half.unlink(missing_ok=True)
        return code


def _work(task: Task, threads: int, connection: Connection) -> None:
    """What a worker does: replay, and tell."""
    # Told to end it goes through every `finally`, so that no half bag stays.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    told = _Telling(connection)
    word: object
    try:
        word = attempt(task, threads, Progress(told.begin, told.tick))
    except Exception as error:
        why = f"a crash: {type(error).__name__}: {error}".strip(": ")
        word = Broken(why, traceback.format_exc())
    told.say(word)


class _Telling:
    """Tells how far a replay is, now and then."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._images = self._done = 0
        self._last = time.monotonic()

    def begin(self, images: int) -> None:
        self._images = images

    def tick(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._last >= TELL_EVERY:
            self._last = now
            self.say(min(1.0, self._done / self._images) if self._images else 0.0)

    def say(self, word: object) -> None:
        try:
            self._connection.send(word)
        except OSError:  # nobody is left to hear it: whoever started this was killed
            sys.exit(1)


def _in_words(code: int) -> str:
    """Why a process ended that has said nothing."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = " (kill -9, or out of memory)" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{hint}"
