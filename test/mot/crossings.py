"""Small worlds of textured boxes that move, for tests of trackers that look at the image."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.mot.detections import Detection

FPS = 25.0
SIZE = (480, 640)


def texture(seed: int) -> UInt8Image:
    """A patch (90, 40, 3) that looks like no other of another seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (6, 3, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (40, 90), interpolation=cv2.INTER_CUBIC), np.uint8)


def ground() -> UInt8Image:
    """A background (480, 640, 3) with soft structure."""
    rng = np.random.default_rng(99)
    coarse = rng.integers(90, 150, (12, 16, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


GROUND = ground()


def picture(boxes: dict[int, Box]) -> UInt8Image:
    """The image of who is where; later ones hide earlier ones."""
    image = GROUND.copy()
    for seed, box in boxes.items():
        x, y = round(box.x), round(box.y)
        part = image[max(y, 0) : y + 90, max(x, 0) : x + 40]
        patch = texture(seed)[max(-y, 0) :, max(-x, 0) :]
        part[:] = patch[: part.shape[0], : part.shape[1]]
    return image


def crossing(frames: int = 60) -> Iterator[tuple[float, dict[int, Box]]]:
    """Two who walk towards each other on one line and pass, one hiding the other."""
    for frame in range(frames):
        yield (
            frame / FPS,
            {1: Box(150 + 4.0 * frame, 200, 40, 90), 2: Box(390 - 4.0 * frame, 204, 40, 90)},
        )


def detections(boxes: dict[int, Box], *, without: tuple[int, ...] = ()) -> list[Detection]:
    """What a good detector says."""
    return [Detection(box, 0.9, "person") for seed, box in boxes.items() if seed not in without]
