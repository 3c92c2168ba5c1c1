"""A subscription that finds out who publishes, and matches their quality of service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile, ReliabilityPolicy

from tracker_ros.nodes.qos import describe_clash, matching_qos

LOOK = 0.2
"""Seconds between looks at who publishes, until somebody does; then every fifth look counts."""
WINDOW = 5.0
"""Seconds over which rates are taken."""


class Rate:
    """Events per second over the last seconds."""

    def __init__(self) -> None:
        self._count = 0
        self._marks: list[tuple[float, int]] = []

    def tick(self) -> None:
        """Count an event."""
        self._count += 1

    def clear(self) -> None:
        """Start anew."""
        self._count, self._marks = 0, []

    def read(self) -> float | None:
        """The rate in Hz, None before two seconds have passed; call it about once a second."""
        now = perf_counter()
        self._marks = [mark for mark in self._marks if now - mark[0] <= WINDOW]
        self._marks.append((now, self._count))
        since, before = self._marks[0]
        seconds = now - since
        return (self._count - before) / seconds if seconds >= 1.9 else None


@dataclass(frozen=True)
class Choice:
    """What to subscribe to."""

    topic: str
    kind: Any
    """The class of its messages."""
    qos: QoSProfile
    clash: str
    """Publishers whose quality of service does not fit, in words; empty when all fit."""

    @property
    def words(self) -> str:
        """For the log and diagnostics."""
        reliable = self.qos.reliability == ReliabilityPolicy.RELIABLE
        kind = self.kind.__name__
        return f"{self.topic} ({kind}, {'reliable' if reliable else 'best effort'})"


class MatchedSubscription:
    """Takes the first of some topics that is published; made anew when what is offered changes."""

    def __init__(
        self, node: Any, candidates: Sequence[tuple[str, Any]], *, reliability: str, depth: int,
        on_message: Callable[[bytes], None], on_chosen: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """Start looking.

        candidates: resolved topics with the class of their messages, the preferred first.
        reliability: auto, reliable or best_effort. depth: messages kept. on_message: gets every
        message, serialized. on_chosen: is called when a subscription begins.
        """
        self._node, self._candidates, self._depth = node, candidates, depth
        self._reliability, self._on_message, self._on_chosen = reliability, on_message, on_chosen
        self.chosen: Choice | None = None
        """None until somebody publishes."""
        self.last_received: float | None = None
        """time.perf_counter() of the last message."""
        self.received = Rate()
        self._subscription: Any = None
        self._looks = 0
        # By the wall: simulated time may stand still, and the first messages would be missed.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(LOOK, self._look, clock=steady)
        self._look()

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._timer)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)

    def _look(self) -> None:
        """Subscribe, or subscribe anew, when what is published asks for it."""
        self._looks += 1
        if self.chosen is not None and self._looks % 5:
            return
        choice, before = self._choose(), self.chosen
        if choice is None or choice == before:
            return
        self.chosen = choice
        if choice.clash:
            self._node.get_logger().error(choice.clash)
        if before is not None and replace(before, clash=choice.clash) == choice:
            return
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self.received.clear()
        self._on_chosen()
        self._subscription = self._node.create_subscription(
            choice.kind, choice.topic, self._take, choice.qos, raw=True
        )
        self._node.get_logger().info(f"subscribed to {choice.words}")

    def _choose(self) -> Choice | None:
        for topic, kind in self._candidates:
            offers = [
                offer
                for offer in self._node.get_publishers_info_by_topic(topic)
                if offer.topic_type == type_name(kind)
            ]
            if offers:
                qos = matching_qos(offers, self._reliability, self._depth)
                return Choice(topic, kind, qos, describe_clash(offers, qos, topic))
        return None

    def _take(self, raw: bytes) -> None:
        self.last_received = perf_counter()
        self.received.tick()
        self._on_message(raw)


def type_name(kind: Any) -> str:
    """The full name of a message's type, as sensor_msgs/msg/Image."""
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
