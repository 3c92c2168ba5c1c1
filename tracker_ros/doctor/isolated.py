"""Questions to other processes: whatever happens in them, an answer comes, and in time."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

SECONDS = 60.0
"""For a question to a Python: importing torch from a cold SD card takes its time."""
# The child sees modules where we see them, also those that whoever started us added.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from tracker_ros.doctor.child import main; main(sys.argv[2:])"
)
_CLASH = re.compile(
    r"_ARRAY_API not found|compiled using NumPy 1|numpy\.dtype size changed|"
    r"numpy\.core\.multiarray failed to import|compiled against (ABI|API) version|"
    r"Numpy is not available"
)


_running: set[subprocess.Popen[str]] = set()


class Answer(NamedTuple):
    """What came of a question."""

    values: Mapping[str, Any]
    """What the child says; empty where it failed."""
    trouble: str
    """Why it failed, in one line."""
    clash: bool
    """Whether it complained of a numpy other than the one that something was built for."""


class Ended(NamedTuple):
    """How a process ended."""

    code: int | None
    """None: it was stopped, because it did not end in time."""
    out: str
    err: str


def ask(question: str, *arguments: str, seconds: float = SECONDS) -> Answer:
    """Put one of the questions of `child.py` to a Python of its own. Raises nothing."""
    path = json.dumps([entry or os.getcwd() for entry in sys.path])
    command = [sys.executable, "-c", _BOOT, path, question, *arguments]
    try:
        ended = end_of(command, seconds)
    except OSError as error:
        return Answer({}, f"{sys.executable} cannot be started: {error.strerror}", False)
    try:
        values = json.loads(ended.out)
    except ValueError:
        values = {"error": _death(ended, seconds)}
    trouble = str(values.pop("error", ""))
    return Answer(values, trouble, bool(_CLASH.search(ended.err) or _CLASH.search(trouble)))


def output_of(command: Sequence[str], seconds: float = 10.0) -> str:
    """What a program of the system prints; empty where there is none, or it takes too long.

    The exit code does not matter: dpkg-query prints what it knows and complains of the rest.
    """
    try:
        return end_of(command, seconds).out
    except OSError:
        return ""


def end_of(command: Sequence[str], seconds: float) -> Ended:
    """Run a program to its end, or stop it. Raises OSError where it cannot be started."""
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # so that what it has started is stopped with it
    )
    _running.add(process)
    try:
        out, err = process.communicate(timeout=seconds)
        return Ended(process.returncode, out, err)
    except subprocess.TimeoutExpired:
        _stop(process)
        # One that hangs in the driver of a GPU does not even die: it is left behind.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=2)
        return Ended(None, "", "")
    finally:
        _running.discard(process)


def stop_all() -> None:
    """Stop whatever still runs: after Ctrl-C nobody waits for it."""
    for process in list(_running):
        _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _death(ended: Ended, seconds: float) -> str:
    """How a child ended that said nothing."""
    if ended.code is None:
        return f"no answer within {seconds:.0f} s"
    if ended.code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-ended.code).name}"
        return f"killed by signal {-ended.code}"
    lines = ended.err.strip().splitlines()
    return lines[-1].strip()[:300] if lines else f"ended with exit code {ended.code}"
