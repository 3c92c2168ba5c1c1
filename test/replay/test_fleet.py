"""Many bags in processes of this machine: none of their ends, however hard, touches the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from fleets import ROOT, command, command_of, kill, replay, wait_for, workers_of, write_drives

from tracker_ros.replay.fingerprint import fingerprint
from tracker_ros.replay.folder import MARK
from tracker_ros.replay.job import SOT, Job, parse_wish
from tracker_ros.replay.outcome import Outcome
from tracker_ros.replay.tasks import CRASH, Task, Tasks, threads_asked
from tracker_ros.replay.work import read_outcome

NAMES = ("east", "north", "west")


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drives(tmp_path_factory.mktemp("bags"), NAMES)


def summary_of(out: Path) -> Any:
    return json.loads((out / "summary.json").read_text())


def digests(out: Path) -> dict[str, str]:
    return {name: json.loads((out / name / "result.json").read_text())["digest"] for name in NAMES}


def start(*words: str | Path) -> subprocess.Popen[str]:
    """A replay in a group of processes of its own, as a terminal starts it."""
    return subprocess.Popen(
        command(*words), cwd=ROOT, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def amid(out: Path, parent: int, workers: int = 1) -> list[int]:
    """The workers of a replay, once that many are amid a bag each."""
    halves = wait_for(
        lambda: (
            len(list(out.glob("*/.results.partial/.bag.partial"))) >= workers and workers_of(parent)
        ),
        "worker amid a bag",
    )
    assert isinstance(halves, list)
    return halves


def test_two_at_a_time_give_the_same_tracks_as_one(bags: Path, tmp_path: Path) -> None:
    for jobs in ("1", "2"):
        done = replay(bags / "*", "--jobs", jobs, "--out", tmp_path / jobs)
        assert (done.returncode, done.stdout.count("\ndone ")) == (0, 2), done.stderr
    assert digests(tmp_path / "1") == digests(tmp_path / "2")
    assert len(set(digests(tmp_path / "1").values())) == len(NAMES)


def test_the_merged_report_has_every_bag_and_the_means(bags: Path, tmp_path: Path) -> None:
    done = replay(bags / "*", "--jobs", "2", "--out", tmp_path, "--bag", "none",
                  "--junit", tmp_path / "junit.xml")  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = summary_of(tmp_path)
    assert [row["bag"] for row in summary["outcomes"]] == [str(bags / name) for name in NAMES]
    assert (summary["passed"], summary["failed"], summary["unfinished"]) == (True, [], 0)
    assert summary["means"]["frames"] == sum(
        row["figures"]["frames"] for row in summary["outcomes"]
    ) / len(NAMES)
    page = (tmp_path / "index.html").read_text()
    assert all(str(bags / name) in page for name in NAMES)
    assert len(ET.parse(tmp_path / "junit.xml").getroot()) == len(NAMES)


def test_a_bag_that_is_refused_stops_no_other_and_is_not_tried_again(
    bags: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mcap"
    broken.write_text("no bag")
    done = replay(broken, bags / "*", "--jobs", "2", "--out", tmp_path / "out",
                  "--junit", tmp_path / "junit.xml")  # fmt: skip
    assert done.returncode == 1
    assert f"FAILED  {broken}: " in done.stdout and "again" not in done.stdout
    summary = summary_of(tmp_path / "out")
    assert summary["failed"] == [str(broken)] and not summary["passed"]
    assert str(broken) in summary["outcomes"][0]["error"]
    assert [row["error"] for row in summary["outcomes"][1:]] == [""] * len(NAMES)
    assert ET.parse(tmp_path / "junit.xml").getroot().get("failures") == "1"


def test_the_bag_of_a_killed_worker_is_replayed_anew(bags: Path, tmp_path: Path) -> None:
    running = start(bags / "*", "--jobs", "2", "--rate", "real", "--out", tmp_path)
    kill(amid(tmp_path, running.pid)[0])
    said, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors
    assert said.count("again ") == 1 and "SIGKILL" in said
    assert said.count("\ndone ") + said.startswith("done ") == len(NAMES)
    assert not list(tmp_path.rglob("*.partial"))
    assert all((tmp_path / name / "bag" / "metadata.yaml").is_file() for name in NAMES)


def test_without_retries_it_fails_with_the_reason_and_resume_replays_only_it(
    bags: Path, tmp_path: Path
) -> None:
    words = (bags / "*", "--jobs", "2", "--rate", "real", "--out", tmp_path)
    running = start(*words, "--retries", "0")
    kill(amid(tmp_path, running.pid)[0])
    running.communicate(timeout=120)
    assert running.returncode == 1
    summary = summary_of(tmp_path)
    assert len(summary["failed"]) == 1
    errors = [row["error"] for row in summary["outcomes"] if row["error"]]
    assert errors == ["its process was killed by SIGKILL (kill -9, or out of memory)"]

    done = replay(*words, "--resume")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(replayed before)") == len(NAMES) - 1
    assert summary_of(tmp_path)["passed"]


def test_resume_replays_what_has_changed_and_nothing_else(bags: Path, tmp_path: Path) -> None:
    words = (bags / "*", "--jobs", "2", "--out", tmp_path, "--bag", "none", "--resume")

    def kept(*more: str) -> int:
        done = replay(*words, *more)
        assert done.returncode == 0, done.stderr
        return done.stdout.count("(replayed before)")

    assert kept() == 0
    assert kept() == len(NAMES)
    assert kept("--set", "monitor.patience=7") == 0
    assert kept("--set", "monitor.patience=7") == len(NAMES)
    os.utime(next((bags / NAMES[0]).glob("*.mcap"), bags / NAMES[0] / "metadata.yaml"))
    assert kept("--set", "monitor.patience=7") == len(NAMES) - 1


def test_an_interrupt_ends_the_workers_and_keeps_what_is_finished(
    bags: Path, tmp_path: Path
) -> None:
    words = (bags / "*", "--rate", "real", "--out", tmp_path)
    running = start(*words, "--jobs", "1")
    wait_for((tmp_path / NAMES[0] / "result.json").exists, "first result")
    worker = amid(tmp_path, running.pid)[0]
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to all of them
    said, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in errors
    assert "--resume" in said
    assert not command_of(worker)
    assert not list(tmp_path.rglob("*.partial")), "half a bag is left"
    summary = summary_of(tmp_path)
    assert (summary["unfinished"], summary["passed"]) == (2, False)
    assert [row["bag"] for row in summary["outcomes"]] == [str(bags / NAMES[0])]

    done = replay(*words, "--jobs", "2", "--resume")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(replayed before)") == 1


def test_workers_end_when_whoever_started_them_was_killed(bags: Path, tmp_path: Path) -> None:
    running = start(bags / "*", "--jobs", "2", "--rate", "real", "--out", tmp_path)
    workers = amid(tmp_path, running.pid, workers=2)
    kill(running.pid)
    running.communicate(timeout=60)
    wait_for(lambda: not any(map(command_of, workers)), "end of the workers", 30.0)
    assert not list(tmp_path.glob("*/result.json"))


class Notes:
    """Writes down what a fleet is told."""

    def __init__(self) -> None:
        self.again_for: list[str] = []
        self.outcomes: list[Outcome] = []

    def started(self, task: Task) -> None: ...

    def advanced(self, task: Task, share: float) -> None: ...

    def again(self, task: Task, why: str) -> None:
        self.again_for.append(why)

    def finished(self, task: Task, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def task_of(bags: Path, out: Path) -> Task:
    job = Job(bags / NAMES[0], out, SOT, wishes=(parse_wish("30,40,36,30"),), report=False)
    return Task(job, fingerprint(job))


def test_a_result_counts_even_if_its_worker_died_before_it_could_tell(
    bags: Path, tmp_path: Path
) -> None:
    task, notes = task_of(bags, tmp_path), Notes()
    tasks = Tasks([task], 1, notes)
    assert tasks.take() == task
    folder = str(tmp_path)
    assert replay(bags / NAMES[0], "--out", folder).returncode == 0
    finished = next(tmp_path.glob("result.json"))
    finished.write_text(json.dumps({**json.loads(finished.read_text()), "job": task.fingerprint}))
    tasks.lost(task, "killed")
    assert not notes.again_for and not notes.outcomes[0].error and not len(tasks)


def test_a_result_of_before_does_not_pass_for_that_of_a_lost_worker(
    bags: Path, tmp_path: Path
) -> None:
    task, notes = task_of(bags, tmp_path), Notes()
    (tmp_path / "result.json").write_text(
        json.dumps({**Outcome("old").as_json(), "job": task.fingerprint})
    )
    (tmp_path / MARK).write_text(json.dumps(["result.json"]))  # a replay has left it
    assert read_outcome(tmp_path, task.fingerprint) is not None
    tasks = Tasks([task], 0, notes)
    tasks.take()
    tasks.lost(task, "killed")
    assert [outcome.error for outcome in notes.outcomes] == ["killed"]


def test_a_crash_is_tried_again_and_then_told_with_its_trace(bags: Path, tmp_path: Path) -> None:
    task, notes = task_of(bags, tmp_path), Notes()
    tasks = Tasks([task], 1, notes)
    for _ in range(2):
        tasks.lost(tasks.take(), "a crash: ValueError: 3", "Traceback: line 7")
    assert len(notes.again_for) == 1
    assert "ValueError: 3" in notes.outcomes[0].error and "2 times" in notes.outcomes[0].error
    assert (tmp_path / CRASH).read_text() == "Traceback: line 7"


@pytest.mark.parametrize(
    ("in_file", "given", "asked"), [(None, {}, 0), (0, {}, 0), (3, {}, 3), (3, {"threads": 2}, 2)]
)
def test_threads_that_are_asked_for_are_not_the_share_of_the_cores(
    tmp_path: Path, in_file: int | None, given: dict[str, object], asked: int
) -> None:
    params = tmp_path / "sot.yaml"
    params.write_text(f"/**:\n  ros__parameters:\n    threads: {in_file}\n")
    file = None if in_file is None else params
    assert threads_asked(Job(tmp_path, tmp_path, SOT, params_file=file, settings=given)) == asked


def test_the_fingerprint_sees_the_content_of_what_options_name(bags: Path, tmp_path: Path) -> None:
    params, truth = tmp_path / "sot.yaml", tmp_path / "truth.txt"
    job = Job(bags / NAMES[0], tmp_path, SOT, params_file=params, gt=str(truth))

    def after(path: Path, text: str) -> str:
        path.write_text(text)
        return fingerprint(job)

    seen = [after(truth, "1,1,9,9"), after(params, "a: 1"), after(params, "a: 2"),
            after(truth, "2,1,9,9")]  # fmt: skip
    assert len(set(seen)) == 4
    assert after(truth, "1,1,9,9") == seen[2]
