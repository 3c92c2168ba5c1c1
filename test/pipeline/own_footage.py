"""Writes footage as people have it: folders of pictures, and bags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
from image_messages import compressed_bytes, encoded, image_bytes

from tracker_ros.bags.bag import COMPRESSED_IMAGE, IMAGE, Topic
from tracker_ros.bags.writer import BagWriter
from tracker_ros.geometry import UInt8Image
from tracker_ros.sot.clips import drawn_clips

CAMERA = "/front/image_raw"
SECOND = 10**9
PERIOD = SECOND // 10


def film(count: int) -> list[UInt8Image]:
    """So many pictures of 480x360, no two of them alike."""
    pictures = [picture for clip in drawn_clips(-(-count // 3)) for picture in clip.pictures]
    return pictures[:count]


def write_folder(folder: Path, pictures: Iterable[UInt8Image]) -> Path:
    """Files 000.jpg, 001.jpg, ...; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{number:03}.jpg"), picture)
    return folder


def write_bag(
    path: Path, pictures: Iterable[UInt8Image], *, topics: Sequence[str] = (CAMERA,),
    compressed: bool = False, chatter: float = 0.0, storage: str = "mcap",
) -> Path:  # fmt: skip
    """Ten pictures a second on each topic, then chatter for so many seconds; gives the path."""
    with BagWriter(path, storage) as bag:
        kind = COMPRESSED_IMAGE if compressed else IMAGE
        for topic in topics:
            bag.add_topic(Topic(topic, kind))
        bag.add_topic(Topic("/chatter", "std_msgs/msg/String"))
        time = SECOND
        for picture in pictures:
            for topic in topics:
                data = message(picture, time, compressed=compressed)
                bag.write(topic, time, data)
            time += PERIOD
        for number in range(round(10 * chatter)):
            bag.write("/chatter", time + number * PERIOD, bytes(12))
    return path


def message(picture: UInt8Image, time: int, *, compressed: bool = False) -> bytes:
    """A serialized image message with the stamp `time`, nanoseconds."""
    stamp = divmod(time, SECOND)
    if compressed:
        return compressed_bytes(encoded(".jpg", picture), "jpeg", stamp=stamp)
    return image_bytes(picture, encoding="bgr8", stamp=stamp)
