"""The check of data sets before anything is trained on them: what is wrong, what is kept.

What is wrong is left out and reported; nothing is repaired. A box that reaches over the border of
its picture stays as it is while a quarter of it is inside: crops go over the border too, and a
clipped box would teach a wrong shape. A frame whose box is left out is left out with it, for it
is not known that its target is absent.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

from tqdm import tqdm

from tracker_ros.errors import DataError
from tracker_ros.geometry import MIN_SIDE, Box
from tracker_ros.training.datasets.formats import FORMATS
from tracker_ros.training.datasets.records import (
    Contents,
    DataSet,
    Entry,
    Kind,
    Label,
    VideoLoader,
)
from tracker_ros.training.datasets.report import Found, SetReport, Survey
from tracker_ros.training.datasets.sources import Size, Source

INSIDE = 0.25
"""Least share of a box that lies in its picture."""
CHUNK = 64
"""Photographs that are checked at a time."""
THREADS = 4

Read = Callable[[Source], object]
"""Called with every picture and mask, e.g. to decode it. DataError: it is left out."""


def survey(
    sets: Sequence[DataSet],
    *,
    read: Read | None = None,
    only: Sequence[str] | None = None,
    progress: bool = True,
) -> Survey:
    """Check every picture's header and every box of data sets.

    read: called with every picture and mask too. only: tracks, or videos, that are looked at, and
    no still. Raises DataError where a set cannot be opened at all, or does not hold a name that
    its declaration gives.
    """
    opened = [(data, open_set(data)) for data in sets]
    chosen = [(data, contents, _chosen(data, contents, only)) for data, contents in opened]
    reports = []
    with (
        ThreadPoolExecutor(THREADS) as pool,
        tqdm(
            desc="checking", unit=" pictures", disable=not progress,
            mininterval=0.1 if sys.stderr.isatty() else 10.0,  # a log gets a line now and then
        ) as bar,
    ):  # fmt: skip
        for data, contents, videos in chosen:
            checker, whole = _Checker(read), Found()
            for part in pool.map(checker.video, videos.items()):
                _merge(whole, part)
                bar.update(part.seen)
            if contents.stills is not None and only is None:
                stills = contents.stills(whole.faults)
                for part in pool.map(checker.stills, _chunks(stills)):
                    _merge(whole, part)
                    bar.update(part.seen)
            licences = dict(contents.licences) or {data.name: data.licence}
            reports.append(SetReport(data, _weighed(whole, data), licences, contents.reach))
            if only is None and not reports[-1].pictures:
                holds = FORMATS[data.format].holds
                what = f"{data.root} {_emptiness(data, contents)}; expected {holds}"
                whole.faults.add(Kind.EMPTY, f"set '{data.name}': {what}")
    return Survey(_told_apart(reports, only or ()))


def open_set(data: DataSet) -> Contents:
    """What a set holds. Raises DataError where its folders cannot be read."""
    try:
        return FORMATS[data.format].read(data)
    except OSError as error:
        raise DataError(f"set '{data.name}' cannot be read: {error}") from None


def _emptiness(data: DataSet, contents: Contents) -> str:
    """Why nothing of a set can be used."""
    if not any(data.root.iterdir()):
        return "is empty"
    if not contents.videos and contents.stills is None:
        return "has no folder of a track"
    return "has nothing that can be used"


def _chosen(
    data: DataSet, contents: Contents, only: Sequence[str] | None
) -> dict[str, VideoLoader]:
    """The videos of a set that are asked for."""
    for name in data.names:
        if name not in contents.videos:
            raise DataError(f"set '{data.name}': no video '{name}' in {data.root}")
    names = data.names or tuple(contents.videos)
    return {
        name: contents.videos[name]
        for name in names
        if only is None or any(_is_of(track, name, data) for track in only)
    }


def _is_of(track: str, video: str, data: DataSet) -> bool:
    return any(
        track == name or track.startswith(f"{name}/") for name in (video, f"{data.name}/{video}")
    )


def _weighed(found: Found, data: DataSet) -> Found:
    """With the weight and the gap of the set."""
    if data.weight != 1:
        found.stills = [replace(s, weight=s.weight * data.weight) for s in found.stills]
    found.tracks = [
        replace(
            track,
            weight=track.weight * data.weight,
            max_gap=track.max_gap if data.max_gap is None else data.max_gap,
        )
        for track in found.tracks
    ]
    return found


def _told_apart(reports: list[SetReport], only: Sequence[str]) -> tuple[SetReport, ...]:
    """Tracks of the same name in two sets get the name of their set before theirs.

    So do those that are asked for so.
    """
    where: dict[str, set[str]] = {}
    for report in reports:
        for track in report.found.tracks:
            where.setdefault(track.name, set()).add(report.data.name)
    for report in reports:
        report.found.tracks = [
            replace(track, name=f"{report.data.name}/{track.name}")
            if len(where[track.name]) > 1 or f"{report.data.name}/{track.name}" in only
            else track
            for track in report.found.tracks
        ]
    return tuple(reports)


def _merge(whole: Found, part: Found) -> None:
    whole.tracks += part.tracks
    whole.stills += part.stills
    whole.faults.merge(part.faults)
    whole.lost_boxes += part.lost_boxes
    whole.seen += part.seen


def _chunks(entries: list[Entry]) -> Iterable[list[Entry]]:
    rest = iter(entries)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


class _Checker:
    """Checks the entries of one set; a picture that several of them share is looked at once."""

    def __init__(self, read: Read | None) -> None:
        self._read = read
        self._sizes: dict[Source, Size | tuple[Kind, str]] = {}

    def video(self, item: tuple[str, VideoLoader]) -> Found:
        name, load = item
        found = Found()
        try:
            tracks = load(found.faults)
        except (DataError, OSError) as error:
            found.faults.add(Kind.TRACK, str(error))
            return found
        if not tracks:
            found.faults.add(Kind.TRACK, f"'{name}' has no box")
        for track in tracks:
            kept = (self._entry(entry, found, frame=True) for entry in track.entries)
            entries = tuple(entry for entry in kept if entry is not None)
            if any(entry.labels for entry in entries):
                found.tracks.append(replace(track, entries=entries))
            else:
                found.faults.add(Kind.TRACK, f"track '{track.name}' has no usable box")
        return found

    def stills(self, entries: list[Entry]) -> Found:
        found = Found()
        for entry in entries:
            kept = self._entry(entry, found, frame=False)
            if kept is not None:
                found.stills.append(kept)
        return found

    def _entry(self, entry: Entry, found: Found, *, frame: bool) -> Entry | None:
        """What is kept of a picture and its boxes; None where nothing is."""
        found.seen += 1
        size = self._size(entry.picture)
        if isinstance(size[0], Kind):
            fix = "; put it back" if size[0] is Kind.MISSING else ""
            found.faults.add(size[0], f"{entry.where}: {size[1]}{fix}")
        elif entry.stated is not None and tuple(entry.stated) != size:
            found.faults.add(
                Kind.SIZE,
                f"{entry.where}: {entry.picture} is {size[0]}x{size[1]}, not "
                f"{entry.stated[0]}x{entry.stated[1]}",
            )
        else:
            labels = tuple(
                self._label(label, size, found)
                for label in entry.labels
                if not _complain(label, size, found, frame=frame)
            )
            if frame and len(labels) < len(entry.labels):
                return None
            same = all(map(operator.is_, labels, entry.labels)) and len(labels) == len(entry.labels)
            return entry if same else replace(entry, labels=labels)
        found.lost_boxes += len(entry.labels)
        return None

    def _size(self, picture: Source) -> tuple[int, int] | tuple[Kind, str]:
        if picture not in self._sizes:
            try:
                self._sizes[picture] = picture.size()
                if self._read is not None:
                    self._read(picture)
            except DataError as error:
                missing = str(error).endswith("is missing")
                self._sizes[picture] = (Kind.MISSING if missing else Kind.DAMAGED, str(error))
        return self._sizes[picture]

    def _label(self, label: Label, size: Size, found: Found) -> Label:
        """The label, without its mask where that cannot be used."""
        if label.mask is None:
            return label
        try:
            within = label.mask.size()
            if within != size:
                raise DataError(
                    f"{label.mask} is {within[0]}x{within[1]}, its picture {size[0]}x{size[1]}"
                )
            if self._read is not None:
                self._read(label.mask)
        except DataError as error:
            found.faults.add(Kind.MASK, f"{label.where}: {error}")
            return replace(label, mask=None)
        return label


def _complain(label: Label, size: Size, found: Found, *, frame: bool) -> bool:
    """Whether a box cannot be used."""
    # A line that is taken out of a video would move all boxes after it.
    fix = "correct it, or " + ("say that the target is absent there" if frame else "take it out")
    box = Box(*label.values)
    shown = f"{label.where}: box {','.join(f'{value:g}' for value in box)}"
    if not all(map(math.isfinite, box)):
        found.faults.add(Kind.FINITE, f"{shown} holds a value that is no number; {fix}")
    elif box.w <= 0 or box.h <= 0:
        found.faults.add(Kind.AREA, f"{shown} has a side of 0 or less; {fix}")
    elif min(box.w, box.h) < MIN_SIDE:
        found.faults.add(Kind.SMALL, f"{shown} has a side under {MIN_SIDE:g} px; {fix}")
    elif box.clipped(*size).area < INSIDE * box.area:
        found.faults.add(
            Kind.OUTSIDE,
            f"{shown} has less than {INSIDE:.0%} of its area in the {size[0]}x{size[1]} picture; "
            f"{fix}",
        )
    else:
        return False
    return True
