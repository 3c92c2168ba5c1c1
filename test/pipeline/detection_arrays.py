"""Serialized Detection2DArrays for tests, written by rosbags: not by our code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from tracker_ros.geometry import Box
from tracker_ros.pipeline.detection_messages import DetectionArray, read_array_header

STORE = get_typestore(Stores.ROS2_JAZZY)
for _path in (Path(__file__).parents[2] / "underlay" / "vision_msgs" / "msg").glob("*.msg"):
    STORE.register(get_types_from_msg(_path.read_text(), f"vision_msgs/msg/{_path.stem}"))


@dataclass(frozen=True)
class Item:
    """One Detection2D."""

    box: Box
    guesses: Sequence[tuple[str, float]] = (("person", 0.9),)
    id: str = ""
    theta: float = 0.0


def array_bytes(
    items: Sequence[Item], *, ns: int = 10**9, frame_id: str = "camera", little_endian: bool = True
) -> bytes:
    """A vision_msgs/Detection2DArray."""
    header = _make(
        "std_msgs/msg/Header", frame_id=frame_id,
        stamp=_make("builtin_interfaces/msg/Time", sec=ns // 10**9, nanosec=ns % 10**9),
    )  # fmt: skip
    detections = [
        _vision("Detection2D", header=header, id=item.id, results=_results(item), bbox=_bbox(item))
        for item in items
    ]
    message = _vision("Detection2DArray", header=header, detections=detections)
    name = "vision_msgs/msg/Detection2DArray"
    return bytes(STORE.serialize_cdr(message, name, little_endian=little_endian))


def array_of(items: Sequence[Item], *, ns: int = 10**9, received: float = 0.0) -> DetectionArray:
    """An array as it came."""
    raw = array_bytes(items, ns=ns)
    return DetectionArray(raw, read_array_header(raw), received)


def _make(name: str, **fields: Any) -> Any:
    return STORE.types[name](**fields)


def _vision(name: str, **fields: Any) -> Any:
    return _make(f"vision_msgs/msg/{name}", **fields)


def _bbox(item: Item) -> Any:
    middle = _vision("Point2D", x=item.box.cx, y=item.box.cy)
    centre = _vision("Pose2D", position=middle, theta=item.theta)
    return _vision("BoundingBox2D", center=centre, size_x=item.box.w, size_y=item.box.h)


def _results(item: Item) -> list[Any]:
    pose = _make(
        "geometry_msgs/msg/PoseWithCovariance", covariance=np.full(36, 7.0),
        pose=_make(
            "geometry_msgs/msg/Pose",
            position=_make("geometry_msgs/msg/Point", x=1.0, y=2.0, z=3.0),
            orientation=_make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        ),
    )  # fmt: skip
    return [
        _vision(
            "ObjectHypothesisWithPose", pose=pose,
            hypothesis=_vision("ObjectHypothesis", class_id=label, score=score),
        )
        for label, score in item.guesses
    ]  # fmt: skip
