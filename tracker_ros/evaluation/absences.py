"""Films in which the target is certainly away for a while: made of films in which it is there.

Each kind of absence is an episode: pictures, and of each whether it shows the target. What is
added is known to be without the target, so that it can be counted what a tracker says of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tracker_ros.geometry import Box, UInt8Image

BLACK = 30
"""Black pictures that are put into the middle of a film."""
AWAY = 100
"""Frames of another film between two of a film, and frames that a target is out of the picture."""
TURN = 20
"""Frames that the camera takes to turn away, and as many to turn back."""
COVERED = 40
"""Frames for which the target is covered with background."""
SEEN, GONE = 0.5, 0.05
"""A target of which more than the first share is in the picture is there; under the second: not."""


@dataclass(frozen=True)
class Film:
    """Pictures and the box of a target in each; None where it is not visible."""

    name: str
    boxes: tuple[Box | None, ...]
    read: Callable[[int], UInt8Image]

    @property
    def start(self) -> int:
        """The first frame that shows the target."""
        return next(i for i, box in enumerate(self.boxes) if box is not None)

    @property
    def middle(self) -> int:
        """The frame that shows the target and has as many such before it as after it."""
        visible = [i for i, box in enumerate(self.boxes) if box is not None]
        return visible[len(visible) // 2]


@dataclass(frozen=True)
class Shot:
    """One picture of an episode."""

    image: UInt8Image
    box: Box | None
    there: bool | None
    """Whether it shows the target; None where it shows little of it."""


@dataclass(frozen=True)
class Episode:
    """A film with an absence. Its first picture shows the target."""

    film: str
    kind: str
    length: int
    shots: Callable[[], Iterator[Shot]]


def episodes(film: Film, other: Film | None, kinds: Sequence[str]) -> list[Episode]:
    """The film with each kind of absence that it allows; `other` shows another target, or none."""
    rest = len(film.boxes) - film.start
    made = {
        "filmed": (rest, lambda: _filmed(film)),
        "black": (rest + BLACK, lambda: _black(film)),
        "covered": (rest, lambda: _covered(film)),
    }
    if other is not None:
        made["cut"] = (rest + AWAY, lambda: _cut(film, other))
        passed = min(2 * TURN - 1, len(film.boxes) - 1 - film.middle)
        made["departure"] = (rest + 2 * TURN + AWAY - passed, lambda: _departure(film, other))
    if not _room_beside(film):
        del made["covered"]
    return [Episode(film.name, kind, *made[kind]) for kind in kinds if kind in made]


KINDS = {
    "filmed": "as filmed",
    "black": f"{BLACK} black pictures in its middle",
    "cut": f"{AWAY} pictures of another sequence in its middle",
    "covered": f"the target is covered with what is beside it for {COVERED} frames",
    "departure": f"the camera turns away, the target is out of the picture for {AWAY} frames or "
    "more, and it turns back",
}
"""The kinds of absence, in words."""


def _shot(film: Film, index: int) -> Shot:
    box = film.boxes[index]
    return Shot(film.read(index), box, box is not None)


def _filmed(film: Film, begin: int | None = None, end: int | None = None) -> Iterator[Shot]:
    for index in range(film.start if begin is None else begin, end or len(film.boxes)):
        yield _shot(film, index)


def _black(film: Film) -> Iterator[Shot]:
    yield from _filmed(film, end=film.middle)
    black = np.zeros_like(film.read(film.middle))
    for _ in range(BLACK):
        yield Shot(black, None, False)
    yield from _filmed(film, film.middle)


def _cut(film: Film, other: Film) -> Iterator[Shot]:
    yield from _filmed(film, end=film.middle)
    height, width = film.read(film.middle).shape[:2]
    for index in range(AWAY):
        yield Shot(_resized(other.read(_to_and_fro(index, other)), width, height), None, False)
    yield from _filmed(film, film.middle)


def _covered(film: Film) -> Iterator[Shot]:
    for index in range(film.start, len(film.boxes)):
        box = film.boxes[index]
        shot = _shot(film, index)
        if box is not None and 0 <= index - film.middle < COVERED:
            place = _beside(box, shot.image)
            if place is None:  # it is partly there, then
                yield Shot(shot.image, None, None)
                continue
            shot = Shot(_painted(shot.image, box, place), None, False)
        yield shot


def _departure(film: Film, other: Film) -> Iterator[Shot]:
    """The camera turns to the right, where there is another film; the target goes out left."""
    yield from _filmed(film, end=film.middle)
    last = len(film.boxes) - 1
    index = film.middle
    for step in range(2 * TURN + AWAY):
        turned = min(step + 1, TURN, 2 * TURN + AWAY - 1 - step) / TURN
        image = film.read(index)
        height, width = image.shape[:2]
        beyond = _resized(other.read(_to_and_fro(step, other)), width, height)
        offset = round(turned * width)
        view = np.concatenate([image[:, offset:], beyond[:, :offset]], axis=1)
        yield _moved(view, film.boxes[index], offset)
        if turned < 1:
            index = min(index + 1, last)  # time stands still where nobody looks
    yield from _filmed(film, index)


def _moved(view: UInt8Image, box: Box | None, offset: int) -> Shot:
    if box is None:
        return Shot(view, None, False)
    height, width = view.shape[:2]
    # Of what was in the picture before, not of what was beyond its border anyway.
    whole = box.clipped(width, height)
    part = Box(whole.x - offset, whole.y, whole.w, whole.h).clipped(width, height)
    share = part.area / whole.area if whole.area > 0 else 0.0
    if share <= GONE:
        return Shot(view, None, False)
    return Shot(view, part, True if share >= SEEN else None)


def _to_and_fro(index: int, film: Film) -> int:
    """Frames of a film forward, backward and so on, as long as it takes."""
    last = len(film.boxes) - 1
    return last - abs(index % (2 * last) - last) if last else 0


def _resized(image: UInt8Image, width: int, height: int) -> UInt8Image:
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


def _room_beside(film: Film) -> bool:
    box = film.boxes[film.middle]
    assert box is not None
    return _beside(box, film.read(film.middle)) is not None


def _beside(box: Box, image: UInt8Image) -> tuple[int, int, int, int] | None:
    """Corner and size of the place of the target, and a bit around it, and where to copy from."""
    height, width = image.shape[:2]
    w, h = round(box.w * 1.3) + 2, round(box.h * 1.3) + 2
    x, y = round(box.cx - w / 2), round(box.cy - h / 2)
    for dx, dy in ((w, 0), (-w, 0), (0, h), (0, -h)):
        left, top = x + dx, y + dy
        if min(left, top) >= 0 and left + w <= width and top + h <= height:
            return left, top, w, h
    return None


def _painted(image: UInt8Image, box: Box, place: tuple[int, int, int, int]) -> UInt8Image:
    """The target's place overlaid with what is at `place`, softly at its border."""
    px, py, w, h = place
    height, width = image.shape[:2]
    x, y = round(box.cx - w / 2), round(box.cy - h / 2)
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + w, width), min(y + h, height)
    patch = image[py + top - y : py + bottom - y, px + left - x : px + right - x]
    margin = max(min(w, h) // 10, 1)
    inner = np.zeros((h, w), np.float32)
    inner[margin:-margin, margin:-margin] = 1
    soft = cv2.blur(inner, (margin, margin))[top - y : bottom - y, left - x : right - x, None]
    covered: UInt8Image = image.copy()
    under = covered[top:bottom, left:right]
    under[:] = np.round(soft * patch + (1 - soft) * under).astype(np.uint8)
    return covered


def pairs(films: Sequence[Film]) -> list[tuple[Film, Film | None]]:
    """Every film, and the next one of another name but for its digits, which may show the like."""
    found: list[tuple[Film, Film | None]] = []
    for index, film in enumerate(films):
        after = [*films[index + 1 :], *films[:index]]
        unlike = (other for other in after if _word(other.name) != _word(film.name))
        found.append((film, next(unlike, None)))
    return found


def _word(name: str) -> str:
    return "".join(letter for letter in name if not letter.isdigit())
