"""Work that nothing can interrupt, and an interrupt while somebody waits for it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tracker_ros.engines.upgrade import GivenUpError
from tracker_ros.errors import ModelError
from tracker_ros.nodes import background
from tracker_ros.nodes.background import in_background, leave
from tracker_ros.nodes.loading import load_with_progress


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """What the work of a test waits for; it has ended when the test has."""
    event = threading.Event()
    yield event
    event.set()
    assert leave(0) == 0


@pytest.fixture
def interrupt_soon() -> Iterator[None]:
    """A KeyboardInterrupt on the main thread, a moment from now."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


def test_what_is_loaded_comes_back() -> None:
    assert load_with_progress("m", lambda tell: 5, lambda words: None) == 5


def test_what_cannot_be_loaded_is_named() -> None:
    def fail(tell: object) -> None:
        raise OSError("no such disk")

    with pytest.raises(ModelError, match="model 'm' cannot be loaded: no such disk"):
        load_with_progress("m", fail, lambda words: None)


def test_while_it_loads_it_tells_for_how_long(go: threading.Event) -> None:
    told: list[str] = []

    def tell(words: str) -> None:
        told.append(words)
        go.set()

    load_with_progress("m", lambda _: go.wait(), tell)
    assert told == ["loading m for 1 s"]


def test_who_is_gone_waits_no_longer(go: threading.Event) -> None:
    with pytest.raises(GivenUpError, match="loading m was given up"):
        load_with_progress("m", lambda _: go.wait(), lambda words: None, wanted=lambda: False)
    assert not background._started[-1].ended


def test_after_an_interrupt_the_work_is_known_to_go_on(
    go: threading.Event, interrupt_soon: None
) -> None:
    with pytest.raises(KeyboardInterrupt):
        load_with_progress("m", lambda _: go.wait(), lambda words: None)
    work = background._started[-1]
    assert not work.ended and not work.join(0.1)
    go.set()
    assert work.join(5.0) and work.ended


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_work_that_raises_has_ended() -> None:
    def fail() -> None:
        raise SystemExit  # which a thread ends by without a word

    work = in_background("fails", fail)
    work.wait(5.0)
    assert work.ended and work.join(5.0)


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_process_ends_under_work_that_does_not(interrupted: bool) -> None:
    script = f"""
import signal, sys, time
from tracker_ros.nodes import background
background.LEAVE = 0.2
work = background.in_background("endless", lambda: time.sleep(60))
if {interrupted}:
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        work.wait()
    except KeyboardInterrupt:
        print("interrupted")
print("leaving")
sys.exit(background.leave(7) + 1)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 7 and done.stderr == ""  # it has not gone on behind `leave`
    assert done.stdout.split() == (["interrupted"] if interrupted else []) + ["leaving"]
