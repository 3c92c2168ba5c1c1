"""The messages that go out, built of whatever classes their types have here.

A node gives ROS's classes, a replay those of rosbags: what both say is the same, field by field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tracker_ros.geometry import Box
from tracker_ros.pipeline.answer import About, Answer, Counters
from tracker_ros.pipeline.cdr import Stamped
from tracker_ros.track import Track

TRACKS, STATUS = "vision_msgs/msg/Detection2DArray", "tracker_ros/msg/TrackerStatus"
TYPES = (
    "builtin_interfaces/msg/Time",
    "std_msgs/msg/Header",
    "geometry_msgs/msg/Point",
    "geometry_msgs/msg/Quaternion",
    "geometry_msgs/msg/Pose",
    "geometry_msgs/msg/PoseWithCovariance",
    "vision_msgs/msg/Point2D",
    "vision_msgs/msg/Pose2D",
    "vision_msgs/msg/BoundingBox2D",
    "vision_msgs/msg/ObjectHypothesis",
    "vision_msgs/msg/ObjectHypothesisWithPose",
    "vision_msgs/msg/Detection2D",
    TRACKS,
    "tracker_ros/msg/Track",
    STATUS,
)
"""The types that are needed."""


class Messages:
    """Builds messages. Every field is given by name: some classes have no defaults."""

    def __init__(self, types: Mapping[str, Any]) -> None:
        """types: by their names, as in `TYPES`, the classes of the messages."""
        self._types = {name.replace("/msg/", "/"): types[name] for name in TYPES}
        new = self._new
        pose = new(
            "geometry_msgs/Pose",
            position=new("geometry_msgs/Point", x=0.0, y=0.0, z=0.0),
            orientation=new("geometry_msgs/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        )
        # One for all messages: no tracker says anything in it.
        self._no_pose = new(
            "geometry_msgs/PoseWithCovariance", pose=pose, covariance=np.zeros(36, np.float64)
        )

    def header(self, header: Stamped) -> Any:
        """The image's header, exactly."""
        stamp = self._new("builtin_interfaces/Time", sec=header.sec, nanosec=header.nanosec)
        return self._new("std_msgs/Header", stamp=stamp, frame_id=header.frame_id)

    def header_at(self, ns: int) -> Any:
        """A header between two images, at a time in nanoseconds."""
        return self.header(Stamped(ns // 10**9, ns % 10**9, ""))

    def box(self, box: Box) -> Any:
        """A box as vision_msgs has it: centre and size, pixels of the input image."""
        point = self._new("vision_msgs/Point2D", x=float(box.cx), y=float(box.cy))
        return self._new(
            "vision_msgs/BoundingBox2D",
            center=self._new("vision_msgs/Pose2D", position=point, theta=0.0),
            size_x=float(box.w),
            size_y=float(box.h),
        )

    def detection(self, header: Any, box: Box, label: str, score: float, id: str) -> Any:
        """A Detection2D: `id` is the identity, the hypothesis its label and score."""
        guess = self._new("vision_msgs/ObjectHypothesis", class_id=label, score=float(score))
        result = self._new(
            "vision_msgs/ObjectHypothesisWithPose", hypothesis=guess, pose=self._no_pose
        )
        return self._new(
            "vision_msgs/Detection2D",
            header=header, results=[result], bbox=self.box(box), id=id,
        )  # fmt: skip

    def detections(self, header: Any, detections: Sequence[Any]) -> Any:
        """A Detection2DArray of what `detection` gave."""
        return self._new("vision_msgs/Detection2DArray", header=header, detections=detections)

    def tracks(self, header: Any, tracks: Sequence[Track]) -> Any:
        """The Detection2DArray of the tracks that are published."""
        shown = [self.detection(header, t.box, t.label, t.evidence.score, t.id) for t in tracks]
        return self.detections(header, shown)

    def status_of(
        self, header: Any, answer: Answer, about: About, counters: Counters, *,
        publish: float, age: float, latency: float,
    ) -> Any:  # fmt: skip
        """The TrackerStatus of an image; publish, age, latency: its publish_time and so on."""
        return self.status(
            header, answer.tracks, about, counters,
            decode_time=answer.decode,
            preprocess_time=answer.times.preprocess,
            inference_time=answer.times.inference,
            postprocess_time=answer.times.postprocess,
            publish_time=publish,
            frame_age=age,
            image_latency=latency,
        )  # fmt: skip

    def status(
        self, header: Any, tracks: Sequence[Track], about: About, counters: Counters,
        seen: Any = None, **times: float,
    ) -> Any:  # fmt: skip
        """A TrackerStatus; without times it is one between two images.

        seen: the header of the image that the tracks are of, where that is another one.
        """
        unknown = dict.fromkeys(
            ("decode_time", "preprocess_time", "inference_time", "postprocess_time",
             "publish_time", "frame_age"), 0.0
        )  # fmt: skip
        return self._new(
            "tracker_ros/TrackerStatus",
            header=header,
            tracker=about.tracker,
            model=about.model,
            backend=about.backend,
            precision=about.precision,
            tracks=[self._track(seen or header, track) for track in tracks],
            frames_received=counters.received,
            frames_processed=counters.processed,
            frames_dropped=counters.dropped,
            frames_rejected=counters.rejected,
            **{**unknown, "image_latency": math.nan, **times},
        )

    def _track(self, header: Any, track: Track) -> Any:
        return self._new(
            "tracker_ros/Track",
            header=header,
            id=track.id,
            label=track.label,
            state=int(track.state),
            reason=track.reason,
            bbox=self.box(track.box),
            score=float(track.evidence.score),
            peak_ratio=float(track.evidence.peak_ratio),
            size_change=float(track.evidence.size_change),
            contrast=float(track.evidence.contrast),
            drift=float(track.evidence.drift),
            jump=float(track.evidence.jump),
            inside=float(track.evidence.inside),
            likeness=float(track.evidence.likeness),
            age=track.age,
            frames_since_seen=track.frames_since_seen,
        )

    def _new(self, type: str, **fields: Any) -> Any:
        return self._types[type](**fields)
