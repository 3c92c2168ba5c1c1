"""Text files of MOTChallenge: a box a line, `frame,id,x,y,w,h,score` and what else there may be.

Frames count from 1, and so do pixels: the one in the corner is (1, 1). Boxes become 0-based when
they are read here and 1-based when they are written here, and nowhere else.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from tracker_ros.errors import DataError
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.evaluation.options import write_whole
from tracker_ros.mot.detections import LARGEST

COLUMNS = 7
"""frame, id, x, y, w, h and the score or, in a truth, whether the box counts."""


def read_rows(
    path: Path, *, frames: int | None = None, end: str = "", sized: bool = True
) -> FloatArray:
    """The lines of a file, shape (lines, columns), in their order; x and y 0-based.

    frames: no line may be of a later one; end: who says so, in words (default: seqinfo.ini).
    sized: a box needs a width and a height. All lines have as many values as the first, at least
    `COLUMNS`; an empty file gives (0, COLUMNS). Raises DataError naming file, line and value.
    """
    end = end or f"seqLength in seqinfo.ini is {frames}"
    if not path.exists() or path.is_dir():  # a pipe will do
        raise DataError(f"{path} is missing; expected lines frame,id,x,y,w,h,score")
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from None
    rows: list[list[float]] = []
    for number, line in enumerate(lines, 1):
        row = _parse(line, f"{path}, line {number}")
        if frames is not None and row[0] > frames:
            raise DataError(
                f"{path}, line {number}: frame {row[0]:.0f} comes after the last one; {end}"
            )
        if sized and min(row[4:6]) <= 0:
            raise DataError(
                f"{path}, line {number}: '{line}' is a box without size; expected x,y,w,h in pixels"
            )
        if rows and len(row) != len(rows[0]):
            raise DataError(
                f"{path}, line {number}: '{line}' has {len(row)} values, line 1 has "
                f"{len(rows[0])}; all lines need the same ones"
            )
        rows.append(row)
    table = np.array(rows, np.float64).reshape(len(rows), -1 if rows else COLUMNS)
    table[:, 2:4] -= 1
    return table


def read_tracks(path: Path, *, frames: int | None = None, end: str = "") -> FloatArray:
    """A tracker's result, as `read_rows`.

    Unlike in a truth, sides may be 0 or negative: such a box finds nothing. Raises DataError as
    `read_rows`, also where an id is there twice in one frame.
    """
    rows = read_rows(path, frames=frames, end=end, sized=False)
    require_one_box_each(rows, path)
    return rows


def require_one_box_each(rows: FloatArray, path: Path) -> None:
    """Raise DataError, with both lines, where an id is there twice in one frame."""
    order = np.lexsort((rows[:, 1], rows[:, 0]))
    same = (rows[order[1:], :2] == rows[order[:-1], :2]).all(axis=1)
    if same.any():
        first, second = order[same.argmax()], order[same.argmax() + 1]
        raise DataError(
            f"{path}, line {second + 1}: id {rows[second, 1]:.0f} is there twice in frame "
            f"{rows[second, 0]:.0f}, also in line {first + 1}; an identity has one box in a frame"
        )


def _parse(line: str, where: str) -> list[float]:
    words = re.split(r"[,\s]+", line.strip())
    try:
        row = [float(word) for word in words]
    except ValueError:
        raise DataError(
            f"{where}: '{line}' is not all numbers; expected frame,id,x,y,w,h,score"
        ) from None
    if len(row) < COLUMNS:
        raise DataError(f"{where}: '{line}' does not hold {COLUMNS} values frame,id,x,y,w,h,score")
    if not all(math.isfinite(value) for value in row[:COLUMNS]):
        raise DataError(f"{where}: '{line}' holds a value that is not finite; give numbers")
    frame, identity = row[:2]
    if not frame.is_integer() or frame < 1:
        raise DataError(f"{where}: frame '{words[0]}' is not a whole number from 1 up")
    if not identity.is_integer():
        raise DataError(f"{where}: id '{words[1]}' is not a whole number")
    if max(map(abs, row[2:6])) > LARGEST:
        raise DataError(f"{where}: '{line}' is a box beyond {LARGEST:g} px; no picture is as large")
    return row


def write_tracks(path: Path, tracks: FloatArray) -> None:
    """Write tracks, shape (n, 7): frame, id, x, y, w, h (0-based), score, as a tracker's result.

    The file is there whole or not at all. Raises DataError when it cannot be written.
    """
    text = "".join(
        f"{frame:.0f},{identity:.0f},{x + 1:.3f},{y + 1:.3f},{w:.3f},{h:.3f},{score:.4g},-1,-1,-1\n"
        for frame, identity, x, y, w, h, score in tracks.tolist()
    )
    try:
        write_whole(path, text)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from None
