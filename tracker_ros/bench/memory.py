"""How much memory a tracker takes: in a process of its own, where nothing else is."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from tracker_ros.bench.encodings import stamped
from tracker_ros.bench.entrants import Choice, open_entrant
from tracker_ros.bench.films import RATE, Shot, there_and_back
from tracker_ros.bench.machine import memory_now
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box

WARM_UP, FRAMES = 10, 40
"""Frames before growth counts, and in which it does."""


@dataclass(frozen=True)
class TrackerMemory:
    """Resident memory of a process that holds this tracker only; MB (10^6 bytes)."""

    empty: float
    """Python and the libraries, before the tracker is loaded."""
    loaded: float
    peak: float
    growth: float
    """From the end of the warm-up over `FRAMES` frames."""


def measure_memory(choice: Choice, shots: Sequence[Shot], boxes: Sequence[Box]) -> TrackerMemory:
    """Run a tracker over the frames, there and back again, in a process that ends afterwards.

    Raises DataError when that process dies, as when the memory is not enough.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
        ) as process,
    ):
        # One frame at a time is in that memory, as in a node's.
        stored = [_store(shot, Path(folder) / str(number)) for number, shot in enumerate(shots)]
        try:
            return process.submit(_measure, choice, stored, boxes).result()
        except BrokenProcessPool as error:
            raise DataError(
                f"the process that measures the memory of {choice.tracker} died; was the memory "
                "of the machine enough? --no-memory leaves this out"
            ) from error


@dataclass(frozen=True)
class _Stored:
    """A shot whose message lies in a file."""

    path: Path
    rest: Shot

    def shot(self, number: int) -> Shot:
        """As one that came: in memory of its own, and stamped as frame `number`."""
        ns = round((1 + number / RATE) * 1e9)
        array = self.rest.detections
        return replace(
            self.rest,
            raw=stamped(self.path.read_bytes(), ns),
            detections=None if array is None else stamped(array, ns),
        )


def _store(shot: Shot, path: Path) -> _Stored:
    path.write_bytes(shot.raw)
    return _Stored(path, replace(shot, raw=b""))


def _measure(choice: Choice, stored: Sequence[_Stored], boxes: Sequence[Box]) -> TrackerMemory:
    if choice.threads:
        cv2.setNumThreads(choice.threads)
    empty = memory_now()
    entrant = open_entrant(choice)
    loaded = memory_now()
    runner = entrant.new_runner()
    runner.start(stored[0].shot(0), boxes)
    warm = loaded
    for number in range(1, WARM_UP + FRAMES + 1):
        runner.run(stored[there_and_back(number, len(stored))].shot(number))
        if number == WARM_UP:
            warm = memory_now()
    end = memory_now()
    return TrackerMemory(empty.now, loaded.now, end.peak, end.now - warm.now)
