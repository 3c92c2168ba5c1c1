"""Data sets become the collection that training draws from; all of it is checked before.

What fits in memory is decoded once, before workers are forked, and shared by them. Of more than
that a picture is decoded when it is asked for, and each process keeps what it used last.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.training.datasets.cache import CACHE, Kept, PictureCache
from tracker_ros.training.datasets.declaration import declared_sets
from tracker_ros.training.datasets.records import Entry, Label
from tracker_ros.training.datasets.report import Survey
from tracker_ros.training.datasets.sound import Sound
from tracker_ros.training.datasets.sources import Source
from tracker_ros.training.datasets.survey import Read, open_set, survey
from tracker_ros.training.pictures import (
    Collection,
    Frame,
    FrameTrack,
    Masks,
    Still,
    require_known,
)

MEMORY = 3 << 30
"""Bytes of decoded pictures that are all kept, and shared by workers."""


def read_collection(
    path: Path, *, progress: bool = True, memory: int = MEMORY, decode: bool = True
) -> Collection:
    """The data sets of a declaration (.yaml) or a folder, checked; progress and faults on stderr.

    memory: bytes of decoded pictures that are kept. decode: every picture is, before it is taken,
    but those that an earlier run has decoded and does not have to keep; else headers are looked at.
    Raises DataError when nothing of it can be used.
    """
    cache = PictureCache(memory)
    with Sound() as sound:
        read = _decode_into(cache, sound) if decode else None
        checked = survey(declared_sets(path), read=read, progress=progress)
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
    with Sound() as sound:
        read = _decode_into(cache, sound)
        found = survey(declared_sets(path), read=read, only=names, progress=False)
    tracks = {track.name: track for track in collection_of(found, cache).tracks}
    if any(name not in tracks for name in names):
        first = "".join(f"; {fault.message}" for fault in found.faults.first[:1])
        require_known(names, track_names(path), first)
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
    collection = Collection(reach=min(report.reach for report in checked.sets))
    for report in checked.sets:
        collection.licences.update(report.licences)
        for track in report.found.tracks:
            frames = tuple(_frame(entry, cache) for entry in track.entries)
            collection.tracks.append(
                FrameTrack(
                    track.name, frames, track.weight, track.max_gap, track.whole, track.video
                )
            )
        for entry in report.found.stills:
            still = _still(entry, cache)
            (collection.stills if still.boxes else collection.unlabelled).append(still)
    return collection


def _decode_into(cache: PictureCache, sound: Sound) -> Read:
    """Decode what is surveyed; what is more than the cache holds is forgotten."""

    def decode(source: Source) -> None:
        if cache.limit <= CACHE or source.mapped:
            sound.require(source)
            return
        image = cache.read(source)
        sound.add(source)
        if cache.bytes + image.nbytes > cache.limit:
            cache.shrink(min(CACHE, cache.limit))

    return decode


def _frame(entry: Entry, cache: PictureCache) -> Frame:
    label = entry.labels[0] if entry.labels else None
    box = None if label is None else Box(*label.values)
    return Frame(Kept(entry.picture, cache), box, _mask(label, cache), entry.mean, entry.cut)


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
        entry.cut,
    )


def _mask(label: Label | None, cache: PictureCache) -> Kept | None:
    return None if label is None or label.mask is None else Kept(label.mask, cache)
