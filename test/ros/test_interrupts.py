"""Ctrl-C while a node is made or spins: what it does comes to its end, unless the user insists."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import pytest
from harness import RosProcess

BUSY_NODE = """
import os, signal, time
import rclpy
from tracker_ros.nodes.process import run_node

def work():
    os.kill(os.getpid(), signal.SIGINT)
    if {hangs}:
        print("hangs", flush=True)
        time.sleep(60)
    print("finished", sum(range(100_000)), flush=True)

def create():
    node = rclpy.create_node("busy")
    if {at_once}:
        work()
    else:
        node.create_timer(0.01, work)
    return node

raise SystemExit(run_node(create, None))
"""

StartProcess = Callable[[Sequence[str], Mapping[str, str]], RosProcess]


def busy(start_process: StartProcess, *, hangs: bool, at_once: bool) -> RosProcess:
    script = BUSY_NODE.format(hangs=hangs, at_once=at_once)
    return start_process([sys.executable, "-c", script], {})


MADE_OR_SPINS = pytest.mark.parametrize("at_once", [False, True], ids=["spins", "is being made"])


@MADE_OR_SPINS
@pytest.mark.parametrize("more", [0, 2])
def test_what_runs_is_finished_once_and_then_the_node_ends(
    start_process: StartProcess, more: int, at_once: bool
) -> None:
    node = busy(start_process, hangs=False, at_once=at_once)
    for _ in range(more):  # launchers interrupt the process themselves, beside the terminal
        node.wait_for("finished")
        if node.returncode is None:
            node.send_signal(signal.SIGINT)
    assert node.wait_exit() == 0, node.output
    assert node.output.count("finished 4999950000") == 1, node.output
    assert "Traceback" not in node.output, node.output


@MADE_OR_SPINS
def test_what_hangs_is_ended_by_the_next_interrupt(
    start_process: StartProcess, at_once: bool
) -> None:
    node = busy(start_process, hangs=True, at_once=at_once)
    node.wait_for("hangs")
    time.sleep(1.2)
    assert node.returncode is None, "the first one waits for it"
    node.send_signal(signal.SIGINT)
    assert node.wait_exit() == 0, node.output
    assert "finished" not in node.output and "Traceback" not in node.output, node.output
