"""What the node publishes of each frame: tracks, status and, for who looks, the debug image."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from time import perf_counter
from typing import Any

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
from tracker_ros.geometry import Box
from tracker_ros.msg import Track as TrackMessage
from tracker_ros.msg import TrackerStatus
from tracker_ros.nodes.images import Stamped
from tracker_ros.nodes.process import RCLError
from tracker_ros.nodes.qos import OUTPUT
from tracker_ros.nodes.worker import Processed
from tracker_ros.sot import LoadedModel
from tracker_ros.track import Track

CLOCKS_AGREE = (-0.1, 60.0)
"""Seconds from stamp to publication outside which camera and node have different clocks."""


class Counters:
    """Frames since activation; counted by two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.received = self.processed = self.dropped = self.rejected = 0

    def count(self, name: str) -> None:
        """Count one frame as received, processed, dropped or rejected."""
        with self._lock:
            setattr(self, name, getattr(self, name) + 1)


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

        def publisher(kind: Any, topic: str) -> Any:
            overrides = QoSOverridingOptions.with_default_policies()
            try:
                return node.create_publisher(kind, topic, OUTPUT, qos_overriding_options=overrides)
            except RCLError:
                raise
            except RuntimeError as error:
                raise ParameterError(f"qos_overrides of {topic}: {error}") from error

        self._tracks = publisher(Detection2DArray, "~/tracks")
        self._status = publisher(TrackerStatus, "~/status")
        self._debug = publisher(Image, "~/debug_image")
        self._publish_time = 0.0
        self.last: LastFrame | None = None

    def publish(self, processed: Processed, model: LoadedModel, counters: Counters) -> None:
        """Publish what became of a frame."""
        start = perf_counter()
        header = header_message(processed.frame.header)
        # A target that is lost is in no place of this picture: only the status names it.
        seen = [track for track in processed.tracks if track.state.visible]
        self._tracks.publish(
            Detection2DArray(header=header, detections=[detection(t, header) for t in seen])
        )
        status = self._status_message(header, model, counters)
        status.tracks = [track_message(track, header) for track in processed.tracks]
        status.decode_time = processed.decode
        status.preprocess_time = processed.times.preprocess
        status.inference_time = processed.times.inference
        status.postprocess_time = processed.times.postprocess
        status.publish_time = self._publish_time
        status.frame_age = start - processed.frame.received
        status.image_latency = self._latency(processed.frame.header)
        self._status.publish(status)
        self.last = LastFrame(
            header, processed.tracks, start, status.frame_age, status.inference_time
        )
        if self._debug.get_subscription_count():
            self._publish_debug_image(processed, header)
        self._publish_time = perf_counter() - start

    def publish_ended(self, tracks: list[Track], model: LoadedModel, counters: Counters) -> None:
        """Say, between two frames, which targets have ended and why."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._publish_between(header, [track_message(t, header) for t in tracks], model, counters)
        self.last = None

    def publish_alive(self, model: LoadedModel, counters: Counters) -> None:
        """Say, while no frame comes, that we live; with the targets as they were last."""
        last = self.last
        tracks = [track_message(track, last.header) for track in last.tracks] if last else []
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._publish_between(header, tracks, model, counters)

    def _publish_between(
        self, header: Header, tracks: list[TrackMessage], model: LoadedModel, counters: Counters
    ) -> None:
        message = self._status_message(header, model, counters)
        message.tracks = tracks
        message.image_latency = math.nan
        self._status.publish(message)

    def _status_message(self, header: Header, model: LoadedModel, counters: Counters) -> Any:
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

    def _latency(self, header: Stamped) -> float:
        seconds = (self._node.get_clock().now().nanoseconds - header.ns) / 1e9
        return seconds if CLOCKS_AGREE[0] <= seconds <= CLOCKS_AGREE[1] else math.nan

    def _publish_debug_image(self, processed: Processed, header: Header) -> None:
        image = processed.image.copy()
        draw_tracks(image, processed.tracks)
        height, width = image.shape[:2]
        message = Image(header=header, height=height, width=width, encoding="bgr8", step=3 * width)
        message.data.frombytes(image)  # a hundred times faster than assigning bytes
        self._debug.publish(message)


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
