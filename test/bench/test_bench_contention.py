"""Whether the benchmark had the machine to itself, and what it says when it had not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tracker_ros.bench.contention import Others, Watch, busy_seconds
from tracker_ros.bench.report import contention

STAT = """\
cpu  700 70 140 9000 500 0 14 28 35 7
cpu0 400 40 80 4000 200 0 8 16 20 4
cpu1 300 30 60 5000 300 0 6 12 15 3
intr 12345 0 0
ctxt 99
"""
TICKS = os.sysconf("SC_CLK_TCK")


def test_a_core_works_unless_it_is_idle_or_waits_for_a_disk() -> None:
    # user + nice + system + irq + softirq + steal; what guests get is in user.
    assert busy_seconds(STAT, {0}) == pytest.approx((400 + 40 + 80 + 0 + 8 + 16) / TICKS)
    assert busy_seconds(STAT, {0, 1}) == pytest.approx((544 + 408) / TICKS)


@pytest.mark.parametrize("stat", ["", "cpu  1 2 3 4\n", "cpu0 1 2 3 4\n", "cpux y\n\n"])
def test_a_system_that_does_not_tell_of_every_core_tells_nothing(stat: str) -> None:
    assert busy_seconds(stat, {0}) is None
    assert busy_seconds(STAT, {0, 2}) is None


def test_another_process_that_works_is_seen_and_this_one_is_not_taken_for_it() -> None:
    watch, begun = Watch(), time.perf_counter()
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        own = time.process_time()
        while time.perf_counter() - begun < 2:
            pass
        own = time.process_time() - own
        stat = Path(f"/proc/{hog.pid}/stat").read_text().rsplit(")", 1)[1].split()
        worked = (int(stat[11]) + int(stat[12])) / TICKS
        others = watch.others()
        seconds = time.perf_counter() - begun
    finally:
        hog.kill()
        hog.wait()
    if others is None:
        pytest.skip("/proc/stat tells nothing here")
    # Ticks are 10 ms: some are counted for whom they were not.
    assert others.used > 0.8 * worked / seconds
    assert others.used + own / seconds < 1.1 * others.cores
    assert others.cores == len(os.sched_getaffinity(0))


def test_a_machine_that_was_not_idle_is_warned_of_with_what_to_do() -> None:
    assert contention(Others(0.29, 2), threads=0) == ["while it ran, others used 0.29 of 2 cores"]
    used, warning = contention(Others(0.3, 8), threads=0)
    assert used.endswith("0.30 of 8 cores")
    assert "do not compare" in warning and "--threads 1" in warning


def test_with_one_thread_each_nobody_is_told_to_take_one_thread() -> None:
    _, warning = contention(Others(1.2, 2), threads=1)
    assert warning.startswith("WARNING") and "--threads" not in warning


def test_where_it_is_not_known_what_others_did_this_is_said() -> None:
    assert contention(None, threads=0) == ["what others used while it ran is not known"]
