"""The detector's thread: the newest frame alone, no more often than asked, whatever comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import perf_counter

import pytest
from image_messages import image_bytes, picture

from tracker_ros.detection.detector import Wanted
from tracker_ros.geometry import UInt8Image
from tracker_ros.mot.detections import Detection
from tracker_ros.pipeline.detection_worker import Detected, DetectionWorker
from tracker_ros.pipeline.frames import Frame, FrameHistory
from tracker_ros.pipeline.images import read_header

STEP = 10.0
"""Seconds that are never waited for, unless something hangs."""


class Gate:
    """A detector that is as slow as the test wants it: it waits at a gate in every image."""

    name, model, about, backend, precision = "gate", "", "", "", ""
    labels: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.wanted = Wanted()
        self.entered, self.opened = threading.Semaphore(0), threading.Semaphore(0)
        self.failing = False

    def detect(self, image: UInt8Image) -> list[Detection]:
        self.entered.release()
        assert self.opened.acquire(timeout=STEP)
        if self.failing:
            raise RuntimeError("no memory")
        return []


class Ear:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.detected: list[Detected] = []
        self.rejected: list[str] = []
        self.failed: list[str] = []
        self.heard = threading.Semaphore(0)

    def on_detected(self, detected: Detected) -> None:
        self.detected.append(detected)
        self.heard.release()

    def on_rejected(self, cause: str, reason: str) -> None:
        self.rejected.append(cause)
        self.heard.release()

    def on_failure(self, reason: str, trace: str) -> None:
        self.failed.append(reason)
        self.heard.release()


def frame(number: int, encoding: str = "bgr8") -> Frame:
    raw = image_bytes(picture(), encoding=encoding, stamp=(number, 0))
    return Frame(raw, read_header(raw), False, perf_counter())


class Rig:
    """A worker with its detector and its listener."""

    def __init__(self, max_rate: float = 0.0) -> None:
        self.gate, self.ear = Gate(), Ear()
        self.worker = DetectionWorker(
            self.gate, FrameHistory(1, 0), self.ear, max_rate=max_rate
        )  # fmt: skip
        self.worker.start()

    def wait(self) -> None:
        assert self.ear.heard.acquire(timeout=STEP)

    @property
    def seconds_seen(self) -> list[int]:
        """Stamps of the frames that were looked at."""
        return [detected.frame.header.sec for detected in self.ear.detected]

    def close(self) -> None:
        for _ in range(10):
            self.gate.opened.release()
        self.worker.stop("the test is over")


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.close()


def test_while_it_looks_newer_frames_replace_each_other(rig: Rig) -> None:
    assert not rig.worker.offer(frame(1))
    assert rig.gate.entered.acquire(timeout=STEP)
    assert [rig.worker.offer(frame(number)) for number in (2, 3, 4)] == [False, True, True]
    for _ in range(2):
        rig.gate.opened.release()
        rig.wait()
    assert rig.seconds_seen == [1, 4]


def test_after_a_jump_of_time_the_frame_that_waits_is_not_looked_at(rig: Rig) -> None:
    rig.worker.offer(frame(1))
    assert rig.gate.entered.acquire(timeout=STEP)
    rig.worker.offer(frame(2))
    assert rig.worker.forget_frames() == 1
    assert not rig.worker.offer(frame(3))
    for _ in range(2):
        rig.gate.opened.release()
        rig.wait()
    assert rig.seconds_seen == [1, 3]


def test_a_frame_that_cannot_be_decoded_is_rejected_and_the_next_is_looked_at(rig: Rig) -> None:
    rig.worker.offer(frame(1, "rgb565"))
    rig.wait()
    assert rig.ear.rejected == ["encoding"]
    rig.gate.opened.release()
    rig.worker.offer(frame(2))
    rig.wait()
    assert rig.seconds_seen == [2]


def test_a_detector_that_fails_is_told_and_asked_again(rig: Rig) -> None:
    rig.gate.failing = True
    rig.gate.opened.release()
    rig.worker.offer(frame(1))
    rig.wait()
    assert rig.ear.failed == ["a frame failed: no memory"]
    rig.gate.failing = False
    rig.gate.opened.release()
    rig.worker.offer(frame(2))
    rig.wait()
    assert rig.seconds_seen == [2] and rig.worker.alive


def test_a_rate_is_never_exceeded_and_the_newest_frame_is_looked_at_when_its_time_comes() -> None:
    rig = Rig(max_rate=20.0)
    try:
        for _ in range(10):
            rig.gate.opened.release()
        start = perf_counter()
        rig.worker.offer(frame(1))
        rig.wait()
        rig.worker.offer(frame(2))
        assert rig.worker.offer(frame(3))  # the second still waited
        rig.wait()
        assert perf_counter() - start >= 1 / 20
        assert rig.seconds_seen == [1, 3]
    finally:
        rig.close()


def test_a_rate_that_is_raised_counts_for_the_frame_that_waits() -> None:
    rig = Rig(max_rate=1 / 3600)
    try:
        rig.gate.opened.release()
        rig.worker.offer(frame(1))
        rig.wait()
        rig.gate.opened.release()
        rig.worker.offer(frame(2))
        rig.worker.tune(0.0)
        rig.wait()
        assert rig.seconds_seen == [1, 2]
    finally:
        rig.close()


def test_it_ends_while_it_waits_for_its_time() -> None:
    rig = Rig(max_rate=1 / 3600)
    rig.gate.opened.release()
    rig.worker.offer(frame(1))
    rig.wait()
    rig.worker.offer(frame(2))
    rig.close()
    assert not rig.worker.alive and rig.seconds_seen == [1]
