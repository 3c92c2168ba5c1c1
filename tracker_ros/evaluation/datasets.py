"""Sequences with truth on disk, and the project's own form: NAME/{img/*.jpg, groundtruth.txt}.

One line of groundtruth.txt for every image, in order: `x,y,w,h` of the target, pixels, 0-based
from the top-left corner, real numbers, parted by commas, tabs or blanks. `nan,nan,nan,nan`, or a
side of 0, says that the target is not visible. The forms of OTB, LaSOT, GOT-10k, VOT and pysot
are read in box_formats.py, vot_files.py and annotations.py; formats.py knows them all by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.errors import DataError, TargetError
from tracker_ros.evaluation.metrics import FloatArray, has_target
from tracker_ros.geometry import Box, UInt8Image

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
TRUTH_FILE = "groundtruth.txt"

_TAIL = 1 << 16
_START_AND_END = {b"\xff\xd8\xff": b"\xff\xd9", b"\x89PNG\r\n\x1a\n": b"IEND"}
"""First bytes of a JPEG and of a PNG file -> what their last bytes hold."""


@dataclass(frozen=True, eq=False)
class VideoSequence:
    """One target's film: images, and where the target is in each of them."""

    name: str
    images: tuple[Path, ...]
    """Empty where only results are scored."""
    truth: FloatArray
    """Boxes x, y, w, h of shape (frames, 4), 0-based pixels; a row of nan where not visible."""
    regions: FloatArray | None = None
    """Polygons of the truth, (frames, points, 2), of a sequence of VOT; nan where unknown."""
    anchors: npt.NDArray[np.int8] | None = None
    """VOT multi-start: 1 where a run forward begins, -1 where one backward does, else 0."""
    size: tuple[int, int] | None = None
    """Width and height of the images, where they are known."""
    one_based: bool = False
    """Whether files of its benchmark, results too, count pixels from 1."""
    whole: int | None = None
    """Frames before it was cut to its first ones; None where it was not."""

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def visible(self) -> npt.NDArray[np.bool_]:
        """In which frames the target is visible, shape (frames,)."""
        return has_target(self.truth)

    @property
    def start(self) -> int:
        """Index of the first frame that shows the target: where a tracker is initialised."""
        return int(self.visible.argmax())

    def read(self, index: int) -> UInt8Image:
        """Image `index`, (height, width, 3) BGR. Raises DataError when it cannot be decoded."""
        return read_image(self.images[index])

    def cut(self, limit: int | None) -> VideoSequence:
        """Its first `limit` frames; all of them with None."""
        return replace(
            self,
            whole=self.whole if limit is None or limit >= len(self) else len(self),
            images=self.images[:limit],
            truth=self.truth[:limit],
            regions=None if self.regions is None else self.regions[:limit],
            anchors=None if self.anchors is None else self.anchors[:limit],
        )


def load_dataset(
    folder: Path, names: Sequence[str] = (), limit: int | None = None
) -> tuple[VideoSequence, ...]:
    """The sequences of a folder, sorted by name, each cut to its first `limit` frames.

    `names` chooses some, in that order. A folder that is itself a sequence is a data set of one.
    Raises DataError, naming file, line and value, when any of them cannot be used: none is
    skipped.
    """
    chosen = sequence_folders(
        folder,
        names,
        is_sequence=(folder / TRUTH_FILE).exists(),
        holds=f"NAME/img, NAME/{TRUTH_FILE}",
    )
    return tuple(load_sequence(path, limit) for path in chosen)


def sequence_folders(
    folder: Path, names: Sequence[str], *, is_sequence: bool, holds: str
) -> list[Path]:
    """The folders of the sequences of a data set: all, sorted, or those of `names` in that order.

    is_sequence: the folder is itself one. holds: what is expected in it, in words. Raises
    DataError when the folder, or one of the names in it, does not exist.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected {holds} in it")
    if is_sequence:
        found = {folder.resolve().name: folder}
    else:
        found = {p.name: p for p in sorted(folder.iterdir()) if p.is_dir() and p.name[0] != "."}
    if not found:
        raise DataError(f"{folder}: no sequence in it; expected {holds}")
    for name in names:
        if name not in found:
            raise DataError(f"no sequence '{name}' in {folder}; there are {', '.join(found)}")
    return [found[name] for name in dict.fromkeys(names or found)]


def load_sequence(
    folder: Path, limit: int | None = None, *, with_images: bool = True
) -> VideoSequence:
    """The first `limit` frames of NAME/, checked. Raises DataError when it cannot be used.

    with_images: False where only results are scored; the images may then be missing.
    """
    path = folder / TRUTH_FILE
    sequence = VideoSequence(folder.resolve().name, (), read_truth(path))
    images = list_images(folder / "img") if with_images else ()
    return checked(sequence, images, path, limit)


def checked(
    sequence: VideoSequence, images: tuple[Path, ...], truth: Path, limit: int | None
) -> VideoSequence:
    """A sequence with its images, which may be none, cut to `limit` frames.

    truth: the file that its truth was read from. Raises DataError when images and truth differ in
    number, an image is damaged, or there is nothing to start on or nothing to score.
    """
    folder = truth.parent
    if images and len(images) != len(sequence):
        raise DataError(
            f"{folder}: {len(images)} images in {images[0].parent.name}/ but {len(sequence)} lines "
            f"in {truth.name}; expected one line for every image"
        )
    sequence = replace(sequence, images=images).cut(limit)
    for path in sequence.images:
        require_whole(path)
    shown = np.flatnonzero(sequence.visible)
    if len(shown) < 2:
        raise DataError(
            f"{truth}: the target is visible in {len(shown)} of the {len(sequence)} frames used; "
            "one is needed to start on and one more to score"
        )
    if not sequence.images:
        return sequence
    height, width = sequence.read(sequence.start).shape[:2]
    try:
        Box(*sequence.truth[sequence.start].tolist()).require_trackable(width, height)
    except TargetError as error:
        raise DataError(
            f"{truth}, line {sequence.start + 1}: no tracker can start on {error}"
        ) from None
    return replace(sequence, size=(width, height))


def read_truth(path: Path, *, one_based: bool = False) -> FloatArray:
    """Boxes of shape (lines, 4), 0-based, a row of nan where the target is not visible.

    one_based: the file counts pixels from 1. Raises DataError naming file, line and value.
    """
    rows = [
        parse_box(line, f"{path}, line {number}")
        for number, line in enumerate(read_lines(path, "a line x,y,w,h for every image"), 1)
    ]
    boxes = np.array(rows, np.float64).reshape(-1, 4)
    boxes[:, :2] -= one_based
    return boxes


def read_lines(path: Path, expected: str) -> list[str]:
    """The lines of a text file without empty ones at its end.

    expected: what should be in it, in words. Raises DataError when it cannot be read.
    """
    if not path.exists() or path.is_dir():  # a pipe will do
        raise DataError(f"{path} is missing; expected {expected}")
    try:
        return path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from None


def parse_numbers(line: str, where: str, expected: str) -> list[float]:
    """The numbers of a line, parted by commas, tabs or blanks.

    Raises DataError naming the word that is none.
    """
    values = []
    for word in re.split(r"[,\s]+", line.strip()):
        try:
            values.append(float(word))
        except ValueError:
            raise DataError(f"{where}: '{word}' is not a number; expected {expected}") from None
    return values


def parse_box(line: str, where: str) -> tuple[float, ...]:
    """The box x, y, w, h of a line, nan where it says that the target is not visible.

    where: file and line. Raises DataError when it is neither.
    """
    words = re.split(r"[,\s]+", line.strip())
    if len(words) != 4:
        hint = "; polygons have to be turned into boxes first" if len(words) == 8 else ""
        raise DataError(
            f"{where}: '{line}' does not hold 4 values x,y,w,h "
            f"(nan,nan,nan,nan where the target is not visible){hint}"
        )
    values = parse_numbers(line, where, "x,y,w,h in pixels")
    unknown = sum(math.isnan(value) for value in values)
    if unknown == 4 or (unknown == 0 and 0 in values[2:] and min(values[2:]) >= 0):
        return (math.nan,) * 4
    if not all(math.isfinite(value) for value in values):
        raise DataError(
            f"{where}: '{line}' is neither a box nor absent; write four numbers, "
            "or nan,nan,nan,nan where the target is not visible"
        )
    if min(values[2:]) < 0:
        raise DataError(f"{where}: '{line}' has a negative side; expected x,y,w,h, not two corners")
    return tuple(values)


def read_image(path: Path) -> UInt8Image:
    """An image, (height, width, 3) BGR. Raises DataError when it cannot be decoded."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path} cannot be decoded as an image; it is damaged: replace it")
    return np.asarray(image, np.uint8)


def list_images(folder: Path, *, gaps: bool = False) -> tuple[Path, ...]:
    """The images of a folder in order: by number where they are numbered, else by name.

    Raises DataError when there is none or, without `gaps`, when a number is missing.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is missing; expected the images of the sequence in it")
    paths = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    if not paths:
        raise DataError(f"{folder} holds no image ({', '.join(IMAGE_SUFFIXES)})")
    if not all(re.fullmatch(r"[0-9]+", path.stem) for path in paths):
        return tuple(sorted(paths))
    paths.sort(key=lambda path: int(path.stem))
    for before, after in pairwise(paths if not gaps else ()):
        if int(after.stem) != int(before.stem) + 1:
            raise DataError(
                f"{folder}: {after.name} comes after {before.name}; number "
                f"{int(before.stem) + 1} is missing or there twice"
            )
    return tuple(paths)


def require_whole(path: Path, start: int = 0) -> None:
    """Refuse a file that is no image or was cut short, without the time to decode it.

    OpenCV decodes half a JPEG without an error and makes the rest grey. start: where its pixels
    begin, if that is known: a preview in the header of a photograph has an end of its own.
    """
    try:
        with path.open("rb") as file:
            first_bytes = file.read(8)
            file.seek(max(path.stat().st_size - _TAIL, start))
            tail = file.read()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    for first, last in _START_AND_END.items():
        if first_bytes.startswith(first):
            if last not in tail:
                raise DataError(f"{path} is damaged: its end is missing; replace it")
            return
    raise DataError(f"{path} is damaged: it is neither a JPEG nor a PNG image; replace it")
