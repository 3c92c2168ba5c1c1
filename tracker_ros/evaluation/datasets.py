"""Sequences with truth on disk: NAME/{img/*.jpg or *.png, groundtruth.txt}.

One line of groundtruth.txt for every image, in order: `x,y,w,h` of the target, pixels, 0-based
from the top-left corner, real numbers, parted by commas, tabs or blanks. `nan,nan,nan,nan`, or a
side of 0, says that the target is not visible.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
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
    truth: FloatArray
    """Boxes x, y, w, h of shape (frames, 4), pixels; a row of nan where it is not visible."""

    def __len__(self) -> int:
        return len(self.images)

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
        raise DataError(f"--data {folder}: no such folder; expected {holds} in it")
    if is_sequence:
        found = {folder.resolve().name: folder}
    else:
        found = {p.name: p for p in sorted(folder.iterdir()) if p.is_dir() and p.name[0] != "."}
    if not found:
        raise DataError(f"--data {folder}: no sequence in it; expected {holds}")
    for name in names:
        if name not in found:
            raise DataError(f"no sequence '{name}' in {folder}; there are {', '.join(found)}")
    return [found[name] for name in dict.fromkeys(names or found)]


def load_sequence(folder: Path, limit: int | None = None) -> VideoSequence:
    """The first `limit` frames of NAME/, checked. Raises DataError when it cannot be used."""
    truth = read_truth(folder / TRUTH_FILE)
    images = list_images(folder / "img")
    if len(images) != len(truth):
        raise DataError(
            f"{folder}: {len(images)} images in img/ but {len(truth)} lines in {TRUTH_FILE}; "
            "expected one line for every image"
        )
    sequence = VideoSequence(folder.resolve().name, images[:limit], truth[:limit])
    for path in sequence.images:
        require_whole(path)
    shown = np.flatnonzero(sequence.visible)
    if len(shown) < 2:
        raise DataError(
            f"{folder}: the target is visible in {len(shown)} of the {len(sequence)} frames used; "
            "one is needed to start on and one more to score"
        )
    height, width = sequence.read(sequence.start).shape[:2]
    try:
        Box(*sequence.truth[sequence.start].tolist()).require_trackable(width, height)
    except TargetError as error:
        raise DataError(
            f"{folder / TRUTH_FILE}, line {sequence.start + 1}: no tracker can start on {error}"
        ) from None
    return sequence


def read_truth(path: Path) -> FloatArray:
    """Boxes of shape (lines, 4), a row of nan where the target is not visible.

    Raises DataError naming the file, the line and the value.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing; expected a line x,y,w,h for every image")
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from None
    rows = [_parse_line(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]
    return np.array(rows, np.float64).reshape(-1, 4)


def _parse_line(line: str, where: str) -> tuple[float, ...]:
    words = re.split(r"[,\s]+", line.strip())
    if len(words) != 4:
        hint = "; polygons have to be turned into boxes first" if len(words) == 8 else ""
        raise DataError(
            f"{where}: '{line}' does not hold 4 values x,y,w,h "
            f"(nan,nan,nan,nan where the target is not visible){hint}"
        )
    values = []
    for word in words:
        try:
            values.append(float(word))
        except ValueError:
            raise DataError(
                f"{where}: '{word}' is not a number; expected x,y,w,h in pixels"
            ) from None
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


def require_whole(path: Path) -> None:
    """Refuse a file that is no image or was cut short, without the time to decode it.

    OpenCV decodes half a JPEG without an error and makes the rest grey.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
            file.seek(max(path.stat().st_size - _TAIL, 0))
            tail = file.read()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    for first, last in _START_AND_END.items():
        if start.startswith(first):
            if last not in tail:
                raise DataError(f"{path} is damaged: its end is missing; replace it")
            return
    raise DataError(f"{path} is damaged: it is neither a JPEG nor a PNG image; replace it")
