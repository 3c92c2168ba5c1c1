"""Files of VOT: sequences with polygons, and results in which numbers alone mark what happened.

    NAME/{color/*.jpg or *.jpg, groundtruth.txt}    x1,y1,x2,y2,... or x,y,w,h a line
    NAME/anchor.value                               multi-start: 1, -1 or 0 a line

A line of a result is a region, or 1 (initialised here), 2 (failed here), 0 (nothing was tracked).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tracker_ros.errors import DataError
from tracker_ros.evaluation.box_formats import Loader, size_of_images
from tracker_ros.evaluation.datasets import (
    TRUTH_FILE,
    VideoSequence,
    checked,
    list_images,
    parse_numbers,
    read_lines,
)
from tracker_ros.evaluation.metrics import FloatArray, has_target
from tracker_ros.evaluation.polygons import rectangles, signed_areas

SKIPPED, STARTED, FAILED, TRACKED = 0, 1, 2, -1
"""What a line of a result says; `TRACKED` stands for a region."""

ANCHORS = "anchor.value"
REGION = "x,y,w,h, or x1,y1,x2,y2,x3,y3,... of a polygon"
MOST_POINTS = 100
"""Of a polygon: the time that an overlap takes grows with their square."""


@dataclass(frozen=True, eq=False)
class MarkedRegions:
    """What a tracker reported, a line a frame."""

    markers: npt.NDArray[np.int8]
    """SKIPPED, STARTED, FAILED or TRACKED, shape (frames,)."""
    regions: FloatArray
    """Polygons, (frames, points, 2); nan in frames that were not tracked."""

    def __len__(self) -> int:
        return len(self.markers)

    def until(self, frames: int) -> MarkedRegions:
        """The first so many frames of it."""
        return MarkedRegions(self.markers[:frames], self.regions[:frames])


def find_vot(folder: Path) -> dict[str, Loader]:
    """Sequences of a VOT data set: folders with groundtruth.txt."""
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    return {
        path.resolve().name: partial(_load_vot, path)
        for path in (folder, *inside)
        if (path / TRUTH_FILE).is_file()
    }


def _load_vot(folder: Path, limit: int | None, with_images: bool) -> VideoSequence:
    truth = folder / TRUTH_FILE
    lines = read_lines(truth, f"a line {REGION}")
    rows = [parse_region(line, f"{truth}, line {n}") for n, line in enumerate(lines, 1)]
    sequence = with_regions(folder.resolve().name, rows)
    pictures = folder / "color" if (folder / "color").is_dir() else folder
    images = list_images(pictures) if with_images else ()
    anchors = _read_anchors(folder / ANCHORS, len(rows))
    sequence = checked(replace(sequence, anchors=anchors), images, truth, limit)
    return replace(sequence, size=sequence.size or size_of_images(pictures))


def with_regions(name: str, rows: Sequence[FloatArray]) -> VideoSequence:
    """A sequence with a box (4,) or a polygon (points, 2) in each frame.

    Its boxes are those that VOT starts trackers on: the same, or `aligned_boxes`.
    """
    polygons = [as_polygon(row) for row in rows]
    boxes = np.full((len(rows), 4), np.nan)
    # By the number of points, before they are padded: a point twice would shift the middle.
    points = np.array([len(polygon) for polygon in polygons])
    for count in np.unique(points):
        alike = np.flatnonzero(points == count)
        boxes[alike] = aligned_boxes(np.array([polygons[index] for index in alike]))
    for index, row in enumerate(rows):
        if row.ndim == 1:
            boxes[index] = row if (row[2:] > 0).all() else np.nan
    regions = stacked(polygons)
    regions[~has_target(boxes)] = np.nan
    return VideoSequence(name, (), boxes, regions=regions)


def as_polygon(row: FloatArray) -> FloatArray:
    """A polygon (points, 2) as it is, a box (4,) as its corners."""
    return rectangles(row[None])[0] if row.ndim == 1 else row


def stacked(rows: list[FloatArray]) -> FloatArray:
    """Polygons of various numbers of points as one array (frames, points, 2)."""
    most = max((len(row) for row in rows), default=4)
    padded = [np.vstack([row, np.repeat(row[-1:], most - len(row), axis=0)]) for row in rows]
    return np.array(padded, np.float64).reshape(len(rows), most, 2)


def truth_regions(sequence: VideoSequence) -> FloatArray:
    """The polygons of a sequence's truth: its boxes' corners where it has no others."""
    return rectangles(sequence.truth) if sequence.regions is None else sequence.regions


def known_regions(regions: FloatArray) -> npt.NDArray[np.bool_]:
    """In which frames of (frames, points, 2) a region is known, shape (frames,)."""
    return np.asarray(np.isfinite(regions).all(axis=(1, 2)), np.bool_)


def aligned_boxes(regions: FloatArray) -> FloatArray:
    """The upright boxes that trackers are started on, (frames, 4); nan where unknown or flat.

    The middle of the corners, and the sides of the bounding box, both made smaller until the area
    is that of the rotated box, plus 1 px: pysot's rule.
    """
    low, high = regions.min(axis=1), regions.max(axis=1)
    sides = high - low
    if regions.shape[1] == 4:
        area = np.linalg.norm(np.diff(regions[:, :3], axis=1), axis=2).prod(axis=1)
    else:
        area = np.abs(signed_areas(regions))
    bounding = sides.prod(axis=1)
    share = np.divide(area, bounding, out=np.zeros_like(area), where=bounding > 0)
    sides = sides * np.sqrt(share)[:, None] + 1
    boxes = np.hstack([regions.mean(axis=1) - (sides - 1) / 2, sides])
    boxes[~(share > 0)] = np.nan
    return boxes


def parse_region(line: str, where: str) -> FloatArray:
    """The box (4,) or polygon (points, 2) of a line; nan where it says that it is unknown.

    Raises DataError, naming `where`, when the line is neither a box nor a polygon.
    """
    if line.lstrip().startswith("m"):
        raise DataError(f"{where}: masks are not read; take the truth of the box challenge")
    values = parse_numbers(line, where, REGION)
    count = len(values)
    if count in (2, 3, 5) or (count > 4 and count % 2) or count == 1:
        fault = "a polygon needs 3 points or more" if count == 2 else f"expected {REGION}"
        raise DataError(f"{where}: '{line}' holds {count} values; {fault}")
    known = np.isfinite(values)
    if not known.any() and np.isnan(values).all():
        return np.full((4, 2), np.nan)
    if not known.all():
        raise DataError(
            f"{where}: '{line}' holds a value that is not finite; write numbers, or nan for all "
            "values where the region is unknown"
        )
    require_few_points(count, where)
    if count == 4:
        if min(values[2:]) < 0:
            raise DataError(f"{where}: '{line}' has a negative side; expected {REGION}")
        return np.array(values, np.float64)
    return np.array(values, np.float64).reshape(-1, 2)


def require_few_points(values: int, where: str) -> None:
    """Raise DataError, naming `where`, for a polygon of too many points."""
    if values > 2 * MOST_POINTS:
        raise DataError(
            f"{where}: a polygon of {values // 2} points; at most {MOST_POINTS} are read: simplify "
            "it"
        )


def read_marked(path: Path) -> MarkedRegions:
    """A result of VOT. Raises DataError naming file, line and value."""
    markers, rows = [], []
    for number, line in enumerate(read_lines(path, f"a line {REGION} or a marker"), 1):
        where = f"{path}, line {number}"
        if "," not in line and len(line.split()) == 1:
            value = parse_numbers(line, where, f"{REGION}, or a marker 1, 2 or 0")[0]
            if value not in (SKIPPED, STARTED, FAILED):
                raise DataError(
                    f"{where}: '{line.strip()}' is no marker; there are 1 (initialised), "
                    "2 (failed) and 0 (skipped)"
                )
            markers.append(int(value))
            rows.append(np.full((4, 2), np.nan))
        else:
            if not markers or STARTED not in markers:
                raise DataError(
                    f"{where}: '{line}' is a region, but nothing was initialised before it; a "
                    "result of VOT begins with a line '1'"
                )
            markers.append(TRACKED)
            rows.append(as_polygon(parse_region(line, where)))
    return MarkedRegions(np.array(markers, np.int8), stacked(rows))


def marked_lines(result: MarkedRegions) -> list[str]:
    """The lines of a result's file: markers, and x,y,w,h where the region is an upright box."""
    lines = []
    for marker, region in zip(result.markers.tolist(), result.regions, strict=True):
        lines.append(region_line(region) if marker == TRACKED else str(marker))
    return lines


def region_line(region: FloatArray) -> str:
    """A polygon (points, 2) as a line: x,y,w,h where it is an upright box."""
    low, high = region.min(axis=0), region.max(axis=0)
    if np.array_equal(region, rectangles(np.array([[*low, *(high - low)]]))[0]):
        region = np.array([low, high - low])
    return ",".join("nan" if np.isnan(value) else f"{value:.4f}" for value in region.ravel())


def truth_rows(sequence: VideoSequence) -> list[FloatArray]:
    """The truth as `with_regions` takes it: a box (4,) or a polygon (points, 2) in each frame.

    What was read as a box is one, and polygons are without what they were padded with: read again,
    these rows start trackers on the same boxes.
    """
    if sequence.regions is None:
        return list(sequence.truth)
    pairs = zip(sequence.truth, sequence.regions, strict=True)
    return [_truth_row(box, region) for box, region in pairs]


def _truth_row(box: FloatArray, region: FloatArray) -> FloatArray:
    if not np.isfinite(region).all():
        return np.full(4, np.nan)
    for count in range(3, len(region)):
        if (region[count:] == region[count - 1]).all():
            if count == 4 and np.array_equal(region[:4], rectangles(box[None])[0]):
                return box
            if np.array_equal(aligned_boxes(region[None, :count])[0], box):
                return region[:count]
    return box if np.array_equal(region, rectangles(box[None])[0]) else region


def _read_anchors(path: Path, frames: int) -> npt.NDArray[np.int8] | None:
    if not path.is_file():
        return None
    lines = read_lines(path, "1, -1 or 0 for every frame")
    for number, line in enumerate(lines, 1):
        if line.strip() not in ("1", "-1", "0", "+1"):
            raise DataError(
                f"{path}, line {number}: '{line}' is no anchor; expected 1 (forward), "
                "-1 (backward) or 0"
            )
    if len(lines) != frames:
        raise DataError(
            f"{path} has {len(lines)} lines but {path.parent / TRUTH_FILE} {frames}; expected "
            "one for every frame"
        )
    return np.array([int(line) for line in lines], np.int8)
