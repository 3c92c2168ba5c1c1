"""What the node publishes of each frame: tracks, status and, for who looks, the debug image."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesisWithPose,
)

from tracker_ros.drawing import draw_tracks
from tracker_ros.errors import ParameterError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.msg import Track as TrackMessage
from tracker_ros.msg import TrackerStatus
from tracker_ros.nodes.process import RCLError
from tracker_ros.nodes.qos import OUTPUT
from tracker_ros.pipeline.images import Stamped
from tracker_ros.track import StageTimes, Track

CLOCKS_AGREE = (-0.1, 60.0)
"""Seconds from stamp to publication outside which camera and node have different clocks."""


class About(Protocol):
    """What runs, in words."""

    @property
    def tracker(self) -> str:
        """siamfc, siamrpnpp, famnet, ..."""

    @property
    def model(self) -> str:
        """Name of the model card."""

    @property
    def backend(self) -> str:
        """What runs the network."""

    @property
    def precision(self) -> str:
        """The precision the network is computed in."""


class Answer(Protocol):
    """What became of one image."""

    @property
    def header(self) -> Stamped:
        """Of the image."""

    @property
    def received(self) -> float:
        """time.perf_counter() when the image came."""

    @property
    def image(self) -> UInt8Image | None:
        """Its pixels, where there are any."""

    @property
    def tracks(self) -> list[Track]:
        """Every target, the lost ones too."""

    @property
    def decode(self) -> float:
        """Seconds from message to array."""

    @property
    def times(self) -> StageTimes:
        """Summed over the targets."""


class Counters:
    """Frames since activation; counted by two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.received = self.processed = self.dropped = self.rejected = 0

    def count(self, name: str, by: int = 1) -> None:
        """Count frames as received, processed, dropped or rejected."""
        with self._lock:
            setattr(self, name, getattr(self, name) + by)


@dataclass(frozen=True)
class LastFrame:
    """Figures of the last processed frame, for diagnostics and while no other comes."""

    header: Header
    tracks: list[Track]
    published: float
    """time.perf_counter()."""
    frame_age: float
    inference: float


class Outputs:
    """The publishers, and the messages that go out."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._tracks = publisher(node, Detection2DArray, "~/tracks")
        self._status = publisher(node, TrackerStatus, "~/status")
        self._debug = publisher(node, Image, "~/debug_image")
        self._publish_time = 0.0
        self.last: LastFrame | None = None

    def publish(self, answer: Answer, model: About, counters: Counters) -> None:
        """Publish what became of a frame."""
        start = perf_counter()
        header = header_message(answer.header)
        shown = [detection(track, header) for track in self._shown(answer.tracks)]
        self._tracks.publish(Detection2DArray(header=header, detections=shown))
        status = self._status_message(header, model, counters)
        status.tracks = [track_message(track, header) for track in answer.tracks]
        status.decode_time = answer.decode
        status.preprocess_time = answer.times.preprocess
        status.inference_time = answer.times.inference
        status.postprocess_time = answer.times.postprocess
        status.publish_time = self._publish_time
        status.frame_age = start - answer.received
        status.image_latency = self._latency(answer.header)
        self._status.publish(status)
        self.last = LastFrame(header, answer.tracks, start, status.frame_age, status.inference_time)
        if self._debug.get_subscription_count():
            self._publish_debug_image(answer, header)
        self._publish_time = perf_counter() - start

    def publish_ended(self, tracks: list[Track], model: About, counters: Counters) -> None:
        """Say, between two frames, which targets have ended and why."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._publish_between(header, [track_message(t, header) for t in tracks], model, counters)
        self.last = None

    def publish_alive(self, model: About, counters: Counters) -> None:
        """Say, while no frame comes, that we live; with the targets as they were last."""
        last = self.last
        tracks = [track_message(track, last.header) for track in last.tracks] if last else []
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._publish_between(header, tracks, model, counters)

    def _publish_between(
        self, header: Header, tracks: list[TrackMessage], model: About, counters: Counters
    ) -> None:
        message = self._status_message(header, model, counters)
        message.tracks = tracks
        message.image_latency = math.nan
        self._status.publish(message)

    def _status_message(self, header: Header, model: About, counters: Counters) -> Any:
        return TrackerStatus(
            header=header,
            tracker=model.tracker,
            model=model.model,
            backend=model.backend,
            precision=model.precision,
            frames_received=counters.received,
            frames_processed=counters.processed,
            frames_dropped=counters.dropped,
            frames_rejected=counters.rejected,
        )

    def _shown(self, tracks: list[Track]) -> list[Track]:
        """Those that go out as detections."""
        # A target that is lost is in no place of this picture: only the status names it.
        return [track for track in tracks if track.state.visible]

    def _draw(self, image: UInt8Image, answer: Answer) -> None:
        """Draw the debug image, in place."""
        draw_tracks(image, answer.tracks)

    def _latency(self, header: Stamped) -> float:
        seconds = (self._node.get_clock().now().nanoseconds - header.ns) / 1e9
        return seconds if CLOCKS_AGREE[0] <= seconds <= CLOCKS_AGREE[1] else math.nan

    def _publish_debug_image(self, answer: Answer, header: Header) -> None:
        pixels = answer.image
        if pixels is None:
            return
        image = pixels.copy()
        self._draw(image, answer)
        height, width = image.shape[:2]
        message = Image(header=header, height=height, width=width, encoding="bgr8", step=3 * width)
        message.data.frombytes(image)  # a hundred times faster than assigning bytes
        self._debug.publish(message)


def publisher(node: Any, kind: Any, topic: str) -> Any:
    """A publisher as OUTPUT, which `qos_overrides` may change. Raises ParameterError."""
    overrides = QoSOverridingOptions.with_default_policies()
    try:
        return node.create_publisher(kind, topic, OUTPUT, qos_overriding_options=overrides)
    except RCLError:
        raise
    except RuntimeError as error:
        raise ParameterError(f"qos_overrides of {topic}: {error}") from error


def header_message(header: Stamped) -> Header:
    """The image's header, exactly."""
    message = Header(frame_id=header.frame_id)
    message.stamp.sec, message.stamp.nanosec = header.sec, header.nanosec
    return message


def box_message(box: Box) -> BoundingBox2D:
    """A box as vision_msgs has it: centre and size, pixels of the input image."""
    message = BoundingBox2D(size_x=float(box.w), size_y=float(box.h))
    message.center.position.x, message.center.position.y = float(box.cx), float(box.cy)
    return message


def detection(track: Track, header: Header) -> Detection2D:
    """A track as a detection: `id` is the identity, the hypothesis its label and score."""
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = track.label
    hypothesis.hypothesis.score = float(track.evidence.score)
    box = box_message(track.box)
    return Detection2D(header=header, id=track.id, bbox=box, results=[hypothesis])


def track_message(track: Track, header: Header) -> TrackMessage:
    """A track with its state and evidence."""
    return TrackMessage(
        header=header,
        id=track.id,
        label=track.label,
        state=int(track.state),
        reason=track.reason,
        bbox=box_message(track.box),
        score=float(track.evidence.score),
        peak_ratio=float(track.evidence.peak_ratio),
        size_change=float(track.evidence.size_change),
        contrast=float(track.evidence.contrast),
        age=track.age,
        frames_since_seen=track.frames_since_seen,
    )
