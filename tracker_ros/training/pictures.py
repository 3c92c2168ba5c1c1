"""The pictures that training draws from: tracks, labelled stills and unlabelled photographs.

A picture is decoded when it is asked for. What fits in memory is decoded once, before workers are
forked, and shared by them; of more than that each process keeps what it used last.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.training.datasets.cache import CACHE, Kept, PictureCache
from tracker_ros.training.datasets.declaration import declared_sets
from tracker_ros.training.datasets.records import Entry, Label
from tracker_ros.training.datasets.report import Survey
from tracker_ros.training.datasets.sources import Source
from tracker_ros.training.datasets.survey import open_set, survey

Mask = npt.NDArray[np.uint8]
Mean = tuple[float, float, float]

MEMORY = 3 << 30
"""Bytes of decoded pictures that are all kept, and shared by workers."""


class _Seen:
    """A picture in memory or on disk, and its mean colour."""

    __slots__ = ("_mean", "_picture")

    def __init__(self, image: UInt8Image | Kept, mean: Mean | None) -> None:
        self._picture, self._mean = image, mean

    @property
    def image(self) -> UInt8Image:
        """(height, width, 3) uint8 BGR, not to be written to. Raises DataError if damaged."""
        return self._picture.read() if isinstance(self._picture, Kept) else self._picture

    @property
    def path(self) -> str:
        """Its file; nothing for a picture that was given in memory."""
        return str(self._picture.source) if isinstance(self._picture, Kept) else ""

    def shows_same(self, other: _Seen) -> bool:
        """Whether both are the same picture, without decoding it."""
        mine, theirs = self._picture, other._picture
        return mine is theirs or (isinstance(mine, Kept) and mine == theirs)

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
    ) -> None:
        super().__init__(image, mean)
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
    ) -> None:
        super().__init__(image, mean)
        self.boxes = boxes
        self.masks = masks
        """(height, width) uint8 or None for each box; empty where none has a mask."""
        self.weight = weight
        self.labels = labels
        """What kind of thing is in each box; empty where that is not known of any."""


@dataclass(frozen=True)
class Collection:
    """Everything training draws from."""

    tracks: list[FrameTrack] = field(default_factory=list)
    stills: list[Still] = field(default_factory=list)
    unlabelled: list[Still] = field(default_factory=list)
    licences: dict[str, str] = field(default_factory=dict)
    """Data set -> its licence, for the card."""

    def split(self, held_out: list[str]) -> tuple[Collection, list[FrameTrack]]:
        """The collection without the footage of the tracks named, and those tracks.

        Other tracks and stills that show the same pictures are left out, too: what holds something
        out must not have seen it. Raises DataError for a name that is not there, or that was
        prepared as crops: a tracker cannot run through these.
        """
        _require_known(held_out, {track.name for track in self.tracks})
        held = [track for track in self.tracks if track.name in held_out]
        for track in held:
            if not track.whole:
                raise DataError(
                    f"held-out track '{track.name}' was prepared as crops, which no tracker can "
                    "run through; prepare the data again with --held-out and its name"
                )
        footage = {frame.path for track in held for frame in track.frames} - {""}
        others = [track for track in self.tracks if track.name not in held_out]
        kept = [t for t in others if not any(frame.path in footage for frame in t.frames)]
        stills, unlabelled = (
            [still for still in part if still.path not in footage]
            for part in (self.stills, self.unlabelled)
        )
        names = {track.name for track in kept}
        related = [track.name for track in others if track.name not in names]
        if related:
            print(
                f"also held out, because they are of the same footage: {', '.join(related)}",
                file=sys.stderr,
            )
        return Collection(kept, stills, unlabelled, self.licences), held


def read_collection(path: Path, *, progress: bool = True, memory: int = MEMORY) -> Collection:
    """The data sets of a declaration (.yaml) or a folder, checked; progress and faults on stderr.

    memory: bytes of decoded pictures that are kept; a collection of no more is decoded here.
    Raises DataError when nothing of it can be used.
    """
    cache = PictureCache(memory)
    checked = survey(declared_sets(path), read=_decode_into(cache), progress=progress)
    checked.require_usable(path)
    if progress:
        show(checked)
    return collection_of(checked, cache)


def show(checked: Survey) -> None:
    """Print what is kept and what is dropped on stderr."""
    text = checked.table() if checked.clean else f"{checked.table()}\n{checked.complaints()}"
    print(text, file=sys.stderr, flush=True)


def read_tracks(path: Path, names: Sequence[str]) -> list[FrameTrack]:
    """These tracks alone. Raises DataError when one is not there or cannot be used."""
    cache = PictureCache(MEMORY)
    found = survey(declared_sets(path), read=_decode_into(cache), only=names, progress=False)
    tracks = {track.name: track for track in collection_of(found, cache).tracks}
    if any(name not in tracks for name in names):
        first = "".join(f"; {fault.message}" for fault in found.faults.first[:1])
        _require_known(names, track_names(path), first)
    held = Collection(list(tracks.values())).split(list(dict.fromkeys(names)))[1]
    return [tracks[name] for name in dict.fromkeys(names) if tracks[name] in held]


def track_names(path: Path) -> list[str]:
    """The videos of the data, sorted. Raises DataError when there are none."""
    sets = declared_sets(path)
    found = {data.name: open_set(data).videos for data in sets}
    count = Counter(name for videos in found.values() for name in videos)
    names = sorted(
        name if count[name] == 1 else f"{data}/{name}"
        for data, videos in found.items()
        for name in videos
    )
    if not names:
        raise DataError(f"{path} holds no tracks; expected some in video.json, or a declared video")
    return names


def collection_of(checked: Survey, cache: PictureCache) -> Collection:
    """What a survey kept, as pictures that go through the cache."""
    collection = Collection()
    for report in checked.sets:
        collection.licences.update(report.licences)
        for track in report.found.tracks:
            frames = tuple(_frame(entry, cache) for entry in track.entries)
            collection.tracks.append(
                FrameTrack(track.name, frames, track.weight, track.max_gap, track.whole)
            )
        for entry in report.found.stills:
            still = _still(entry, cache)
            (collection.stills if still.boxes else collection.unlabelled).append(still)
    return collection


def _decode_into(cache: PictureCache) -> Any:
    """Decode what is surveyed, until it is more than the cache holds: then it is forgotten."""

    def decode(source: Source) -> None:
        if cache.limit <= CACHE or source.mapped:
            return
        image = cache.read(source)
        if cache.bytes + image.nbytes > cache.limit:
            cache.shrink(min(CACHE, cache.limit))

    return decode


def _frame(entry: Entry, cache: PictureCache) -> Frame:
    label = entry.labels[0] if entry.labels else None
    box = None if label is None else Box(*label.values)
    return Frame(Kept(entry.picture, cache), box, _mask(label, cache), entry.mean)


def _still(entry: Entry, cache: PictureCache) -> Still:
    masks = tuple(_mask(label, cache) for label in entry.labels)
    return Still(
        Kept(entry.picture, cache),
        tuple(Box(*label.values) for label in entry.labels),
        entry.mean,
        Masks(masks) if any(mask is not None for mask in masks) else (),
        entry.weight,
        tuple(sys.intern(label.name) for label in entry.labels)
        if any(label.name for label in entry.labels)
        else (),
    )


def _mask(label: Label | None, cache: PictureCache) -> Kept | None:
    return None if label is None or label.mask is None else Kept(label.mask, cache)


def _require_known(names: Iterable[str], tracks: Iterable[str], reason: str = "") -> None:
    unknown = sorted(set(names) - set(tracks))
    if unknown:
        raise DataError(
            f"held-out tracks {unknown} are not in the data; it has {sorted(tracks)}: "
            f"name some of these with --held-out{reason}"
        )
