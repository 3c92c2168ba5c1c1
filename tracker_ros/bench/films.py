"""What is tracked in a benchmark: films of serialized messages, with the truth about a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from tracker_ros.bags.types import store
from tracker_ros.bench.encodings import FRAME_ID, is_compressed, serialize
from tracker_ros.demo.scene import Scene
from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import VideoSequence
from tracker_ros.evaluation.metrics import has_target
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.mot.detections import Detection
from tracker_ros.pipeline.cdr import Stamped
from tracker_ros.pipeline.messages import TRACKS, Messages

RATE = 30.0
"""Hertz, of the stamps."""
MOST_TARGETS = 32
"""In one film; as many as a node takes."""
COLUMNS, ROWS = 8, 6
"""Of the grid over the picture in which further targets lie."""
APART = 0.1
"""A further target overlaps the first one less than this."""


@dataclass(frozen=True)
class Shot:
    """One image message, and what is true of it."""

    raw: bytes
    compressed: bool
    truth: Box | None
    """Where the first target is; None: it is not visible, or not known."""
    detections: bytes | None = None
    """A serialized Detection2DArray of the same stamp."""


class Film(Protocol):
    """Gives its frames in order, and never ends."""

    name: str
    """What is filmed."""
    size: tuple[int, int]
    """Width and height."""
    encoding: str

    def boxes(self, count: int) -> list[Box]:
        """Targets in the first frame; the first is the one that the truth is about."""

    def take(self, count: int) -> list[Shot]:
        """The next frames."""

    def anew(self) -> Film:
        """The same film from its first frame on; this one stays where it is."""


class SceneFilm:
    """The rendered scene, there and back again, so that nothing in it ever jumps."""

    name = "scene"

    def __init__(self, width: int, height: int, encoding: str) -> None:
        self.size, self.encoding = (width, height), encoding
        self._scene = Scene(width, height, RATE)
        self._next = 0

    def boxes(self, count: int) -> list[Box]:
        """The scene's target and, for others, pieces of the landscape as large as it is."""
        first = self._scene.frame(0).box
        assert first is not None  # the scene begins with it in full view
        return beside(first, self.size, count)

    def take(self, count: int) -> list[Shot]:
        """The next frames, rendered."""
        shots = []
        for _ in range(count):
            frame = self._scene.frame(there_and_back(self._next, len(self._scene)))
            shots.append(_shot(frame.image, frame.box, self.encoding, self._next))
            self._next += 1
        return shots

    def anew(self) -> SceneFilm:
        """The same film from its first frame on; this one stays where it is."""
        return SceneFilm(*self.size, self.encoding)


class SequenceFilm:
    """A sequence of images with truth, there and back again from the first visible target."""

    def __init__(self, sequence: VideoSequence, encoding: str) -> None:
        """Raises DataError when an image cannot be read, or has odd sides."""
        self.name, self.encoding = sequence.name, encoding
        self._sequence, self._next = sequence, 0
        self._visible = has_target(sequence.truth)
        height, width = self._image(0).shape[:2]
        self.size = (width, height)

    def boxes(self, count: int) -> list[Box]:
        """The sequence's target and, for others, pieces of the picture as large as it is."""
        first = Box(*self._sequence.truth[self._sequence.start].tolist())
        return beside(first, self.size, count)

    def take(self, count: int) -> list[Shot]:
        """The next frames, read."""
        shots = []
        for _ in range(count):
            length = len(self._sequence) - self._sequence.start
            index = there_and_back(self._next, length)
            at = self._sequence.start + index
            truth = Box(*self._sequence.truth[at].tolist()) if self._visible[at] else None
            shots.append(_shot(self._image(index), truth, self.encoding, self._next))
            self._next += 1
        return shots

    def anew(self) -> SequenceFilm:
        """The same film from its first frame on; this one stays where it is."""
        return SequenceFilm(self._sequence, self.encoding)

    def _image(self, index: int) -> UInt8Image:
        image = self._sequence.read(self._sequence.start + index)
        height, width = image.shape[:2]
        # Neighbouring pixels share their colour in some encodings: an odd row more is cut off.
        return image[: height - height % 2, : width - width % 2]


class CrowdFilm:
    """Textured boxes that walk over a picture, and what a detector says of them.

    It misses one in ten, and finds one in ten where there is none.
    """

    SIDES = (30, 60)
    """Of a box, pixels."""

    def __init__(self, width: int, height: int, encoding: str, objects: int) -> None:
        self.name, self.size, self.encoding = "walkers", (width, height), encoding
        self._rng = rng = np.random.default_rng(0)
        self._messages = Messages(store().types)
        noise = rng.integers(60, 190, (max(height // 16, 1), max(width // 16, 1), 3))
        self._ground = np.asarray(cv2.resize(noise.astype(np.uint8), (width, height)), np.uint8)
        looks = rng.integers(0, 255, (objects, 6, 3, 3)).astype(np.uint8)
        self._looks = [cv2.resize(look, self.SIDES) for look in looks]
        self._limit = np.array([width - self.SIDES[0], height - self.SIDES[1]])
        self._places = rng.uniform((0, 0), self._limit, (objects, 2))
        self._steps = rng.normal(0, 2.0, (objects, 2))
        self._next = 0

    def boxes(self, count: int) -> list[Box]:
        """Nobody points at anything here."""
        return []

    def take(self, count: int) -> list[Shot]:
        """The next frames, painted."""
        shots = []
        for _ in range(count):
            image, found = self._paint()
            ns = _stamp(self._next)
            header = self._messages.header(Stamped(ns // 10**9, ns % 10**9, FRAME_ID))
            array = self._messages.detections(
                header, [self._messages.detection(header, d.box, "", d.score, "") for d in found]
            )
            raw = bytes(store().serialize_cdr(array, TRACKS))
            shots.append(_shot(image, None, self.encoding, self._next, raw))
            self._next += 1
        return shots

    def anew(self) -> CrowdFilm:
        """The same film from its first frame on; this one stays where it is."""
        return CrowdFilm(*self.size, self.encoding, len(self._places))

    def _paint(self) -> tuple[UInt8Image, list[Detection]]:
        rng, image, (w, h) = self._rng, self._ground.copy(), self.SIDES
        moved = self._places + self._steps
        self._steps[(moved < 0) | (moved > self._limit)] *= -1
        self._places = np.clip(self._places + self._steps, 0, self._limit)
        found = []
        for place, look in zip(self._places, self._looks, strict=True):
            x, y = (round(float(value)) for value in place)
            image[y : y + h, x : x + w] = look
            if rng.random() > 0.1:
                dx, dy = rng.normal(0, 2, 2).tolist()
                found.append(Detection(Box(x + dx, y + dy, w, h), 0.9))
        for _ in range(rng.binomial(len(self._looks), 0.1)):
            x, y = rng.uniform((0, 0), self._limit).tolist()
            found.append(Detection(Box(x, y, w, h), float(rng.uniform(0.3, 0.9))))
        return image, found


def there_and_back(number: int, length: int) -> int:
    """Index of frame `number` of a film that is shown forwards and backwards in turn."""
    at = number % max(2 * length - 2, 1)
    return at if at < length else 2 * length - 2 - at


def beside(first: Box, size: tuple[int, int], count: int) -> list[Box]:
    """The box, and others as large in a grid over the picture, far from each other first.

    Raises DataError when there is no room for so many.
    """
    width, height = size
    cells = COLUMNS * ROWS
    places = [first]
    for number in range(cells):
        row, column = divmod(number * 19 % cells, COLUMNS)  # 19 and 48 share no factor
        cx, cy = (column + 0.5) * width / COLUMNS, (row + 0.5) * height / ROWS
        box = Box.from_center(cx, cy, first.w, first.h)
        if len(places) < count and box.iou(first) < APART:
            places.append(box)
    if len(places) < count:
        raise DataError(
            f"--targets {count}: the target of {first.w:.0f}x{first.h:.0f} leaves room for "
            f"{len(places)} in {width}x{height}"
        )
    return places


def _stamp(number: int) -> int:
    return round((1 + number / RATE) * 1e9)


def _shot(
    image: UInt8Image, truth: Box | None, encoding: str, number: int,
    detections: bytes | None = None,
) -> Shot:  # fmt: skip
    raw = serialize(image, encoding, _stamp(number))
    return Shot(raw, is_compressed(encoding), truth, detections)
