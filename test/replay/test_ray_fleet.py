"""Many bags on a Ray cluster of this machine's loopback: a lost worker loses no result."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from fleets import ROOT, TARGET, command, command_of, kill, replay, wait_for, write_drives

from tracker_ros.replay.job import SOT, Job, parse_wish
from tracker_ros.replay.ray_fleet import NodeTrouble, _kept, _replay
from tracker_ros.replay.tasks import Task
from tracker_ros.replay.work import read_outcome

NAMES = ("east", "north", "south", "west")
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""With the first, Ray's nodes keep to 127.0.0.1, as it has them on other systems than Linux."""
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs ray: ./run setup ray"
)


class Cluster(NamedTuple):
    address: str
    process: subprocess.Popen[bytes]

    def workers(self) -> list[int]:
        """The processes that replay a bag."""
        return [pid for pid in descendants(self.process.pid) if "_replay" in command_of(pid)]


def descendants(pid: int) -> list[int]:
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [one for child in map(int, words) for one in (child, *descendants(child))]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drives(tmp_path_factory.mktemp("bags"), NAMES)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    port, client = free_port(), free_port()
    folder = tempfile.mkdtemp(prefix="ray")  # a short path: sockets lie in it
    words = [
        "start", "--head", "--block", "--num-cpus=2", f"--port={port}", "--disable-usage-stats",
        "--node-ip-address=127.0.0.1", f"--ray-client-server-port={client}", f"--temp-dir={folder}",
        "--include-dashboard=false", f"--object-store-memory={80 * 2**20}",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", *words], start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **LOOPBACK},
    )  # fmt: skip
    try:
        wait_for(lambda: answers(port) and "raylet" in " ".join(
            map(command_of, descendants(process.pid))), "cluster")  # fmt: skip
        yield Cluster(f"127.0.0.1:{port}", process)
    finally:
        left = descendants(process.pid)
        process.send_signal(signal.SIGTERM)  # with --block it takes its processes with it
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        for pid in left:
            if "ray" in command_of(pid):
                kill(pid)
        shutil.rmtree(folder, ignore_errors=True)


@needs_ray
def test_a_cluster_gives_the_same_tracks_as_this_machine(
    bags: Path, tmp_path: Path, cluster: Cluster
) -> None:
    here = replay(bags / "*", "--jobs", "2", "--out", tmp_path / "here")
    there = replay(bags / "*", "--ray", cluster.address, "--out", tmp_path / "there",
                   environment=LOOPBACK)  # fmt: skip
    assert (here.returncode, there.returncode) == (0, 0), here.stderr + there.stderr

    def digests(out: Path) -> list[str]:
        summary = json.loads((out / "summary.json").read_text())
        return [row["digest"] for row in summary["outcomes"]]

    assert digests(tmp_path / "here") == digests(tmp_path / "there")
    assert len(set(digests(tmp_path / "there"))) == len(NAMES)
    assert not list((tmp_path / "there").glob(".*")), "what the nodes looked for is left"


@needs_ray
def test_a_lost_worker_loses_no_result(bags: Path, tmp_path: Path, cluster: Cluster) -> None:
    words = [bags / "*", "--ray", cluster.address, "--rate", "real", "--out", tmp_path]
    running = subprocess.Popen(
        command(*words), cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, **LOOPBACK},
    )  # fmt: skip
    wait_for(
        lambda: list(tmp_path.glob("*/.results.partial/.bag.partial")), "bag that is being replayed"
    )
    kill(wait_for(cluster.workers, "worker")[0])
    said, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors
    assert said.count("again ") == 1 and "the worker was lost" in said
    assert all(read_outcome(tmp_path / name) is not None for name in NAMES)
    assert all((tmp_path / name / "bag" / "metadata.yaml").is_file() for name in NAMES)

    done = replay(*words, "--resume", environment=LOOPBACK)
    assert done.stdout.count("(replayed before)") == len(NAMES)


@needs_ray
def test_what_is_refused_there_is_told_here(bags: Path, tmp_path: Path, cluster: Cluster) -> None:
    broken = tmp_path / "broken.mcap"
    broken.write_text("no bag")
    done = replay(broken, bags / NAMES[0], "--ray", cluster.address, "--out", tmp_path / "out",
                  environment=LOOPBACK)  # fmt: skip
    assert done.returncode == 1
    assert f"FAILED  {broken}: " in done.stdout and "again" not in done.stdout
    assert f"done    {bags / NAMES[0]}: " in done.stdout


@needs_ray
def test_an_address_where_nobody_answers_is_one_line(bags: Path, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    done = replay(bags / "*", "--ray", address, "--out", tmp_path, environment=LOOPBACK)
    assert done.returncode == 2
    assert f"error: --ray {address}: nothing answers there" in done.stderr
    assert "Traceback" not in done.stderr


# --- what a node does, in this process: here both sides would see the same disk ------------------


def task_of(bags: Path, out: Path, keep: str) -> Task:
    wishes = (parse_wish(TARGET),)
    return Task(Job(bags / NAMES[0], out, SOT, wishes=wishes, report=False, keep=keep), "one")


def test_a_node_that_cannot_open_a_bag_says_which_and_who_it_is(bags: Path, tmp_path: Path) -> None:
    task = task_of(bags, tmp_path, "none")
    away = replace(task, job=replace(task.job, bag=tmp_path / "not_mounted"))
    with pytest.raises(NodeTrouble, match=rf"node {socket.gethostname()} cannot .*not_mounted"):
        _replay(away, [away.job.bag], tmp_path, 1)


def test_results_of_a_node_that_does_not_see_their_folder_come_back(
    bags: Path, tmp_path: Path
) -> None:
    task = task_of(bags, tmp_path / "out", "none")
    answer = _replay(task, [task.job.bag], tmp_path / "seen only here", 1)
    assert not task.job.out.exists()
    assert not _kept(task, answer).error
    assert read_outcome(task.job.out, "one") == answer.outcome
    assert (task.job.out / "tracks.csv").stat().st_size > 0


def test_a_bag_that_would_stay_on_such_a_node_is_not_written(bags: Path, tmp_path: Path) -> None:
    task = task_of(bags, tmp_path / "out", "all")
    with pytest.raises(NodeTrouble, match="--bag none"):
        _replay(task, [task.job.bag], tmp_path / "seen only here", 1)
