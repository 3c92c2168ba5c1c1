"""The operator's page: `./run operator`, or `ros2 run tracker_ros operator_node`."""

from __future__ import annotations

import argparse
import queue
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from time import perf_counter
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.logging import get_logger
from rclpy.node import Node

from tracker_ros.errors import ImageError, TargetError, TrackerRosError
from tracker_ros.nodes.names import base_topic
from tracker_ros.nodes.node_parameters import NodeParameters
from tracker_ros.nodes.operator_listening import Listening
from tracker_ros.nodes.operator_parameters import (
    declare_operator_parameters,
    read_operator_parameters,
)
from tracker_ros.nodes.operator_recorder import Recorder
from tracker_ros.nodes.operator_requests import OperatorRequests
from tracker_ros.nodes.operator_streams import ImageTopic, Stream, image_topics
from tracker_ros.nodes.process import add_ros_arguments, ros_arguments, run_node
from tracker_ros.operator import protocol
from tracker_ros.operator.access import Access
from tracker_ros.operator.pictures import Encoder
from tracker_ros.operator.server import PageServer
from tracker_ros.pipeline.frames import Frame
from tracker_ros.sot import TRACKERS

SAME_CLOCK = 30 * 10**9
"""Nanoseconds between a stamp and now beyond which they are of different clocks."""
LINGER = 2.0
"""Seconds that a subscription stays after the last look: pages come and go between topics."""
GONE, PERIODS = 2.0, 3.0
"""Seconds, and mean periods, without an image after which a camera is gone."""


class OperatorNode(Node):
    """Shows the camera to pages, and does what they ask for.

    The server has a thread of its own. What it asks of the node is put in a queue, and done on the
    executor's thread; what the node tells it may come from any.
    """

    def __init__(self) -> None:
        super().__init__("operator")
        self._store = NodeParameters(self)
        declare_operator_parameters(self._store)
        p = read_operator_parameters(self._store)
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._asked: tuple[frozenset[str], int] | None = None
        """Topics that are looked at, and by how many pages, where that has changed."""
        self._to_do = self.create_guard_condition(self._do_jobs)
        self._image = base_topic(self.resolve_topic_name("image"))
        self._topics: list[ImageTopic] = []
        self._streams: dict[str, Stream] = {}
        self._looked_at: dict[str, float] = {}
        """Topic -> when somebody looked at it last."""
        self._watched: frozenset[str] = frozenset()
        self._trouble: dict[str, str] = {}
        """Topic -> what was wrong with its last image, if anything was."""
        self._requests = OperatorRequests(self, p.sot, self._image)
        self._listening = Listening(self, p.sot, p.mot, self._tell, self._keep)
        self._recorder = Recorder(self, self._store, self._listening)
        self._encoder = Encoder(self._on_picture, self._on_unreadable, self._age)
        self._encoder.quality = p.quality
        self._pages = 0
        self._server: PageServer | None = None
        try:
            self._server = PageServer(
                p.address, p.port, Access(p.address, p.token), p.limits, self, self._on_trouble
            )
        except TrackerRosError:
            self.destroy_node()
            raise
        self.get_logger().info(f"the operator's page: {self._server.url}")
        self.create_timer(1.0, self._on_second, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._on_second()

    def destroy_node(self) -> None:
        """End the recording and the server, then leave the graph."""
        self._recorder.close()
        if self._server is not None:
            self._server.close()
        self._encoder.close()
        super().destroy_node()

    # --- what the server asks, on its thread -------------------------------------------------

    def welcome(self) -> Mapping[str, Any]:
        """What a page needs to know first."""
        last = self._listening.last
        return {
            "node": self.get_fully_qualified_name(),
            "trackers": list(TRACKERS),
            "timeline": self._listening.timeline(),
            "status": last.get("status") if self._listening.hears else None,
            "health": last.get("health", {}).get("items", []),
            "recording": self._recorder.as_message(),
            **self._topics_message(),
        }

    def watch(self, topics: frozenset[str], pages: int) -> None:
        """Subscribe to what is looked at."""
        self._asked = topics, pages  # the newest is all that counts
        self._to_do.trigger()

    def now(self) -> int:
        """Nanoseconds, by this node's clock."""
        return int(self.get_clock().now().nanoseconds)

    def knows_topic(self, topic: str) -> bool:
        """Whether it is one of the image topics there are, or the one that is tracked on."""
        return topic == self._image or any(topic == known.name for known in self._topics)

    def do(self, request: protocol.Request) -> Future[protocol.Done]:
        """Do what a page asks for."""
        answer: Future[protocol.Done] = Future()
        self._later(lambda: self._do(request, answer))
        return answer

    # --- on the executor's thread ------------------------------------------------------------

    def _later(self, job: Callable[[], None]) -> None:
        self._jobs.put(job)
        self._to_do.trigger()

    def _do_jobs(self) -> None:
        """Do what has been asked for; whatever it is, the node lives."""
        asked, self._asked = self._asked, None
        try:
            if asked is not None:
                self._watch(*asked)
            while not self._jobs.empty():
                self._jobs.get()()
        except Exception as error:
            self.get_logger().error(f"failed: {error!r}", throttle_duration_sec=1.0)
            if self._asked is not None or not self._jobs.empty():
                self._to_do.trigger()

    def _do(self, request: protocol.Request, answer: Future[protocol.Done]) -> None:
        answer.add_done_callback(lambda done: self._recorder.tell(request, done))
        try:
            if isinstance(request, protocol.Record):
                self._record(request.on, answer)
            else:
                if isinstance(request, protocol.Click) and self._listening.paused:
                    raise TargetError("tracking is paused; let it go on first")  # none answers
                self._requests.do(request, answer)
                if isinstance(request, protocol.Enable):
                    answer.add_done_callback(lambda _: self._listening.enabled(answer, request.on))
        except Exception as error:
            if not isinstance(error, TrackerRosError):
                self.get_logger().error(f"request failed: {error!r}", throttle_duration_sec=1.0)
            if not answer.done():
                answer.set_exception(error)

    def _record(self, on: bool, answer: Future[protocol.Done]) -> None:
        if on:
            self._look_at(self._image)  # so that it is known what there is
            answer.set_result(protocol.Done(self._recorder.begin(self._streams[self._image])))
        else:
            self._recorder.end(answer, self._later)
        self._tell("recording", self._recorder.as_message())

    def _watch(self, topics: frozenset[str], pages: int) -> None:
        first, self._pages, self._watched = pages and not self._pages, pages, topics
        for topic in topics:
            self._look_at(topic)
        if pages:
            self._listening.need()
        if first:
            self._look_around()

    def _look_at(self, topic: str) -> None:
        self._looked_at[topic] = perf_counter()
        if topic not in self._streams:
            self._streams[topic] = Stream(self, topic, self._on_frame, self._on_unreadable)

    def _forget_unwatched(self) -> None:
        """Unsubscribe from what nobody has looked at for a moment."""
        now = perf_counter()
        for topic in (*self._watched, *([self._image] if self._recorder.on else [])):
            self._look_at(topic)
        for topic in list(self._streams):
            if now - self._looked_at[topic] > LINGER:
                self._streams.pop(topic).close()
                self._encoder.forget(topic)
                self._trouble.pop(topic, None)

    def _look_around(self) -> None:
        """Tell which image topics there are, when that has changed."""
        topics = image_topics(self)
        if topics != self._topics:
            self._topics = topics
            self._tell("topics", self._topics_message())

    def _on_frame(self, topic: str, frame: Frame) -> None:
        if topic == self._image:
            self._recorder.keep(self._streams[topic].source, frame.raw)
        if topic in self._watched:
            self._encoder.take(topic, frame)

    def _on_second(self) -> None:
        self._encoder.quality = read_operator_parameters(self._store).quality
        self._requests.give_up_on_old()
        if self._pages or self._recorder.on:
            self._listening.need()
        self._listening.on_second()
        if self._pages:
            self._look_around()
        self._forget_unwatched()
        for stream in self._streams.values():
            self._tell("camera", self._camera_message(stream), stream.topic)
        if self._recorder.on:
            self._tell("recording", self._recorder.as_message())

    def _topics_message(self) -> dict[str, Any]:
        names = [{"name": topic.name, "kind": topic.kind} for topic in self._topics]
        return {"topics": names, "tracker_topic": self._image}

    def _camera_message(self, stream: Stream) -> dict[str, Any]:
        silent = stream.silent_for
        words, gone = self._trouble.get(stream.topic, ""), False
        if not stream.kind:
            words, gone = f"nobody publishes images on {stream.topic}", True
        elif silent is None:
            words, gone = f"no image has come on {stream.source} yet", True
        elif silent > max(GONE, PERIODS * stream.period):
            words, gone = f"no image for {silent:.0f} s on {stream.source}", True
        return {"topic": stream.topic, "received": silent, "message": words, "gone": gone}

    # --- on any thread -----------------------------------------------------------------------

    def _on_picture(self, picture: Any) -> None:
        self._trouble.pop(picture.topic, None)
        if self._server is not None:
            self._server.show(picture)

    def _on_unreadable(self, topic: str, error: ImageError) -> None:
        self._trouble[topic] = str(error)
        self.get_logger().warning(f"{topic}: {error}", throttle_duration_sec=10.0)

    def _on_trouble(self, words: str) -> None:
        self.get_logger().warning(words, throttle_duration_sec=1.0)

    def _tell(self, kind: str, message: Mapping[str, Any], of: str = "") -> None:
        if self._server is not None and self._pages:
            self._server.tell(kind, message, of)

    def _keep(self, topic: str, raw: bytes) -> None:
        self._recorder.keep(topic, raw)

    def _age(self, stamp: int) -> float | None:
        age = self.now() - stamp
        return round(age / 1e9, 4) if abs(age) < SAME_CLOCK else None


def create() -> OperatorNode | None:
    """Make the node; None when that fails, after saying why."""
    try:
        return OperatorNode()
    except (
        TrackerRosError, InvalidParameterTypeException, InvalidParameterValueException,
    ) as error:  # fmt: skip
        get_logger("operator").error(f"cannot start: {error}")
        return None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `operator`."""
    add_ros_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the node until it is interrupted; 0, or 1 when it cannot start."""
    return run_node(create, ros_arguments(args))


def main() -> None:
    """Entry point of `ros2 run tracker_ros operator_node`: all arguments are ROS's."""
    sys.exit(run_node(create, sys.argv))


if __name__ == "__main__":
    main()
