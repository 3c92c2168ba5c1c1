"""The formats of data sets, by the name that a declaration gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracker_ros.errors import DataError
from tracker_ros.training.datasets import (
    coco,
    mask_videos,
    mot_sequences,
    own_collection,
    sequences,
    shards,
)
from tracker_ros.training.datasets.records import Contents, DataSet

Check = Callable[[Any], bool]


@dataclass(frozen=True)
class Option:
    """A key that one format alone has."""

    about: str
    """What it may be, in words."""
    check: Check
    required: bool = False


@dataclass(frozen=True)
class Format:
    """How a data set lies on disk."""

    kind: str
    """video, still, mot; any where it holds several."""
    holds: str
    """What is expected in its root."""
    read: Callable[[DataSet], Contents]
    options: Mapping[str, Option] = field(default_factory=dict)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


FORMATS: Mapping[str, Format] = {
    "folder": Format(
        "video", "NAME/{img/*.jpg, groundtruth.txt}, x,y,w,h a line", sequences.folder
    ),
    "otb": Format("video", "NAME/{img/*.jpg, groundtruth_rect.txt}", sequences.otb),
    "vot": Format("video", "NAME/{color/*.jpg, groundtruth.txt}", sequences.vot),
    "got10k": Format("video", "NAME/{*.jpg, groundtruth.txt, absence.label}", sequences.got10k),
    "lasot": Format(
        "video", "[CLASS/]NAME/{img/*.jpg, groundtruth.txt, full_occlusion.txt}", sequences.lasot
    ),
    "trackingnet": Format(
        "video", "[TRAIN_k/]{frames/NAME/*.jpg, anno/NAME.txt}", sequences.trackingnet
    ),
    "masks": Format(
        "video", "JPEGImages/[480p/]NAME/*.jpg, Annotations/[480p/]NAME/*.png", mask_videos.read
    ),
    "coco": Format(
        "still",
        "the pictures of a COCO instances file",
        coco.read,
        {
            "annotations": Option("path of the JSON file, from root", _is_text, required=True),
            "images": Option("folder of the pictures, from root (default: root)", _is_text),
        },
    ),
    "photographs": Format("still", "*.jpg or *.png, in folders or not", own_collection.photographs),
    "motchallenge": Format(
        "mot",
        "NAME/{seqinfo.ini, img1/*.jpg, gt/gt.txt}",
        mot_sequences.read,
        {"min_visibility": Option("share from 0 to 1 (default: 0.3)", _is_share)},
    ),
    "collection": Format("any", "video.json, still.json, unlabelled/", own_collection.read),
    "prepared": Format("any", "index.json and shards of 'data prepare'", shards.read),
}


def data_set_of(folder: Path) -> DataSet:
    """A folder that is given without a declaration. Raises DataError when it is none we know."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder, nor a declaration of data sets (.yaml)")
    name = folder.resolve().name
    if shards.is_prepared(folder):
        return DataSet(name, "prepared", folder)
    if own_collection.is_collection(folder):
        return DataSet(name, "collection", folder)
    if not any(folder.iterdir()):
        raise DataError(f"{folder} is empty; expected data to train on, see docs/training.md")
    raise DataError(
        f"{folder} holds no video.json, no still.json and no unlabelled/*.jpg; for data of another "
        f"format ({', '.join(FORMATS)}) give a declaration (.yaml), as docs/training.md says"
    )
