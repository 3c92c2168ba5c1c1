"""Starts the processes of a demo, where only they meet, and ends every one of them in the end."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

_PATIENCE = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 2.0))
"""Signals to end a process with, and seconds to wait after each.

rclpy shuts down as cleanly on SIGTERM as on SIGINT, and a Python that is still importing ends
without a word, where SIGINT would leave a traceback on the terminal.
"""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Child:
    """A process of ours."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self.process.poll()

    def last_words(self, lines: int = 20) -> str:
        """Give the end of its log, for people."""
        if self.log is None or not self.log.is_file():
            return ""
        text = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"  {self.name} | {line}" for line in text[-lines:])


class ChildProcesses:
    """Processes that live no longer than the `with` block they are started in.

    Each has its own session, so that Ctrl-C reaches this process only, which then ends them in
    order: SIGTERM, then SIGKILL. Should this process itself be killed, they get SIGTERM.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._children: list[Child] = []

    def __enter__(self) -> ChildProcesses:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end_all()

    def start(self, name: str, module: str, arguments: Sequence[str], log: Path | None) -> Child:
        """Run `python -m module arguments`; its output goes to `log`, or where ours goes."""
        command = [sys.executable, "-m", module, *arguments]
        output = log.open("wb") if log is not None else None
        try:
            process = subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output is not None else None,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        finally:
            if output is not None:
                output.close()
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def end(self, child: Child) -> None:
        """End one process and wait for it."""
        self._end([child])

    def end_all(self) -> None:
        """End all processes and wait for them; a further Ctrl-C only hurries."""
        self._end(self._children)

    def _end(self, children: Sequence[Child]) -> None:
        for signal_number, seconds in _PATIENCE:
            running = [child for child in children if child.exit_code is None]
            for child in running:
                # The whole session: the child may have started processes of its own.
                _signal_group(child.process.pid, signal_number)
            deadline = time.monotonic() + seconds
            try:
                while any(child.exit_code is None for child in running):
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.02)
            except KeyboardInterrupt:
                continue
            if all(child.exit_code is not None for child in children):
                return


def _signal_group(leader: int, signal_number: signal.Signals) -> None:
    try:
        os.killpg(leader, signal_number)
    except ProcessLookupError:
        return  # it ended by itself in the meantime


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def wait_for(listener: Child, nodes: Sequence[Child], camera: Child) -> None:
    """Wait for the listener; return at once when it cannot succeed any more."""
    while listener.exit_code is None:
        for child in (*nodes, camera):
            # The camera ends first when all is well; the nodes never do.
            if child.exit_code is not None and (child is not camera or child.exit_code != 0):
                code = child.exit_code
                print(f"\ndemo: the {child.name} process ended with code {code}", file=sys.stderr)
                return
        time.sleep(0.05)


def ros_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Make the environment of the demo's processes: they meet each other and nobody else.

    A ROS_DOMAIN_ID that the user has set is kept; otherwise a free one is taken.
    """
    result = dict(environment)
    if not result.get("ROS_DOMAIN_ID"):
        result["ROS_DOMAIN_ID"] = str(free_domain_id())
    if result.get("ROS_DISTRO") == "humble":
        result["ROS_LOCALHOST_ONLY"] = "1"
    else:
        result["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    return result


def free_domain_id() -> int:
    """Choose a ROS domain in which no participant of this machine is seen.

    Domains 1 to 100 keep clear of the ephemeral ports; the first participant of domain d binds
    the UDP ports 7400 + 250 d and 7410 + 250 d (RTPS specification, 9.6.1.1).
    """
    domains = list(range(1, 101))
    random.shuffle(domains)
    return next((domain for domain in domains if _is_free(domain)), domains[0])


def _is_free(domain: int) -> bool:
    for port in (7400 + 250 * domain, 7410 + 250 * domain):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True


def interrupt_on_signals() -> None:
    """Make SIGINT and SIGTERM raise KeyboardInterrupt.

    SIGINT too: a script's background job inherits it ignored, and would not end on it.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
