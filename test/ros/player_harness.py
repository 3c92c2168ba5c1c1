"""Small bags of text messages for the player, and what came of them over DDS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from harness import TRACKER_ROS, RosProcess
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sot_harness import nanoseconds
from std_msgs.msg import String

from tracker_ros.bags.bag import Topic
from tracker_ros.bags.types import own_topic
from tracker_ros.bags.writer import BagWriter

StartProcess = Callable[..., RosProcess]
START = 1_700_000_000 * 10**9 + 123
SECOND = 10**9
PERIOD = SECOND // 20
COUNT = 20
TEXT = "std_msgs/msg/String"
RELIABLE = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=1000, reliability=ReliabilityPolicy.BEST_EFFORT)


def write(
    path: Path, *topics: Topic, messages: Iterable[tuple[int, str, bytes]], storage: str = "mcap"
) -> Path:
    """A bag of messages (recorded, topic, serialized)."""
    with BagWriter(path, storage=storage) as writer:
        for topic in topics:
            writer.add_topic(topic)
        for recorded, name, data in messages:
            writer.write(name, recorded, data)
    return path


def text(words: str) -> bytes:
    return bytes(serialize_message(String(data=words)))


def ticks(
    name: str = "/ticks", count: int = COUNT, period: int = PERIOD
) -> list[tuple[int, str, bytes]]:
    """Messages that say tick 0, tick 1, ..., one a period."""
    return [(START + index * period, name, text(f"tick {index}")) for index in range(count)]


def simple_bag(folder: Path) -> Path:
    """A bag with nothing but the ticks."""
    return write(folder / "bag", own_topic("/ticks", TEXT), messages=ticks())


def play(start_process: StartProcess, bag: Path, *options: str) -> RosProcess:
    return start_process([*TRACKER_ROS, "play", str(bag), *options], {})


def words(messages: Sequence[String]) -> list[str]:
    return [message.data for message in messages]


def stamps(messages: Sequence[Clock]) -> list[int]:
    return [nanoseconds(message.clock) for message in messages]


TICKS = [f"tick {index}" for index in range(COUNT)]
