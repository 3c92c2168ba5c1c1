"""Videos with masks: DAVIS and YouTube-VOS.

JPEGImages/NAME/00000.jpg and Annotations/NAME/00000.png, in DAVIS in a folder of the resolution
(480p). The pixels of a mask are numbers of objects: one track for each, its box is that of its
pixels. Frames without a mask are left out.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import list_images
from tracker_ros.training.datasets.records import (
    Contents,
    DataSet,
    Entry,
    Faults,
    Kind,
    Label,
    TrackRecord,
)
from tracker_ros.training.datasets.sources import ObjectMask, PictureFile, read_numbers

RESOLUTIONS = ("480p", "1080p", "Full-Resolution", ".")
"""Folders of DAVIS, the smallest first; '.': the videos lie directly below, as in YouTube-VOS."""
UNKNOWN = 255
"""In DAVIS 2016 the object; elsewhere, beside numbers of objects, pixels of no one."""


def read(data: DataSet) -> Contents:
    """One loader a video. Raises DataError when the root has not both folders."""
    for resolution in RESOLUTIONS:
        pictures = data.root / "JPEGImages" / resolution
        masks = data.root / "Annotations" / resolution
        if pictures.is_dir() and masks.is_dir():
            videos = sorted(path for path in masks.iterdir() if path.is_dir())
            return Contents({p.name: partial(_load, pictures / p.name, p) for p in videos})
    raise DataError(f"{data.root} has not both JPEGImages and Annotations; expected both")


def _load(pictures: Path, masks: Path, faults: Faults) -> list[TrackRecord]:
    """One track an object: NAME, or NAME/NUMBER where there are several."""
    frames: list[tuple[PictureFile, str, dict[int, tuple[float, ...]]]] = []
    for path in list_images(masks, gaps=True):
        picture = PictureFile(str((pictures / path.name).with_suffix(".jpg")))
        try:
            frames.append((picture, str(path), _boxes(read_numbers(path))))
        except DataError as error:
            faults.add(Kind.MASK, str(error))
    objects = sorted({number for _, _, boxes in frames for number in boxes})
    if len(objects) > 1 and UNKNOWN in objects:
        objects.remove(UNKNOWN)
    tracks = []
    for number in objects:
        entries = []
        for picture, mask, boxes in frames:
            source = ObjectMask(mask, number)
            labels = (Label(boxes[number], mask, source),) if number in boxes else ()
            entries.append(Entry(picture, mask, labels))
        name = masks.name if len(objects) == 1 else f"{masks.name}/{number}"
        tracks.append(TrackRecord(name, tuple(entries), video=str(pictures.resolve())))
    return tracks


def _boxes(numbers: np.ndarray) -> dict[int, tuple[float, ...]]:
    """Object -> x, y, w, h of its pixels."""
    present = np.flatnonzero(np.bincount(numbers.ravel(), minlength=256))
    boxes = {}
    for number in present[present > 0].tolist():
        boxes[number] = tuple(
            float(v) for v in cv2.boundingRect((numbers == number).astype(np.uint8))
        )
    return boxes
