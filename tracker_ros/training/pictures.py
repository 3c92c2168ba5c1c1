"""The pictures that training draws from: tracks, labelled stills and unlabelled photographs."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.training.datasets.cache import Kept
from tracker_ros.training.datasets.records import Cut

Mask = npt.NDArray[np.uint8]
Mean = tuple[float, float, float]
SMALLEST = 12.0
"""Objects of stills with a shorter side, in pixels, are not drawn."""


class _Seen:
    """A picture in memory or on disk, and its mean colour."""

    __slots__ = ("_mean", "_picture", "cut")

    def __init__(self, image: UInt8Image | Kept, mean: Mean | None, cut: Cut | None) -> None:
        self._picture, self._mean = image, mean
        self.cut = cut
        """Where it was cut out of its original; None: it is whole."""

    @property
    def image(self) -> UInt8Image:
        """(height, width, 3) uint8 BGR, not to be written to. Raises DataError if damaged."""
        return self._picture.read() if isinstance(self._picture, Kept) else self._picture

    @property
    def path(self) -> str:
        """Its file; nothing for a picture that was given in memory."""
        return str(self._picture.source) if isinstance(self._picture, Kept) else ""

    @property
    def original(self) -> Hashable:
        """The same for all that shows one photograph or frame; nothing is decoded for it."""
        if self.cut is not None:
            return self.cut.original
        picture = self._picture
        return picture.source if isinstance(picture, Kept) else id(picture)

    def in_original(self, box: Box) -> Box:
        """A box of this picture in pixels of its original."""
        if self.cut is None:
            return box
        _, x, y, zoom_x, zoom_y = self.cut
        return Box(x + box.x / zoom_x, y + box.y / zoom_y, box.w / zoom_x, box.h / zoom_y)

    @property
    def mean(self) -> Mean:
        """Mean colour b, g, r of the picture."""
        if self._mean is None:
            b, g, r, _ = cv2.mean(self.image)
            self._mean = (b, g, r)
        return self._mean


class Frame(_Seen):
    """A picture with the box of its target (None: absent) and, if known, its mask."""

    __slots__ = ("_mask", "box")

    def __init__(
        self,
        image: UInt8Image | Kept,
        box: Box | None,
        mask: Mask | Kept | None = None,
        mean: Mean | None = None,
        cut: Cut | None = None,
    ) -> None:
        super().__init__(image, mean, cut)
        self.box = box
        self._mask = mask

    @property
    def mask(self) -> Mask | None:
        """(height, width) uint8, white where the target is; None where that is not known."""
        return self._mask.read() if isinstance(self._mask, Kept) else self._mask

    @property
    def has_mask(self) -> bool:
        """Whether there is a mask, without decoding it."""
        return self._mask is not None


@dataclass(frozen=True)
class FrameTrack:
    """One target through the frames of a video."""

    name: str
    frames: tuple[Frame, ...]
    weight: float = 1.0
    """How often it is drawn, beside other tracks."""
    max_gap: int | None = None
    """Most frames from template to search; None: the recipe's."""
    whole: bool = True
    """Whether frames show the scene; prepared ones show what is around the target alone."""
    video: str = ""
    """The footage, which other tracks may be of, too; nothing: it is this track's alone."""

    @property
    def footage(self) -> str:
        """Tracks that have the same are targets of one video."""
        return self.video or self.name

    @property
    def visible(self) -> list[int]:
        """Indices of the frames in which the target is there."""
        return [i for i, frame in enumerate(self.frames) if frame.box is not None]


@dataclass(frozen=True)
class Masks(Sequence[Any]):
    """A mask, or None, for each box of a photograph; decoded one by one."""

    masks: tuple[Mask | Kept | None, ...]

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: Any) -> Any:
        mask = self.masks[index]
        return mask.read() if isinstance(mask, Kept) else mask


class Still(_Seen):
    """A photograph with the boxes of its objects; none for an unlabelled one."""

    __slots__ = ("boxes", "labels", "masks", "weight")

    def __init__(
        self,
        image: UInt8Image | Kept,
        boxes: tuple[Box, ...],
        mean: Mean | None = None,
        masks: Sequence[Mask | None] = (),
        weight: float = 1.0,
        labels: tuple[str, ...] = (),
        cut: Cut | None = None,
    ) -> None:
        super().__init__(image, mean, cut)
        self.boxes = boxes
        self.masks = masks
        """(height, width) uint8 or None for each box; empty where none has a mask."""
        self.weight = weight
        self.labels = labels
        """What kind of thing is in each box; empty where that is not known of any."""

    @property
    def large(self) -> list[int]:
        """The numbers of the objects that are large enough to be targets."""
        return [i for i, box in enumerate(self.boxes) if min(box.w, box.h) >= SMALLEST]


@dataclass(frozen=True)
class Collection:
    """Everything training draws from."""

    tracks: list[FrameTrack] = field(default_factory=list)
    stills: list[Still] = field(default_factory=list)
    unlabelled: list[Still] = field(default_factory=list)
    licences: dict[str, str] = field(default_factory=dict)
    """Data set -> its licence, for the card."""
    reach: float = math.inf
    """Side, in context sides of an object, of the square around it that crops can show."""

    def split(self, held_out: list[str]) -> tuple[Collection, list[FrameTrack]]:
        """The collection without the footage of the tracks named, and those tracks.

        Other tracks of it are left out, too, and whatever shows the same pictures: what holds
        something out must not have seen it. Raises DataError for a name that is not there, or that
        was prepared as crops: a tracker cannot run through these.
        """
        require_known(held_out, {track.name for track in self.tracks})
        held = [track for track in self.tracks if track.name in held_out]
        for track in held:
            if not track.whole:
                raise DataError(
                    f"held-out track '{track.name}' was prepared as crops, which no tracker can "
                    "run through; prepare the data again with --held-out and its name"
                )
        footage = {track.footage for track in held}
        seen = {frame.original for track in held for frame in track.frames}
        others = [track for track in self.tracks if track.name not in held_out]
        kept = [
            track
            for track in others
            if track.footage not in footage
            and not any(frame.original in seen for frame in track.frames)
        ]
        stills, unlabelled = (
            [still for still in part if still.original not in seen]
            for part in (self.stills, self.unlabelled)
        )
        names = {track.name for track in kept}
        related = [track.name for track in others if track.name not in names]
        if related:
            print(
                f"also held out, because they are of the same footage: {', '.join(related)}",
                file=sys.stderr,
            )
        return replace(self, tracks=kept, stills=stills, unlabelled=unlabelled), held

    @property
    def fingerprint(self) -> str:
        """Counts and a hash of all that decides which pairs are drawn, but the pixels.

        It does not depend on where the data lie.
        """
        found = hashlib.sha256()

        def add(*values: object) -> None:
            found.update(json.dumps(values, default=tuple).encode())

        for track in self.tracks:
            add(track.name, track.weight, track.max_gap, track.whole)
            for frame in track.frames:
                add(PurePath(frame.path).name, frame.box)
        for still in (*self.stills, *self.unlabelled):
            add(PurePath(still.path).name, still.weight, still.boxes, still.labels)
        frames = sum(len(track.frames) for track in self.tracks)
        counts = (
            f"{len(self.tracks)} tracks of {frames} frames, {len(self.stills)} stills, "
            f"{len(self.unlabelled)} photographs"
        )
        return f"{counts} ({found.hexdigest()[:12]})"


def require_known(names: Iterable[str], tracks: Iterable[str], reason: str = "") -> None:
    """Raises DataError for names that are not among the tracks."""
    unknown = sorted(set(names) - set(tracks))
    if unknown:
        raise DataError(
            f"held-out tracks {unknown} are not in the data; it has {sorted(tracks)}: "
            f"name some of these with --held-out{reason}"
        )
