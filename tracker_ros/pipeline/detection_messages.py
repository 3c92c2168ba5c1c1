"""Reads serialized vision_msgs/Detection2DArray (CDR). No ROS in here.

rclpy makes an object of every field, with a covariance of 36 numbers for each hypothesis: 400 ms
for an array of 10,000, during which a node stands still. What is needed of it is read here in a
tenth of that, on the thread that needs it.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tracker_ros.errors import DetectionsError
from tracker_ros.geometry import Box
from tracker_ros.mot.detections import Detection
from tracker_ros.pipeline.cdr import Reader, Stamped

_ENCAPSULATION = 4
_POSE = 43 * 8
"""Bytes of a geometry_msgs/PoseWithCovariance: 7 numbers, and 36 of covariance."""
_BOX = 5 * 8
"""Bytes of a vision_msgs/BoundingBox2D."""
TURNED = "a box that is turned (theta is not 0)"


class Found(NamedTuple):
    """One Detection2D, as it stands in the message."""

    id: str
    label: str
    """Class of the hypothesis with the highest score; empty without any."""
    score: float
    """Of that hypothesis; 1 without any, minus infinity where every score is NaN."""
    cx: float
    cy: float
    theta: float
    w: float
    h: float

    @property
    def box(self) -> Box:
        """The box, not turned."""
        return Box.from_center(self.cx, self.cy, self.w, self.h)


@dataclass(frozen=True, eq=False)
class DetectionArray:
    """A serialized array as it came, with its header read."""

    raw: bytes
    header: Stamped
    received: float
    """time.perf_counter() when it came."""

    @classmethod
    def of(cls, raw: bytes, *, received: float) -> DetectionArray:
        """The message with its header read. Raises DetectionsError when it has none."""
        return cls(raw, read_array_header(raw), received)

    def read(self) -> list[Found]:
        """What is in it. Raises DetectionsError."""
        return read_detections(self.raw)


def read_array_header(raw: bytes) -> Stamped:
    """Read the header of an array. Raises DetectionsError."""
    return Reader(raw, _broken).header()


def read_detections(raw: bytes) -> list[Found]:
    """Read the detections of an array. Raises DetectionsError."""
    reader = Reader(raw, _broken)
    reader.header()
    count = reader.uint32("the number of detections")
    data, at = memoryview(raw)[_ENCAPSULATION:], reader.offset
    # Every length is checked by unpack_from, which reads nothing beyond the end.
    try:
        return _read_items(data, at, count, reader.order)
    except struct.error:
        raise _broken(f"it ends within its {count} detections") from None


def _read_items(data: memoryview, at: int, count: int, order: str) -> list[Found]:
    number = struct.Struct(order + "I").unpack_from
    score_at = struct.Struct(order + "d").unpack_from
    box_at = struct.Struct(order + "5d").unpack_from
    texts: dict[bytes, str] = {}
    items = []
    for _ in range(count):
        at = (at + 3) & ~3  # its own header: the array's counts
        at += 12 + number(data, at + 8)[0]
        at = (at + 3) & ~3
        guesses = number(data, at)[0]
        at += 4
        label, best = b"", -math.inf if guesses else 1.0
        for _ in range(guesses):
            at = (at + 3) & ~3
            length, start = number(data, at)[0], at + 4
            at = (start + length + 7) & ~7
            score = score_at(data, at)[0]
            at += 8 + _POSE
            if score > best:  # never where it is NaN
                label, best = bytes(data[start : start + length]), score
        at = (at + 7) & ~7
        cx, cy, theta, w, h = box_at(data, at)
        at += _BOX
        length, start = number(data, at)[0], at + 4
        at = start + length
        id = bytes(data[start:at])
        for text in (label, id):
            if text not in texts:
                texts[text] = text.rstrip(b"\0").decode(errors="replace")
        items.append(Found(texts[id], texts[label], best, cx, cy, theta, w, h))
    if at > len(data):
        raise struct.error
    return items


def usable(found: Sequence[Found]) -> tuple[list[Detection], Counter[str]]:
    """As a tracker takes them, and how many are not taken, by reason."""
    upright = [item for item in found if item.theta == 0]  # NaN is no angle either
    refused = Counter({TURNED: len(found) - len(upright)})
    return [Detection(item.box, item.score, item.label) for item in upright], +refused


def _broken(what: str) -> DetectionsError:
    return DetectionsError(
        f"the array of detections is broken: {what}; does another program publish on this topic, "
        "or one with other message definitions?"
    )
