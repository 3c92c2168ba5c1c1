"""Sequences of MOTChallenge on disk: NAME/{img1, det/det.txt, gt/gt.txt, seqinfo.ini}.

Which rows of the truth count follows the benchmark: those whose 7th value is not 0. From MOT16 on
the 8th is a class; then only pedestrians (1) count, and what a tracker finds on somebody sitting,
driving or mirrored is neither right nor wrong (see mot_metrics.without_distractors).
"""

from __future__ import annotations

import configparser
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import (
    list_images,
    read_image,
    require_whole,
    sequence_folders,
)
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.evaluation.mot_files import COLUMNS, read_rows, require_one_box_each
from tracker_ros.evaluation.mot_noise import noisy_detections
from tracker_ros.geometry import MIN_SIDE, Box, UInt8Image
from tracker_ros.mot.detections import Detection

DETECTIONS = ("det", "gt-noisy")
"""Where detections come from: the file of the sequence, or its truth with noise."""
HOLDS = "NAME/{seqinfo.ini,img1,det/det.txt,gt/gt.txt}"
PEDESTRIAN = 1
CLASSES = range(1, 14)
"""Classes of MOT16, 17 and 20."""
DISTRACTORS = (2, 7, 8, 12)
"""Person on a vehicle, static person, distractor, reflection."""
MOT20_DISTRACTORS = (*DISTRACTORS, 6)
"""In MOT20 also vehicles without a motor."""


@dataclass(frozen=True, eq=False)
class MotTruth:
    """Who is where."""

    rows: FloatArray
    """All boxes, shape (n, 6): frame from 1, id, x, y, w, h, in the order of frames and ids."""
    counts: npt.NDArray[np.bool_]
    """Which of them a tracker has to find, shape (n,)."""
    distractor: npt.NDArray[np.bool_]
    """On which of them a track is neither right nor wrong, shape (n,)."""

    @property
    def scored(self) -> FloatArray:
        """The rows that count."""
        return np.asarray(self.rows[self.counts], np.float64)

    def until(self, frame: int) -> MotTruth:
        """Without what comes after a frame."""
        early = self.rows[:, 0] <= frame
        return MotTruth(self.rows[early], self.counts[early], self.distractor[early])


@dataclass(frozen=True, eq=False)
class MotSequence:
    """A film with several targets: its images, where there are any, detections and truth."""

    name: str
    frame_rate: float
    frames: int
    """How many are used; they count from 1."""
    images: tuple[Path, ...]
    """One for every frame, or none."""
    truth: MotTruth
    found: FloatArray
    """Detections, shape (n, 6): frame, x, y, w, h, score, in the order of frames."""
    too_small: int
    """Detections with a side under 2 px, which no tracker is given."""

    def read(self, frame: int) -> UInt8Image | None:
        """The image of a frame, (height, width, 3) BGR, None where there are no images.

        Raises DataError when it cannot be decoded.
        """
        return read_image(self.images[frame - 1]) if self.images else None

    def detections(self, frame: int) -> list[Detection]:
        """The detections of a frame."""
        first, last = np.searchsorted(self.found[:, 0], (frame, frame + 1))
        return [Detection(Box(*row[1:5]), row[5]) for row in self.found[first:last].tolist()]


def load_mot_dataset(
    folder: Path,
    detections: str,
    names: Sequence[str] = (),
    *,
    limit: int | None = None,
    seed: int = 0,
) -> tuple[MotSequence, ...]:
    """The sequences of a folder, sorted by name, each cut to its first `limit` frames.

    detections: one of `DETECTIONS`; `seed` is that of the noise. `names` chooses some, in that
    order. A folder that is itself a sequence is a data set of one. Raises DataError, naming file,
    line and value, when any of them cannot be used: none is skipped.
    """
    chosen = sequence_folders(
        folder, names, is_sequence=(folder / "seqinfo.ini").exists(), holds=HOLDS
    )
    return tuple(load_mot_sequence(path, detections, limit=limit, seed=seed) for path in chosen)


def load_mot_sequence(
    folder: Path, detections: str, *, limit: int | None = None, seed: int = 0
) -> MotSequence:
    """The first `limit` frames of NAME/, checked. Raises DataError when it cannot be used."""
    info = SequenceInfo.read(folder / "seqinfo.ini")
    images = list_frames(folder / info.image_folder, info.length)
    truth = read_mot_truth(folder / "gt/gt.txt", info.length, mot20=info.is_mot20)
    name = folder.resolve().name
    frames = min(info.length, limit or info.length)
    if detections == "gt-noisy":
        size = info.size or _size_of(images)
        if size is None:
            raise DataError(
                f"{folder / 'seqinfo.ini'} gives no imWidth and imHeight, and there are no images; "
                "--detections gt-noisy needs the size of the picture"
            )
        found = noisy_detections(truth.scored, size, name=name, seed=seed)
    else:
        # Only the columns of frame, box and score: a detection has no identity.
        found = read_rows(folder / "det/det.txt", frames=info.length)[:, [0, 2, 3, 4, 5, 6]]
    found = found[np.argsort(found[:, 0], kind="stable")]
    found = found[found[:, 0] <= frames]
    large = (found[:, 3:5] >= MIN_SIDE).all(axis=1)
    truth = truth.until(frames)
    require_scored(truth, folder / "gt/gt.txt", frames)
    return MotSequence(
        name, info.frame_rate, frames, images[:frames], truth, found[large], int((~large).sum())
    )


def read_mot_truth(path: Path, frames: int | None = None, *, mot20: bool = False) -> MotTruth:
    """Read gt.txt: 7 or 10 values a line (MOT15), or 8 or 9, of which the 8th is a class (MOT16).

    A class of -1 says that there is none. Raises DataError naming the file, the line and the
    value, also where an id is there twice in one frame.
    """
    rows = read_rows(path, frames=frames)
    require_one_box_each(rows, path)
    order = np.lexsort((rows[:, 1], rows[:, 0]))
    counts = rows[:, 6] != 0
    distractor = np.zeros(len(rows), np.bool_)
    if rows.shape[1] in (COLUMNS + 1, COLUMNS + 2):
        classes = rows[:, 7]
        unknown = np.flatnonzero(~np.isin(classes, (-1, *CLASSES)))
        if len(unknown):
            raise DataError(
                f"{path}, line {unknown[0] + 1}: class '{classes[unknown[0]]:g}' is none of MOT16 "
                f"({CLASSES[0]} to {CLASSES[-1]}, or -1 for none)"
            )
        counts &= np.isin(classes, (-1, PEDESTRIAN))
        distractor = np.isin(classes, MOT20_DISTRACTORS if mot20 else DISTRACTORS)
    return MotTruth(rows[order, :6], counts[order], distractor[order])


def require_scored(truth: MotTruth, path: Path, frames: int) -> None:
    """Raise DataError unless a row counts of the truth that was read from `path`."""
    if not truth.counts.any():
        raise DataError(
            f"{path}: no row counts in the {frames} frames used; a 7th value "
            f"other than 0 says that one does, and class {PEDESTRIAN} where there are classes"
        )


@dataclass(frozen=True)
class SequenceInfo:
    """What seqinfo.ini says."""

    name: str
    image_folder: str
    frame_rate: float
    """Hertz."""
    length: int
    """Frames."""
    size: tuple[int, int] | None
    """Width and height, pixels; None where the file does not say."""

    @property
    def is_mot20(self) -> bool:
        """Whether the rules of MOT20 hold."""
        return self.name.startswith("MOT20")

    @classmethod
    def read(cls, path: Path) -> SequenceInfo:
        """Raises DataError, naming the file and the value, when it cannot be used."""
        if not path.is_file():
            raise DataError(f"{path} is missing; expected {HOLDS}")
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(path.read_text(encoding="utf-8-sig"))
            # A line that begins with a blank goes on with the value of the line before.
            section = {key: " ".join(text.split()) for key, text in parser["Sequence"].items()}
        except (OSError, UnicodeDecodeError, configparser.Error, KeyError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{path} cannot be read: {reason}; expected [Sequence] in it") from None

        def number(key: str) -> float:
            try:
                value = float(section.get(key.lower(), ""))
            except ValueError:
                value = math.nan
            if not (math.isfinite(value) and value > 0):
                raise DataError(
                    f"{path}: {key} '{section.get(key.lower(), '')}' is not a number over 0; write "
                    f"{key}=... under [Sequence]"
                )
            return value

        def whole(key: str) -> int:
            value = number(key)
            if not value.is_integer():
                raise DataError(f"{path}: {key} '{section[key.lower()]}' is not a whole number")
            return int(value)

        sized = {"imwidth", "imheight"} <= set(section)
        return cls(
            name=section.get("name", ""),
            image_folder=section.get("imdir", "img1"),
            frame_rate=number("frameRate"),
            length=whole("seqLength"),
            size=(whole("imWidth"), whole("imHeight")) if sized else None,
        )


def list_frames(folder: Path, length: int) -> tuple[Path, ...]:
    """The image of every frame, checked; none where the folder does not exist.

    Raises DataError when they are not `length` images from 1 up, or one of them is damaged.
    """
    if not folder.exists():
        return ()
    images = list_images(folder)
    if len(images) != length:
        raise DataError(
            f"{folder} holds {len(images)} images, but seqLength in seqinfo.ini is {length}; "
            "expected one for every frame"
        )
    if images[0].stem.isdecimal() and int(images[0].stem) != 1:
        raise DataError(f"{folder} begins with {images[0].name}; frames count from 1")
    for path in images:
        require_whole(path)
    read_image(images[0])
    return images


def _size_of(images: Sequence[Path]) -> tuple[int, int] | None:
    if not images:
        return None
    height, width = read_image(images[0]).shape[:2]
    return width, height
