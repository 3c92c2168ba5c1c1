"""What plays a bag: publishers as they were recorded, and the time of the recording."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from rclpy.exceptions import NameValidationException
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from rosgraph_msgs.msg import Clock

from tracker_ros.bags.bag import Topic, describe
from tracker_ros.bags.qos import Qos
from tracker_ros.bags.reader import BagReader
from tracker_ros.errors import DataError

CLOCK_TOPIC = "/clock"
CLOCK = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)
"""As of `ros2 bag play`: rclcpp's ClockQoS."""
LAST_SECOND = 0x7FFF_FFFF
"""Of a stamp: its seconds are an int32."""
DEPTH = 10
"""Of the queue of a publisher whose recording does not say it: the default of rmw."""
NO_LIMIT = 0x7FFF_FFFF
"""Seconds from which on a recorded duration means: for ever. Each DDS wrote its own number."""


class Playback:
    """The time of a recording, that goes on at a rate, and is told on /clock."""

    def __init__(self, node: Any, start: int, *, rate: float, clock_rate: float | None) -> None:
        """The time stands still at `start` (ns) until `jump`.

        clock_rate: Hz of /clock, None for no /clock.
        """
        self._rate = rate
        self._held: int | None = start
        self._recorded, self._anchor = start, time.monotonic()
        self._publisher = None
        self._period = 0.1
        """Without a clock: how often a sleep looks whether ROS has been shut down."""
        if clock_rate is not None:
            self._publisher = node.create_publisher(Clock, CLOCK_TOPIC, CLOCK)
            self._period = 1.0 / clock_rate
        self._next_tick = self._anchor

    def now(self) -> int:
        """The time of the recording, ns."""
        if self._held is not None:
            return self._held
        return self._recorded + round((time.monotonic() - self._anchor) * self._rate * 1e9)

    def late(self, recorded: int) -> float:
        """Seconds since a message recorded at that time was due; negative before it is."""
        return time.monotonic() - self._due(recorded)

    def jump(self, recorded: int) -> None:
        """It is now that time; it goes on from there, and is told at once."""
        self._held = None
        self._recorded, self._anchor = recorded, time.monotonic()
        self._tell()

    def hold(self, seconds: float) -> bool:
        """Wait while the time stands still; False when ROS shut down meanwhile."""
        self._held = self.now()
        return self._sleep(time.monotonic() + seconds)

    def sleep_until(self, recorded: int) -> bool:
        """Sleep until that time has come; False when ROS shut down meanwhile."""
        return self._sleep(self._due(recorded))

    def _due(self, recorded: int) -> float:
        return self._anchor + (recorded - self._recorded) / (self._rate * 1e9)

    def _sleep(self, deadline: float) -> bool:
        """Sleep until a time of time.monotonic, telling the clock whenever it is time to."""
        while rclpy.ok():
            now = time.monotonic()
            if now >= self._next_tick:
                self._tell()
                # From now, not from when it was due: no burst after a message that took long.
                self._next_tick = now + self._period
            if now >= deadline:
                return True
            time.sleep(min(deadline - now, self._next_tick - now, 0.1))
        return False

    def _tell(self) -> None:
        if self._publisher is not None:
            seconds, nanoseconds = divmod(self.now(), 10**9)
            # A player that is late may run over the end that fits.
            sec = min(seconds, LAST_SECOND)
            self._publisher.publish(Clock(clock=Time(sec=sec, nanosec=nanoseconds)))


def can_be_told(recorded: int) -> bool:
    """Whether /clock can say that time, ns."""
    return 0 <= recorded < (LAST_SECOND + 1) * 10**9


def select_topics(
    reader: BagReader, names: Sequence[str], excluded: Sequence[str], *, clock: bool
) -> tuple[Topic, ...]:
    """The topics to play: `names`, or all, without those `excluded`.

    clock: /clock is published by the player itself, and a recorded one left out. Raises DataError,
    listing what the bag holds, when a name is not in it or nothing is left.
    """
    held, listed = {topic.name for topic in reader.topics}, describe(reader.topics)
    for name in (*names, *excluded):
        if name not in held:
            raise DataError(
                f"{reader.path} has no topic {name}; it holds {describe(reader.topics)}"
            )
    left_out = {*excluded, *([CLOCK_TOPIC] if clock else [])}
    chosen = tuple(
        topic
        for topic in reader.topics
        if (not names or topic.name in names) and topic.name not in left_out
    )
    if not any(topic.count for topic in chosen):
        raise DataError(f"{reader.path} has no message to play; it holds {listed}")
    return chosen


def create_publishers(node: Any, topics: Sequence[Topic]) -> Mapping[tuple[str, str], Any]:
    """A publisher for each (name, type) of a topic whose type this ROS has.

    The others are named in a warning. Raises DataError when none is left.
    """
    publishers: dict[tuple[str, str], Any] = {}
    unknown: dict[str, list[str]] = {}
    for topic in topics:
        kind = message_class(topic.type)
        if topic.serialization != "cdr":
            node.get_logger().warning(
                f"{topic.name} is left out: its messages are serialized as {topic.serialization}"
            )
        elif kind is None:
            unknown.setdefault(topic.type, []).append(topic.name)
        elif topic.name in [name for name, _ in publishers]:
            node.get_logger().warning(
                f"{topic.name} was recorded with two types; {topic.type} is left out"
            )
        else:
            try:
                publisher = node.create_publisher(kind, topic.name, recorded_qos(topic.qos))
            except NameValidationException as error:
                node.get_logger().warning(f"{topic.name} is left out: {error}")
            else:
                publishers[topic.name, topic.type] = publisher
    for type_name, names in unknown.items():
        node.get_logger().warning(
            f"{', '.join(names)} left out: this ROS has no {type_name}; source its package"
        )
    if not publishers:
        raise DataError("nothing to play: this ROS has no message type of " + describe(topics))
    return publishers


def message_class(type_name: str) -> Any | None:
    """The class of `package/msg/Name`; None where this ROS does not have it."""
    package, _, rest = type_name.partition("/")
    kind, _, name = rest.rpartition("/")
    try:
        # Also srv: recorded events of services are messages.
        return getattr(importlib.import_module(f"{package}.{kind or 'msg'}"), name, None)
    except (ImportError, ValueError):
        return None


def is_reliable(publisher: Any) -> bool:
    """Whether somebody acknowledges what it publishes."""
    return bool(publisher.qos_profile.reliability == ReliabilityPolicy.RELIABLE)


def recorded_qos(offers: Sequence[Qos]) -> QoSProfile:
    """The profile to publish with, from those of the publishers that were recorded, maybe none.

    As `ros2 bag play` has it: theirs where all of them agreed, history aside; else reliable and
    volatile.
    """
    profile = QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=DEPTH, reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.VOLATILE,
    )  # fmt: skip
    if not offers or len({_compatibility(offer) for offer in offers}) > 1:
        return profile
    offer = offers[0]
    if offer.history == "keep_all":
        profile.history = HistoryPolicy.KEEP_ALL
    elif offer.history == "keep_last" and offer.depth > 0:
        profile.depth = offer.depth
    if offer.reliability == "best_effort":
        profile.reliability = ReliabilityPolicy.BEST_EFFORT
    if offer.durability == "transient_local":
        profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
    if offer.liveliness == "manual_by_topic":
        profile.liveliness = LivelinessPolicy.MANUAL_BY_TOPIC
    for name in ("deadline", "lifespan", "liveliness_lease_duration"):
        recorded = getattr(offer, name)
        if 0 <= recorded.sec < NO_LIMIT and (recorded.sec or recorded.nsec):
            setattr(profile, name, Duration(seconds=recorded.sec, nanoseconds=recorded.nsec))
    return profile


def _compatibility(offer: Qos) -> tuple[object, ...]:
    """What decides who can subscribe."""
    return (
        offer.reliability,
        offer.durability,
        offer.deadline,
        offer.liveliness,
        offer.liveliness_lease_duration,
    )
