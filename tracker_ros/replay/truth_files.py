"""Reads the truth of a replay from text files: OTB, VOT, MOTChallenge, and CSV with stamps."""

from __future__ import annotations

import csv
import math
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import parse_numbers, read_lines
from tracker_ros.evaluation.mot_datasets import SequenceInfo, read_mot_truth
from tracker_ros.replay.annotations import CrowdTruth, TargetTruth, target_truth
from tracker_ros.replay.result import FloatArray

COLUMNS = ("stamp", "x", "y", "w", "h")
"""Of a CSV file; it may have others, in any order."""
POLYGONS = "The truth's polygons are scored by their axis-aligned bounding boxes."
_EXPECTED = "x,y,w,h, a polygon x1,y1,x2,y2,..., or nan,nan,nan,nan where it is not visible"


def read_target(path: Path) -> TargetTruth:
    """The truth of one target: a line for every image, or CSV with a header and stamps.

    A line is `x,y,w,h`, or a polygon as VOT has it; nan or a side of 0 says that the target is not
    visible. Raises DataError naming the file, the line and the value.
    """
    lines = read_lines(path, "a line x,y,w,h for every image")
    if lines and "stamp" in [word.strip() for word in lines[0].split(",")]:
        return _read_csv(path, lines)
    rows, notes = [], set()
    for number, line in enumerate(lines, 1):
        values = np.array(parse_numbers(line, f"{path}, line {number}", _EXPECTED))
        if len(values) > 4:
            notes.add(POLYGONS)
        rows.append(_region(values, f"{path}, line {number}: '{line}'"))
    if not rows:
        raise DataError(f"{path} is empty; expected a line x,y,w,h for every image")
    return TargetTruth(
        source=f"{path} (a line an image, {len(rows)} lines)",
        keys=np.arange(len(rows)),
        boxes=np.array(rows, np.float64).reshape(-1, 4),
        by_stamp=False,
        notes=tuple(sorted(notes)),
    )


def read_crowd(path: Path) -> CrowdTruth:
    """The truth of MOTChallenge: gt.txt; its frame 1 is the first image of the topic.

    Where it lies as the benchmark has it, in NAME/gt/ beside NAME/seqinfo.ini, its length is known
    too. Raises DataError naming the file, the line and the value.
    """
    info_path = path.resolve().parent.parent / "seqinfo.ini"
    info = None
    if path.resolve().parent.name == "gt" and info_path.is_file():
        info = SequenceInfo.read(info_path)
    length = info.length if info is not None else None
    truth = read_mot_truth(path, length, mot20=info is not None and info.is_mot20)
    if not truth.counts.any():
        raise DataError(f"{path}: no row counts; a 7th value other than 0 says that one does")
    return CrowdTruth(
        source=f"{path} (MOTChallenge, by number of the image)",
        annotated=None,
        keys=truth.rows[:, 0].astype(np.int64) - 1,
        ids=truth.rows[:, 1].astype(np.int64),
        boxes=truth.rows[:, 2:6],
        counts=truth.counts,
        distractor=truth.distractor,
        length=length,
    )


def parse_stamp(text: str) -> int:
    """A stamp in nanoseconds: with a decimal point it is in seconds, without in nanoseconds.

    Exact: seconds are not read as floating-point numbers, which end at the microsecond. Raises
    ValueError.
    """
    try:
        ns = Decimal(text) * 10**9 if "." in text else Decimal(int(text))
    except InvalidOperation:
        raise ValueError(text) from None
    if not ns.is_finite() or ns != int(ns) or abs(ns) >= 2**63:
        raise ValueError(text)
    return int(ns)


def _read_csv(path: Path, lines: list[str]) -> TargetTruth:
    reader = csv.DictReader(lines, skipinitialspace=True)
    names = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise DataError(
            f"{path}: its header '{lines[0]}' lacks {', '.join(missing)}; expected "
            f"{','.join(COLUMNS)}"
        )
    stamps, boxes, units = [], [], set()
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        text = (row["stamp"] or "").strip()
        try:
            stamps.append(parse_stamp(text))
        except ValueError:
            raise DataError(
                f"{where}: stamp '{text}' is neither seconds with a decimal point and at most nine "
                "decimals nor a whole number of nanoseconds"
            ) from None
        units.add("." in text)
        cells = [(row[name] or "").strip() for name in COLUMNS[1:]]
        values = np.array([_number(cell, where) for cell in cells])
        boxes.append(_region(values, f"{where}: '{lines[reader.line_num - 1]}'"))
    if len(units) > 1:
        raise DataError(
            f"{path} mixes stamps with a decimal point (seconds) and without (nanoseconds); "
            "write all of them in one way"
        )
    return target_truth(
        f"{path} (CSV, by stamp)",
        np.array(stamps, np.int64),
        np.array(boxes, np.float64).reshape(-1, 4),
    )


def _number(cell: str, where: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise DataError(
            f"{where}: '{cell}' is not a number; expected {','.join(COLUMNS)}, and nan where the "
            "target is not visible"
        ) from None


def _region(values: FloatArray, where: str) -> tuple[float, float, float, float]:
    """The box of four numbers or of a polygon; nan where the target is not visible."""
    absent = (math.nan,) * 4
    if len(values) < 4 or len(values) % 2:
        raise DataError(f"{where} holds {len(values)} values; expected {_EXPECTED}")
    if np.isnan(values).all():
        return absent
    if not np.isfinite(values).all():
        raise DataError(f"{where} is neither a region nor absent; expected {_EXPECTED}")
    if len(values) > 4:
        x, y = values[::2], values[1::2]
        values = np.array([x.min(), y.min(), np.ptp(x), np.ptp(y)])
    if values[2:].min() < 0:
        raise DataError(f"{where} has a negative side; expected x,y,w,h, not two corners")
    if not values[2:].min() > 0:
        return absent
    x0, y0, w, h = values.tolist()
    return x0, y0, w, h
