"""What the trackers say, for the operator's page; subscribed while somebody is there to hear it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from time import perf_counter
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import deserialize_message
from vision_msgs.msg import Detection2DArray

from tracker_ros.msg import TrackerStatus
from tracker_ros.nodes import operator_messages as messages
from tracker_ros.nodes.qos import OUTPUT
from tracker_ros.nodes.subscription import Rate
from tracker_ros.operator.protocol import Done
from tracker_ros.operator.timeline import SECONDS, Timeline
from tracker_ros.track import TrackState

SILENCE = 3.0
"""Seconds without a status, of which one comes every second at least: nobody tracks."""
Tell = Callable[[str, Mapping[str, Any], str], None]
"""Kind of state, message, and what it is of where there are several of the kind."""
Keep = Callable[[str, bytes], None]


class Listening:
    """Subscriptions to both trackers and to diagnostics.

    They stay for as long as the timeline reaches after the last page has gone: a page that is
    loaded again finds the states of the minutes before.
    """

    def __init__(self, node: Any, sot: str, mot: str, tell: Tell, keep: Keep) -> None:
        """keep: gets every message, serialized."""
        self._node, self._tell, self._keep = node, tell, keep
        # Diagnostics name a node without its namespace.
        self._nodes = (sot.rpartition("/")[2], mot.rpartition("/")[2])
        self.status_topic = node.resolve_topic_name(f"{sot}/status")
        self.tracks_topic = node.resolve_topic_name(f"{sot}/tracks")
        self.identities_topic = node.resolve_topic_name(f"{mot}/tracks")
        self.detections_topic = node.resolve_topic_name("detections")
        self._subscriptions: list[Any] = []
        self._needed_at = 0.0
        self._timeline, self._lock = Timeline(), threading.Lock()
        self._health: dict[str, dict[str, Any]] = {}
        self._enabled = True
        self._heard: float | None = None
        """When the last status came; None: no news of targets that are not ended."""
        self._answered = Rate()
        self._hertz: float | None = None
        self.last: dict[str, Mapping[str, Any]] = {}
        """The newest message of each kind, for pages that come later."""

    def need(self) -> None:
        """Listen from now on; to be called again and again while it is needed."""
        self._needed_at = perf_counter()
        if self._subscriptions:
            return
        subscribe = self._node.create_subscription
        arrays = {  # where both are one topic, it has identities
            self.detections_topic: lambda raw: self._on_boxes("detections", raw),
            self.identities_topic: lambda raw: self._on_boxes("identities", raw),
        }
        self._subscriptions = [
            subscribe(TrackerStatus, self.status_topic, self._on_status, OUTPUT, raw=True),
            subscribe(Detection2DArray, self.tracks_topic,
                      lambda raw: self._keep(self.tracks_topic, raw), OUTPUT, raw=True),
            subscribe(DiagnosticArray, "/diagnostics", self._on_health, 10),
            *(subscribe(Detection2DArray, topic, take, OUTPUT, raw=True)
              for topic, take in arrays.items()),
        ]  # fmt: skip

    def on_second(self) -> None:
        """Stop listening when nobody has needed it for as long as the timeline reaches."""
        self._hertz = self._answered.read()
        if self._heard is not None and perf_counter() - self._heard > SILENCE:
            with self._lock:
                self._timeline.silence(self._heard)
            self._heard = None
        if self._subscriptions and perf_counter() - self._needed_at > SECONDS:
            for subscription in self._subscriptions:
                self._node.destroy_subscription(subscription)
            self._subscriptions = []
            self.last = {}

    def timeline(self) -> dict[str, Any]:
        """The states of the last minutes; from any thread."""
        with self._lock:
            return self._timeline.as_message(perf_counter())

    @property
    def hears(self) -> bool:
        """Whether a status has come a moment ago; from any thread."""
        return self._heard is not None

    @property
    def paused(self) -> bool:
        """Whether the single-object node has said that it does not track."""
        return not self._enabled

    def enabled(self, answer: Future[Done], on: bool) -> None:
        """Tracking was paused, or goes on, if that was granted; diagnostics say so later."""
        if answer.exception() is None:
            self._enabled = on
            if "status" in self.last:
                self._say("status", {**self.last["status"], "enabled": on})

    def _on_status(self, raw: bytes) -> None:
        self._heard = perf_counter()
        self._keep(self.status_topic, raw)
        message = deserialize_message(raw, TrackerStatus)
        with self._lock:
            self._timeline.add(
                perf_counter(),
                [(t.id, t.label, TrackState(t.state).name) for t in message.tracks],
            )
        if message.header.frame_id:  # of an image
            self._answered.tick()
        told = {"enabled": self._enabled, "rate": self._hertz}
        self._say("status", {**messages.status(message), **told})

    def _on_boxes(self, source: str, raw: bytes) -> None:
        self._keep(self.identities_topic if source == "identities" else self.detections_topic, raw)
        message = messages.boxes(source, deserialize_message(raw, Detection2DArray))
        self._say("boxes", message, source)

    def _on_health(self, message: DiagnosticArray) -> None:
        found = messages.health(message, self._nodes)
        if found:
            self._health |= {item["name"]: item for item in found}
            for item in found:
                enabled = dict(item["values"]).get("enabled")
                if item["name"] == f"{self._nodes[0]}: node" and enabled is not None:
                    self._enabled = enabled == "yes"
            self._say("health", {"items": list(self._health.values())})

    def _say(self, kind: str, message: Mapping[str, Any], of: str = "") -> None:
        self.last[kind + of] = message
        self._tell(kind, message, of)
