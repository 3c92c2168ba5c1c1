"""COCO instances: photographs with boxes and masks. Crowds are left out."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tracker_ros.errors import DataError
from tracker_ros.training.datasets.own_collection import box_values, read_table
from tracker_ros.training.datasets.records import Contents, DataSet, Entry, Faults, Kind, Label
from tracker_ros.training.datasets.sources import (
    PictureFile,
    PolygonMask,
    RunLengthMask,
    Size,
    Source,
)


def read(data: DataSet) -> Contents:
    """One loader for all photographs. Raises DataError when there is no such file."""
    path = data.root / data.options["annotations"]
    if not path.is_file():
        raise DataError(f"{path}, the annotations of set '{data.name}', is missing")
    return Contents(stills=partial(_load, path, data.root / data.options.get("images", ".")))


def _load(path: Path, folder: Path, faults: Faults) -> list[Entry]:
    table = read_table(path)
    for key in ("images", "annotations"):
        if not isinstance(table.get(key), list):
            raise DataError(f"{path} has no list '{key}'; expected a COCO instances file")
    labels: dict[Any, list[tuple[Any, dict[str, Any]]]] = defaultdict(list)
    for number, annotation in enumerate(table["annotations"], 1):
        if not (_has_id(annotation, "image_id") and "bbox" in annotation):
            faults.add(Kind.WORDS, f"{path}, annotation {number}: it has no image_id or no bbox")
        elif not annotation.get("iscrowd"):
            labels[annotation["image_id"]].append((annotation.get("id", number), annotation))
    entries = []
    for number, image in enumerate(table["images"], 1):
        if not (_has_id(image, "id") and isinstance(image.get("file_name"), str)):
            faults.add(Kind.WORDS, f"{path}, image {number}: it has no id or no file_name")
            continue
        where = f"{path}, image {image['id']}"
        stated = _stated(image.get("width"), image.get("height"))
        found = []
        for identity, annotation in labels.get(image["id"], ()):
            place = f"{path}, annotation {identity}"
            values = box_values(annotation["bbox"], place, faults)
            if values is not None:
                mask = _mask(annotation.get("segmentation"), stated, place, faults)
                name = str(annotation.get("category_id", ""))
                found.append(Label(values, place, mask, name))
        picture = PictureFile(str(folder / image["file_name"]))
        entries.append(Entry(picture, where, tuple(found), stated))
    return entries


def _has_id(item: Any, key: str) -> bool:
    return isinstance(item, dict) and isinstance(item.get(key), (int, str))


def _stated(width: Any, height: Any) -> Size | None:
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None


def _mask(segmentation: Any, size: Size | None, where: str, faults: Faults) -> Source | None:
    if not segmentation or size is None:
        return None
    try:
        if isinstance(segmentation, dict):
            height, width = segmentation["size"]
            counts = segmentation["counts"]
            runs = _decoded_runs(counts) if isinstance(counts, str) else np.array(counts, np.int64)
            if runs.sum() != width * height or runs.min() < 0:
                raise ValueError(f"runs of {runs.sum()} pixels for {width}x{height}")
            return RunLengthMask(runs, (width, height))
        polygons = tuple(np.array(p, np.float32).reshape(-1, 2) for p in segmentation)
        if not all(len(p) >= 3 and np.isfinite(p).all() for p in polygons):
            raise ValueError("a polygon has less than 3 points, or one that is not finite")
        return PolygonMask(polygons, size)
    except (KeyError, TypeError, ValueError) as error:
        faults.add(Kind.MASK, f"{where}: its segmentation is neither polygons nor runs: {error}")
        return None


def _decoded_runs(text: str) -> npt.NDArray[np.int64]:
    """Runs from COCO's compressed text.

    Six bits a character from '0' on, five of them the value, little end first, the sixth says that
    it goes on; from the fourth run on it is the difference to the run two before.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text.encode("ascii"):
        bits = character - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return np.array(runs, np.int64)
