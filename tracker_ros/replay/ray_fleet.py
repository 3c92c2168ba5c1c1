"""Replays many bags on a Ray cluster that its user has started: a task for each.

The code travels with the job (`py_modules`), so that all nodes run the same; the libraries are the
nodes' own. Bags are read, and results written, at the same paths on all nodes. Where a node does
not see the folder of the results, they come back through Ray and are written here.
"""

from __future__ import annotations

import logging
import platform
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tracker_ros
from tracker_ros.errors import DataError, TrackerRosError
from tracker_ros.replay.fingerprint import is_card
from tracker_ros.replay.folder import MARK, staged
from tracker_ros.replay.job import Job
from tracker_ros.replay.outcome import Outcome
from tracker_ros.replay.run import Progress
from tracker_ros.replay.tasks import Task, Tasks, Watch, attempt, threads_asked
from tracker_ros.replay.whole_file import write_whole_file

IN_FLIGHT = 1000
"""Tasks that Ray is given at a time: enough for a cluster to grow by."""
LISTEN = 1.0
"""Seconds; an interrupt is noticed as often."""
TIME_TO_ANSWER = 5.0
"""Seconds that an address has to take a connection."""
TIME_TO_END = 5.0
"""Seconds that the tasks have to end after an interrupt."""


class NodeTrouble(Exception):
    """A node cannot do what another may: the bag is tried again."""


@dataclass(frozen=True)
class Answer:
    """What a task gives back."""

    outcome: Outcome
    files: Mapping[str, bytes] = field(default_factory=dict)
    """By their paths in the bag's folder; empty where the node has written them there itself."""


def replay_on_ray(
    tasks: Sequence[Task], watch: Watch, address: str, folder: Path, at_once: int, retries: int
) -> None:
    """Replay bags on the cluster at an address; all are told to watch.

    folder: of all the results. at_once: tasks at a time; 0: as many as the cluster takes. Each
    takes as many CPUs as the parameter `threads` says, else one. An interrupt cancels what is not
    finished. Raises DataError when the cluster cannot be reached, ModuleNotFoundError without Ray.
    """
    import ray

    with _connected(address), _probe(folder) as probe:
        waiting = Tasks(tasks, retries, watch)
        running: dict[Any, Task] = {}
        try:
            while waiting or running:
                while waiting and len(running) < (at_once or IN_FLIGHT):
                    task = waiting.take()
                    running[_submit(task, probe)] = task
                for reference in ray.wait(list(running), timeout=LISTEN)[0]:
                    task = running.pop(reference)
                    try:
                        answer = ray.get(reference)
                    except Exception as error:  # Ray's own, or what the task has raised
                        waiting.lost(task, *_in_words(error))
                    else:
                        waiting.done(task, _kept(task, answer))
        finally:
            _cancel(list(running))


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """A connection to the cluster, with our code on its nodes."""
    import ray

    _require_somebody_listens(address)
    code = {
        "py_modules": [str(Path(tracker_ros.__file__).parent)],
        "excludes": ["__pycache__", "*.pyc"],
    }
    try:
        ray.init(
            address, runtime_env=code, log_to_driver=False, logging_level=logging.ERROR,
            configure_logging=True,
        )  # fmt: skip
    except Exception as error:  # ConnectionError, ValueError, RuntimeError, ImportError of grpc
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"--ray {address}: the cluster cannot be used: {why} (it is started with `ray start "
            f"--head`; here is Ray {ray.__version__} on Python {platform.python_version()})"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _require_somebody_listens(address: str) -> None:
    """Raise DataError where nothing listens at HOST:PORT: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), TIME_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise DataError(
            f"--ray {address}: nothing answers there: {error}; `ray status` on a node of the "
            "cluster says its address"
        ) from None


@contextmanager
def _probe(folder: Path) -> Iterator[Path]:
    """A file by which a node sees whether the folder of the results is the same there."""
    probe = folder.absolute() / f".{uuid.uuid4().hex}.shared"
    write_whole_file(probe, "", "--out")
    try:
        yield probe
    finally:
        with suppress(OSError):
            probe.unlink()


def _submit(task: Task, probe: Path) -> Any:
    """Hand a task to Ray; gives the reference of its answer."""
    import ray

    job = _with_whole_paths(task.job)
    needed = [job.bag, *([job.params_file] if job.params_file else [])]
    if job.gt and Path(job.gt).is_file():
        needed.append(Path(job.gt))
    try:
        threads = threads_asked(job) or 1
    except TrackerRosError:
        threads = 1  # the task says what is wrong with the parameters
    # Retries are ours: Ray's would not look whether the result is there already.
    remote = ray.remote(num_cpus=threads, max_retries=0)(_replay)
    return remote.remote(replace(task, job=job), needed, probe, threads)


def _with_whole_paths(job: Job) -> Job:
    """The same for a process in another folder."""
    return replace(
        job,
        bag=job.bag.absolute(),
        out=job.out.absolute(),
        params_file=job.params_file and job.params_file.absolute(),
        gt=str(Path(job.gt).absolute()) if job.gt and Path(job.gt).is_file() else job.gt,
        settings={
            name: str(Path(str(value)).absolute()) if is_card(value) else value
            for name, value in job.settings.items()
        },
    )


def _replay(task: Task, needed: Sequence[Path], probe: Path, threads: int) -> Answer:
    """What a node does. Raises NodeTrouble when it lacks a file."""
    node = platform.node()
    for path in needed:
        try:
            if path.is_dir():
                next(path.iterdir(), None)
            else:
                path.open("rb").close()
        except OSError as error:
            raise NodeTrouble(
                f"node {node} cannot open {path}: {error.strerror}; bags must be at the same path "
                "on all nodes, as on a shared file system"
            ) from None
    if probe.exists():
        return Answer(attempt(task, threads, Progress()))
    if task.job.keep != "none":
        raise NodeTrouble(
            f"node {node} does not see {probe.parent}, so the bag that is written would stay "
            "there: name an --out on a shared file system, or give --bag none"
        )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        outcome = attempt(replace(task, job=replace(task.job, out=out)), threads, Progress())
        files = [path for path in out.rglob("*") if path.is_file() and path.name != MARK]
        return Answer(outcome, {str(path.relative_to(out)): path.read_bytes() for path in files})


def _kept(task: Task, answer: Answer) -> Outcome:
    """The outcome, after what came back through Ray is written, last of all the result."""
    try:
        if answer.files:
            with staged(task.job.out) as folder:
                for name, data in answer.files.items():
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    write_whole_file(folder / name, data, "a result")
    except (DataError, OSError) as error:
        return Outcome(str(task.job.bag), error=str(error))
    return answer.outcome


def _cancel(references: Sequence[Any]) -> None:
    """End what runs: first in order, so that no half bag stays; what does not obey goes with us."""
    import ray

    for reference in references:
        ray.cancel(reference)
    end = time.monotonic() + TIME_TO_END
    while references and time.monotonic() < end:
        references = ray.wait(references, timeout=0.2)[1]


def _in_words(error: Exception) -> tuple[str, str]:
    """Why a task has no outcome, in a line, and where it was, if it could still say so."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, NodeTrouble):
        return str(cause), ""
    if isinstance(cause, Exception):
        return f"a crash: {type(cause).__name__}: {cause}", str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"the worker was lost: {type(error).__name__}: {' '.join(lines[:1])}", ""
