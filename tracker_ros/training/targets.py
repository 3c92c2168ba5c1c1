"""Which targets a pair shows: two frames of a track, an object of a still, a patch, or two things.

Nothing is looked at for all pictures when a pair is drawn, and no picture is decoded twice for one.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.training.composites import Pool
from tracker_ros.training.pictures import Collection, Frame, FrameTrack, Still
from tracker_ros.training.sampling import Sampling
from tracker_ros.training.views import Subject, middle_of, zoom_of

Generator = np.random.Generator
TEXTURE = 15.0
"""Standard deviation, in grey levels, of a patch that can be told from others."""
PATCH = 20.0
"""Side of the smallest patch, in pixels, where a picture is large enough for it."""
MASKED = 0.7
"""Share of pasted objects that are cut out by a mask, where stills have objects, too."""
TRIES = 8


class Film(NamedTuple):
    """A track and the numbers of the frames in which its target is visible."""

    track: FrameTrack
    visible: list[int]

    def subject(self, index: int) -> Subject:
        """The target in a frame in which it is visible."""
        frame = self.track.frames[index]
        assert frame.box is not None
        return Subject(frame.image, frame.box, frame.mask, frame.mean)

    def any(self, rng: Generator) -> Subject:
        """The target in any frame."""
        return self.subject(self.visible[rng.integers(len(self.visible))])


class Thing(NamedTuple):
    """One of the objects of a still."""

    still: Still
    number: int

    @property
    def label(self) -> str:
        """What kind of thing it is; nothing if that is not known."""
        return self.still.labels[self.number] if self.still.labels else ""

    @property
    def place(self) -> Box:
        """Its box in the photograph, which may have been cut to several stills."""
        return self.still.in_original(self.still.boxes[self.number])

    def subject(self) -> Subject:
        """It and its picture."""
        still, masks = self.still, self.still.masks
        mask = masks[self.number] if masks else None
        return Subject(still.image, still.boxes[self.number], mask, still.mean)


class Spot(NamedTuple):
    """Any place of a picture."""

    picture: Frame | Still


Source = Film | Thing | Spot


class Drawn(NamedTuple):
    """Two views of one target, and where it is from."""

    first: Subject
    second: Subject
    source: Source


class Targets:
    """Draws targets from a collection."""

    def __init__(self, collection: Collection, sampling: Sampling) -> None:
        """Raises DataError when the collection holds nothing to draw from."""
        self._sampling = s = sampling
        if sampling.reach > collection.reach:
            raise DataError(
                f"search crops of the recipe show {sampling.reach:.2f} context sides around a "
                f"target, and the data were prepared with {collection.reach:.2f}: prepare them "
                f"again with --reach {math.ceil(10 * sampling.reach) / 10:g}"
            )
        films = [Film(track, track.visible) for track in collection.tracks]
        films = [film for film in films if film.visible]
        self._films = Pool(films, [film.track.weight for film in films])
        self._videos: dict[str, list[Film]] = {}
        for film in films:
            self._videos.setdefault(film.track.footage, []).append(film)
        masked = [f for f in films if f.track.frames[f.visible[0]].has_mask]
        self._masked = Pool(masked, [film.track.weight for film in masked])
        stills = [still for still in collection.stills if still.large]
        self._stills = Pool(stills, [still.weight for still in stills])
        self._labelled: dict[str, list[Still]] = {}
        self._parts: dict[Hashable, list[Still]] = {}
        for still in stills:
            self._parts.setdefault(still.original, []).append(still)
            for label in {still.labels[i] for i in still.large if still.labels} - {""}:
                self._labelled.setdefault(label, []).append(still)
        # Where there are only videos, their first pictures are the photographs.
        pictures: list[Frame | Still] = [*collection.unlabelled, *collection.stills]
        weights = [still.weight for still in (*collection.unlabelled, *collection.stills)]
        if not pictures:
            pictures, weights = [f.track.frames[0] for f in films], [f.track.weight for f in films]
        self._pictures = Pool(pictures, weights)
        # What is a picture of a track's footage, too.
        filmed = {picture.original for picture in pictures}
        self._footage = {
            frame.original: film.track.footage
            for film in films
            for frame in film.track.frames
            if frame.original in filmed
        }
        shares = (
            s.video if self._films else 0.0,
            s.still if self._stills else 0.0,
            s.patch if self._pictures else 0.0,
        )
        if not sum(shares) > 0:
            raise DataError(
                "there is nothing to draw pairs from: the data hold no picture of a kind that the "
                "recipe's section sampling gives a share (video, still, patch)"
            )
        self._kinds = Pool(("video", "still", "patch"), shares)

    def draw(self, rng: Generator) -> Drawn:
        """Two views of one target."""
        kind = self._kinds.pick(rng)
        if kind == "video":
            film = self._films.pick(rng)
            i, j = self._frames(film, rng)
            first = film.subject(i)
            return Drawn(first, first if i == j else film.subject(j), film)
        if kind == "still":
            thing = self._thing(rng)
            subject = thing.subject()
            return Drawn(subject, subject, thing)
        return self._patch(self._pictures.pick(rng), rng)

    def another(self, drawn: Drawn, rng: Generator) -> Drawn | None:
        """A target that is not that of `drawn`: the other half of a negative pair.

        None: all pictures may show the first one.
        """
        if rng.random() < self._sampling.hard_negative:
            hard = self._hard(drawn.source, rng)
            if hard is not None:
                return hard
        for _ in range(TRIES):
            other = self.draw(rng)
            if self.scene(drawn.source) != self.scene(other.source):
                return other
        picture = self.picture(rng, drawn)
        return None if picture is None else self._patch(picture, rng)

    def alike(self, drawn: Drawn, shown: Drawn, rng: Generator) -> tuple[Subject, bool]:
        """What looks like the thing that a search crop shows, and whether it is that itself.

        In half of the stills with a label it is another thing of the same, not the template's.
        """
        source = shown.source
        if isinstance(source, Film):
            return source.any(rng), True
        if isinstance(source, Thing) and rng.random() < 0.5:
            other = self._of_label(source, rng)
            if other is not None and self.scene(other) != self.scene(drawn.source):
                return other.subject(), False
        return shown.second, True

    def object(self, rng: Generator, *others: Drawn) -> Subject | None:
        """An object to cut out that is none of the targets of a pair; with a mask if possible.

        None: there is no other object.
        """
        masked = rng.random() < MASKED
        for _ in range(TRIES):
            source = self._source(rng, masked)
            if source is not None and not self._shown(source, others):
                return source.any(rng) if isinstance(source, Film) else source.subject()
            masked = not masked
        return None

    def _source(self, rng: Generator, masked: bool) -> Film | Thing | None:
        if self._masked and (masked or not self._stills):
            return self._masked.pick(rng)
        if self._stills:
            return self._thing(rng)
        return self._films.pick(rng) if self._films else None

    def picture(self, rng: Generator, *others: Drawn) -> Frame | Still | None:
        """A photograph to be a background, without any target of a pair; None: there is none."""
        for _ in range(TRIES):
            picture = self._pictures.pick(rng)
            if not self._shown(Spot(picture), others):
                return picture
        return None

    def scene(self, source: Source) -> Hashable:
        """The video or the picture it is of: crops of the same one may show the same target."""
        if isinstance(source, Film):
            return source.track.footage
        picture = source.still if isinstance(source, Thing) else source.picture
        return self._footage.get(picture.original, picture.original)

    def _shown(self, source: Source, others: Sequence[Drawn]) -> bool:
        """Whether it is of the same video or picture as one of the others."""
        scene = self.scene(source)
        return any(self.scene(other.source) == scene for other in others)

    def _frames(self, film: Film, rng: Generator) -> tuple[int, int]:
        """Two visible frames that are at most the largest gap apart."""
        gap = film.track.max_gap
        gap = self._sampling.max_gap if gap is None else gap
        visible = film.visible
        i = visible[rng.integers(len(visible))]
        low, high = bisect_left(visible, i - gap), bisect_right(visible, i + gap)
        return i, visible[rng.integers(low, high)]

    def _thing(self, rng: Generator) -> Thing:
        still = self._stills.pick(rng)
        return Thing(still, still.large[rng.integers(len(still.large))])

    def _patch(self, picture: Frame | Still, rng: Generator) -> Drawn:
        """Any textured patch of a photograph, as if it were a target."""
        image: UInt8Image = picture.image
        height, width = image.shape[:2]
        largest = max(0.5 * min(height, width), 2.0)
        smallest = min(PATCH, largest)
        for _ in range(TRIES):
            side = np.exp(rng.uniform(np.log(smallest), np.log(largest)))
            ratio = np.exp(rng.normal(0, 0.35))
            w, h = min(side * ratio, 0.9 * width), min(side / ratio, 0.9 * height)
            x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
            part = image[int(y) : int(y + h) + 1, int(x) : int(x + w) + 1]
            if cv2.meanStdDev(part)[1].mean() > TEXTURE:
                break
        subject = Subject(image, Box(x, y, w, h), None, picture.mean)
        return Drawn(subject, subject, Spot(picture))

    def _hard(self, source: Source, rng: Generator) -> Drawn | None:
        """What is easily taken for a target; None: there is no such thing."""
        if isinstance(source, Thing):
            other = self._of_label(source, rng) if rng.random() < 0.5 else None
            other = other or self._beside(source, rng) or self._of_label(source, rng)
            if other is None:
                return None
            subject = other.subject()
            return Drawn(subject, subject, other)
        return self._in_video(source, rng) if isinstance(source, Film) else None

    def _of_label(self, thing: Thing, rng: Generator) -> Thing | None:
        """A thing of the same label in another still."""
        stills = self._labelled.get(thing.label, ())
        for _ in range(TRIES if len(stills) > 1 else 0):
            still = stills[rng.integers(len(stills))]
            if still.original != thing.still.original:
                same = [i for i in still.large if still.labels[i] == thing.label]
                return Thing(still, same[rng.integers(len(same))])
        return None

    def _beside(self, thing: Thing, rng: Generator) -> Thing | None:
        """Another object of the picture, whose search crop does not show the target."""
        things = (Thing(part, i) for part in self._parts[thing.still.original] for i in part.large)
        others = [other for other in things if not self._in_reach(thing.place, other.place)]
        return others[rng.integers(len(others))] if others else None

    def _in_video(self, film: Film, rng: Generator) -> Drawn | None:
        """Another target of the video, in a frame whose search crop does not show the first."""
        others = [f for f in self._videos[film.track.footage] if f.track is not film.track]
        for _ in range(TRIES if others else 0):
            other = others[rng.integers(len(others))]
            index = other.visible[rng.integers(len(other.visible))]
            frame = other.track.frames[index]
            mine = next((f for f in film.track.frames if f.original == frame.original), None)
            # A frame that the target's track lacks may show it all the same.
            if mine is None or frame.box is None:
                continue
            if mine.box is None or not self._in_reach(
                mine.in_original(mine.box), frame.in_original(frame.box)
            ):
                subject = other.subject(index)
                return Drawn(subject, subject, other)
        return None

    def _in_reach(self, target: Box, other: Box) -> bool:
        """Whether a search crop around another box may show the target."""
        s = self._sampling
        reach = (s.search_size / 2 + s.shift) / zoom_of(other, s, s.search_size)
        reach *= float(np.exp(s.scale + 2 * s.scale_spread + 2 * s.stretch))
        (x, y), (tx, ty) = middle_of(other), middle_of(target)
        return abs(x - tx) < reach + target.w / 2 and abs(y - ty) < reach + target.h / 2
