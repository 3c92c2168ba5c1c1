"""Crops cut out beforehand, so that drawing a pair decodes no JPEG file.

cutting.py says what is kept of a picture. It lies as raw pixels in shards that are mapped into
memory: datasets/shards.py says how, and reads them.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.training.cutting import (
    Crop,
    Square,
    frame_as_it_is,
    frame_crop,
    photograph,
    still_crops,
)
from tracker_ros.training.datasets.records import Faults, Kind
from tracker_ros.training.datasets.shards import FORMAT, INDEX, VERSION
from tracker_ros.training.pictures import Collection, Frame, FrameTrack

SHARD = 1 << 30
"""Bytes after which a new shard begins."""
THREADS = 4
AHEAD = 64
"""Pictures that are cut before they are written."""

USUAL = Square()
T = TypeVar("T")
Row = list[Any]


@dataclass
class Preparation:
    """What was written."""

    pictures: int = 0
    bytes: int = 0
    faults: Faults = field(default_factory=Faults)
    """Pictures that could not be decoded: they are left out."""


def prepare(
    collection: Collection,
    out: Path,
    *,
    square: Square = USUAL,
    whole: Sequence[str] = (),
    progress: bool = True,
) -> Preparation:
    """Write a collection as prepared data to a folder that is not there yet.

    square: what is kept around objects. whole: tracks that are kept as they are, which a tracker
    can run through; other tracks of the same footage are left out. The folder is there whole or
    not at all: until then it has `.part` after its name, and what a killed run left there is thrown
    away. Raises DataError.
    """
    rest, held = collection.split(list(whole))
    if out.exists():
        raise DataError(f"{out} is there already; remove it, or name another folder")
    part = out.with_name(f"{out.name}.part")
    _clear(part)
    done = Preparation()
    chosen = [*rest.tracks, *held]
    total = sum(len(t.frames) for t in chosen) + len(rest.stills) + len(rest.unlabelled)
    try:
        part.mkdir(parents=True)
        with (
            ThreadPoolExecutor(THREADS) as pool,
            _Shards(part) as shards,
            tqdm(
                total=total, desc="preparing", unit=" pictures", disable=not progress,
                mininterval=0.1 if sys.stderr.isatty() else 10.0,
            ) as bar,
        ):  # fmt: skip

            def rows(cut: Callable[[T], list[Crop]], items: Sequence[T]) -> list[Row]:
                found: list[Row] = []
                for crops in _in_order(pool, partial(_tried, cut, faults=done.faults), items):
                    found += [shards.add(crop) for crop in crops]
                    bar.update()
                return found

            tracks: list[dict[str, Any]] = []
            videos = _Numbers()
            for track in chosen:
                kept = track.name in whole
                if kept or not track.whole:
                    pictures = rows(frame_as_it_is, track.frames)
                else:
                    pictures = rows(lambda item: frame_crop(*item, square), _with_places(track))
                if pictures:
                    tracks.append(
                        {
                            "name": track.name, "weight": track.weight, "max_gap": track.max_gap,
                            "whole": kept, "video": videos.of(track.footage), "pictures": pictures,
                        }
                    )  # fmt: skip
            stills = rows(partial(still_crops, square=square), rest.stills)
            stills += rows(photograph, rest.unlabelled)
        index = {
            "format": FORMAT,
            "version": VERSION,
            "reach": min(square.reach, collection.reach),
            "licences": collection.licences,
            "shards": shards.written,
            "tracks": tracks,
            "stills": stills,
        }
        (part / INDEX).write_text(json.dumps(index), encoding="utf-8")
        part.rename(out)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error}; name another place") from None
    done.pictures = sum(len(track["pictures"]) for track in tracks) + len(stills)
    done.bytes = sum(shard["bytes"] for shard in shards.written)
    return done


def _with_places(track: FrameTrack) -> list[tuple[Frame, Box]]:
    """Frames, each with the last box of the target; with the first before that one."""
    boxes = [frame.box for frame in track.frames if frame.box is not None]
    places = []
    for frame in track.frames if boxes else ():
        boxes[0] = frame.box or boxes[0]
        places.append((frame, boxes[0]))
    return places


def _tried(cut: Callable[[T], list[Crop]], item: T, *, faults: Faults) -> list[Crop]:
    """The crops of a picture; none, and a fault, where it cannot be decoded."""
    try:
        return cut(item)
    except DataError as error:
        faults.add(Kind.DAMAGED, str(error))
        return []


def _in_order(
    pool: ThreadPoolExecutor, cut: Callable[[T], list[Crop]], items: Sequence[T]
) -> Iterator[list[Crop]]:
    """The crops of each, cut by several threads, of which few are held at a time."""
    rest = iter(items)
    while chunk := list(islice(rest, AHEAD)):
        yield from pool.map(cut, chunk)


class _Numbers:
    """A number for each thing that is named, from 0 on."""

    def __init__(self) -> None:
        self._of: dict[Hashable, int] = {}

    def of(self, name: Hashable) -> int:
        """That of a thing; a new one for a new thing."""
        return self._of.setdefault(name, len(self._of))


class _Shards:
    """Writes crops one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[dict[str, Any]] = []
        self._file: BinaryIO | None = None
        self._originals = _Numbers()

    def __enter__(self) -> _Shards:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, crop: Crop) -> Row:
        """Append a crop; gives its row of the index."""
        if self._file is None or self.written[-1]["bytes"] + crop.nbytes > SHARD:
            self._next()
        offset = self._append(crop.image)
        labels = [
            [
                *(round(value, 3) for value in one.box),
                -1 if one.mask is None else self._append(one.mask),
                one.name,
            ]
            for one in crop.marked
        ]
        height, width = crop.image.shape[:2]
        mean = [round(value, 2) for value in crop.mean]
        number, *place = self._originals.of(crop.cut.original), *crop.cut[1:]
        cut = [number, *(round(value, 6) for value in place)]
        return [len(self.written) - 1, offset, height, width, mean, crop.weight, cut, labels]

    def _append(self, pixels: npt.NDArray[np.uint8]) -> int:
        assert self._file is not None
        offset = int(self.written[-1]["bytes"])
        self._file.write(np.ascontiguousarray(pixels).data)
        self.written[-1]["bytes"] += pixels.nbytes
        return offset

    def _next(self) -> None:
        if self._file is not None:
            self._file.close()
        name = f"shard_{len(self.written):03d}.bin"
        self._file = (self.folder / name).open("wb")
        self.written.append({"file": name, "bytes": 0})


def _clear(part: Path) -> None:
    """Throw away what a killed run left. Raises DataError for a folder that holds other things."""
    if not part.exists():
        return
    strange = [path.name for path in part.iterdir() if not _is_ours(path)]
    if strange:
        raise DataError(
            f"{part} is in the way: it holds {strange[0]}, which no preparation wrote; move it"
        )
    shutil.rmtree(part)


def _is_ours(path: Path) -> bool:
    return path.name == INDEX or (path.name.startswith("shard_") and path.suffix == ".bin")
