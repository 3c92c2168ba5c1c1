"""Annotations of a whole data set in one JSON file, as the toolkits of pysot read them.

    NAME.json    sequence -> {video_dir, init_rect, img_names, gt_rect[, width, height]}

`gt_rect` holds a box x,y,w,h or a polygon of 8 values for every frame, 0-based; `img_names` are
paths from the JSON file's folder on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tracker_ros.errors import DataError
from tracker_ros.evaluation.box_formats import Loader
from tracker_ros.evaluation.datasets import VideoSequence, checked
from tracker_ros.evaluation.metrics import FloatArray, has_target
from tracker_ros.evaluation.options import is_file_name
from tracker_ros.evaluation.vot_files import require_few_points, with_regions


def find_annotated(path: Path) -> dict[str, Loader]:
    """The sequences of a JSON file, or of the only one in a folder."""
    file = annotation_file(path)
    if file is None:
        return {}
    return {
        name: partial(_load, file, name, entry) for name, entry in read_annotations(file).items()
    }


def annotation_file(path: Path) -> Path | None:
    """The file itself, or the only one of a folder, that may hold annotations; None without one.

    Raises DataError when a folder has several.
    """
    if not path.is_dir():
        return path if path.is_file() and path.suffix == ".json" else None
    files = sorted(file for file in path.glob("*.json") if file.name[0] != ".")
    if len(files) > 1:
        raise DataError(
            f"{path} holds several JSON files: {', '.join(file.name for file in files)}; name the "
            f"one that is meant, as in {files[0]}"
        )
    return files[0] if files else None


def read_annotations(path: Path) -> dict[str, Mapping[str, Any]]:
    """Sequence -> what the file says of it. Raises DataError when it is no such file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(document, dict) or not document:
        raise DataError(f"{path} holds no annotations; expected sequence -> gt_rect, img_names")
    for name, entry in document.items():
        if not is_file_name(name):
            raise DataError(
                f"{path}: a sequence cannot be named {json.dumps(name)}: results and images are "
                "written under that name; rename it"
            )
        if not isinstance(entry, dict) or not isinstance(entry.get("gt_rect"), list):
            raise DataError(
                f"{path}: '{name}' has no list gt_rect; expected sequence -> gt_rect, img_names"
            )
    return document


def has_polygons(path: Path) -> bool:
    """Whether any truth in the file is a polygon."""
    return any(
        isinstance(row, list) and len(row) > 4
        for entry in read_annotations(path).values()
        for row in entry["gt_rect"]
    )


def _load(
    path: Path, name: str, entry: Mapping[str, Any], limit: int | None, with_images: bool
) -> VideoSequence:
    rows = [
        _region(row, f"{path}, '{name}', gt_rect {number}")
        for number, row in enumerate(entry["gt_rect"], 1)
    ]
    if any(len(row) > 4 for row in rows):
        sequence = with_regions(
            name, [row if len(row) == 4 else row.reshape(-1, 2) for row in rows]
        )
    else:
        boxes = np.array(rows, np.float64).reshape(-1, 4)
        boxes[~has_target(boxes)] = np.nan
        sequence = VideoSequence(name, (), boxes)
    return replace(
        checked(sequence, _images(path, name, entry) if with_images else (), path, limit),
        size=_size(path, name, entry),
    )


def _region(row: object, where: str) -> FloatArray:
    """A box (4,) or a polygon (8, or more) of numbers; nan where any is."""
    if isinstance(row, list) and len(row) == 1 and isinstance(row[0], list):
        row = row[0]  # so written in some versions of VOT's files
    if not isinstance(row, list) or len(row) < 4 or len(row) == 5 or len(row) % 2:
        raise DataError(f"{where}: {row} is neither x,y,w,h nor a polygon of 3 points or more")
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in row):
        raise DataError(f"{where}: {row} does not hold numbers only")
    require_few_points(len(row), where)
    values = np.array(row, np.float64)
    if np.isinf(values).any():
        raise DataError(f"{where}: {row} holds a value that is not finite")
    return np.full_like(values, math.nan) if np.isnan(values).any() else values


def _images(path: Path, name: str, entry: Mapping[str, Any]) -> tuple[Path, ...]:
    names = entry.get("img_names")
    if not isinstance(names, list) or not all(isinstance(image, str) for image in names):
        raise DataError(f"{path}: '{name}' has no list img_names, which is needed to run trackers")
    return tuple(path.parent / image for image in names)


def _size(path: Path, name: str, entry: Mapping[str, Any]) -> tuple[int, int] | None:
    size = entry.get("width"), entry.get("height")
    if size == (None, None):
        return None
    if not all(isinstance(side, int) and side > 0 for side in size):
        raise DataError(f"{path}: '{name}' has width {size[0]} and height {size[1]}, in pixels")
    return int(str(size[0])), int(str(size[1]))
