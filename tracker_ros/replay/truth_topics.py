"""Reads the truth of a replay from a topic of its bag: vision_msgs/Detection2DArray by stamp."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tracker_ros.bags.reader import open_bag
from tracker_ros.errors import DataError, DetectionsError
from tracker_ros.pipeline.detection_messages import Found, read_array_header, read_detections
from tracker_ros.pipeline.frames import seconds
from tracker_ros.replay.annotations import CrowdTruth, TargetTruth, target_truth

ARRAY = "vision_msgs/msg/Detection2DArray"
TURNED = "The truth's turned boxes are scored by their axis-aligned bounding boxes."


def topics_of(bag: Path) -> dict[str, list[str]]:
    """Topic -> types of its messages, mostly one. Raises DataError when the bag cannot be read."""
    types: dict[str, list[str]] = {}
    with open_bag(bag) as reader:
        for topic in reader.topics:
            types.setdefault(topic.name, []).append(topic.type)
    return types


def read_target(bag: Path, topic: str, identity: str) -> TargetTruth:
    """The truth of one target: the detection of each array whose id or label is `identity`.

    Without an identity, the only detection. An array without it says that the target is not
    visible; an image without an array is not annotated. Raises DataError.
    """
    stamps: list[int] = []
    boxes: list[tuple[float, ...]] = []
    notes: set[str] = set()
    seen: set[str] = set()
    for stamp, found in _arrays(bag, topic):
        seen.update(item.id or item.label for item in found)
        chosen = [item for item in found if item.id == identity] if identity else found
        if identity and not chosen:
            chosen = [item for item in found if item.label == identity]
        if len(chosen) > 1:
            held = ", ".join(sorted({item.id or item.label or "no name" for item in chosen}))
            raise DataError(
                f"--gt {topic}: the array stamped {seconds(stamp)} holds {len(chosen)} boxes "
                f"({held}); choose one target by its id: --gt '{topic}#ID'"
            )
        notes.update(TURNED for item in chosen if item.theta)
        stamps.append(stamp)
        boxes.append(_upright(chosen[0]) if chosen else (math.nan,) * 4)
    if identity and identity not in seen and np.isnan(boxes).all():
        held = ", ".join(sorted(seen - {""})) or "none"
        raise DataError(f"--gt {topic}#{identity}: no detection has that id or label; held: {held}")
    return target_truth(
        f"topic {topic}{'#' * bool(identity)}{identity} (by stamp)",
        np.array(stamps, np.int64),
        np.array(boxes, np.float64).reshape(-1, 4),
        tuple(notes),
    )


def read_crowd(bag: Path, topic: str) -> CrowdTruth:
    """The truth of many: every detection of an array has an id of its own. Raises DataError."""
    arrays: dict[int, list[tuple[int, tuple[float, ...]]]] = {}
    numbers: dict[str, int] = {}
    notes: set[str] = set()
    for stamp, found in _arrays(bag, topic):
        rows: dict[int, tuple[float, ...]] = {}
        for item in found:
            box = _upright(item)
            if not item.id or not min(box[2:]) > 0 or not np.isfinite(box).all():
                raise DataError(
                    f"--gt {topic}: the array stamped {seconds(stamp)} holds a detection "
                    f"(id '{item.id}', {box[2]:g}x{box[3]:g} px) without an id or a size; the "
                    "truth of mot needs both"
                )
            number = numbers.setdefault(item.id, len(numbers) + 1)
            if number in rows:
                raise DataError(
                    f"--gt {topic}: id '{item.id}' is there twice in the array stamped "
                    f"{seconds(stamp)}; an identity has one box in an image"
                )
            rows[number] = box
            notes.update([TURNED] if item.theta else [])
        if arrays.setdefault(stamp, list(rows.items())) != list(rows.items()):
            raise DataError(
                f"--gt {topic}: the stamp {seconds(stamp)} is there twice, with other boxes; a "
                "stamp has one truth"
            )
    table = [(stamp, *row) for stamp in sorted(arrays) for row in arrays[stamp]]
    return CrowdTruth(
        source=f"topic {topic} (by stamp)",
        annotated=np.array(sorted(arrays), np.int64),
        keys=np.array([stamp for stamp, _, _ in table], np.int64),
        ids=np.array([number for _, number, _ in table], np.int64),
        boxes=np.array([box for _, _, box in table], np.float64).reshape(-1, 4),
        counts=np.ones(len(table), np.bool_),
        distractor=np.zeros(len(table), np.bool_),
        notes=tuple(notes),
    )


def _arrays(bag: Path, topic: str) -> Iterator[tuple[int, list[Found]]]:
    """Stamp and detections of every array on a topic; what else is on it is nobody's truth."""
    with open_bag(bag) as reader:
        for message in reader.messages([topic]):
            if message.type != ARRAY:
                continue
            try:
                yield read_array_header(message.data).ns, read_detections(message.data)
            except DetectionsError as error:
                raise DataError(f"--gt {topic}: {error}") from None


def _upright(found: Found) -> tuple[float, float, float, float]:
    """x, y, w, h of a detection; of a turned one, of what bounds it."""
    sin, cos = abs(math.sin(found.theta)), abs(math.cos(found.theta))
    w, h = found.w * cos + found.h * sin, found.w * sin + found.h * cos
    return found.cx - w / 2, found.cy - h / 2, w, h
