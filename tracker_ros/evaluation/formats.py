"""The forms in which data sets come, by name, and how to tell them apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tracker_ros.errors import DataError
from tracker_ros.evaluation.annotations import annotation_file, find_annotated, has_polygons
from tracker_ros.evaluation.box_formats import (
    Loader,
    find_flat,
    find_got10k,
    find_lasot,
    find_otb,
)
from tracker_ros.evaluation.datasets import (
    IMAGE_SUFFIXES,
    TRUTH_FILE,
    VideoSequence,
    load_sequence,
    sequence_folders,
)
from tracker_ros.evaluation.vot_files import ANCHORS, find_vot

HOLDS = f"NAME/img, NAME/{TRUTH_FILE}"


@dataclass(frozen=True)
class Format:
    """A form in which sequences lie on disk."""

    name: str
    holds: str
    """What is expected in it, in words."""
    protocol: str
    """How its benchmark scores."""
    find: Callable[[Path], dict[str, Loader]]
    """Sequence -> what loads it; empty where none is in this form."""


def _find_folders(folder: Path) -> dict[str, Loader]:
    paths = sequence_folders(folder, (), is_sequence=(folder / TRUTH_FILE).exists(), holds=HOLDS)
    return {path.resolve().name: partial(_load_folder, path) for path in paths}


def _load_folder(folder: Path, limit: int | None, with_images: bool) -> VideoSequence:
    return load_sequence(folder, limit, with_images=with_images)


FORMATS = {
    form.name: form
    for form in (
        Format("folder", HOLDS, "visible", _find_folders),
        Format("otb", "NAME/img, NAME/groundtruth_rect.txt", "otb", find_otb),
        Format(
            "lasot", "[CLASS/]NAME/img, groundtruth.txt, full_occlusion.txt", "lasot", find_lasot
        ),
        Format("got10k", "NAME/*.jpg, groundtruth.txt, cover.label", "got10k", find_got10k),
        Format("vot", "NAME/color or NAME/*.jpg, groundtruth.txt", "vot-supervised", find_vot),
        Format("pysot", "one JSON file: sequence -> gt_rect, img_names", "otb", find_annotated),
        Format("flat", "NAME.txt, x,y,w,h a line, without images", "otb", find_flat),
    )
}


@dataclass(frozen=True)
class DataSet:
    """Sequences, and the form that they were in."""

    path: Path
    """Where they were read: a folder, or the file that holds the truth of all of them."""
    form: Format
    sequences: tuple[VideoSequence, ...]
    protocol: str
    """How such a data set is scored unless something else is asked for."""


def load_sequences(
    path: Path,
    form: str = "auto",
    names: Sequence[str] = (),
    limit: int | None = None,
    *,
    with_images: bool = True,
) -> DataSet:
    """The sequences of a folder or JSON file, sorted by name, or those of `names` in that order.

    form: a key of `FORMATS`, or auto. limit: only the first frames of each. with_images: False
    where only results are scored. Raises DataError, naming file, line and value, when any of them
    cannot be used: none is skipped.
    """
    if not path.exists():
        raise DataError(f"{path}: no such folder; expected {HOLDS} in it")
    chosen = FORMATS[detect(path) if form == "auto" else form]
    found = chosen.find(path)
    if not found:
        raise DataError(
            f"{path}: no sequence in it in the form '{chosen.name}'; expected {chosen.holds}; "
            f"--format chooses another: {', '.join(FORMATS)}"
        )
    for name in names:
        if name not in found:
            raise DataError(f"no sequence '{name}' in {path}; there are {', '.join(found)}")
    order = dict.fromkeys(names or sorted(found))
    sequences = tuple(found[name](limit, with_images) for name in order)
    if chosen.name == "pysot":
        path = annotation_file(path) or path
    return DataSet(path, chosen, sequences, _protocol(chosen, path, sequences))


def detect(path: Path) -> str:
    """The form of a data set, by the files that only this form has; 'folder' where none has."""
    if path.is_file():
        return "pysot"
    for name, find in (("otb", find_otb), ("lasot", find_lasot), ("got10k", find_got10k)):
        if find(path):
            return name
    folders = [path, *_folders(path)]
    if any(_is_vot(folder) for folder in folders):
        return "vot"
    if any((folder / TRUTH_FILE).is_file() for folder in folders):
        return "folder"
    if annotation_file(path) is not None:
        return "pysot"
    return "flat" if len(folders) == 1 and any(path.glob("*.txt")) else "folder"


def _is_vot(folder: Path) -> bool:
    """Whether its images or its truth are as only VOT has them."""
    truth = folder / TRUTH_FILE
    if not truth.is_file():
        return False
    if (folder / "color").is_dir() or (folder / ANCHORS).is_file():
        return True
    if any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir()):
        return True
    with truth.open(errors="replace") as lines:
        first = re.split(r"[,\s]+", lines.readline().strip())
    return len(first) > 4 and not (folder / "img").is_dir()


def _folders(path: Path) -> list[Path]:
    inside = path.iterdir() if path.is_dir() else ()
    return [folder for folder in inside if folder.is_dir() and folder.name[0] != "."]


def _protocol(form: Format, path: Path, sequences: Sequence[VideoSequence]) -> str:
    if form.name == "pysot" and has_polygons(path):
        return "vot-supervised"
    if any(sequence.anchors is not None for sequence in sequences):
        return "vot-multistart"
    return form.protocol
