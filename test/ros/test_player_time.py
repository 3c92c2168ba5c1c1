"""The player's time: the pace of the recording, /clock and the jump back at the loop."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from harness import Peer
from player_harness import (
    BEST_EFFORT,
    COUNT,
    PERIOD,
    RELIABLE,
    SECOND,
    START,
    TEXT,
    TICKS,
    StartProcess,
    play,
    simple_bag,
    stamps,
    text,
    ticks,
    words,
    write,
)
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sot_harness import time_message
from std_msgs.msg import String

from tracker_ros.bags.types import own_topic


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return simple_bag(tmp_path)


def test_messages_come_no_faster_than_they_were_recorded_times_the_rate(
    tmp_path: Path, start_process: StartProcess, ros: Peer
) -> None:
    messages = ticks(count=2, period=20 * SECOND)
    bag = write(tmp_path / "bag", own_topic("/ticks", TEXT), messages=messages)
    arrivals: list[float] = []
    ros.node.create_subscription(
        String, "/ticks", lambda _: arrivals.append(time.monotonic()), RELIABLE
    )
    player = play(start_process, bag, "--rate", "10", "--wait-for-subscriber", "/ticks")
    assert player.wait_exit(19) == 0  # at its own pace it would take longer
    ros.wait_until(lambda: len(arrivals) == 2)
    assert arrivals[1] - arrivals[0] > 1.9


def test_the_clock_goes_on_between_messages_and_stays_within_the_recording(
    tmp_path: Path, start_process: StartProcess, ros: Peer
) -> None:
    messages = ticks(count=2, period=4 * SECOND)
    bag = write(tmp_path / "bag", own_topic("/ticks", TEXT), messages=messages)
    clocks = ros.collect(Clock, "/clock", BEST_EFFORT)
    options = ("--clock", "--rate", "2", "--wait-for-subscriber", "/ticks")
    received = ros.collect(String, "/ticks", RELIABLE)
    player = play(start_process, bag, *options)
    assert player.wait_exit(30) == 0, player.output
    ros.wait_until(lambda: len(received) == 2)
    times = stamps(clocks)
    assert all(before <= after for before, after in pairwise(times))
    assert times[0] == START  # while it waits, time stands still
    between = [t for t in times if START < t < START + 4 * SECOND]
    # 40 a second of 2 s; a busy machine may take some of them away.
    assert 20 < len(between) <= 82
    assert max(times) < START + 4 * SECOND + SECOND


def test_at_the_loop_time_jumps_back_and_the_messages_come_again(
    bag: Path, start_process: StartProcess, ros: Peer
) -> None:
    clocks = ros.collect(Clock, "/clock", BEST_EFFORT)
    received = ros.collect(String, "/ticks", RELIABLE)
    player = play(start_process, bag, "--clock", "--loop", "--wait-for-subscriber", "/ticks")
    ros.wait_until(lambda: len(received) >= 3 * COUNT, 30, "three rounds")
    player.stop()
    assert words(received)[: 3 * COUNT] == TICKS * 3
    times = stamps(clocks)
    jumps = [(before, after) for before, after in pairwise(times) if after < before]
    assert len(jumps) >= 2
    for before, after in jumps:
        assert before - after > 0.8 * (COUNT - 1) * PERIOD
        assert START <= after < START + SECOND // 2


def test_the_recorded_clock_is_left_out_beside_the_players_own(
    tmp_path: Path, start_process: StartProcess, ros: Peer
) -> None:
    foreign = Clock(clock=time_message(42))
    recorded = [(s, "/clock", bytes(serialize_message(foreign))) for s, _, _ in ticks()]
    topics = own_topic("/ticks", TEXT), own_topic("/clock", "rosgraph_msgs/msg/Clock")
    bag = write(tmp_path / "bag", *topics, messages=sorted([*ticks(), *recorded]))
    clocks = ros.collect(Clock, "/clock", BEST_EFFORT)
    received = ros.collect(String, "/ticks", RELIABLE)
    waiting = ("--wait-for-subscriber", "/ticks")
    assert play(start_process, bag, "--clock", *waiting).wait_exit(30) == 0
    ros.wait_until(lambda: len(received) == COUNT)
    assert clocks and 42 not in stamps(clocks)
    clocks.clear()
    player = play(start_process, bag, *waiting, "--wait-for-subscriber", "/clock")
    assert player.wait_exit(30) == 0  # without --clock it is a topic as any other
    ros.wait_until(lambda: clocks)
    assert set(stamps(clocks)) == {42}


def test_times_that_the_clock_cannot_tell_are_refused_with_it_alone(
    tmp_path: Path, start_process: StartProcess, ros: Peer
) -> None:
    beyond = (1 << 31) * SECOND
    bag = write(
        tmp_path / "bag", own_topic("/ticks", TEXT), messages=[(beyond, "/ticks", text("late"))]
    )
    player = play(start_process, bag, "--clock")
    assert player.wait_exit(30) == 2
    assert "error: --clock: the first message of" in player.output
    assert "2147483648 s" in player.output and "Traceback" not in player.output
    received = ros.collect(String, "/ticks", RELIABLE)
    assert play(start_process, bag, "--wait-for-subscriber", "/ticks").wait_exit(30) == 0
    ros.wait_until(lambda: words(received) == ["late"])


def test_a_round_without_length_is_held_and_that_is_said_once(
    tmp_path: Path, start_process: StartProcess, ros: Peer
) -> None:
    bag = write(tmp_path / "bag", own_topic("/ticks", TEXT), messages=ticks(count=1))
    received = ros.collect(String, "/ticks", RELIABLE)
    begun = time.monotonic()
    player = play(start_process, bag, "--loop", "--clock", "--wait-for-subscriber", "/ticks")
    ros.wait_until(lambda: len(received) >= 20, 30, "twenty rounds")
    assert time.monotonic() - begun > 19 / 30
    player.stop()
    assert player.output.count("a round is over in less than 0.033 s") == 1


def test_an_offset_skips_the_beginning_in_every_round(
    bag: Path, start_process: StartProcess, ros: Peer
) -> None:
    received = ros.collect(String, "/ticks", RELIABLE)
    options = ("--start-offset", "0.5", "--loop", "--wait-for-subscriber", "/ticks")
    player = play(start_process, bag, *options)
    ros.wait_until(lambda: len(received) >= COUNT)
    player.stop()
    assert words(received)[:COUNT] == TICKS[10:] * 2
