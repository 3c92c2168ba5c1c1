"""The tracking worker, fed with serialized images: no ROS, a real model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter

import numpy as np
from rosbags.typesys import Stores, get_typestore

from tracker_ros.geometry import Box
from tracker_ros.pipeline.frames import Frame, FrameHistory
from tracker_ros.pipeline.images import read_header
from tracker_ros.pipeline.requests import Accepted, Identities, TargetRequest
from tracker_ros.pipeline.sot_worker import Processed, TrackingWorker
from tracker_ros.sot import LoadedModel
from tracker_ros.track import Track

STORE = get_typestore(Stores.ROS2_JAZZY)
BOX = Box(200, 150, 60, 48)
PERIOD = 33_000_000


def frame(number: int, image: np.ndarray, *, encoding: str = "bgr8") -> Frame:
    """Image number `number` of a 30 Hz camera that started at second 1."""
    types = STORE.types
    ns = 10**9 + number * PERIOD
    stamp = types["builtin_interfaces/msg/Time"](sec=ns // 10**9, nanosec=ns % 10**9)
    header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
    height, width = image.shape[:2]
    message = types["sensor_msgs/msg/Image"](
        header=header, height=height, width=width, encoding=encoding, is_bigendian=0,
        step=3 * width, data=image.reshape(-1),
    )  # fmt: skip
    raw = bytes(STORE.serialize_cdr(message, "sensor_msgs/msg/Image"))
    return Frame(raw, read_header(raw), False, 0.0)


class Rig:
    """A worker, and what it says."""

    def __init__(
        self, model: LoadedModel, max_targets: int = 1, *, thread: bool = True,
        clock: Callable[[], float] = perf_counter,
    ) -> None:  # fmt: skip
        """thread: without one, `worker.catch_up` does what there is to do."""
        self.processed: list[Processed] = []
        self.rejected: list[tuple[str, str]] = []
        self.failures: list[str] = []
        self.news: list[str] = []
        self.ended: list[Track] = []
        self.at_gate: Frame | None = None
        self.gate = threading.Event()
        self.gate.set()
        self._news = threading.Condition()
        self.history = FrameHistory(200, 1 << 30)
        self.worker = TrackingWorker(
            model, self.history, Identities(), self,
            thresholds=model.thresholds, max_targets=max_targets, clock=clock,
        )  # fmt: skip
        if thread:
            self.worker.start()

    def on_processed(self, processed: Processed) -> None:
        with self._news:
            self.at_gate = processed.frame
            self._news.notify_all()
        self.gate.wait()
        with self._news:
            self.processed.append(processed)
            self._news.notify_all()

    def on_rejected(self, cause: str, reason: str) -> None:
        with self._news:
            self.rejected.append((cause, reason))
            self._news.notify_all()

    def on_ended(self, tracks: list[Track], reason: str) -> None:
        assert {track.reason for track in tracks} == {reason}
        self.ended += tracks

    def on_news(self, words: str) -> None:
        with self._news:
            self.news.append(words)
            self._news.notify_all()

    def on_failure(self, reason: str, trace: str) -> None:
        with self._news:
            self.failures.append(reason)
            self._news.notify_all()

    def show(self, number: int, image: np.ndarray) -> Processed:
        """Let an image come, and wait until it was tracked."""
        came = frame(number, image)
        self.history.add(came)
        self.worker.offer(came)
        self.wait(lambda: self.processed and self.processed[-1].frame is came)
        return self.processed[-1]

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until what the worker says makes the condition true."""
        with self._news:
            assert self._news.wait_for(condition, 10)

    def set(self, box: Box = BOX, stamp: int = 0, id: str = "", label: str = "") -> Accepted:
        return self.worker.set_target(TargetRequest(box, stamp, id, label)).result(10)
