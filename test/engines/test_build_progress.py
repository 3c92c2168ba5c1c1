"""How far a build is, and how it is ended."""

from __future__ import annotations

import threading

import pytest

from tracker_ros.engines.build_progress import Phases, Telling


class GivenUpError(Exception):
    """Nobody waits any more."""


def test_phases_within_phases_make_one_share() -> None:
    phases = Phases()
    assert phases.share is None
    phases.start("Building engine", None, 4)
    assert phases.share == 0
    phases.step("Building engine", 0)
    phases.start("Timing", "Building engine", 10)
    phases.step("Timing", 4)
    assert phases.share == pytest.approx((1 + 0.5) / 4)
    phases.start("Compiling", "Timing", 2)
    phases.step("Compiling", 0)
    assert phases.share == pytest.approx((1 + (5 + 0.5) / 10) / 4)
    phases.finish("Compiling")
    phases.finish("Timing")
    phases.step("Building engine", 3)
    assert phases.share == 1
    phases.finish("Building engine")
    assert phases.share == 1


def test_odd_phases_do_no_harm() -> None:
    phases = Phases()
    phases.step("never begun", 3)
    phases.finish("never begun")
    phases.start("without steps", None, 0)
    phases.step("without steps", 7)
    assert phases.share == 1


def test_a_build_is_told_at_once_and_then_again_with_its_seconds() -> None:
    told: list[tuple[str, float]] = []
    enough = threading.Event()

    def tell(words: str, share: float) -> None:
        told.append((words, share))
        if len(told) == 4:
            enough.set()

    with Telling("building", tell, usual=0.05, every=0.02) as telling:
        assert told[0][0] == "building"
        assert enough.wait(5)
    shares = [share for _, share in told]
    assert shares == sorted(shares) and 0 <= shares[0] < shares[-1] < 1
    assert not telling.ended


def test_the_share_is_tensorrts_where_it_tells_one() -> None:
    phases, told = Phases(), []
    phases.start("Building engine", None, 2)
    phases.step("Building engine", 0)
    with Telling("building", lambda words, share: told.append(share), phases=phases):
        pass
    assert told == [0.5]


def test_what_tell_raises_ends_the_build_and_is_raised_where_it_is_waited_for() -> None:
    def tell(words: str, share: float) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise GivenUpError("the node was shut down")

    with (
        pytest.raises(GivenUpError, match="shut down"),
        Telling("building", tell, every=0.01) as telling,
    ):
        while not telling.ended:  # as TensorRT asks after each step
            threading.Event().wait(0.01)


def test_what_tell_raises_at_once_begins_nothing() -> None:
    def tell(words: str, share: float) -> None:
        raise GivenUpError

    with pytest.raises(GivenUpError), Telling("building", tell):
        pytest.fail("nothing is built")


def test_an_error_of_the_build_is_raised_and_nothing_told_after_it() -> None:
    told: list[str] = []
    with (
        pytest.raises(ValueError, match="no kernel"),
        Telling("building", lambda words, share: told.append(words), every=0.01),
    ):
        raise ValueError("no kernel")
    count = len(told)
    threading.Event().wait(0.05)
    assert len(told) == count
