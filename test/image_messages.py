"""Pictures for tests, and serialized messages of them, written by rosbags: not by our code."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
STAMP = (12, 345_678_901)


def image_bytes(
    pixels: npt.NDArray[Any], *, encoding: str, width: int | None = None,
    height: int | None = None, step: int | None = None, is_bigendian: int = 0,
    stamp: tuple[int, int] = STAMP, frame_id: str = "camera", little_endian: bool = True,
) -> bytes:  # fmt: skip
    """A sensor_msgs/Image; by default its size and step are those of the (H, W, ...) `pixels`."""
    if height is None or width is None:
        height, width = pixels.shape[:2]
    message = STORE.types["sensor_msgs/msg/Image"](
        header=_header(stamp, frame_id), height=height, width=width, encoding=encoding,
        is_bigendian=is_bigendian, step=pixels.strides[0] if step is None else step,
        data=np.frombuffer(pixels.tobytes(), np.uint8),
    )  # fmt: skip
    name = "sensor_msgs/msg/Image"
    return bytes(STORE.serialize_cdr(message, name, little_endian=little_endian))


def compressed_bytes(
    data: bytes, form: str, *, stamp: tuple[int, int] = STAMP, frame_id: str = "camera",
    little_endian: bool = True,
) -> bytes:  # fmt: skip
    """A sensor_msgs/CompressedImage with the `format` `form`."""
    name = "sensor_msgs/msg/CompressedImage"
    message = STORE.types[name](
        header=_header(stamp, frame_id), format=form, data=np.frombuffer(data, np.uint8)
    )
    return bytes(STORE.serialize_cdr(message, name, little_endian=little_endian))


def _header(stamp: tuple[int, int], frame_id: str) -> Any:
    time = STORE.types["builtin_interfaces/msg/Time"](sec=stamp[0], nanosec=stamp[1])
    return STORE.types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def picture(height: int = 24, width: int = 32) -> npt.NDArray[np.uint8]:
    """Smooth in colour, so that encodings that halve its resolution keep it; no symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    channels = (40 + 4 * x, 200 - 3 * y, 60 + 2 * x + 2 * y)
    return np.stack(channels, axis=-1).astype(np.uint8)


def largest_difference(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b).max())


def in_16_bits(values: npt.NDArray[np.uint8], order: str = "<u2") -> npt.NDArray[np.uint16]:
    """Values whose high byte is given, the low byte anything."""
    low = np.arange(values.size, dtype=np.uint16).reshape(values.shape) % 256
    return (values.astype(np.uint16) * 256 + low).astype(order)


def with_alpha(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    alpha = np.arange(colours[..., 0].size).reshape(colours.shape[:2]) % 256
    return np.dstack((colours, alpha.astype(np.uint8)))


def encoded(extension: str, image: npt.NDArray[Any], *options: int) -> bytes:
    """A picture as a file of that kind."""
    done, data = cv2.imencode(extension, image, options)
    assert done
    return data.tobytes()
