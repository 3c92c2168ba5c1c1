"""Prepared data: crops as raw pixels in a few large files, and index.json, which finds them.

    {"format": ..., "version": 2, "reach": 4.02, "licences": {NAME: LICENCE},
     "shards": [{"file": "shard_000.bin", "bytes": 1000}],
     "tracks": [{"name", "weight", "max_gap", "whole", "video", "pictures": [PICTURE, ...]}],
     "stills": [PICTURE, ...]}

PICTURE is [shard, offset, height, width, mean, weight, cut, labels]: `mean` is b, g, r of the whole
original; `cut` the number of the original, the crop's corner in it, and crop pixels for each of its
pixels along x and y; a label is x, y, w, h in pixels of the crop, the offset of its mask or -1, and
its name. `reach` is the side, in context sides of an object, of the square that is shown around it;
`video` the number of the footage. tracker_ros.training.prepared writes it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tracker_ros.errors import DataError
from tracker_ros.training.datasets.records import (
    Contents,
    Cut,
    DataSet,
    Entry,
    Faults,
    Label,
    TrackRecord,
)
from tracker_ros.training.datasets.sources import Mapped, Shard

INDEX = "index.json"
FORMAT = "tracker_ros prepared data"
VERSION = 2


def is_prepared(folder: Path) -> bool:
    """Whether a folder has an index, of whatever kind."""
    return (folder / INDEX).is_file()


def read(data: DataSet) -> Contents:
    """Tracks and stills as views of the shards. Raises DataError for an index that is not whole."""
    path = data.root / INDEX
    table = read_index(path)
    try:
        shards = [_shard(data.root, item) for item in table["shards"]]
        tracks = {str(t["name"]): _track(t, shards, path) for t in table["tracks"]}
        stills = [
            _entry(row, shards, path, f"still {number}")
            for number, row in enumerate(table["stills"], 1)
        ]
        licences = {str(name): str(licence) for name, licence in table["licences"].items()}
        reach = float(table["reach"])
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is damaged ({type(error).__name__}: {error}); prepare the data again"
        ) from None
    return Contents(
        {name: partial(_given, [track]) for name, track in tracks.items()},
        partial(_given, stills),
        licences,
        reach,
    )


def _given(records: list[Any], faults: Faults) -> list[Any]:
    return records


def read_index(path: Path) -> Mapping[str, Any]:
    """The table of an index. Raises DataError when it is none, or of another version."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged: {error}; prepare the data again") from None
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise DataError(f"{path} is not the index of prepared data; 'data prepare' writes one")
    if table.get("version") != VERSION:
        raise DataError(
            f"{path} is of version {table.get('version')!r}, this reads {VERSION}; prepare the "
            "data again"
        )
    return table


def _shard(root: Path, item: Mapping[str, Any]) -> tuple[Shard, int]:
    path, expected = root / item["file"], int(item["bytes"])
    there = path.stat().st_size if path.is_file() else 0
    if there != expected:
        raise DataError(
            f"{path} has {there} bytes, {INDEX} says {expected}: it is damaged or of another "
            "preparation; prepare the data again"
        )
    return Shard(str(path)), expected


def _track(item: Mapping[str, Any], shards: list[tuple[Shard, int]], path: Path) -> TrackRecord:
    name, gap = str(item["name"]), item["max_gap"]
    entries = tuple(
        _entry(row, shards, path, f"track '{name}', picture {number}")
        for number, row in enumerate(item["pictures"], 1)
    )
    return TrackRecord(
        name, entries, float(item["weight"]), None if gap is None else int(gap),
        bool(item["whole"]), f"{path}, video {int(item['video'])}",
    )  # fmt: skip


def _entry(row: list[Any], shards: list[tuple[Shard, int]], path: Path, which: str) -> Entry:
    where = f"{path}, {which}"
    number, offset, height, width, mean, weight, (original, *place), labels = row
    left, top, zoom_x, zoom_y = map(float, place)
    if not (math.isfinite(left + top) and 0 < zoom_x < math.inf and 0 < zoom_y < math.inf):
        raise ValueError(f"{where}: cut {place}")
    if number < 0:
        raise IndexError(f"{where}: shard {number}")
    picture = _mapped(shards[number], int(offset), (int(height), int(width), 3), where)
    found = []
    for x, y, w, h, at, name in labels:
        mask = None
        if at >= 0:
            mask = _mapped(shards[number], int(at), (int(height), int(width)), where)
        found.append(Label((float(x), float(y), float(w), float(h)), where, mask, str(name)))
    b, g, r = mean
    return Entry(
        picture, where, tuple(found), mean=(float(b), float(g), float(r)), weight=float(weight),
        cut=Cut((path, int(original)), left, top, zoom_x, zoom_y),
    )  # fmt: skip


def _mapped(shard: tuple[Shard, int], offset: int, shape: tuple[int, ...], where: str) -> Mapped:
    file, size = shard
    count = 1
    for side in shape:
        count *= side
    if min(shape) < 1 or offset < 0 or offset + count > size:
        raise DataError(
            f"{where}: {count} pixels at {offset} are not within the {size} bytes of {file.path}; "
            "prepare the data again"
        )
    return Mapped(file, offset, shape)
