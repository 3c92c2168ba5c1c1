"""Films with several people in them: the square, and folders of MOTChallenge."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tracker_ros.demo.crowd import Crowd
from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import read_image
from tracker_ros.evaluation.metrics import FloatArray
from tracker_ros.evaluation.mot_datasets import (
    MotTruth,
    SequenceInfo,
    list_frames,
    read_mot_truth,
)
from tracker_ros.evaluation.mot_files import read_rows
from tracker_ros.geometry import MIN_SIDE, Box, UInt8Image
from tracker_ros.mot.detections import Detection

SEQUENCE_INFO = "seqinfo.ini"
LABEL = "person"
"""What MOTChallenge's detections are; its files do not say."""


class CrowdSource:
    """The square that the project renders itself."""

    truth = None
    """There is no one target in it; `people` knows everybody."""
    moments = (
        (66, "two walk towards each other"),
        (111, "both hidden by the kiosk"),
        (156, "both out again"),
        (210, "one has left and is back"),
        (342, "one turns round behind the kiosk"),
        (420, "and is back"),
    )
    """What is worth a picture: frame at 30 Hz and a caption."""

    def __init__(self, width: int = 640, height: int = 480, fps: float = 30.0) -> None:
        self.name = f"rendered square {width}x{height}"
        self.fps = fps
        self._crowd = Crowd(width, height, fps)

    def people(self) -> MotTruth:
        """Who is where. Whoever is hidden does not count: to miss him is no mistake."""
        rows: list[list[float]] = []
        hidden: list[bool] = []
        for index in range(len(self._crowd)):
            for person in self._crowd.people(index):
                rows.append([index + 1, person.id, *person.box])
                hidden.append(person.hidden)
        distractor = np.array(hidden, np.bool_)
        return MotTruth(np.array(rows, np.float64), ~distractor, distractor)

    def __iter__(self) -> Iterator[UInt8Image]:
        for index in range(len(self._crowd)):
            yield self._crowd.frame(index).image


class MotFolderSource:
    """NAME/{seqinfo.ini,img1}, with det/det.txt and gt/gt.txt where they are there."""

    truth = None
    """There is no one target in it; `people` knows everybody."""

    def __init__(self, folder: Path, fps: float | None = None) -> None:
        """Raises DataError when the folder cannot be used; its other files are read later."""
        self._folder = folder
        info = SequenceInfo.read(folder / SEQUENCE_INFO)
        images = folder / info.image_folder
        if not images.is_dir():
            raise DataError(
                f"{images}: no such folder; --sequence {folder} has {SEQUENCE_INFO}, so its images "
                "are expected there"
            )
        self._paths = list_frames(images, info.length)
        self._is_mot20 = info.is_mot20
        self.name = folder.resolve().name
        self.fps = fps or info.frame_rate

    def __len__(self) -> int:
        return len(self._paths)

    def people(self) -> MotTruth | None:
        """Who is where; None where gt/gt.txt is missing. Raises DataError when it is wrong."""
        path = self._folder / "gt" / "gt.txt"
        if not path.is_file():
            return None
        return read_mot_truth(path, len(self), mot20=self._is_mot20)

    @property
    def has_detections(self) -> bool:
        """Whether det/det.txt is there."""
        return (self._folder / "det" / "det.txt").is_file()

    def detections(self) -> list[list[Detection]]:
        """Those of det/det.txt for every frame. Raises DataError when it cannot be used."""
        rows = read_rows(self._folder / "det" / "det.txt", frames=len(self))
        return by_frame(rows, len(self))

    def __iter__(self) -> Iterator[UInt8Image]:
        for path in self._paths:
            yield read_image(path)


def by_frame(rows: FloatArray, frames: int) -> list[list[Detection]]:
    """Detections of each frame from rows (n, 7 or more): frame, id, x, y, w, h, score.

    Boxes with a side under 2 px are left out: no tracker is given them.
    """
    found: list[list[Detection]] = [[] for _ in range(frames)]
    for frame, _, x, y, w, h, score in rows[:, :7].tolist():
        if min(w, h) >= MIN_SIDE:
            found[int(frame) - 1].append(Detection(Box(x, y, w, h), score, LABEL))
    return found


def is_mot_folder(folder: Path) -> bool:
    """Whether a folder is a sequence as MOTChallenge lays it out."""
    return (folder / SEQUENCE_INFO).is_file()


def detections_of(args: argparse.Namespace) -> str:
    """Where detections come from: `--detections`, else det.txt where the folder has one.

    Raises DataError when det.txt is asked for and there is none.
    """
    folder: Path | None = args.sequence
    here = folder is not None and is_mot_folder(folder) and MotFolderSource(folder).has_detections
    if args.detections == "det" and not here:
        lacks = f"{folder} has none" if folder is not None else "--sequence gives no folder"
        raise DataError(
            f"--detections det takes det/det.txt beside {SEQUENCE_INFO} of a MOTChallenge folder; "
            f"{lacks}: choose --detections hog, or another --sequence"
        )
    return args.detections or ("det" if here else "hog")
