"""Films of several objects at a time, composed of the tracks and stills of a collection.

Objects of videos keep their own real motion and shape changes (cut out by their masks where
there are some); persons of photographs walk, hidden now and then by what is nearer. Who is who
is known exactly, and so is how much of each is seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.training.pictures import Collection, Frame, FrameTrack, Still

Float32 = npt.NDArray[np.float32]
WIDTH, HEIGHT = 640, 480
FPS = 25.0
OBJECTS = (5, 13)
"""Fewest, and one more than the most, in a film."""
LOOK_ALIKES = 0.4
"""Share of the objects of a film that look like another one in it."""
SIDE = (60.0, 220.0)
"""Larger side of an object in pixels."""
SMALLEST = 12
"""Pieces cut out of videos and photographs have sides of at least so many pixels."""


@dataclass(frozen=True)
class Person:
    """One object in one frame of a film."""

    identity: int
    box: Box
    seen: float
    """Share of it that nothing hides and the picture holds."""


@dataclass(frozen=True)
class CrowdFrame:
    """One picture and who is where."""

    image: UInt8Image
    objects: tuple[Person, ...]


@dataclass(frozen=True)
class _Piece:
    """A cut-out with its opacity in 0..1, and where its middle was in its own video."""

    colour: Float32
    opacity: Float32
    cx: float
    cy: float


class _Actor:
    """An object: its pieces, one a frame, and the path it is given."""

    def __init__(self, pieces: list[_Piece], rng: np.random.Generator) -> None:
        self.pieces = pieces
        largest = max(max(piece.opacity.shape) for piece in pieces)
        self.scale = float(np.exp(rng.uniform(*np.log(SIDE)))) / largest
        self.flip = bool(rng.random() < 0.5)
        self.start = rng.uniform((0, 0.25 * HEIGHT), (WIDTH, 0.95 * HEIGHT))
        heading = rng.uniform(-0.4, 0.4) + (np.pi if rng.random() < 0.5 else 0.0)
        speed = rng.uniform(0.0, 1.5) * self.scale * largest * 0.5 / FPS
        self.step = speed * np.array([np.cos(heading), np.sin(heading)])
        self.own = rng.uniform(0.2, 1.0)
        self.tint = rng.uniform(0.85, 1.15, 3).astype(np.float32)
        self.begin = int(rng.integers(0, len(pieces)))
        self.pace = int(rng.integers(1, 4))
        self.stride = float(rng.uniform(0.2, 0.7))
        """Radians of the gait from frame to frame."""
        self.swing = float(rng.uniform(0.0, 0.2)) if len(pieces) == 1 else 0.0
        """How far the lower end swings, in widths: a photograph has no legs that walk."""
        self.phase = float(rng.uniform(0, 2 * np.pi))
        self.exposure = float(rng.uniform(0.0, 0.25))
        """How much its brightness changes as it turns."""
        self.blur = float(rng.uniform(0.0, 1.2))

    def at(self, time: int) -> tuple[_Piece, float, float]:
        """Its piece in a frame, and where its middle is in the film."""
        count = len(self.pieces)
        index = (self.begin + self.pace * time) % max(2 * count - 2, 1)
        index = index if index < count else 2 * count - 2 - index  # there and back again
        piece, first = self.pieces[index], self.pieces[self.begin]
        own = self.own * self.scale * np.array([piece.cx - first.cx, piece.cy - first.cy])
        own[0] *= -1 if self.flip else 1
        x, y = self.start + self.step * time + own
        return piece, float(x), float(y)

    def drawn(self, piece: _Piece, time: int) -> tuple[Float32, Float32]:
        """Colour (h, w, 3) and opacity (h, w) of a piece as it looks in a frame."""
        height, width = (max(round(side * self.scale), 2) for side in piece.opacity.shape)
        turn = math.sin(self.phase + self.stride * time)
        light = self.tint * (1 + self.exposure * math.sin(2 * self.phase + 0.15 * time))
        layers = np.dstack((piece.colour * light, piece.opacity))
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        down = rows / height
        # The lower half leans to and fro, and the whole is a little wider in mid-stride.
        lean = self.swing * turn * (2 * down - 1).clip(0) ** 2 * width
        wider = 1 + 0.5 * self.swing * abs(turn)
        source_x = ((columns - width / 2) * wider + width / 2 - lean) * layers.shape[1] / width
        source_y = rows * layers.shape[0] / height
        layers = cv2.remap(layers, source_x, source_y, cv2.INTER_LINEAR)
        if self.blur > 0.4:
            layers = cv2.GaussianBlur(layers, (0, 0), self.blur)
        if self.flip:
            layers = layers[:, ::-1]
        return np.asarray(layers[..., :3], np.float32), np.asarray(layers[..., 3], np.float32)


class Crowds:
    """Composes films; everything is drawn from one generator."""

    def __init__(self, collection: Collection, seed: int) -> None:
        """Raises DataError when the collection has nothing to compose films of."""
        self._rng = np.random.default_rng(seed)
        self._tracks = [track for track in collection.tracks if len(track.visible) > 10]
        self._stills = [(still, box) for still in collection.stills for box in _people(still)]
        self._grounds = [*collection.stills, *collection.unlabelled]
        if not (self._tracks or self._stills) or not self._grounds:
            raise DataError(
                "there is nothing to compose crowds of: give tracks with over 10 visible frames or "
                "photographs with upright boxes, and photographs as backgrounds"
            )

    def film(self, frames: int) -> Iterator[CrowdFrame]:
        """A film of so many frames with new objects before a new background."""
        rng = self._rng
        ground = self._ground()
        actors = [self._actor() for _ in range(int(rng.integers(*OBJECTS)))]
        for index in range(1, len(actors)):
            if rng.random() < LOOK_ALIKES:  # the same object on another path, in other light
                actors[index] = _Actor(actors[int(rng.integers(index))].pieces, rng)
        actors.sort(key=lambda actor: actor.start[1])
        pan = rng.normal(0, 1.0, 2) * (rng.random() < 0.5)
        light = self._light()
        posts = self._posts()
        for time in range(frames):
            yield _compose(ground, actors, posts, time, pan * time, light)

    def _ground(self) -> Float32:
        still = self._grounds[int(self._rng.integers(len(self._grounds)))]
        image = cv2.resize(still.image, (WIDTH + 160, HEIGHT + 160))
        return np.asarray(image, np.float32)

    def _light(self) -> Float32:
        """Places of sun and shade, (HEIGHT, WIDTH, 1), that what moves passes through."""
        coarse = self._rng.uniform(0.6, 1.25, (4, 5)).astype(np.float32)
        light = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        return np.asarray(light[..., None], np.float32)

    def _posts(self) -> list[tuple[slice, Float32]]:
        """Columns of the picture that hide what is behind them."""
        posts = []
        for _ in range(int(self._rng.integers(0, 4))):
            left, width = int(self._rng.integers(WIDTH - 60)), int(self._rng.integers(8, 60))
            texture = self._ground()[:HEIGHT, :width]
            posts.append((slice(left, left + width), texture))
        return posts

    def _actor(self) -> _Actor:
        rng = self._rng
        if not self._stills or (self._tracks and rng.random() < 0.5):
            track = self._tracks[int(rng.integers(len(self._tracks)))]
            return _Actor(_pieces_of_track(track), rng)
        still, box = self._stills[int(rng.integers(len(self._stills)))]
        return _Actor([_piece(still.image, box, None)], rng)


def _people(still: Still) -> list[Box]:
    """The boxes of a photograph that are upright and large enough to be cut out."""
    return [box for box in still.boxes if box.w >= 20 and box.h >= 40 and 1.2 < box.h / box.w < 4]


def _pieces_of_track(track: FrameTrack) -> list[_Piece]:
    pieces = []
    for index in track.visible:
        frame: Frame = track.frames[index]
        assert frame.box is not None
        if min(frame.box.w, frame.box.h) >= SMALLEST:
            pieces.append(_piece(frame.image, frame.box, frame.mask))
    return pieces or _pieces_of_any(track)


def _pieces_of_any(track: FrameTrack) -> list[_Piece]:
    frame = track.frames[track.visible[0]]
    assert frame.box is not None
    return [_piece(frame.image, frame.box, frame.mask)]


def _piece(image: UInt8Image, box: Box, mask: npt.NDArray[np.uint8] | None) -> _Piece:
    height, width = image.shape[:2]
    inside = box.clipped(width, height)
    x0, y0 = int(inside.x), int(inside.y)
    x1, y1 = max(int(inside.x + inside.w), x0 + 2), max(int(inside.y + inside.h), y0 + 2)
    colour = image[y0:y1, x0:x1].astype(np.float32)
    if mask is not None:
        opacity = (mask[y0:y1, x0:x1] > 127).astype(np.float32)
    else:  # a rounded plate with soft edges
        rows, columns = np.mgrid[-1 : 1 : colour.shape[0] * 1j, -1 : 1 : colour.shape[1] * 1j]
        opacity = np.clip(4 * (1 - np.maximum(rows**4, columns**4)), 0, 1).astype(np.float32)
    return _Piece(colour, opacity, box.cx, box.cy)


def _compose(
    ground: Float32, actors: list[_Actor], posts: list[tuple[slice, Float32]], time: int,
    pan: npt.NDArray[np.float64], light: Float32,
) -> CrowdFrame:  # fmt: skip
    left, top = (int(np.clip(80 + shift, 0, 160)) for shift in pan)
    canvas = ground[top : top + HEIGHT, left : left + WIDTH].copy()
    owner = np.full((HEIGHT, WIDTH), -1, np.int16)
    places: list[tuple[int, Box, float]] = []
    for number, actor in enumerate(actors):
        piece, cx, cy = actor.at(time)
        cx, cy = cx - float(pan[0]), cy - float(pan[1])
        colour, opacity = actor.drawn(piece, time)
        height, width = opacity.shape
        x0, y0 = round(cx - width / 2), round(cy - height / 2)
        rows = slice(max(y0, 0), min(y0 + height, HEIGHT))
        columns = slice(max(x0, 0), min(x0 + width, WIDTH))
        places.append((number, Box(x0, y0, width, height), float((opacity > 0.5).sum())))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        part = (
            slice(rows.start - y0, rows.stop - y0),
            slice(columns.start - x0, columns.stop - x0),
        )
        alpha = opacity[part][..., None]
        canvas[rows, columns] = canvas[rows, columns] * (1 - alpha) + colour[part] * alpha
        owner[rows, columns][opacity[part] > 0.5] = number
    for columns, texture in posts:
        canvas[:, columns] = texture
        owner[:, columns] = -1
    shown = np.bincount((owner[owner >= 0]).ravel(), minlength=len(actors))
    image = np.clip(canvas * light, 0, 255).astype(np.uint8)
    return CrowdFrame(
        image,
        tuple(Person(n, box, float(shown[n]) / max(whole, 1.0)) for n, box, whole in places),
    )
