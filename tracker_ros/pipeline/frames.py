"""The frames a node holds: the newest, for tracking, and those of the last seconds."""

from __future__ import annotations

import bisect
import itertools
import math
import threading
from collections import deque
from dataclasses import dataclass

from tracker_ros.geometry import UInt8Image
from tracker_ros.pipeline.images import Stamped, decode_compressed, decode_image, read_header


@dataclass(frozen=True)
class Frame:
    """A serialized image message as it came, not decoded yet."""

    raw: bytes
    header: Stamped
    compressed: bool
    received: float
    """When it came, by the clock of the worker: time.perf_counter() in a node."""
    number: int = 0
    """Images that came before it, where somebody counts."""

    @classmethod
    def of(cls, raw: bytes, *, compressed: bool, received: float, number: int = 0) -> Frame:
        """The message with its header read. Raises ImageError when it has none."""
        return cls(raw, read_header(raw), compressed, received, number)

    def decode(self) -> UInt8Image:
        """Its pixels (H, W, 3) BGR, perhaps a view of `raw`. Raises ImageError."""
        return decode_compressed(self.raw) if self.compressed else decode_image(self.raw)


class FrameHistory:
    """The frames of the last moments, in the order of their stamps; safe between threads.

    Bounded by number, by bytes and by seconds before the newest; the oldest go first.
    """

    def __init__(self, max_frames: int, max_bytes: int, max_seconds: float = math.inf) -> None:
        self._max_frames, self._max_bytes, self._max_seconds = max_frames, max_bytes, max_seconds
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def resize(self, max_frames: int, max_bytes: int, max_seconds: float = math.inf) -> None:
        """Change the bounds."""
        with self._lock:
            self._max_frames, self._max_bytes = max_frames, max_bytes
            self._max_seconds = max_seconds
            self._shrink()

    def add(self, frame: Frame) -> None:
        """Add the newest frame. Its stamp must not be before that of the last one."""
        with self._lock:
            self._frames.append(frame)
            self._bytes += len(frame.raw)
            self._shrink()

    def clear(self) -> None:
        """Forget all frames."""
        with self._lock:
            self._frames.clear()
            self._bytes = 0

    def newest(self) -> Frame | None:
        """The frame that came last, or None."""
        with self._lock:
            return self._frames[-1] if self._frames else None

    def oldest(self) -> Frame | None:
        """The oldest frame still held, or None."""
        with self._lock:
            return self._frames[0] if self._frames else None

    def at(self, ns: int) -> Frame | None:
        """The frame with exactly this stamp (nanoseconds), or None."""
        with self._lock:
            index = bisect.bisect_left(self._frames, ns, key=_stamp)
            if index < len(self._frames) and _stamp(self._frames[index]) == ns:
                return self._frames[index]
            return None

    def nearest(self, ns: int, tolerance: int) -> Frame | None:
        """The frame whose stamp is nearest, at most `tolerance` nanoseconds away, or None."""
        with self._lock:
            index = bisect.bisect_left(self._frames, ns, key=_stamp)
            beside = list(itertools.islice(self._frames, max(index - 1, 0), index + 1))
        frame = min(beside, key=lambda frame: abs(_stamp(frame) - ns), default=None)
        return frame if frame is not None and abs(_stamp(frame) - ns) <= tolerance else None

    def period(self) -> int:
        """Nanoseconds from frame to frame, on average of those held; 0 where there is only one."""
        with self._lock:
            gaps = len(self._frames) - 1
            return (_stamp(self._frames[-1]) - _stamp(self._frames[0])) // gaps if gaps > 0 else 0

    def after(self, ns: int) -> list[Frame]:
        """The frames stamped later than `ns`, the oldest first."""
        with self._lock:
            index = bisect.bisect_right(self._frames, ns, key=_stamp)
            return list(self._frames)[index:]

    def _shrink(self) -> None:
        # The newest frame stays whatever the bounds: a target is set on it.
        while len(self._frames) > 1 and (
            len(self._frames) > self._max_frames
            or self._bytes > self._max_bytes
            or _stamp(self._frames[-1]) - _stamp(self._frames[0]) > self._max_seconds * 1e9
        ):
            self._bytes -= len(self._frames.popleft().raw)


def seconds(ns: int) -> str:
    """A stamp in seconds with nine decimals, exactly: a float holds no nanoseconds of today's."""
    whole, rest = divmod(abs(ns), 10**9)  # rounding down would give -0.5 s as -1.5
    return f"{'-' * (ns < 0)}{whole}.{rest:09}"


def _stamp(frame: Frame) -> int:
    return frame.header.ns
