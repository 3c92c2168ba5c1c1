"""One process builds, the others wait and are told who builds."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tracker_ros.engines.plan_lock import locked

HOLD = """
import sys, time
from pathlib import Path
from tracker_ros.engines.plan_lock import locked
with locked(Path(sys.argv[1]), lambda holder, seconds: None):
    print("held", flush=True)
    sys.stdin.readline()
"""


def holding(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until it is sent a line."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    return child


def ignore(holder: str, seconds: float) -> None:
    """Told of nothing here: nobody else wants the lock."""


def test_a_second_process_waits_and_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "plan.lock"
    child = holding(path)
    told: list[tuple[str, float]] = []

    def waiting(holder: str, seconds: float) -> None:
        told.append((holder, seconds))
        if len(told) == 3:
            child.communicate("done\n")

    with locked(path, waiting, poll=0.02):
        assert child.returncode == 0
    holders = {holder for holder, _ in told}
    assert holders == {f"process {child.pid} on {os.uname().nodename}"}
    assert [seconds for _, seconds in told] == sorted(seconds for _, seconds in told)


def test_a_process_that_dies_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "plan.lock"
    child = holding(path)
    child.kill()
    child.communicate()
    with locked(path, ignore, poll=0.02):
        pass


def test_threads_of_a_process_take_turns(tmp_path: Path) -> None:
    inside: list[int] = []
    most = []

    def work() -> None:
        with locked(tmp_path / "plan.lock", ignore, poll=0.01):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.03)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_who_waits_can_give_up(tmp_path: Path) -> None:
    path = tmp_path / "plan.lock"
    child = holding(path)

    def give_up(holder: str, seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), locked(path, give_up, poll=0.02):
        pass
    child.communicate("done\n")
    with locked(path, ignore, poll=0.02):
        pass


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "plan.lock"
    with pytest.raises(ValueError, match="inside"), locked(path, ignore):
        raise ValueError("inside")
    with locked(path, ignore):
        pass


def test_where_no_file_can_be_made_the_work_is_done_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with locked(tmp_path / "file" / "plan.lock", ignore):
        pass
