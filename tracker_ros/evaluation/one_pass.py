"""One-pass evaluation: start on the first frame that shows the target, follow to the end.

The tracker is run bare. Nothing judges whether the target is still there (the node's monitor
does, see tracker_ros.sot.monitor) and nothing starts it anew after a failure.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tracker_ros.evaluation.datasets import VideoSequence
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.geometry import Box
from tracker_ros.sot.tracker import Tracker


@dataclass(frozen=True, eq=False)
class OnePass:
    """What a tracker did with a sequence."""

    start: int
    """Index of the frame it was initialised on."""
    boxes: FloatArray
    """From frame `start` on, shape (frames, 4); the first is the box it was given."""
    seconds: FloatArray
    """Wall time of each `track` call, shape (frames - 1,); empty where a result was read."""
    others: tuple[FloatArray, ...] = ()
    """The boxes of further repetitions, where a result has several."""


def run_one_pass(
    tracker: Tracker, sequence: VideoSequence, on_frame: Callable[[], object] = lambda: None
) -> OnePass:
    """Run a tracker over a sequence; `on_frame` is called after every frame.

    Raises DataError when an image cannot be read, TargetError when the tracker refuses the box.
    """
    start = sequence.start
    given = Box(*sequence.truth[start].tolist())
    tracker.init(sequence.read(start), given)
    boxes, seconds = [tuple(given)], []
    for index in range(start + 1, len(sequence)):
        box, spent = timed_track(tracker, sequence, index)
        boxes.append(box)
        seconds.append(spent)
        on_frame()
    return OnePass(start, np.array(boxes, np.float64), np.array(seconds, np.float64))


def timed_track(
    tracker: Tracker, sequence: VideoSequence, index: int
) -> tuple[tuple[float, ...], float]:
    """The box found in a frame, and the seconds that took; reading the image does not count."""
    image = sequence.read(index)
    began = time.perf_counter()
    estimate = tracker.track(image)
    return tuple(estimate.box), time.perf_counter() - began


def warm_up(tracker: Tracker, sequence: VideoSequence, frames: int = 20) -> None:
    """Track some frames that count nowhere: the first calls of an engine are slower."""
    start = sequence.start
    image = sequence.read(start)
    tracker.init(image, Box(*sequence.truth[start].tolist()))
    for _ in range(frames):
        tracker.track(image)
