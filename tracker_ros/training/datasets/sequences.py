"""Videos with a text file of boxes: OTB, VOT, LaSOT, GOT-10k, TrackingNet and our own folders.

A line a frame: x,y,w,h parted by commas, tabs or blanks, or the corners of a polygon. All nan, or
a width and a height of 0, say that the target is not visible, as does a label file of LaSOT or
GOT-10k. OTB counts pixels from 1; the others are taken as they stand, as pysot takes them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tracker_ros.errors import DataError
from tracker_ros.evaluation.box_formats import (
    ABSENCE,
    COVER,
    OCCLUSION,
    OTB_FRAMES,
    OTB_TRUTH,
    OUT_OF_VIEW,
)
from tracker_ros.evaluation.datasets import (
    TRUTH_FILE,
    list_images,
    parse_numbers,
    read_lines,
)
from tracker_ros.evaluation.vot_files import parse_region, with_regions
from tracker_ros.training.datasets.records import (
    Contents,
    DataSet,
    Entry,
    Faults,
    Kind,
    Label,
    TrackRecord,
    VideoLoader,
)
from tracker_ros.training.datasets.sources import PictureFile

Hides = Callable[[float], bool]


@dataclass(frozen=True)
class Video:
    """Where the frames and the boxes of a target are."""

    name: str
    pictures: Path
    truth: Path
    one_based: bool = False
    first: int | None = None
    """Number of the first picture, where the format says so."""
    labels: tuple[tuple[Path, Hides], ...] = ()
    """Files with a number a frame, and which numbers say that the target is not visible."""


def _positive(value: float) -> bool:
    return value > 0


def _zero(value: float) -> bool:
    return value == 0


def folder(data: DataSet) -> Contents:
    """NAME/{img/*.jpg, groundtruth.txt}: this project's own form."""
    own = (data.root / TRUTH_FILE).is_file()
    # Beside the tracks every folder is one, so that a forgotten one is named.
    paths = _sequences(data.root) if own else _folders(data.root, 1)[1:]
    return _contents(Video(_name(p), p / "img", p / TRUTH_FILE) for p in paths)


def otb(data: DataSet) -> Contents:
    """NAME/{img, groundtruth_rect.txt}; of several targets groundtruth_rect.1.txt, ..."""
    videos = []
    for path in _folders(data.root, 1):
        for truth in sorted(path.glob("groundtruth_rect*.txt")):
            match = OTB_TRUTH.fullmatch(truth.name)
            if match:
                name = _name(path) + (f"-{match[1]}" if match[1] else "")
                videos.append(Video(name, path / "img", truth, one_based=True, first=1))
    return _contents(videos)


def vot(data: DataSet) -> Contents:
    """NAME/{color/*.jpg or *.jpg, groundtruth.txt}."""
    return _contents(
        Video(_name(p), p / "color" if (p / "color").is_dir() else p, p / TRUTH_FILE)
        for p in _sequences(data.root)
    )


def lasot(data: DataSet) -> Contents:
    """[CLASS/]NAME/{img, groundtruth.txt, full_occlusion.txt, out_of_view.txt}."""
    return _contents(
        Video(
            _name(p), p / "img", p / TRUTH_FILE, first=1,
            labels=((p / OCCLUSION, _positive), (p / OUT_OF_VIEW, _positive)),
        )
        for p in _sequences(data.root, 2)
    )  # fmt: skip


def got10k(data: DataSet) -> Contents:
    """NAME/{*.jpg, groundtruth.txt, absence.label, cover.label}."""
    return _contents(
        Video(
            _name(p), p, p / TRUTH_FILE, first=1,
            labels=((p / ABSENCE, _positive), (p / COVER, _zero)),
        )
        for p in _sequences(data.root)
    )  # fmt: skip


def trackingnet(data: DataSet) -> Contents:
    """[TRAIN_k/]{frames/NAME/*.jpg, anno/NAME.txt}."""
    return _contents(
        Video(truth.stem, part / "frames" / truth.stem, truth, first=0)
        for part in _folders(data.root, 1)
        for truth in sorted((part / "anno").glob("*.txt"))
    )


def _contents(videos: Iterable[Video]) -> Contents:
    loaders: Mapping[str, VideoLoader] = {video.name: partial(_load, video) for video in videos}
    return Contents(loaders)


def _load(video: Video, faults: Faults) -> list[TrackRecord]:
    """One track. A line that cannot be understood loses its frame."""
    if not video.truth.exists() and not video.pictures.exists():
        raise DataError(
            f"{video.truth.parent} holds neither {video.pictures.name}/ nor {video.truth.name}; "
            "put them there, or take the folder away"
        )
    lines = read_lines(video.truth, "a line x,y,w,h for every picture")
    _require_no_header(video, lines)
    pictures = _pictures(video, len(lines))
    hidden = _hidden(video, len(lines))
    entries = []
    for index, (line, picture) in enumerate(zip(lines, pictures, strict=True)):
        where = f"{video.truth}, line {index + 1}"
        try:
            values = _values(line, where, video.one_based)
        except DataError as error:
            _require_sure(pictures, where, video)
            faults.add(Kind.WORDS, str(error))
            continue
        labels = () if values is None or hidden[index] else (Label(values, where),)
        entries.append(Entry(PictureFile(str(picture)), where, labels))
    return [TrackRecord(video.name, tuple(entries), video=str(video.pictures.resolve()))]


def _require_no_header(video: Video, lines: list[str]) -> None:
    """Raises DataError where the first line holds words alone: all boxes would move by one."""
    words = re.split(r"[,;\s]+", lines[0].strip()) if lines else []
    if any(words) and not any(map(_is_number, filter(None, words))):
        raise DataError(
            f"{video.truth}, line 1 is no box but a header: remove it ('{lines[0].strip()[:60]}')"
        )


def _require_sure(pictures: list[Path], where: str, video: Video) -> None:
    """Raises DataError where a line that is no box may be one too many.

    It is where pictures are missing before the first or after the last that there is: in between,
    their numbers say which line is of which.
    """
    if not (pictures[0].is_file() and pictures[-1].is_file()):
        there = sum(picture.is_file() for picture in pictures)
        raise DataError(
            f"{where} is no box, and {video.pictures} holds {there} pictures for {len(pictures)} "
            "lines: take the line out if it is of no picture, or put the missing pictures back"
        )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _values(line: str, where: str, one_based: bool) -> tuple[float, ...] | None:
    """The box of a line as it stands, None where it says that the target is not visible."""
    values = parse_numbers(line, where, "x,y,w,h in pixels")
    if len(values) >= 6 and len(values) % 2 == 0 and all(map(math.isfinite, values)):
        box = with_regions("", [parse_region(line, where)]).truth[0].tolist()
        return (box[0] - one_based, box[1] - one_based, box[2], box[3])
    if all(map(math.isnan, values)):
        return None
    if len(values) != 4:
        raise DataError(f"{where}: '{line}' holds {len(values)} values; expected x,y,w,h")
    x, y, w, h = values
    return None if w == h == 0 else (x - one_based, y - one_based, w, h)


def _pictures(video: Video, lines: int) -> list[Path]:
    """The picture of every line, which may be missing. Raises DataError where that is unclear."""
    files = list_images(video.pictures, gaps=True)
    numbered = {int(path.stem): path for path in files if path.stem.isdecimal()}
    if len(numbered) < len(files) or not numbered:
        if len(files) == lines:
            return list(files)
    else:
        width = len(files[0].stem)
        fitting = [
            first
            for first in _first_numbers(video, numbered, lines)
            if all(first <= number < first + lines for number in numbered)
            or (video.name in OTB_FRAMES and len(files) > lines)
        ]
        if len(fitting) > 1:
            raise DataError(
                f"{video.pictures} holds {len(files)} pictures ({files[0].name} to "
                f"{files[-1].name}) for {lines} lines of {video.truth}: the first line may be that "
                f"of picture {fitting[0]} or of picture {fitting[1]}; put the missing pictures "
                "back, or take out the lines that have none"
            )
        if fitting:
            first = fitting[0]
            return [
                numbered.get(n, video.pictures / f"{n:0{width}d}{files[0].suffix}")
                for n in range(first, first + lines)
            ]
    raise DataError(
        f"{video.pictures} holds {len(files)} pictures ({files[0].name} to {files[-1].name}), but "
        f"{video.truth} {lines} lines; expected a line for every picture"
    )


def _first_numbers(video: Video, numbered: Mapping[int, Path], lines: int) -> list[int]:
    """Which number the first picture may have."""
    if video.name in OTB_FRAMES and len(numbered) > lines:
        return [OTB_FRAMES[video.name][0]]
    lowest, span = min(numbered), max(numbered) - min(numbered) + 1
    if span == lines:
        return [lowest]
    return [0, 1] if video.first is None else [video.first]


def _hidden(video: Video, lines: int) -> list[bool]:
    """In which lines a label file says that the target is not visible."""
    hidden = [False] * lines
    for path, hides in video.labels:
        if not path.is_file():
            continue
        values = [
            value
            for number, line in enumerate(read_lines(path, "a number for every frame"), 1)
            for value in parse_numbers(line.strip(" ,\t"), f"{path}, line {number}", "0 or more")
        ]
        if len(values) != lines:
            raise DataError(
                f"{path} holds {len(values)} values, but {video.truth} {lines} lines; expected one "
                "for every frame"
            )
        hidden = [before or hides(value) for before, value in zip(hidden, values, strict=True)]
    return hidden


def _name(path: Path) -> str:
    return path.resolve().name


def _sequences(root: Path, depth: int = 1) -> list[Path]:
    """The folders with groundtruth.txt: the root itself, or those below it."""
    return [path for path in _folders(root, depth) if (path / TRUTH_FILE).is_file()]


def _folders(root: Path, depth: int) -> list[Path]:
    """The root and the folders in it, to a depth, sorted."""
    found, level = [root], [root]
    for _ in range(depth):
        level = [
            path
            for above in level
            for path in sorted(above.iterdir())
            if path.is_dir() and path.name[0] != "."
        ]
        found += level
    return found
