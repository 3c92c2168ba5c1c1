"""Replays many bags, here or on a Ray cluster, and merges what they came to."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from tracker_ros.errors import DataError
from tracker_ros.replay.figures import shown
from tracker_ros.replay.fingerprint import files_of, fingerprint
from tracker_ros.replay.fleet import replay_here
from tracker_ros.replay.job import Job
from tracker_ros.replay.junit import write_junit
from tracker_ros.replay.merge import INDEX, write_merged
from tracker_ros.replay.outcome import Outcome, tracker_failure
from tracker_ros.replay.tasks import Task
from tracker_ros.replay.work import read_outcome


@dataclass(frozen=True)
class Fleet:
    """How many bags are replayed, and where."""

    at_once: int = 1
    """Bags at a time; with Ray 0 leaves that to the cluster."""
    ray: str = ""
    """Address of a Ray cluster; empty: this machine."""
    retries: int = 1
    """How often a bag is replayed anew after its worker was lost."""
    resume: bool = False
    """Whether results that the same job has left count."""


def replay_many(jobs: Sequence[Job], folder: Path, fleet: Fleet, junit: Path | None) -> int:
    """Replay bags, tell, and write the merged report into a folder; gives the exit code.

    A bag that cannot be replayed stops no other. The report is written after an interrupt, too.
    Raises DataError where it cannot be, or the cluster cannot be reached.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out {folder} cannot be written: {error.strerror}") from None
    tasks = [Task(job, fingerprint(job)) for job in jobs]
    kept = {
        task.job.out: outcome
        for task in tasks
        if fleet.resume and (outcome := read_outcome(task.job.out, task.fingerprint)) is not None
    }
    left = [task for task in tasks if task.job.out not in kept]
    outcomes: dict[Path, Outcome] = {}
    with Board(tasks, outcomes, "handed to Ray" if fleet.ray else "at work") as board:
        for task in tasks:
            if task.job.out in kept:
                board.kept(task, kept[task.job.out])
        try:
            if left and fleet.ray:
                from tracker_ros.replay.ray_fleet import replay_on_ray

                replay_on_ray(left, board, fleet.ray, folder, fleet.at_once, fleet.retries)
            elif left:
                replay_here(left, board, at_once=max(1, fleet.at_once), retries=fleet.retries)
        except KeyboardInterrupt:
            ended = _merged(tasks, outcomes, folder)
            write_merged(folder, ended, unfinished=len(tasks) - len(ended))
            board.say(f"interrupted: {len(ended)} of {len(tasks)} bags have ended; with --resume "
                      "the next replay goes on from here")  # fmt: skip
            raise
    merged = _merged(tasks, outcomes, folder)
    write_merged(folder, merged)
    if junit is not None:
        write_junit(junit, merged)
    failed = [outcome for outcome in merged if outcome.error or outcome.broken]
    below = [one for one in merged if not (one.passed or one.error or one.broken)]
    print(
        f"{len(merged)} bags: {len(failed)} failed, {len(below)} broke a limit, {len(kept)} had "
        f"been replayed before\nresults in {folder}, all together in {folder / INDEX}"
    )
    return 1 if failed or below else 0


class Board:
    """Tells how a fleet goes: a bar on stderr, a line for each bag on stdout."""

    def __init__(
        self, tasks: Sequence[Task], outcomes: dict[Path, Outcome], begun: str = "at work"
    ) -> None:
        """outcomes: takes those of the bags that have ended, by the folder of their results.

        begun: what is said of bags that were started.
        """
        self._begun = begun
        self._sizes = {task.job.out: _size(task.job.bag) for task in tasks}
        self._outcomes = outcomes
        self._running: dict[Path, int] = {}  # bytes of it that have been replayed
        self._failed = 0

    def __enter__(self) -> Board:
        self._bar = tqdm(
            total=sum(self._sizes.values()),
            bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed}, {remaining} left",
            mininterval=0.1 if sys.stderr.isatty() else 10.0,
            maxinterval=float("inf"),
        )
        self._describe()
        return self

    def __exit__(self, *about: object) -> None:
        self._bar.close()

    def kept(self, task: Task, outcome: Outcome) -> None:
        """A result of before counts; it says nothing on how long the others take."""
        self._outcomes[task.job.out] = outcome
        size = self._sizes[task.job.out]
        self._bar.initial += size
        self._bar.n += size
        self._describe()
        self.say(_line(task.job, outcome) + " (replayed before)")

    def started(self, task: Task) -> None:
        """A worker has it now."""
        self._running[task.job.out] = 0
        self._describe()

    def advanced(self, task: Task, share: float) -> None:
        """The bar goes by bytes: bags are of different lengths."""
        before = self._running[task.job.out]
        now = self._running[task.job.out] = round(share * self._sizes[task.job.out])
        self._bar.update(now - before)

    def again(self, task: Task, why: str) -> None:
        """Its worker was lost; it waits for another."""
        self.advanced(task, 0.0)
        del self._running[task.job.out]
        self._describe()
        self.say(f"again   {task.job.bag}: {why}")

    def finished(self, task: Task, outcome: Outcome) -> None:
        """It will not be replayed again."""
        self._outcomes[task.job.out] = outcome
        self.advanced(task, 1.0)
        del self._running[task.job.out]
        self._failed += bool(outcome.error)
        self._describe()
        self.say(_line(task.job, outcome))

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        with suppress(BrokenPipeError):  # a reader that has enough, as head, ends no replay
            tqdm.write(line, file=sys.stdout)
            sys.stdout.flush()

    def _describe(self) -> None:
        running, failed = len(self._running), self._failed
        text = f"{len(self._outcomes)} of {len(self._sizes)} bags, {running} {self._begun}"
        text += f", {failed} failed" if failed else ""
        self._bar.set_description(text, refresh=sys.stderr.isatty())


def _line(job: Job, outcome: Outcome) -> str:
    """What a bag came to."""
    if outcome.error:
        return f"FAILED  {job.bag}: {outcome.error}"
    broken = [str(check) for check in outcome.checks if not check.passed]
    if outcome.broken:
        broken.insert(0, tracker_failure(outcome.troubles))
    figures = [f"{name} {shown(name, value)}" for name, value in _first(outcome.figures).items()]
    verdict = "FAILED " if broken else "passed " if outcome.checks else "done   "
    words = ", ".join(broken or figures)
    damage = ", damaged" if outcome.damage else ""
    return f"{verdict} {job.bag}: {outcome.duration:.1f} s in {outcome.wall:.1f} s; {words}{damage}"


def _first(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: figures[name] for name in list(figures)[:3]}


def _merged(tasks: Sequence[Task], outcomes: Mapping[Path, Outcome], folder: Path) -> list[Outcome]:
    """The outcomes that there are, in the order of the bags, their pages seen from a folder."""
    merged = []
    for job in (task.job for task in tasks):
        if job.out in outcomes:
            outcome = outcomes[job.out]
            page = os.path.relpath(job.out / outcome.report, folder) if outcome.report else ""
            merged.append(replace(outcome, bag=str(job.bag), report=page))
    return merged


def _size(bag: Path) -> int:
    """Bytes; at least 1, also where it cannot be read."""
    size = 1
    for path in files_of(bag):
        with suppress(OSError):
            size += path.stat().st_size
    return size
