"""No process of the demo outlives it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tracker_ros.demo.processes import ChildProcesses

STUBBORN = """
import signal, time
if {ignores}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which `python -m stubborn` runs."""
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def exists(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(("ignores", "ended_by"), [(False, signal.SIGTERM), (True, signal.SIGKILL)])
def test_a_child_ends_with_the_block_even_when_it_ignores_signals(
    tmp_path: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    ignores: bool,
    ended_by: signal.Signals,
) -> None:
    monkeypatch.setattr(
        "tracker_ros.demo.processes._PATIENCE",
        ((signal.SIGTERM, 0.5), (signal.SIGKILL, 2.0)),
    )
    (tmp_path / "stubborn.py").write_text(STUBBORN.format(ignores=ignores))
    log = tmp_path / "stubborn.log"
    with ChildProcesses(environment) as processes:
        child = processes.start("stubborn", "stubborn", [], log)
        assert wait_for(lambda: "ready" in log.read_text())
        assert child.exit_code is None
    assert child.exit_code == -ended_by
    assert "stubborn | ready" in child.last_words()


def test_an_error_in_the_block_ends_the_children_too(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN.format(ignores=False))
    with pytest.raises(RuntimeError, match="oops"), ChildProcesses(environment) as processes:
        child = processes.start("stubborn", "stubborn", [], tmp_path / "log")
        raise RuntimeError("oops")
    assert child.exit_code is not None


def test_a_child_that_ended_by_itself_is_left_in_peace(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "short.py").write_text("raise SystemExit(3)")
    with ChildProcesses(environment) as processes:
        child = processes.start("short", "short", [], tmp_path / "log")
        assert wait_for(lambda: child.exit_code is not None)
    assert child.exit_code == 3


@pytest.mark.skipif(
    sys.platform != "linux",
    reason="PR_SET_PDEATHSIG, which ends children with their parent, is Linux's alone",
)
def test_children_end_when_their_parent_is_killed(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN.format(ignores=False))
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, pathlib, time\n"
            "from tracker_ros.demo.processes import ChildProcesses\n"
            "with ChildProcesses(os.environ) as processes:\n"
            f"    log = pathlib.Path({str(tmp_path / 'log')!r})\n"
            "    child = processes.start('s', 'stubborn', [], log)\n"
            "    print(child.process.pid, flush=True)\n"
            "    time.sleep(60)\n",
        ],
        env={**environment, "PYTHONPATH": f"{tmp_path}:{root}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert wait_for(lambda: "ready" in (tmp_path / "log").read_text())
    parent.kill()
    parent.communicate()
    assert wait_for(lambda: not exists(pid))
