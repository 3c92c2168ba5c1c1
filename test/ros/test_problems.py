"""What goes wrong is a warning of diagnostics for some seconds, and counted ever after."""

from __future__ import annotations

import pytest
from rclpy.logging import get_logger

from tracker_ros.nodes.diagnostics import RECENT, WARN, Problems, targets_status


class Clock:
    """Stands still until it is told to go on."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def problems(clock: Clock) -> Problems:
    return Problems(get_logger("test_problems"), clock)


def test_a_refused_click_is_a_warning_for_some_seconds_and_stays_counted(
    problems: Problems, clock: Clock
) -> None:
    problems.add("clicks", "click refused")
    clock.seconds += RECENT
    entry = targets_status("sot: targets", None, "", None, problems)
    assert (entry.level, entry.message) == (WARN, "click refused")
    clock.seconds += 0.1
    entry = targets_status("sot: targets", None, "", None, problems)
    assert (entry.level, entry.message) == (b"\x00", "no target")
    assert [v.value for v in entry.values] == ["1 times, last: click refused"]


def test_what_is_put_right_is_no_warning_any_more_and_stays_counted(problems: Problems) -> None:
    problems.add("tracker", "it failed")
    problems.add("model", "damaged")
    problems.settle("model")
    assert problems.recent() == "it failed"
    problems.settle()
    assert problems.recent() == ""
    assert problems.values()["model"] == "1 times, last: damaged"


def test_what_goes_wrong_again_is_a_warning_again(problems: Problems) -> None:
    problems.add("model", "damaged")
    problems.settle("model")
    problems.add("model", "damaged again")
    assert problems.recent() == "damaged again"
