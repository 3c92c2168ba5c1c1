"""What the networks of a model are given while it tracks: to calibrate and to check engines with.

The card's own tracker runs on ONNX Runtime over clips of three pictures, drawn ones or somebody's
own, and what reaches each network is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from tracker_ros.engines.engine import Array, Engine
from tracker_ros.engines.network import Network
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.models.card import Card
from tracker_ros.sot.model import LoadedModel, paper_of

Sample = Mapping[str, Array]
"""The inputs of one pass, by name; one row where the graph leaves the batch free."""

PICTURES = (".jpg", ".jpeg", ".png")
WIDTH, HEIGHT = 480, 360
"""Of a drawn picture."""
SHARE = 0.3
"""Sides of the box amid somebody's picture, in sides of the picture."""


class Clip(NamedTuple):
    """Three pictures of one size and a box in the first: shown, followed, followed again."""

    pictures: tuple[UInt8Image, UInt8Image, UInt8Image]
    box: Box


class _Kept:
    """A fair choice of at most `count` samples out of all that pass by, the same every time."""

    def __init__(self, count: int) -> None:
        self.samples: list[Sample] = []
        self._count, self._seen = count, 0
        self._rng = np.random.default_rng(0)

    def offer(self, inputs: Sample, batches: bool) -> None:
        """Keep a copy, perhaps in the place of an earlier one; of a batch, one row of it."""
        self._seen += 1
        place = len(self.samples)
        if place == self._count:
            place = int(self._rng.integers(self._seen))
            if place >= self._count:
                return
        if batches:
            row = int(self._rng.integers(len(next(iter(inputs.values())))))
            inputs = {name: value[row : row + 1] for name, value in inputs.items()}
        # Trackers use their buffers again.
        self.samples[place : place + 1] = [{n: np.array(v, copy=True) for n, v in inputs.items()}]


class _Recorded(Network):
    """A network that keeps what it is given."""

    def __init__(self, engine: Engine, kept: _Kept) -> None:
        super().__init__(engine)
        self._kept = kept

    def run(self, inputs: Sample) -> dict[str, Array]:
        """Every output by name."""
        self._kept.offer(inputs, self.batches)
        return super().run(inputs)


def record_samples(
    card: Card, *, pictures: Path | None = None, count: int = 16, threads: int = 1
) -> dict[str, list[Sample]]:
    """Role of a graph -> at most `count` inputs of it.

    pictures: a folder of pictures or of the frames of a film, in the order of their names; the
    target is what is amid one of them. None: drawn ones. The same every time. A graph that was
    never reached has none, as ATOM's `refine` where the target was not found again.

    Raises ModelError when the card cannot be loaded, DataError when the folder has no pictures.
    """
    clips = drawn_clips(count) if pictures is None else clips_of(pictures, count)
    return samples_of(card, clips, count=count, threads=threads)


def samples_of(
    card: Card, clips: Iterable[Clip], *, count: int = 16, threads: int = 1
) -> dict[str, list[Sample]]:
    """As `record_samples`, of clips that the caller has. Raises ModelError."""
    roles = sorted({*paper_of(card).tracker.roles, *card.files})
    kept = {role: _Kept(count) for role in roles}
    networks = {
        role: _Recorded(OnnxEngine(card.graph(role), threads=threads), kept[role]) for role in roles
    }
    model = LoadedModel(card, networks)
    for clip in clips:
        tracker = model.new_tracker()
        shown, *later = clip.pictures
        tracker.init(shown, clip.box)
        for picture in later:
            tracker.track(picture)
        # Elsewhere as well: long-term models have graphs for a lost target.
        height, width = shown.shape[:2]
        tracker.look_at(later[-1], width / 2, height / 2)
    return {role: each.samples for role, each in kept.items()}


def clips_of(folder: Path, count: int) -> Iterator[Clip]:
    """At most `count` clips of the pictures in a folder, spread over them.

    A picture is followed by the next one where that has its size. Files that cannot be read are
    passed over. Raises DataError when there is none that can.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    except OSError as error:
        raise DataError(f"the pictures to calibrate with cannot be listed: {error}") from error
    found = 0
    for start in range(0, len(paths), max(1, len(paths) // max(count, 1))):
        first = _read(paths[start])
        if first is None:
            continue
        following = _read(paths[start + 1]) if start + 1 < len(paths) else None
        if following is None or following.shape != first.shape:
            following = first
        height, width = first.shape[:2]
        box = Box.from_center(width / 2, height / 2, SHARE * width, SHARE * height)
        yield Clip((first, first, following), box)
        found += 1
        if found == count:
            return
    if not found:
        raise DataError(
            f"{folder} holds no picture that OpenCV can read ({', '.join(PICTURES)}); name a "
            "folder of some tens of pictures as the camera takes them"
        )


def _read(path: Path) -> UInt8Image | None:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return None if image is None or min(image.shape[:2]) < 16 else np.asarray(image, np.uint8)


def drawn_clips(count: int) -> Iterator[Clip]:
    """Clips of a thing that moves over a ground; each has its own colours, light and size."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        light, contrast = rng.uniform(50, 190), rng.uniform(0.3, 1.2)
        ground = _texture(rng, WIDTH + 64, HEIGHT + 64)
        side = rng.uniform(30, 110)
        w, h = round(side * rng.uniform(0.7, 1.4)), round(side)
        thing, mask = _texture(rng, w, h), np.zeros((h, w, 1), np.float32)
        cv2.ellipse(mask, (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 1.0, -1)
        thing += rng.uniform(-80, 80, 3)
        place = rng.uniform((0, 0), (WIDTH - w - 40, HEIGHT - h - 40))
        pace, pan = rng.uniform(0, 20, 2), rng.integers(0, 32, 2)
        pictures = []
        for step in range(3):
            x, y = (int(value) for value in place + step * pace)
            left, top = (int(value) for value in step * pan)
            image = ground[top : top + HEIGHT, left : left + WIDTH].copy()
            under = image[y : y + h, x : x + w]
            image[y : y + h, x : x + w] = under + mask * (thing - under)
            image += rng.normal(0, 3, image.shape)
            pictures.append(np.clip(light + contrast * image, 0, 255).astype(np.uint8))
        x, y = (int(value) for value in place)
        yield Clip((pictures[0], pictures[1], pictures[2]), Box(x, y, w, h))


def _texture(rng: np.random.Generator, width: int, height: int) -> Array:
    """A picture (height, width, 3) float32 around 0: edges of all directions and sizes."""
    image = np.zeros((height, width, 3), np.float32)
    for size in np.geomspace(max(width, height) / 2, 4, 60):
        middle = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (round(size), round(size * rng.uniform(0.1, 1)))
        angle, colour = rng.uniform(0, 180), rng.uniform(-80, 80) + rng.uniform(-30, 30, 3)
        cv2.ellipse(image, middle, axes, angle, 0, 360, colour.tolist(), -1)
    for cell in (24, 6):
        coarse = rng.uniform(-1, 1, (height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        image += 4 * cell**0.5 * cv2.resize(coarse, None, fx=cell, fy=cell)[:height, :width]
    return image
