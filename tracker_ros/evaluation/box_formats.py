"""Sequences in the forms of OTB, LaSOT and GOT-10k, and truths without images.

    OTB      NAME/{img/*.jpg, groundtruth_rect.txt}; several targets: groundtruth_rect.1.txt, ...
    LaSOT    [CLASS/]NAME/{img/*.jpg, groundtruth.txt, full_occlusion.txt, out_of_view.txt}
    GOT-10k  NAME/{*.jpg, groundtruth.txt, cover.label, absence.label}
    flat     NAME.txt, a line x,y,w,h a frame

OTB's files count pixels from 1. LaSOT's and GOT-10k's are taken as they stand, as the toolkits of
pysot, pytracking and got10k take them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import (
    IMAGE_SUFFIXES,
    TRUTH_FILE,
    VideoSequence,
    checked,
    list_images,
    read_lines,
    read_truth,
)

Loader = Callable[[int | None, bool], VideoSequence]
"""Loads a sequence: its first frames, all with None; and whether its images are needed."""

OTB_TRUTH = re.compile(r"groundtruth_rect(?:\.(\d+))?\.txt")
OTB_FRAMES = {
    "David": (300, 770),
    "Football1": (1, 74),
    "Freeman3": (1, 460),
    "Freeman4": (1, 283),
    "Diving": (1, 215),
}
"""First and last number of the images that belong to the truth, where img/ holds more."""

META = "meta_info.ini"
"""GOT-10k's: attributes of a sequence."""
OCCLUSION, OUT_OF_VIEW = "full_occlusion.txt", "out_of_view.txt"
COVER, ABSENCE, CUT_BY_IMAGE = "cover.label", "absence.label", "cut_by_image.label"


def find_otb(folder: Path) -> dict[str, Loader]:
    """Targets of a data set of OTB: NAME, or NAME-1 and NAME-2 where one film has several."""
    found: dict[str, Loader] = {}
    for path in _folders(folder):
        for truth in sorted(path.glob("groundtruth_rect*.txt")):
            match = OTB_TRUTH.fullmatch(truth.name)
            if match:
                name = path.resolve().name + (f"-{match[1]}" if match[1] else "")
                found[name] = partial(_load_otb, name, truth)
    return found


def _load_otb(name: str, truth: Path, limit: int | None, with_images: bool) -> VideoSequence:
    sequence = VideoSequence(name, (), read_truth(truth, one_based=True), one_based=True)
    images = list_images(truth.parent / "img") if with_images else ()
    if len(images) > len(sequence) and name in OTB_FRAMES:
        first, last = OTB_FRAMES[name]
        images = tuple(path for path in images if first <= _number(path) <= last)
    return checked(sequence, images, truth, limit)


def find_lasot(folder: Path) -> dict[str, Loader]:
    """Sequences of LaSOT, with or without the folders of the classes."""
    folders = _folders(folder)
    nested = [inner for outer in folders for inner in _inside(outer)]
    return {
        path.resolve().name: partial(_load_lasot, path)
        for path in (*folders, *nested)
        if (path / OCCLUSION).is_file() or (path / OUT_OF_VIEW).is_file()
    }


def _load_lasot(folder: Path, limit: int | None, with_images: bool) -> VideoSequence:
    truth = folder / TRUTH_FILE
    sequence = VideoSequence(folder.resolve().name, (), read_truth(truth))
    absent = np.zeros(len(sequence), np.bool_)
    for name in (OCCLUSION, OUT_OF_VIEW):
        absent |= _flags(folder / name, len(sequence), truth) > 0
    images = list_images(folder / "img") if with_images else ()
    return checked(_without(sequence, absent), images, truth, limit)


def find_got10k(folder: Path) -> dict[str, Loader]:
    """Sequences of GOT-10k: images beside their groundtruth.txt."""
    return {
        path.resolve().name: partial(_load_got10k, path)
        for path in _folders(folder)
        if any((path / name).is_file() for name in (COVER, ABSENCE, META))
    }


def _load_got10k(folder: Path, limit: int | None, with_images: bool) -> VideoSequence:
    truth = folder / TRUTH_FILE
    sequence = VideoSequence(folder.resolve().name, (), read_truth(truth))
    images = list_images(folder) if with_images else ()
    if len(sequence) == 1 < len(images):
        raise DataError(
            f"{truth}: 1 line for {len(images)} images; the truth of GOT-10k's test split is "
            "not public: evaluate on val, or write results with --save for its server"
        )
    if (folder / COVER).is_file():
        absent = _flags(folder / COVER, len(sequence), truth) == 0
    elif (folder / ABSENCE).is_file():
        absent = _flags(folder / ABSENCE, len(sequence), truth) > 0
    else:
        absent = np.zeros(len(sequence), np.bool_)
    sequence = checked(_without(sequence, absent), images, truth, limit)
    return replace(sequence, size=sequence.size or size_of_images(folder))


def find_flat(folder: Path) -> dict[str, Loader]:
    """Truths without images, a file NAME.txt each."""
    return {
        path.stem: partial(_load_flat, path)
        for path in (sorted(folder.glob("*.txt")) if folder.is_dir() else ())
        if path.name[0] != "."
    }


def _load_flat(truth: Path, limit: int | None, with_images: bool) -> VideoSequence:
    if with_images:
        raise DataError(
            f"{truth.parent} holds truths but no images; it serves to score --results, not to "
            "run a tracker"
        )
    return checked(VideoSequence(truth.stem, (), read_truth(truth)), (), truth, limit)


def size_of_images(folder: Path) -> tuple[int, int] | None:
    """Width and height of the first image in a folder; None where there is none."""
    paths = (path for path in _files(folder) if path.suffix.lower() in IMAGE_SUFFIXES)
    first = next(paths, None)
    image = None if first is None else cv2.imread(str(first))
    return None if image is None else (image.shape[1], image.shape[0])


def _flags(path: Path, frames: int, truth: Path) -> npt.NDArray[np.int64]:
    """Whole numbers of a file, a line or a comma after each; zeros where there is no file."""
    if not path.is_file():
        return np.zeros(frames, np.int64)
    lines = read_lines(path, "a whole number for every frame")
    values: list[int] = []
    for number, line in enumerate(lines, 1):
        for word in re.split(r"[,\s]+", line.strip(" ,\t")):
            if not word.isdecimal():
                raise DataError(
                    f"{path}, line {number}: '{word}' is not a whole number of 0 or more"
                )
            values.append(int(word))
    if len(values) != frames:
        raise DataError(
            f"{path} holds {len(values)} values but {truth} {frames} lines; expected one for "
            "every frame"
        )
    return np.array(values, np.int64)


def _without(sequence: VideoSequence, absent: npt.NDArray[np.bool_]) -> VideoSequence:
    truth = np.where(absent[:, None], np.nan, sequence.truth)
    return replace(sequence, truth=truth)


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isdecimal() else 0


def _folders(folder: Path) -> list[Path]:
    """The folder, for it may be a sequence itself, and those in it, sorted."""
    return [folder, *_inside(folder)]


def _inside(folder: Path) -> list[Path]:
    return [path for path in _files(folder) if path.is_dir() and path.name[0] != "."]


def _files(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.iterdir()) if folder.is_dir() else ())
