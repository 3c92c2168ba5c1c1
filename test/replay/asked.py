"""Bags as the operator's page records them, and replays of what was asked for in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recordings import FIRST, IMAGE, PERIOD, TOPIC, film, image_message, shots

from tracker_ros.bags.types import STATUS, own_topic, store
from tracker_ros.bags.writer import BagWriter
from tracker_ros.geometry import Box
from tracker_ros.replay.command import asked_again
from tracker_ros.replay.job import Job
from tracker_ros.replay.requests import REQUEST, Requests, read_requests
from tracker_ros.replay.run import replay_bag
from tracker_ros.track import TrackState

REQUESTS, STATUSES = "/operator/requests", "/sot/status"
NOWHERE = Box(0, 0, 0, 0)
ASIDE = Box(20, 20, 40, 30)
TYPES = store().types


def header(stamp: int, frame_id: str = "camera") -> Any:
    time = TYPES["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9))
    return TYPES["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def bbox(box: Box) -> Any:
    point = TYPES["vision_msgs/msg/Point2D"](box.cx, box.cy)
    centre = TYPES["vision_msgs/msg/Pose2D"](point, 0.0)
    return TYPES["vision_msgs/msg/BoundingBox2D"](centre, box.w, box.h)


def stamp_of(image: int) -> int:
    return FIRST + image * PERIOD


def request(
    kind: str, after: int, *, image: int | None = None, box: Box = NOWHERE, id: str = "",
    success: bool = True, target: str = "",
) -> tuple[int, str, bytes]:  # fmt: skip
    """Made after an image was recorded; image: the one it means; target: as answered."""
    stamp = 0 if image is None else stamp_of(image)
    message = TYPES[REQUEST](
        header=header(stamp, ""), kind=kind, bbox=bbox(box), id=id, label="", on=False,
        success=success, message="", target=target,
    )  # fmt: skip
    return stamp_of(after) + 6_000_000, REQUESTS, bytes(store().serialize_cdr(message, REQUEST))


def status(
    image: int, *targets: tuple[str, Box], state: TrackState = TrackState.TRACKING,
    between: bool = False,
) -> tuple[int, str, bytes]:  # fmt: skip
    """Of an image; between: of no image, a little later."""
    numbers: dict[str, Any] = {
        "score": 0.9,
        "peak_ratio": 0.0,
        "size_change": 1.0,
        "contrast": 0.2,
        "drift": 0.0,
    }
    numbers |= {"jump": 0.0, "inside": 1.0, "likeness": 1.0}
    seen = header(stamp_of(image), "" if between else "camera")
    numbers |= {"label": "", "state": int(state), "reason": "", "age": 1, "frames_since_seen": 0}
    track = TYPES["tracker_ros/msg/Track"]
    tracks = [track(header=seen, id=id, bbox=bbox(box), **numbers) for id, box in targets]
    counts = ("received", "processed", "dropped", "rejected")
    times = ("decode_time", "preprocess_time", "inference_time", "postprocess_time",
             "publish_time", "frame_age", "image_latency")  # fmt: skip
    message = TYPES[STATUS](
        header=seen, tracks=tracks, **{f"frames_{name}": 0 for name in counts},
        **dict.fromkeys(times, 0.0),
        **dict.fromkeys(("tracker", "model", "backend", "precision"), ""),
    )  # fmt: skip
    return (
        stamp_of(image) + (9 if between else 7) * 1_000_000,
        STATUSES,
        bytes(store().serialize_cdr(message, STATUS)),
    )


def recorded(path: Path, events: Sequence[tuple[int, str, bytes]], frames: int = 24) -> Path:
    """A bag as the operator's page writes it."""
    images = [(shot.recorded, TOPIC, image_message(shot, IMAGE)) for shot in shots(frames)]
    with BagWriter(path) as writer:
        for name, kind in ((TOPIC, IMAGE), (REQUESTS, REQUEST), (STATUSES, STATUS)):
            writer.add_topic(own_topic(name, kind))
        for when, topic, data in sorted([*images, *events], key=lambda event: event[0]):
            writer.write(topic, when, data)
    return path


def truth(image: int) -> Box:
    box = film()[1][image]
    assert box is not None
    return box


def asked(bag: Path, begin: float = 0.0) -> Requests:
    return read_requests(Job(bag, Path(), "sot", begin=begin))


def stamps(requests: Requests) -> list[int | None]:
    return [wish.stamp for wish in requests.wishes]


def replayed(bag: Path, out: Path, begin: float = 0.0) -> Any:
    job = Job(bag, out, "sot", settings={"threads": 1}, keep="none", report=False, begin=begin)
    return replay_bag(asked_again(job))


def start_images(result: Any) -> dict[str, int]:
    return {id: start.number for id, start in result.starts.items()}
