"""Crops cut out beforehand, so that drawing a pair decodes no JPEG file.

For every labelled object of every frame the square that pairs can be drawn from, `REACH` context
sides wide (pysot's crop of 511 px around a template of 127), as raw pixels in shards that are
mapped into memory: datasets/shards.py says how, and reads them.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box, UInt8Image, context_side
from tracker_ros.training.datasets.records import Faults, Kind
from tracker_ros.training.datasets.shards import FORMAT, INDEX, VERSION
from tracker_ros.training.pictures import Collection, Frame, Mask, Mean, Still

SIZE = 511
"""Default longest side of a crop, pixels: of this size nothing is lost to a template of 127."""
REACH = 511 / 127
"""Side of the square that is kept, in context sides of the object."""
PHOTOGRAPH = 320
"""Shorter side, at most, of pictures without boxes."""
SHARD = 1 << 30
"""Bytes after which a new shard begins."""
THREADS = 4
AHEAD = 64
"""Pictures that are cut before they are written."""

T = TypeVar("T")
Row = list[Any]


@dataclass(frozen=True)
class Crop:
    """Part of a picture, resized; boxes are in its pixels."""

    image: UInt8Image
    labels: tuple[tuple[Box, Mask | None], ...]
    mean: Mean
    """Of the whole picture: what stands for what lies outside."""
    weight: float = 1.0

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in a shard."""
        return self.image.nbytes + sum(0 if m is None else m.nbytes for _, m in self.labels)


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
    size: int = SIZE,
    whole: Sequence[str] = (),
    progress: bool = True,
) -> Preparation:
    """Write a collection as prepared data to a folder that is not there yet.

    size: longest side of a crop. whole: tracks that are kept as they are, which a tracker can run
    through; other tracks of the same footage are left out. The folder is there whole or not at
    all: until then it has `.part` after its name, and what a killed run left there is thrown away.
    Raises DataError.
    """
    rest, held = collection.split(list(whole))
    if out.exists():
        raise DataError(f"{out} is there already; remove it, or name another folder")
    part = out.with_name(f"{out.name}.part")
    _clear(part)
    done = Preparation()
    chosen = [*rest.tracks, *held]
    total = sum(len(t.visible) for t in chosen) + len(rest.stills) + len(rest.unlabelled)
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
            for track in chosen:
                cut = frame_as_it_is if track.name in whole or not track.whole else frame_crop
                frames = [track.frames[index] for index in track.visible]
                pictures = rows(partial(cut, size=size), frames)
                if pictures:
                    kept = track.name in whole
                    tracks.append(
                        {
                            "name": track.name, "weight": track.weight, "max_gap": track.max_gap,
                            "whole": kept, "pictures": pictures,
                        }
                    )  # fmt: skip
            stills = rows(partial(still_crops, size=size), rest.stills)
            stills += rows(photograph, rest.unlabelled)
        index = {
            "format": FORMAT,
            "version": VERSION,
            "size": size,
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


def frame_crop(frame: Frame, size: int) -> list[Crop]:
    """What pairs can be drawn from around the target of a frame."""
    assert frame.box is not None  # only visible frames are prepared
    return [_crop(frame.image, frame.box, frame.mask, frame.mean, size)]


def frame_as_it_is(frame: Frame, size: int) -> list[Crop]:
    """All of it."""
    assert frame.box is not None  # only visible frames are prepared
    return [Crop(frame.image, ((frame.box, frame.mask),), frame.mean)]


def still_crops(still: Still, size: int) -> list[Crop]:
    """A crop for each object, or all of the photograph where that takes less."""
    image, mean = still.image, still.mean
    masks = [still.masks[i] if still.masks else None for i in range(len(still.boxes))]
    labels = list(zip(still.boxes, masks, strict=True))
    crops = [_crop(image, box, mask, mean, size, still.weight) for box, mask in labels]
    # In the scale that the smallest object needs.
    scale = max(_scale(box, size) for box in still.boxes)
    height, width = image.shape[:2]
    all_of_it = _resized(image, labels, (0, 0, width, height), scale, mean, still.weight)
    return [all_of_it] if all_of_it.nbytes <= sum(crop.nbytes for crop in crops) else crops


def photograph(still: Still) -> list[Crop]:
    """A picture without boxes, smaller."""
    image = still.image
    height, width = image.shape[:2]
    scale = min(1.0, PHOTOGRAPH / min(height, width))
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return [Crop(image, (), still.mean, still.weight)]


def _scale(box: Box, size: int) -> float:
    """By how much the square around a box is made smaller; never larger."""
    return min(1.0, size / (REACH * context_side(box.w, box.h)))


def _crop(
    image: UInt8Image, box: Box, mask: Mask | None, mean: Mean, size: int, weight: float = 1.0
) -> Crop:
    """The part of the square around a box that lies in the picture."""
    height, width = image.shape[:2]
    half = REACH * context_side(box.w, box.h) / 2
    x0, y0 = max(int(box.cx - half), 0), max(int(box.cy - half), 0)
    x1 = max(min(int(np.ceil(box.cx + half)), width), x0 + 1)
    y1 = max(min(int(np.ceil(box.cy + half)), height), y0 + 1)
    return _resized(image, [(box, mask)], (x0, y0, x1, y1), _scale(box, size), mean, weight)


def _resized(
    image: UInt8Image,
    labels: Sequence[tuple[Box, Mask | None]],
    part: tuple[int, int, int, int],
    scale: float,
    mean: Mean,
    weight: float,
) -> Crop:
    x0, y0, x1, y1 = part
    size = (max(round((x1 - x0) * scale), 1), max(round((y1 - y0) * scale), 1))
    sx, sy = size[0] / (x1 - x0), size[1] / (y1 - y0)

    def scaled(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        # Bilinear, as trackers make their crops: training should see the same.
        return np.asarray(cv2.resize(pixels[y0:y1, x0:x1], size), np.uint8)

    moved = tuple(
        (
            Box((box.x - x0) * sx, (box.y - y0) * sy, box.w * sx, box.h * sy),
            None if mask is None else _two_levels(scaled(mask)),
        )
        for box, mask in labels
    )
    return Crop(scaled(image), moved, mean, weight)


def _two_levels(mask: Mask) -> Mask:
    return np.where(mask > 127, 255, 0).astype(np.uint8)


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


class _Shards:
    """Writes crops one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[dict[str, Any]] = []
        self._file: BinaryIO | None = None

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
            [*(round(value, 3) for value in box), -1 if mask is None else self._append(mask)]
            for box, mask in crop.labels
        ]
        height, width = crop.image.shape[:2]
        mean = [round(value, 2) for value in crop.mean]
        return [len(self.written) - 1, offset, height, width, mean, crop.weight, labels]

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
