"""Small sequences on disk with exact truth: a textured patch that moves over a textured ground."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tracker_ros.geometry import UInt8Image

WIDTH, HEIGHT = 320, 240
PATCH = (60, 48)
ABSENT = "nan,nan,nan,nan"


def texture(width: int, height: int, grain: int, seed: int) -> UInt8Image:
    """Smooth coloured noise with blobs of about `grain` pixels."""
    size = (height // grain + 2, width // grain + 2, 3)
    small = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def corner(index: int) -> tuple[int, int]:
    """Where the patch is in frame `index`."""
    return 120 + 3 * index, 90 + index


def picture(index: int) -> UInt8Image:
    image = texture(WIDTH, HEIGHT, 40, seed=1)
    (x, y), (w, h) = corner(index), PATCH
    image[y : y + h, x : x + w] = texture(w, h, 8, seed=2)
    return image


def true_lines(frames: int, absent: Sequence[int] = ()) -> list[str]:
    lines = ["{},{},{},{}".format(*corner(index), *PATCH) for index in range(frames)]
    return [ABSENT if index in absent else line for index, line in enumerate(lines)]


def write_sequence(folder: Path, lines: Sequence[str], suffix: str = ".png") -> Path:
    """Write NAME/img and NAME/groundtruth.txt: a picture for every line."""
    (folder / "img").mkdir(parents=True)
    for index in range(len(lines)):
        assert cv2.imwrite(str(folder / "img" / f"{index + 1:06d}{suffix}"), picture(index))
    (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")
    return folder


def write_undecodable_jpeg(path: Path) -> None:
    """What begins and ends as a JPEG and cannot be decoded: only reading it finds that out."""
    path.write_bytes(b"\xff\xd8\xff" + bytes(100) + b"\xff\xd9")
