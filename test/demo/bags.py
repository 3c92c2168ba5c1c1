"""Writes small bags of images for the tests, with rosbags."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from tracker_ros.geometry import UInt8Image

STORE = get_typestore(Stores.ROS2_JAZZY)
FIRST_STAMP = 1_700_000_000 * 10**9


def write_bag(
    folder: Path,
    images: Iterable[UInt8Image],
    *,
    fps: float = 30.0,
    topic: str = "/camera/image_raw",
    compressed: bool = False,
    storage: StoragePlugin = StoragePlugin.MCAP,
    spoiled: Container[int] = (),
) -> Path:
    """Write `images` as bgr8 Image (or jpeg CompressedImage) messages; gives back `folder`.

    Of the jpegs numbered in `spoiled` the second half is missing.
    """
    types = STORE.types
    kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
    with Writer(folder, version=9, storage_plugin=storage) as writer:
        connection = writer.add_connection(topic, kind, typestore=STORE)
        for index, image in enumerate(images):
            nanoseconds = FIRST_STAMP + round(index * 1e9 / fps)
            stamp = types["builtin_interfaces/msg/Time"](
                sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9
            )
            header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="bag_optical_frame")
            if compressed:
                jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
                data = jpeg.reshape(-1)
                data = data[: data.size // 2] if index in spoiled else data
                message = types[kind](header=header, format="jpeg", data=data)
            else:
                message = types[kind](
                    header=header,
                    height=image.shape[0],
                    width=image.shape[1],
                    encoding="bgr8",
                    is_bigendian=0,
                    step=image.shape[1] * 3,
                    data=np.ascontiguousarray(image).reshape(-1),
                )
            writer.write(connection, nanoseconds, STORE.serialize_cdr(message, kind))
    return folder
