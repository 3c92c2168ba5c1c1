"""ROS messages as what the operator's page is told."""

from __future__ import annotations

from typing import Any

from vision_msgs.msg import BoundingBox2D

from tracker_ros.geometry import Box
from tracker_ros.track import TrackState

TIMES = ("decode", "preprocess", "inference", "postprocess", "publish")


def nanoseconds(stamp: Any) -> int:
    """A builtin_interfaces/Time."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def bounding_box(box: Box) -> Any:
    """A vision_msgs/BoundingBox2D."""
    found = BoundingBox2D(size_x=box.w, size_y=box.h)
    found.center.position.x, found.center.position.y = box.cx, box.cy
    return found


def status(message: Any) -> dict[str, Any]:
    """A tracker_ros/TrackerStatus."""
    return {
        "stamp": str(nanoseconds(message.header.stamp)),
        # Between two images the stamp is the node's time, and no picture's.
        "of_image": bool(message.header.frame_id),
        "targets": [_target(track) for track in message.tracks],
        "tracker": message.tracker,
        "model": message.model,
        "backend": message.backend,
        "precision": message.precision,
        "received": message.frames_received,
        "processed": message.frames_processed,
        "dropped": message.frames_dropped,
        "rejected": message.frames_rejected,
        "times": {name: getattr(message, f"{name}_time") for name in TIMES},
        "frame_age": message.frame_age,
    }


def boxes(source: str, message: Any) -> dict[str, Any]:
    """A vision_msgs/Detection2DArray; source: identities or detections."""
    return {
        "source": source,
        "stamp": str(nanoseconds(message.header.stamp)),
        "boxes": [_detection(detection) for detection in message.detections[:300]],
    }


def health(message: Any, nodes: tuple[str, ...]) -> list[dict[str, Any]]:
    """The entries of a diagnostic_msgs/DiagnosticArray that are of these nodes."""
    return [
        {
            "name": entry.name,
            "level": _level(entry.level),
            "message": entry.message,
            "values": [[pair.key, pair.value] for pair in entry.values],
        }
        for entry in message.status
        if entry.name.split(":")[0] in nodes
    ]


def _target(track: Any) -> dict[str, Any]:
    return {
        "id": track.id,
        "label": track.label,
        "state": TrackState(track.state).name,
        "reason": track.reason,
        "box": _box(track.bbox),
        "score": track.score,
        "peak_ratio": track.peak_ratio,
        "likeness": track.likeness,
        "age": track.age,
    }


def _detection(detection: Any) -> dict[str, Any]:
    best = max(detection.results, key=lambda result: result.hypothesis.score, default=None)
    return {
        "id": detection.id,
        "label": best.hypothesis.class_id if best is not None else "",
        "score": best.hypothesis.score if best is not None else None,
        "box": _box(detection.bbox),
    }


def _box(bbox: Any) -> list[float]:
    centre = bbox.center.position
    x, y = centre.x - bbox.size_x / 2, centre.y - bbox.size_y / 2
    return [round(value, 2) for value in (x, y, bbox.size_x, bbox.size_y)]


def _level(value: Any) -> int:
    return value[0] if isinstance(value, bytes) else int(value)
