"""The player on the wire: which messages come, as what, and how the process ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from harness import Peer, RosProcess
from player_harness import (
    COUNT,
    RELIABLE,
    TEXT,
    TICKS,
    StartProcess,
    play,
    simple_bag,
    ticks,
    words,
    write,
)
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from std_msgs.msg import String

from tracker_ros.bags.bag import Topic
from tracker_ros.bags.qos import Qos
from tracker_ros.bags.types import own_topic


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return simple_bag(tmp_path)


# --- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_every_message_comes_once_in_the_order_of_its_recording(
    storage: str, tmp_path: Path, start_process: StartProcess, ros: Peer
) -> None:
    topics = own_topic("/ticks", TEXT), own_topic("/other", TEXT)
    other = [(recorded + 1, "/other", data) for recorded, _, data in ticks()]
    messages = sorted([*ticks(), *other])
    bag = write(tmp_path / "bag", *topics, messages=messages, storage=storage)
    received = [ros.collect(String, name, RELIABLE) for name in ("/ticks", "/other")]
    waiting = ("--wait-for-subscriber", "/ticks", "--wait-for-subscriber", "/other")
    player = play(start_process, bag, *waiting)
    assert player.wait_exit(30) == 0, player.output
    ros.wait_until(lambda: all(len(found) >= COUNT for found in received))
    assert [words(found) for found in received] == [TICKS, TICKS]
    assert f"messages published: {2 * COUNT}; rounds: 1" in player.output


def test_only_the_named_topics_are_played_or_all_but_the_excluded(
    tmp_path: Path, start_process: StartProcess, ros: Peer
) -> None:
    topics = [own_topic(f"/t{number}", TEXT) for number in range(3)]
    messages = sorted((*ticks("/t0"), *ticks("/t1"), *ticks("/t2")))
    bag = write(tmp_path / "bag", *topics, messages=messages)
    for options, played in (
        (("--topics", "/t0", "/t2"), {"/t0", "/t2"}),
        (("--exclude-topics", "/t0"), {"/t1", "/t2"}),
    ):
        player = play(start_process, bag, "--loop", *options)
        player.wait_for("s of /t")
        ros.wait_until(lambda wanted=played: offered(ros) >= wanted, what=f"{played}")
        time.sleep(0.3)  # for a third one that must not come
        assert offered(ros) == played
        player.stop()
        ros.wait_until(lambda: not offered(ros), what="their end")


def offered(ros: Peer) -> set[str]:
    """Which of the three topics somebody publishes."""
    return {f"/t{number}" for number in range(3) if ros.node.count_publishers(f"/t{number}")}


def test_a_topic_can_be_remapped(bag: Path, start_process: StartProcess, ros: Peer) -> None:
    received = ros.collect(String, "/elsewhere", RELIABLE)
    remap = ("--ros-args", "-r", "/ticks:=/elsewhere")
    player = play(start_process, bag, "--wait-for-subscriber", "/ticks", *remap)
    player.wait_for("waiting for a subscriber of /elsewhere")
    assert player.wait_exit(30) == 0
    ros.wait_until(lambda: len(received) >= COUNT)
    assert words(received) == TICKS


def test_publishers_offer_what_was_recorded(
    tmp_path: Path, start_process: StartProcess, ros: Peer
) -> None:
    recorded = {
        "/sensor": (Qos(reliability="best_effort", depth=3),),
        "/latched": (Qos(durability="transient_local", depth=1),),
        "/two_minds": (Qos(reliability="best_effort"), Qos(reliability="reliable")),
        "/unknown": (),
    }
    topics = [own_topic(name, TEXT, qos) for name, qos in recorded.items()]
    messages = sorted(message for name in recorded for message in ticks(name))
    player = play(start_process, write(tmp_path / "bag", *topics, messages=messages), "--loop")
    player.wait_for("s of /")
    ros.wait_until(lambda: all(ros.node.count_publishers(name) for name in recorded))
    found = {
        name: (info.qos_profile.reliability, info.qos_profile.durability)
        for name in recorded
        for info in ros.node.get_publishers_info_by_topic(name)
    }
    volatile = DurabilityPolicy.VOLATILE
    assert found == {
        "/sensor": (ReliabilityPolicy.BEST_EFFORT, volatile),
        "/latched": (ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL),
        "/two_minds": (ReliabilityPolicy.RELIABLE, volatile),
        "/unknown": (ReliabilityPolicy.RELIABLE, volatile),
    }


def test_what_this_ros_has_no_type_for_is_named_once_and_left_out(
    tmp_path: Path, start_process: StartProcess, ros: Peer
) -> None:
    topics = (
        own_topic("/ticks", TEXT),
        Topic("/arm", "robot_msgs/msg/Arm", definition="int32 joint"),
        Topic("/leg", "std_msgs/msg/Leg", definition="int32 joint"),
        Topic("/odd", "nonsense", definition="int32 joint"),
    )
    others = [m for name in ("/arm", "/leg", "/odd") for m in ticks(name)]
    bag = write(tmp_path / "bag", *topics, messages=sorted([*ticks(), *others]))
    received = ros.collect(String, "/ticks", RELIABLE)
    player = play(start_process, bag, "--rate", "4", "--wait-for-subscriber", "/ticks", "--loop")
    ros.wait_until(lambda: words(received).count("tick 0") == 2, 30, "the second round")
    for topic in topics[1:]:
        warning = f"{topic.name} left out: this ROS has no {topic.type}"
        assert player.output.count(warning) == 1
    player.stop()


def test_a_bag_that_was_cut_short_is_played_as_far_as_it_goes(
    tmp_path: Path, start_process: StartProcess, ros: Peer
) -> None:
    bag = write(tmp_path / "bag.mcap", own_topic("/ticks", TEXT), messages=ticks())
    whole = bag.read_bytes()
    position = whole.index(b"tick 12")
    bag.write_bytes(whole[: position + 3])
    received = ros.collect(String, "/ticks", RELIABLE)
    player = play(start_process, bag, "--wait-for-subscriber", "/ticks")
    assert player.wait_exit(30) == 0, player.output
    ros.wait_until(lambda: len(received) >= 12)
    assert words(received) == TICKS[:12]
    assert "WARN" in player.output and "bag.mcap" in player.output


# --- the process ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [(), ("--clock", "--loop"), ("--wait-for-subscriber", "/ticks")]
)
@pytest.mark.parametrize("interrupts", [1, 2])
def test_ctrl_c_ends_it_cleanly(
    options: tuple[str, ...], interrupts: int, bag: Path, start_process: StartProcess
) -> None:
    player = play(start_process, bag, "--delay", "0.2", "--rate", "0.1", *options)
    player.wait_for("s of /ticks")
    player.stop(interrupts=interrupts)


def refused(process: RosProcess, *expected: str) -> None:
    """It ends with code 2 and one line that says why."""
    assert process.wait_exit(30) == 2, process.output
    (line,) = [line for line in process.output.splitlines() if line.startswith("error: ")]
    for part in expected:
        assert part in line
    assert "Traceback" not in process.output


def test_what_is_no_bag_is_refused_in_one_line(tmp_path: Path, start_process: StartProcess) -> None:
    refused(play(start_process, tmp_path / "gone.mcap"), "gone.mcap")
    (tmp_path / "text.mcap").write_text("no bag at all")
    refused(play(start_process, tmp_path / "text.mcap"), "text.mcap")


def test_a_topic_that_is_not_in_the_bag_is_refused_with_those_that_are(
    bag: Path, start_process: StartProcess
) -> None:
    held = "/ticks (std_msgs/msg/String)"
    refused(play(start_process, bag, "--topics", "/tocks"), "no topic /tocks", held)
    refused(play(start_process, bag, "--exclude-topics", "/ticks"), "no message to play", held)
    refused(play(start_process, bag, "--wait-for-subscriber", "/x"), "/x", "/ticks")


def test_an_offset_beyond_the_end_is_refused_with_the_length(
    bag: Path, start_process: StartProcess
) -> None:
    refused(play(start_process, bag, "--start-offset", "9"), "9", "is 0.950 s long")
    refused(play(start_process, bag, "--start-offset", "0.9501"), "0.9501", "0.950 s long")


def test_a_bag_of_unknown_types_alone_is_refused(
    tmp_path: Path, start_process: StartProcess
) -> None:
    arm = Topic("/arm", "robot_msgs/msg/Arm", definition="int32 joint")
    bag = write(tmp_path / "bag", arm, messages=ticks("/arm"))
    refused(play(start_process, bag), "nothing to play", "robot_msgs/msg/Arm")


@pytest.mark.parametrize(
    "options",
    [
        *(("--rate", value) for value in ("0", "nan", "1e300", "1001", "0.0009")),
        *(("--clock", value) for value in ("-1", "1e-300", "10001", "inf")),
        ("--start-offset", "x"),
    ],
    ids=" ".join,
)
def test_a_number_that_makes_no_sense_is_refused(
    options: tuple[str, ...], bag: Path, start_process: StartProcess
) -> None:
    process = play(start_process, bag, *options)
    assert process.wait_exit(30) == 2
    assert f"argument {'-r/--rate' if options[0] == '--rate' else options[0]}" in process.output
    assert f"'{options[1]}'" in process.output and "Traceback" not in process.output
