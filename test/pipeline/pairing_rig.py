"""A pairing in the hands of a test, which gives the stamps and moves the clock."""

from __future__ import annotations

from tracker_ros.pipeline.detection_messages import DetectionArray
from tracker_ros.pipeline.frames import Frame, FrameHistory
from tracker_ros.pipeline.images import Stamped
from tracker_ros.pipeline.pairing import Pairing, Timing

MS = 10**6
PERIOD = 33
"""Milliseconds between two images."""


def stamped(ms: float, frame_id: str = "camera") -> Stamped:
    ns = 10**12 + round(ms * MS)
    return Stamped(ns // 10**9, ns % 10**9, frame_id)


class Rig:
    """A pairing, told of images and arrays that are named by their stamps in milliseconds.

    They come at the time of their stamp plus what they are late, by a clock that only they move.
    """

    def __init__(self, history: int = 60, **timing: float) -> None:
        self.history = FrameHistory(history, 1 << 30)
        self.pairing = Pairing(self.history, self, Timing(**timing))
        self.now = 0.0
        self.refused: list[str] = []
        self.rejected: list[str] = []
        self.dropped = 0

    def on_refused(self, cause: str, reason: str, number: int = 1) -> None:
        self.refused += [cause] * number

    def on_rejected(self, cause: str, reason: str) -> None:
        self.rejected.append(cause)

    def on_dropped(self, frames: int) -> None:
        self.dropped += frames

    def image(self, ms: float, late: float = 0.0, frame_id: str = "camera") -> None:
        self.now = max(self.now, (ms + late) / 1e3)
        frame = Frame(b"", stamped(ms, frame_id), False, self.now)
        self.history.add(frame)
        self.pairing.add_image(frame)

    def array(self, ms: float, late: float = 0.0, frame_id: str = "camera") -> None:
        self.now = max(self.now, (ms + late) / 1e3)
        self.pairing.add_array(DetectionArray(b"", stamped(ms, frame_id), self.now))

    def steps(self) -> list[tuple[str, float | None, float | None]]:
        """All that is to be done now: the kind, the image's stamp and the array's."""
        steps = []
        while (step := self.pairing.next(self.now)) is not None:
            of_image = None if step.frame is None else milliseconds(step.frame.header)
            of_array = None if step.array is None else milliseconds(step.array.header)
            steps.append((step.kind.name, of_image, of_array))
        return steps

    def wait(self, seconds: float) -> list[tuple[str, float | None, float | None]]:
        self.now += seconds
        return self.steps()


def milliseconds(header: Stamped) -> float:
    return (header.ns - 10**12) / MS
