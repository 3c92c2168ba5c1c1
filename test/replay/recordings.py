"""Bags for the tests of replay, written with rosbags and not by our own writer."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from tracker_ros.bags.types import store
from tracker_ros.demo.scene import Scene
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.pipeline.cdr import Stamped
from tracker_ros.pipeline.messages import TRACKS, Messages
from tracker_ros.replay.job import Job, Wish

FIRST = 1_700_000_000 * 10**9
PERIOD = 33_333_334
IMAGE, JPEG = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
TOPIC, DETECTIONS, OTHER = "/camera/image_raw", "/detector/detections", "/chatter"
SIZE = (320, 240)


@dataclass(frozen=True)
class Shot:
    """An image message to record."""

    image: UInt8Image
    stamp: int
    recorded: int
    encoding: str = "bgr8"
    spoiled: bool = False
    """Half of its data is missing."""


@functools.cache
def film(frames: int = 60) -> tuple[tuple[UInt8Image, ...], tuple[Box | None, ...]]:
    """The first frames of the demo's scene, small, and where its target is."""
    scene = Scene(*SIZE)
    shown = [scene.frame(index) for index in range(frames)]
    return tuple(frame.image for frame in shown), tuple(frame.box for frame in shown)


def shots(frames: int = 60) -> list[Shot]:
    """One image after the other, recorded 5 ms after its stamp."""
    images, _ = film(frames)
    stamps = [FIRST + index * PERIOD for index in range(frames)]
    return [Shot(image, t, t + 5_000_000) for image, t in zip(images, stamps, strict=True)]


def image_message(shot: Shot, kind: str) -> bytes:
    types = store().types
    stamp = types["builtin_interfaces/msg/Time"](*divmod(shot.stamp, 10**9))
    header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
    if kind == JPEG:
        data = cv2.imencode(".jpg", shot.image)[1].reshape(-1)
        data = data[: data.size // 2] if shot.spoiled else data
        message = types[kind](header=header, format="jpeg", data=data)
    else:
        pixels = shot.image if shot.encoding == "bgr8" else shot.image[..., ::-1]
        data = np.ascontiguousarray(pixels).reshape(-1)
        height, width = shot.image.shape[:2]
        message = types[kind](
            header=header, height=height, width=width, encoding=shot.encoding, is_bigendian=0,
            step=3 * width, data=data[: data.size // 2] if shot.spoiled else data,
        )  # fmt: skip
    return bytes(store().serialize_cdr(message, kind))


def detections_message(stamp: int, boxes: Sequence[Box]) -> bytes:
    new = Messages(store().types)
    header = new.header(Stamped(*divmod(stamp, 10**9), "camera"))
    found = [new.detection(header, box, "person", 0.9, "") for box in boxes]
    return bytes(store().serialize_cdr(new.detections(header, found), TRACKS))


def record(
    folder: Path,
    images: Sequence[Shot],
    *,
    kind: str = IMAGE,
    topic: str = TOPIC,
    detections: Sequence[tuple[int, int, Sequence[Box]]] = (),
    storage: StoragePlugin = StoragePlugin.MCAP,
    chatter: bool = False,
) -> Path:
    """Write a bag; detections: stamp, when recorded, boxes. Gives back its folder."""
    messages: list[tuple[int, str, bytes]] = [
        (shot.recorded, topic, image_message(shot, kind)) for shot in images
    ]
    messages += [
        (when, DETECTIONS, detections_message(stamp, boxes)) for stamp, when, boxes in detections
    ]
    text = store().types["std_msgs/msg/String"]
    if chatter:
        said = store().serialize_cdr(text(data="hello"), "std_msgs/msg/String")
        messages += [(shot.recorded + 1, OTHER, bytes(said)) for shot in images[::10]]
    kinds = {topic: kind, DETECTIONS: TRACKS, OTHER: "std_msgs/msg/String"}
    with Writer(folder, version=9, storage_plugin=storage) as writer:
        connections: dict[str, Any] = {
            name: writer.add_connection(name, kinds[name], typestore=store())
            for name in dict.fromkeys(name for _, name, _ in messages)
        }
        for when, name, data in sorted(messages, key=lambda message: message[0]):
            writer.write(connections[name], when, data)
    return folder


def write_truth(path: Path, boxes: Sequence[Box | None]) -> Path:
    """A line for every image."""
    lines = ["nan,nan,nan,nan" if b is None else f"{b.x},{b.y},{b.w},{b.h}" for b in boxes]
    path.write_text("\n".join(lines) + "\n")
    return path


def follow(bag: Path, out: Path, **changes: Any) -> Job:
    """A job that follows the target of the film from its first image on."""
    box = film()[1][0]
    assert box is not None
    wishes = (Wish("the target", box, None, False),)
    given: dict[str, Any] = {
        "kind": "sot",
        "settings": {"threads": 1},
        "wishes": wishes,
        "report": False,
    }
    return Job(bag=bag, out=out, **(given | changes))


def crowd_bag(folder: Path, late: int = 60_000_000, missing: range = range(0)) -> Path:
    """The target of the film and a box that stands still, detected in every image but some."""
    still = Box(20, 20, 40, 60)
    found = [
        (FIRST + index * PERIOD, FIRST + index * PERIOD + late, [box, still])
        for index, box in enumerate(film()[1])
        if box is not None and index not in missing
    ]
    return record(folder, shots(), detections=found)


def identify(bag: Path, out: Path) -> Job:
    return Job(
        bag=bag, out=out, kind="mot", detections=DETECTIONS, settings={"tracker": "sort"},
        report=False,
    )  # fmt: skip


def files_of(folder: Path) -> dict[str, str]:
    """sha256 of every file below."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
