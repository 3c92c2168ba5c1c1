"""The pictures that training draws from: tracks, labelled stills and unlabelled photographs.

A collection is a folder with `video.json` (track -> frames and boxes; frames in
`video/TRACK/`, masks in `video/TRACK/mask/`), `still.json` (path -> boxes) and
`unlabelled/`; each part may be absent. Boxes are x, y, w, h in pixels, 0-based.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box, UInt8Image

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """A decoded picture with the box of its target (None: absent) and, if known, its mask."""

    image: UInt8Image
    box: Box | None
    mask: Mask | None = None
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class FrameTrack:
    """One target through the frames of a video."""

    name: str
    frames: tuple[Frame, ...]

    @property
    def visible(self) -> list[int]:
        """Indices of the frames in which the target is there."""
        return [i for i, frame in enumerate(self.frames) if frame.box is not None]


@dataclass(frozen=True)
class Still:
    """A photograph with the boxes of its objects; none for an unlabelled one."""

    image: UInt8Image
    boxes: tuple[Box, ...]
    mean: tuple[float, float, float]


@dataclass(frozen=True)
class Collection:
    """Everything training draws from, decoded in memory (about 1.3 GB for 4,600 pictures)."""

    tracks: list[FrameTrack] = field(default_factory=list)
    stills: list[Still] = field(default_factory=list)
    unlabelled: list[Still] = field(default_factory=list)

    def split(self, held_out: list[str]) -> tuple[Collection, list[FrameTrack]]:
        """The collection without the tracks named, and those tracks. Unknown names: DataError."""
        names = {track.name for track in self.tracks}
        _require_known(held_out, names)
        kept = [track for track in self.tracks if track.name not in held_out]
        held = [track for track in self.tracks if track.name in held_out]
        return Collection(kept, self.stills, self.unlabelled), held


def read_tracks(root: Path, names: Sequence[str]) -> list[FrameTrack]:
    """Decode these tracks of a collection. Raises DataError when one is not in it."""
    tracks = _tracks_of(root)
    _require_known(names, tracks)
    return [_read_track(root, name, tracks[name]) for name in dict.fromkeys(names)]


def track_names(root: Path) -> list[str]:
    """The tracks of a collection, sorted. Raises DataError when there are none."""
    return sorted(_tracks_of(root))


def _tracks_of(root: Path) -> dict[str, Any]:
    tracks = _read_json(root / "video.json")
    if not tracks:
        raise DataError(f"{root} holds no tracks; expected video.json with some in it")
    return tracks


def _require_known(names: Iterable[str], tracks: Iterable[str]) -> None:
    unknown = sorted(set(names) - set(tracks))
    if unknown:
        raise DataError(
            f"held-out tracks {unknown} are not in the data; it has {sorted(tracks)}: "
            "name some of these with --held-out"
        )


def _read_track(
    root: Path, name: str, track: dict[str, Any], tick: Callable[[], object] = lambda: None
) -> FrameTrack:
    frames = []
    with ThreadPoolExecutor(4) as pool:
        for frame in pool.map(
            lambda item: _read_frame(root / "video" / name, *item),
            zip(track["frames"], track["boxes"], strict=True),
        ):
            frames.append(frame)
            tick()
    return FrameTrack(name, tuple(frames))


def _read(path: Path, flags: int = cv2.IMREAD_COLOR) -> npt.NDArray[np.uint8]:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise DataError(f"cannot read the picture {path}")
    return image.astype(np.uint8, copy=False)


def _mean(image: UInt8Image) -> tuple[float, float, float]:
    b, g, r, _ = cv2.mean(image)
    return (b, g, r)


def _read_frame(folder: Path, name: str, box: list[float] | None) -> Frame:
    image = _read(folder / name)
    mask_path = (folder / "mask" / name).with_suffix(".png")
    mask = _read(mask_path, cv2.IMREAD_GRAYSCALE) if mask_path.exists() else None
    return Frame(image, Box(*box) if box else None, mask, _mean(image))


def _read_still(path: Path, boxes: list[list[Any]]) -> Still:
    image = _read(path)
    return Still(image, tuple(Box(*box[:4]) for box in boxes), _mean(image))


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no table of names, but a {type(content).__name__}")
    return content


def read_collection(root: Path, *, progress: bool = True) -> Collection:
    """Decode a collection. Raises DataError when the folder holds none of its parts."""
    video, still = root / "video.json", root / "still.json"
    photographs = sorted((root / "unlabelled").glob("*.jpg"))
    if not (video.exists() or still.exists() or photographs):
        raise DataError(f"{root} holds no video.json, no still.json and no unlabelled/*.jpg")
    tracks, stills = _read_json(video), _read_json(still)
    total = sum(len(t["frames"]) for t in tracks.values()) + len(stills) + len(photographs)
    collection = Collection()
    with (
        ThreadPoolExecutor(4) as pool,
        tqdm(total=total, desc="decoding", unit="picture", disable=not progress) as bar,
    ):
        for name, track in tracks.items():
            collection.tracks.append(_read_track(root, name, track, bar.update))
        for picture in pool.map(
            lambda item: _read_still(root / item[0], item[1]["boxes"]), stills.items()
        ):
            collection.stills.append(picture)
            bar.update()
        for picture in pool.map(lambda path: _read_still(path, []), photographs):
            collection.unlabelled.append(picture)
            bar.update()
    return collection
