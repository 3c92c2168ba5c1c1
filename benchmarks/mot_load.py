"""Time of a frame against the number of objects, and memory over a long run, of FAMNet's tracker.

    ./run python benchmarks/mot_load.py            # a minute
    ./run python benchmarks/mot_load.py --frames 10000   # with the long run

Objects are textured boxes that walk over a picture of 1280x720; the detector misses one in ten and
adds one false box in ten. Times are of `update` alone, without the detector: medians over frames.
"""

from __future__ import annotations

import argparse
import os
import resource
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np

from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.mot import open_multi_tracker
from tracker_ros.mot.assignment import enumerate_hypotheses, power_iteration, round_last
from tracker_ros.mot.detections import Detection

WIDTH, HEIGHT = 1280, 720
FPS = 25.0


class World:
    """Objects that walk, and turn back at the border."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self._rng = rng = np.random.default_rng(seed)
        noise = rng.integers(60, 190, (45, 80, 3)).astype(np.uint8)
        self._ground = np.asarray(cv2.resize(noise, (WIDTH, HEIGHT)), np.uint8)
        self._looks = [
            cv2.resize(rng.integers(0, 255, (6, 3, 3)).astype(np.uint8), (30, 60))
            for _ in range(count)
        ]
        self._places = rng.uniform((0, 0), (WIDTH - 30, HEIGHT - 60), (count, 2))
        self._steps = rng.normal(0, 2.0, (count, 2))

    def next(self) -> tuple[UInt8Image, list[Detection]]:
        """The next picture, and what a detector says of it."""
        rng, image, found = self._rng, self._ground.copy(), []
        limit = np.array([WIDTH - 30, HEIGHT - 60])
        turn = (self._places + self._steps < 0) | (self._places + self._steps > limit)
        self._steps[turn] *= -1
        self._places += self._steps
        for place, look in zip(self._places, self._looks, strict=True):
            x, y = (round(float(value)) for value in place)
            image[y : y + 60, x : x + 30] = look
            if rng.random() > 0.1:
                jitter = rng.normal(0, 2, 2)
                found.append(Detection(Box(x + jitter[0], y + jitter[1], 30, 60), 0.9))
        for _ in range(rng.binomial(len(self._looks), 0.1)):
            x, y = rng.uniform((0, 0), limit)
            found.append(Detection(Box(float(x), float(y), 30, 60), float(rng.uniform(0.3, 0.9))))
        return image, found


def time_frames(name: str, count: int, frames: int) -> tuple[float, float, float]:
    """Median, 95th percentile and share of network time, of frames with `count` objects; ms."""
    tracker, world = open_multi_tracker(name), World(count)
    times, inference = [], []
    for frame in range(frames + 5):
        image, found = world.next()
        start = perf_counter()
        tracker.update(image, found, frame / FPS)
        if frame >= 5:
            times.append(1e3 * (perf_counter() - start))
            inference.append(1e3 * tracker.times.inference)
    return float(np.median(times)), float(np.percentile(times, 95)), float(np.median(inference))


def time_assignment(count: int) -> tuple[int, float]:
    """Hypotheses, and median ms of the assignment alone, K = 2, 5 open gates a candidate."""
    rng = np.random.default_rng(0)
    gate = np.eye(count, dtype=bool)
    for _ in range(4):
        gate[np.arange(count), rng.integers(0, count, count)] = True
    times = []
    for _ in range(30):
        start = perf_counter()
        hypotheses = enumerate_hypotheses([gate, gate])
        values = power_iteration(hypotheses, rng.uniform(size=len(hypotheses)))
        round_last(hypotheses, values)
        times.append(1e3 * (perf_counter() - start))
    return len(hypotheses), float(np.median(times))


def resident() -> float:
    """Memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def long_run(frames: int) -> None:
    """Memory while objects come, go and are missed for a long time."""
    tracker, world = open_multi_tracker("famnet"), World(20)
    ids: set[str] = set()
    for frame in range(frames):
        image, found = world.next()
        if frame % 500 == 499:
            world = World(20, seed=frame)  # other objects: all identities end
        ids |= {track.id for track in tracker.update(image, found, frame / FPS)}
        if frame + 1 in {frames // 20, frames // 4, frames // 2, frames}:
            print(f"frame {frame + 1:6d}: {resident():6.1f} MB, {len(ids)} identities so far")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=0, help="length of the run for memory")
    parser.add_argument("--objects", type=int, nargs="+", default=[10, 50, 200])
    args = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores")
    for count in args.objects:
        number, milliseconds = time_assignment(count)
        print(f"{count:4d} objects: assignment {milliseconds:5.1f} ms ({number} hypotheses)")
        for name in ("famnet", "famnet:features=frame", "famnet:recover=off", "hungarian", "sort"):
            median, late, inference = time_frames(name, count, 40)
            print(f"  {name:24s} {median:6.1f} ms, p95 {late:6.1f}; association {inference:6.1f}")
    if args.frames:
        long_run(args.frames)


if __name__ == "__main__":
    main()
