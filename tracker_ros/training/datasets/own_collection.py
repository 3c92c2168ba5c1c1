"""The collection of this project, and folders of photographs.

A collection is a folder with `video.json` (track -> frames and boxes; frames in `video/TRACK/`,
masks in `video/TRACK/mask/`), `still.json` (path -> boxes) and `unlabelled/`; each part may be
absent. Boxes are x, y, w, h in pixels, 0-based; null: the target is absent. Tracks of one footage
have the same word under the key `video`: then none is held out without the others, and none passes
for another target's background.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import IMAGE_SUFFIXES
from tracker_ros.training.datasets.records import (
    Contents,
    DataSet,
    Entry,
    Faults,
    Kind,
    Label,
    TrackRecord,
)
from tracker_ros.training.datasets.sources import MaskFile, PictureFile

VIDEO, STILL, UNLABELLED = "video.json", "still.json", "unlabelled"


def is_collection(folder: Path) -> bool:
    """Whether a folder holds a part of a collection."""
    return (
        (folder / VIDEO).exists()
        or (folder / STILL).exists()
        or bool(_pictures_in(folder / UNLABELLED))
    )


def read(data: DataSet) -> Contents:
    """A collection. Raises DataError when the folder holds none of its parts."""
    if not is_collection(data.root):
        raise DataError(f"{data.root} holds no {VIDEO}, no {STILL} and no {UNLABELLED}/*.jpg")
    tracks, stills = read_table(data.root / VIDEO), read_table(data.root / STILL)
    return Contents(
        {name: partial(_track, data.root, name, track) for name, track in tracks.items()},
        partial(_stills, data.root, stills),
    )


def photographs(data: DataSet) -> Contents:
    """Pictures without boxes, in folders or not."""
    return Contents(stills=partial(_photographs, data.root))


def _photographs(root: Path, faults: Faults) -> list[Entry]:
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    return [Entry(PictureFile(str(path)), str(path)) for path in found]


def _track(root: Path, name: str, track: Any, faults: Faults) -> list[TrackRecord]:
    where = f"{root / VIDEO}, track '{name}'"
    if not isinstance(track, dict) or not all(
        isinstance(track.get(key), list) for key in ("frames", "boxes")
    ):
        raise DataError(f"{where}: expected a table with the lists frames and boxes")
    frames, boxes = track["frames"], track["boxes"]
    if len(frames) != len(boxes):
        raise DataError(
            f"{where}: {len(frames)} frames but {len(boxes)} boxes; expected a box, or null, for "
            "every frame"
        )
    video = track.get("video", name)
    if not isinstance(video, str) or not video:
        raise DataError(
            f"{where}: video is {json.dumps(video)}; expected a word that all tracks of the same "
            "footage have"
        )
    folder, entries = root / "video" / name, []
    has_masks = (folder / "mask").is_dir()
    for number, (frame, box) in enumerate(zip(frames, boxes, strict=True), 1):
        place = f"{where}, frame {number} ({frame})"
        if not isinstance(frame, str):
            faults.add(Kind.WORDS, f"{place}: it is not the name of a picture")
            continue
        mask = folder / "mask" / f"{frame.rpartition('.')[0]}.png"
        source = MaskFile(str(mask)) if has_masks and mask.exists() else None
        labels: tuple[Label, ...] = ()
        if box is not None:
            values = box_values(box, place, faults)
            if values is None:
                continue
            labels = (Label(values, place, source),)
        entries.append(Entry(PictureFile(str(folder / frame)), place, labels))
    # As if all its pictures were in one folder, as in other formats.
    footage = str((root / "video" / video).resolve())
    return [TrackRecord(name, tuple(entries), video=footage)]


def _stills(root: Path, stills: dict[str, Any], faults: Faults) -> list[Entry]:
    entries = []
    for path, still in stills.items():
        where = f"{root / STILL}, '{path}'"
        if not isinstance(still, dict) or not isinstance(still.get("boxes"), list):
            faults.add(Kind.WORDS, f"{where}: expected a table with the list boxes")
            continue
        labels = []
        for number, box in enumerate(still["boxes"], 1):
            values = box_values(box, f"{where}, box {number}", faults)
            if values is not None:
                name = str(box[4]) if len(box) > 4 else ""
                labels.append(Label(values, f"{where}, box {number}", name=name))
        size = still.get("wh")
        stated = (size[0], size[1]) if isinstance(size, list) and len(size) == 2 else None
        entries.append(Entry(PictureFile(str(root / path)), where, tuple(labels), stated))
    for picture in _pictures_in(root / UNLABELLED):
        entries.append(Entry(PictureFile(str(picture)), str(picture)))
    return entries


def box_values(box: Any, where: str, faults: Faults) -> tuple[float, ...] | None:
    """The first four numbers of a list; a fault and None where there are none."""
    if isinstance(box, list) and len(box) >= 4:
        values = box[:4]
        if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
            return tuple(float(value) for value in values)
    faults.add(Kind.WORDS, f"{where}: {json.dumps(box)[:80]} is not a list x, y, w, h")
    return None


def _pictures_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def read_table(path: Path) -> dict[str, Any]:
    """A JSON file that holds a table of names; empty where there is no file. Raises DataError."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no table of names, but a {type(content).__name__}")
    return content
