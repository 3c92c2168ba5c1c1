"""Camera images as pictures that a browser shows: encoded once, however many pages look."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from tracker_ros.errors import ImageError
from tracker_ros.pipeline.cdr import read_compressed
from tracker_ros.pipeline.frames import Frame
from tracker_ros.pipeline.images import JPEG, PNG
from tracker_ros.pipeline.jpeg import is_damaged
from tracker_ros.pipeline.picture_size import picture_size

_LENGTH = struct.Struct(">I")
MOST_UNTOUCHED = 1 << 20
"""Bytes of a compressed image that goes through as it is; a larger one would hold up slow links."""


@dataclass(frozen=True)
class Quality:
    """How images are encoded that do not come compressed."""

    jpeg: int = 80
    """1 to 100."""
    longest_side: int = 1280
    """Pixels; larger images are made smaller. 0: none are."""


@dataclass(frozen=True, eq=False)
class Picture:
    """An image that can be sent."""

    topic: str
    stamp: int
    """Nanoseconds, of the image."""
    wire: bytes
    """What is sent: 4 bytes, the length of the JSON behind them, big-endian; then the encoding."""


def encoded(topic: str, frame: Frame, quality: Quality, age: float | None) -> Picture:
    """A frame as a picture. Raises ImageError.

    Compressed images go through as they are, jpeg and png; what else can be decoded becomes a jpeg.
    age: seconds from the frame's stamp to now, None where clocks have nothing to do with another.
    """
    if frame.compressed:
        message = read_compressed(frame.raw)
        mime = _mime(message.data)
        is_depth = "16UC1" in message.format  # which is stretched, to be seen at all
        if mime and not is_depth and len(message.data) <= MOST_UNTOUCHED:
            wire = _wire(topic, frame, picture_size(message.data), mime, age, message.data)
            return Picture(topic, frame.header.ns, wire)
    image = frame.decode()
    height, width = image.shape[:2]
    if 0 < quality.longest_side < max(width, height):
        scale = quality.longest_side / max(width, height)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, jpeg = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality.jpeg))
    if not done:
        raise ImageError(f"an image of {width}x{height} px cannot be encoded as jpeg", "size")
    wire = _wire(topic, frame, (width, height), "image/jpeg", age, jpeg.data)
    return Picture(topic, frame.header.ns, wire)


def _mime(data: memoryview) -> str:
    """What a browser shows as it is; empty for what it does not, or is damaged."""
    start = bytes(data[:4])
    if start.startswith(JPEG):
        return "" if is_damaged(np.frombuffer(data, np.uint8)) else "image/jpeg"
    return "image/png" if start.startswith(PNG) else ""


def _wire(
    topic: str, frame: Frame, size: tuple[int, int], mime: str, age: float | None,
    data: bytes | memoryview,
) -> bytes:  # fmt: skip
    head = json.dumps(
        {
            "topic": topic, "stamp": str(frame.header.ns), "width": size[0], "height": size[1],
            "mime": mime, "age": age,
        }
    ).encode()  # fmt: skip
    return b"".join((_LENGTH.pack(len(head)), head, data))


class Encoder:
    """Encodes the newest frame of each topic, on a thread of its own; others are dropped."""

    def __init__(
        self, on_picture: Callable[[Picture], None],
        on_unreadable: Callable[[str, ImageError], None], age: Callable[[int], float | None],
    ) -> None:  # fmt: skip
        """on_picture, on_unreadable: called on the thread; the latter gets topic and error.

        age: seconds since a stamp, or None.
        """
        self._on_picture, self._on_unreadable, self._age = on_picture, on_unreadable, age
        self.quality = Quality()
        self._frames: dict[str, Frame] = {}
        self._wake = threading.Condition()
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)
        self._thread.start()

    def take(self, topic: str, frame: Frame) -> None:
        """Encode a frame, unless a newer one comes first."""
        with self._wake:
            self._frames[topic] = frame
            self._wake.notify()

    def forget(self, topic: str) -> None:
        """Nobody looks at a topic any more."""
        with self._wake:
            self._frames.pop(topic, None)

    def close(self) -> None:
        """End the thread."""
        with self._wake:
            self._ends = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._frames or self._ends)
                if self._ends:
                    return
                topic = next(iter(self._frames))
                frame = self._frames.pop(topic)
            try:
                picture = encoded(topic, frame, self.quality, self._age(frame.header.ns))
            except ImageError as error:
                self._on_unreadable(topic, error)
            except Exception as error:  # whatever comes, the next image is another
                self._on_unreadable(topic, ImageError(f"cannot be encoded: {error}", "encoding"))
            else:
                self._on_picture(picture)
