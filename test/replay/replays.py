"""Results of replays for the tests of scoring and reporting, put together frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracker_ros.bags.types import DETECTIONS, own_topic, store
from tracker_ros.bags.writer import BagWriter
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.replay.result import Event, ReplayResult, Start, Timeline, Trouble
from tracker_ros.track import Evidence, StageTimes, Track, TrackState

START = 1_700_000_000 * 10**9
STEP = 33_333_333
"""Nanoseconds between images."""
SIZE = (160, 120)


def stamp_of(image: int) -> int:
    """Of the image of a number, nanoseconds."""
    return START + image * STEP


def track(
    id: str, box: Box, state: TrackState = TrackState.TRACKING, score: float = 0.9, label: str = ""
) -> Track:
    """A track of one frame."""
    return Track(id, box, state, Evidence(score, 0.1, 1.0), label=label)


def start_on(image: int, box: Sequence[float] = (10.0, 10.0, 20.0, 20.0)) -> Start:
    """A target that was set on the image of a number."""
    x, y, w, h = box
    return Start(stamp_of(image), image, (x, y, w, h))


def timeline_of(
    tracks: Callable[[int], Sequence[Track]], images: Sequence[int], *,
    lost_goes_out: bool = False, stamp: Callable[[int], int] = stamp_of,
) -> Timeline:  # fmt: skip
    """A timeline with those images answered; tracks: what each was answered with."""
    timeline = Timeline()
    for image in images:
        found = tracks(image)
        timeline.add(
            stamp(image), stamp_of(image) + 2_000_000, image,
            StageTimes(0.001, 0.005 + 0.0001 * (image % 20), 0.0005), decode=0.002, publish=0.0003,
            age=0.009 + 0.0001 * (image % 20), tracks=found,
            published=[t for t in found if t.state.visible or lost_goes_out],
        )  # fmt: skip
    return timeline


def replay_of(timeline: Timeline, **fields: Any) -> ReplayResult:
    """The result of a replay with that timeline; other fields as given, else harmless.

    Without `images`, all images of the topic were replayed.
    """
    usual: dict[str, Any] = {
        "bag": "drive.mcap",
        "topic": "/camera/image_raw",
        "kind": "sot",
        "tracker": "siamfc",
        "model": "siamfc_small",
        "backend": "onnxruntime CPU",
        "precision": "float32",
        "events": [],
        "troubles": {},
        "received": len(timeline),
        "images": fields.get("received", len(timeline)),
        "rejected": 0,
        "dropped": 0,
        "sizes": [SIZE],
        "damage": "",
        "duration": len(timeline) * STEP / 1e9,
        "wall": len(timeline) * 0.008 + 1e-3,
        "digest": "0123456789abcdef" * 4,
    }
    return ReplayResult(timeline=timeline, **{**usual, **fields})


def following(
    states: Sequence[TrackState], *, shift: float = 0.0, size: float = 20.0
) -> ReplayResult:
    """One target `1`, set on image 0 at (10, 10), that is answered from image 1 on.

    states: of the images 1, 2, ...; shift: how far to the right its box is off, pixels.
    """
    box = Box(10 + shift, 10, size, size)
    timeline = timeline_of(
        lambda image: [track("1", box, states[image - 1])] if image else [],
        range(len(states) + 1),
    )
    return replay_of(timeline, starts={"1": start_on(0, (10.0, 10.0, size, size))})


def image_of(number: int) -> UInt8Image:
    """A picture with something in it."""
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    return np.stack([columns, rows, (columns + rows + number) % 255], axis=2).astype(np.uint8)


def trouble(count: int, first: str) -> Trouble:
    """Messages that were of no use."""
    return Trouble(count, first, stamp_of(3))


def event(frame: int, words: str) -> Event:
    """Something that happened after so many frames."""
    return Event(stamp_of(frame), frame, words)


def write_arrays(
    path: Path,
    topics: Mapping[str, Mapping[int, Sequence[tuple[str, str, Box]]]],
    *,
    theta: float = 0.0,
    also: Sequence[tuple[str, str]] = (),
    raw: Sequence[tuple[str, str, bytes]] = (),
) -> Path:
    """Write a bag with Detection2DArrays; gives back `path`.

    topics: name -> stamp -> id, label and box of the detections. theta: of all boxes. also: further
    topics, with their types. raw: messages as they are, with topic and type.
    """
    with BagWriter(path) as writer:
        for name, arrays in topics.items():
            writer.add_topic(own_topic(name, DETECTIONS))
            for stamp, items in arrays.items():
                writer.write(name, stamp + 1_000_000, array_bytes(stamp, items, theta))
        for name, type in also:
            writer.add_topic(own_topic(name, type))
        for name, type, data in raw:
            writer.write(name, START, data, type)
    return path


def array_bytes(stamp: int, items: Sequence[tuple[str, str, Box]], theta: float = 0.0) -> bytes:
    """A serialized Detection2DArray."""
    types = store().types
    header = types["std_msgs/msg/Header"](
        stamp=types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9),
        frame_id="camera",
    )
    detections = []
    for id, label, box in items:
        point = types["vision_msgs/msg/Point2D"](x=box.cx, y=box.cy)
        centre = types["vision_msgs/msg/Pose2D"](position=point, theta=theta)
        bbox = types["vision_msgs/msg/BoundingBox2D"](center=centre, size_x=box.w, size_y=box.h)
        detections.append(
            types["vision_msgs/msg/Detection2D"](
                header=header, id=id, bbox=bbox, results=_results(label)
            )
        )
    message = types[DETECTIONS](header=header, detections=detections)
    return bytes(store().serialize_cdr(message, DETECTIONS))


def _results(label: str) -> list[Any]:
    if not label:
        return []
    types = store().types
    pose = types["geometry_msgs/msg/PoseWithCovariance"](
        covariance=np.zeros(36),
        pose=types["geometry_msgs/msg/Pose"](
            position=types["geometry_msgs/msg/Point"](x=0.0, y=0.0, z=0.0),
            orientation=types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0),
        ),
    )
    hypothesis = types["vision_msgs/msg/ObjectHypothesis"](class_id=label, score=0.9)
    return [types["vision_msgs/msg/ObjectHypothesisWithPose"](hypothesis=hypothesis, pose=pose)]
