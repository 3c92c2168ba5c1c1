"""From pixels to serialized image messages, as cameras of several kinds send them."""

from __future__ import annotations

import struct
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.bags.types import store
from tracker_ros.geometry import UInt8Image

Bytes = npt.NDArray[np.uint8]
FRAME_ID = "camera"


def _yuyv(image: UInt8Image) -> Bytes:
    luma, blue, red = _planes(image)
    packed = np.empty((*luma.shape, 2), np.uint8)
    packed[..., 0] = luma
    packed[:, 0::2, 1] = blue.repeat(2, axis=0)
    packed[:, 1::2, 1] = red.repeat(2, axis=0)
    return packed


def _nv12(image: UInt8Image) -> Bytes:
    luma, blue, red = _planes(image)
    return np.vstack((luma, np.stack((blue, red), axis=-1).reshape(len(blue), -1)))


def _planes(image: UInt8Image) -> tuple[Bytes, Bytes, Bytes]:
    """Luma (H, W) and the two colours (H / 2, W / 2)."""
    height, width = image.shape[:2]
    planar = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8).reshape(-1)
    luma, blue, red = np.split(planar, (height * width, height * width * 5 // 4))
    shape = (height // 2, width // 2)
    return luma.reshape(height, width), blue.reshape(shape), red.reshape(shape)


def _bayer(image: UInt8Image) -> Bytes:
    mosaic: Bytes = image[..., 1].copy()
    mosaic[0::2, 0::2] = image[0::2, 0::2, 2]
    mosaic[1::2, 1::2] = image[1::2, 1::2, 0]
    return mosaic


def _converted(code: int) -> Callable[[UInt8Image], Bytes]:
    return lambda image: np.asarray(cv2.cvtColor(image, code), np.uint8)


_RAW: dict[str, Callable[[UInt8Image], Bytes]] = {
    "bgr8": lambda image: image,
    "rgb8": _converted(cv2.COLOR_BGR2RGB),
    "bgra8": _converted(cv2.COLOR_BGR2BGRA),
    "rgba8": _converted(cv2.COLOR_BGR2RGBA),
    "mono8": _converted(cv2.COLOR_BGR2GRAY),
    "yuyv": _yuyv,
    "nv12": _nv12,
    "bayer_rggb8": _bayer,
}
_FILES = {"jpeg": ".jpg", "png": ".png"}
ENCODINGS = (*_RAW, *_FILES)
"""sensor_msgs/Image in the encoding of that name; jpeg and png: sensor_msgs/CompressedImage."""


def is_compressed(encoding: str) -> bool:
    """Whether an encoding is that of a CompressedImage."""
    return encoding in _FILES


def serialize(image: UInt8Image, encoding: str, ns: int) -> bytes:
    """The message of an image (H, W, 3), BGR, sides even, stamped `ns` nanoseconds."""
    types = store()
    time = types.types["builtin_interfaces/msg/Time"](sec=ns // 10**9, nanosec=ns % 10**9)
    header = types.types["std_msgs/msg/Header"](stamp=time, frame_id=FRAME_ID)
    if is_compressed(encoding):
        name = "sensor_msgs/msg/CompressedImage"
        data = np.asarray(cv2.imencode(_FILES[encoding], image)[1], np.uint8).reshape(-1)
        message = types.types[name](header=header, format=encoding, data=data)
    else:
        name = "sensor_msgs/msg/Image"
        pixels = np.ascontiguousarray(_RAW[encoding](image))
        height, width = image.shape[:2]
        message = types.types[name](
            header=header, height=height, width=width, encoding=encoding, is_bigendian=0,
            step=pixels.strides[0], data=pixels.reshape(-1),
        )  # fmt: skip
    return bytes(types.serialize_cdr(message, name))


def stamped(raw: bytes, ns: int) -> bytes:
    """A message that begins with a header, as `serialize` gives it, with another stamp."""
    # After four bytes that say the byte order: whole seconds and nanoseconds.
    return raw[:4] + struct.pack("<iI", ns // 10**9, ns % 10**9) + raw[12:]
