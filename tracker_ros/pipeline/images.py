"""Image messages to arrays: every common encoding of a camera becomes 8-bit BGR.

No ROS in here: the input is the serialized message, as a raw subscription or a bag gives it. No
cv_bridge either: its builds for numpy 1 crash with numpy 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.errors import ImageError
from tracker_ros.geometry import UInt8Image
from tracker_ros.pipeline.cdr import (
    ImageMessage,
    Stamped,
    read_compressed,
    read_header,
    read_image,
)
from tracker_ros.pipeline.jpeg import is_damaged

__all__ = ["ENCODINGS", "ImageError", "Stamped", "decode_compressed", "decode_image", "read_header"]

Bytes = npt.NDArray[np.uint8]
JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG"


@dataclass(frozen=True)
class Encoding:
    """How the pixels of one encoding lie, and how they become BGR."""

    pixel_bytes: int
    """Bytes of a pixel within a row."""
    to_bgr: Callable[[Bytes, ImageMessage], UInt8Image]
    """From (rows, width * pixel_bytes), a view that may skip padding, to (height, width, 3)."""
    even_width: bool = False
    even_height: bool = False
    half_rows: int = 2
    """Rows of the data for every two of the image."""


def decode_image(raw: bytes) -> UInt8Image:
    """Decode a serialized sensor_msgs/Image to (H, W, 3) uint8 BGR.

    For bgr8 the result is a read-only view of `raw`; its rows lie `step` bytes apart. 16 bits
    become 8 as follows. Of mono16 and bayer_*16, whose values fill their range, the high byte is
    kept. The values of 16UC1 (depth in mm, raw thermal) fill a small part of theirs: those of the
    frame are stretched from 1, the smallest, to 255, the largest, but never by more than one
    level per unit, else the noise of an empty picture would look like texture; 0, which means "no
    measurement" in depth images, stays 0.

    Raises ImageError; its cause is "message" (not an Image), "encoding" (not known), "size" (zero,
    or odd where pairs of pixels share a colour), "step" (shorter than a row) or "data" (too few).
    """
    message = read_image(raw)
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        raise ImageError(_unknown(message.encoding), "encoding")
    _check_size(message, encoding)
    return encoding.to_bgr(_rows(message, encoding), message)


def decode_compressed(raw: bytes) -> UInt8Image:
    """Decode a serialized sensor_msgs/CompressedImage, jpeg or png, to (H, W, 3) uint8 BGR.

    Grey becomes BGR, an alpha channel is left out, of 16 bits the high byte is kept, except in
    16UC1 (`decode_image` says how that is stretched). The orientation that a jpeg may name is
    ignored, since boxes and calibration are in the pixels of the sensor.

    Raises ImageError; its cause is "message" (not a CompressedImage), "data" (there are none) or
    "compressed" (of another format, or corrupt as far as that shows: see `jpeg.is_damaged`).
    """
    message = read_compressed(raw)
    shown = f"compressed image (format '{_shorten(message.format)}', {len(message.data)} bytes)"
    if "compresseddepth" in message.format.lower():
        raise ImageError(
            f"{shown}: compressedDepth cannot be decoded; subscribe to the raw topic, or to the "
            "colour or infrared image of that camera",
            "compressed",
        )
    data = np.frombuffer(message.data, np.uint8)
    if not data.size:
        raise ImageError(f"{shown} holds no data; look at the camera's driver", "data")
    start = data[:4].tobytes()
    if not start.startswith((JPEG, PNG)):
        raise ImageError(
            f"{shown} begins with the bytes {start.hex(' ')}: it is corrupt, or neither jpeg nor "
            "png; set the camera's transport to one of these, or subscribe to the raw topic",
            "compressed",
        )
    if start.startswith(JPEG) and is_damaged(data):
        raise ImageError(f"{shown} is corrupt: bytes in it were lost or overwritten", "compressed")
    is_depth = message.format.startswith("16UC1")
    flags = cv2.IMREAD_UNCHANGED if is_depth else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(data, flags)
    except cv2.error as error:  # what it does not return None for: an absurd size
        raise ImageError(f"{shown} cannot be decoded: {error.err}", "compressed") from error
    if image is None:
        raise ImageError(f"{shown} is corrupt or cut short; it was dropped", "compressed")
    if is_depth and image.dtype == np.uint16 and image.ndim == 2:
        image = _stretched(np.asarray(image, np.uint16))
    elif is_depth:
        raise ImageError(f"{shown} does not hold one channel of 16 bits", "compressed")
    return _uint8(image)


# --- where the pixels lie ------------------------------------------------------------------------


def _check_size(message: ImageMessage, encoding: Encoding) -> None:
    """Raise ImageError unless width, height and step go with the encoding."""
    width, height, step = message.width, message.height, message.step
    shown = f"{message.encoding} image of {width}x{height}"
    if width == 0 or height == 0:
        raise ImageError(f"{shown} has no pixels; look at the camera's driver", "size")
    if (encoding.even_width and width % 2) or (encoding.even_height and height % 2):
        sides = "width and height" if encoding.even_height else "width"
        raise ImageError(
            f"{shown}: the {sides} must be even, because neighbouring pixels share their colour",
            "size",
        )
    row = width * encoding.pixel_bytes
    if step < row:
        raise ImageError(
            f"{shown} has step {step}, but a row takes {row} bytes; "
            "the publisher must fill in `step`",
            "step",
        )
    # The padding of the last row may be missing.
    needed = step * (height * encoding.half_rows // 2 - 1) + row
    if len(message.data) < needed:
        raise ImageError(
            f"{shown} with step {step} takes {needed} bytes, but its data are "
            f"{len(message.data)} bytes; are width, height or step wrong?",
            "data",
        )


def _rows(message: ImageMessage, encoding: Encoding) -> Bytes:
    """The rows of the data, without their padding: a view."""
    rows: Bytes = np.ndarray(
        (message.height * encoding.half_rows // 2, message.width * encoding.pixel_bytes),
        np.uint8,
        message.data,
        strides=(message.step, 1),
    )
    return rows


def _pixels(rows: Bytes, channels: int) -> Bytes:
    """(H, W * channels) as (H, W, channels): a view also where rows are padded."""
    height, row = rows.shape
    shape = (height, row // channels, channels)
    return np.lib.stride_tricks.as_strided(
        rows, shape, (rows.strides[0], channels, 1), writeable=False
    )


# --- how they become BGR -------------------------------------------------------------------------


def _as_it_is(rows: Bytes, message: ImageMessage) -> UInt8Image:
    return _pixels(rows, 3)


def _converted(channels: int, code: int) -> Callable[[Bytes, ImageMessage], UInt8Image]:
    """Conversion by OpenCV of pixels with so many bytes."""

    def convert(rows: Bytes, message: ImageMessage) -> UInt8Image:
        return _uint8(cv2.cvtColor(rows if channels == 1 else _pixels(rows, channels), code))

    return convert


def _high_byte(code: int) -> Callable[[Bytes, ImageMessage], UInt8Image]:
    """Conversion by OpenCV of the high byte of each number of two."""

    def convert(rows: Bytes, message: ImageMessage) -> UInt8Image:
        high = _pixels(rows, 2)[..., 0 if message.is_bigendian else 1]
        return _uint8(cv2.cvtColor(np.ascontiguousarray(high), code))

    return convert


def _depth(rows: Bytes, message: ImageMessage) -> UInt8Image:
    """16UC1."""
    order = ">u2" if message.is_bigendian else "<u2"
    # Packed first: rows with an odd step would not be aligned.
    return _stretched(np.ascontiguousarray(rows).view(order).astype(np.uint16, copy=False))


def _stretched(values: npt.NDArray[np.uint16]) -> UInt8Image:
    """The rule of `decode_image` for (H, W) of 16UC1."""
    measured = np.not_equal(values, 0).view(np.uint8)
    low, high, _, _ = cv2.minMaxLoc(values, measured)
    scale = 254 / max(high - low, 254.0)
    grey = cv2.convertScaleAbs(values, alpha=scale, beta=1 - low * scale)
    return _uint8(cv2.cvtColor(cv2.multiply(grey, measured), cv2.COLOR_GRAY2BGR))


def _uint8(image: cv2.typing.MatLike) -> UInt8Image:
    """For the type checker: what OpenCV returns is known to be uint8; nothing is copied."""
    return np.asarray(image, np.uint8)


_GREY = Encoding(1, _converted(1, cv2.COLOR_GRAY2BGR))
_BGR = Encoding(3, _as_it_is)
_BGRA = Encoding(4, _converted(4, cv2.COLOR_BGRA2BGR))
_UYVY = Encoding(2, _converted(2, cv2.COLOR_YUV2BGR_UYVY), even_width=True)
_YUYV = Encoding(2, _converted(2, cv2.COLOR_YUV2BGR_YUYV), even_width=True)
# OpenCV also names these by the second row, from the second pixel on (BayerBG for rggb). These
# names, like those of ROS, go by the first row.
_BAYER = {
    "rggb": cv2.COLOR_BayerRGGB2BGR,
    "bggr": cv2.COLOR_BayerBGGR2BGR,
    "gbrg": cv2.COLOR_BayerGBRG2BGR,
    "grbg": cv2.COLOR_BayerGRBG2BGR,
}


def _semi_planar(code: int) -> Encoding:
    """A plane of Y, then rows of alternating colours, one for every two rows of Y."""
    return Encoding(1, _converted(1, code), even_width=True, even_height=True, half_rows=3)


ENCODINGS: dict[str, Encoding] = {
    "bgr8": _BGR,
    "8UC3": _BGR,
    "rgb8": Encoding(3, _converted(3, cv2.COLOR_RGB2BGR)),
    "bgra8": _BGRA,
    "8UC4": _BGRA,
    "rgba8": Encoding(4, _converted(4, cv2.COLOR_RGBA2BGR)),
    "mono8": _GREY,
    "8UC1": _GREY,
    "mono16": Encoding(2, _high_byte(cv2.COLOR_GRAY2BGR)),
    "16UC1": Encoding(2, _depth),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "nv12": _semi_planar(cv2.COLOR_YUV2BGR_NV12),
    "nv21": _semi_planar(cv2.COLOR_YUV2BGR_NV21),
    **{f"bayer_{name}8": Encoding(1, _converted(1, code)) for name, code in _BAYER.items()},
    **{f"bayer_{name}16": Encoding(2, _high_byte(code)) for name, code in _BAYER.items()},
}
"""By their names in sensor_msgs/image_encodings.hpp."""


def _unknown(name: str) -> str:
    shown = _shorten(name)
    if name.startswith(("32FC", "64FC")):
        return (
            f"encoding '{shown}' holds real numbers (depth in metres?), not a picture; subscribe "
            "to the camera's colour, grey or infrared image, or to its 16UC1 depth"
        )
    return f"encoding '{shown}' is not known; known are {', '.join(ENCODINGS)}"


def _shorten(name: str) -> str:
    """A name that fits into a message, whatever was in the bytes."""
    return ascii(name[:40])[1:-1] + ("..." if len(name) > 40 else "")
