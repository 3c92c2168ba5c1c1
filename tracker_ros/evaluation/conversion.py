"""Sequences written in the form of a benchmark, images and all: the other way of formats.py."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tracker_ros.errors import DataError
from tracker_ros.evaluation.box_formats import (
    ABSENCE,
    COVER,
    CUT_BY_IMAGE,
    META,
    OCCLUSION,
    OUT_OF_VIEW,
)
from tracker_ros.evaluation.datasets import TRUTH_FILE, VideoSequence
from tracker_ros.evaluation.metrics import FloatArray, has_target
from tracker_ros.evaluation.options import write_whole
from tracker_ros.evaluation.vot_files import ANCHORS, truth_rows

NOT_VISIBLE = "0.0000,0.0000,0.0000,0.0000"
"""What benchmarks that have no nan write where the target is not visible."""


def write_sequences(
    folder: Path,
    form: str,
    sequences: Sequence[VideoSequence],
    on_sequence: Callable[[], object] = lambda: None,
) -> None:
    """Write sequences in a form of `WRITERS` to a folder that is not there or is empty.

    Images are linked where the disk allows it and copied elsewhere; they keep their encoding and
    are numbered anew. Raises DataError when the folder is in use or cannot be written.
    """
    # Absolute, through links and without '..': only so has it a name and a folder that it is in.
    place = Path(os.path.realpath(folder))
    partial = place.parent / f".{place.name}.partial"
    try:
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise DataError(f"{folder} is there and not empty; name a folder that is not there yet")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for sequence in sequences:
            WRITERS[form](partial / sequence.name, sequence)
            on_sequence()
        if form == "pysot":
            _write_annotations(partial, place.name, sequences)
        if form in ("got10k", "vot"):
            write_whole(partial / "list.txt", "".join(f"{s.name}\n" for s in sequences))
        os.replace(partial, place)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror}; nothing is there") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_folder(folder: Path, sequence: VideoSequence) -> None:
    _write_images(folder / "img", sequence, 6)
    _write_lines(folder / TRUTH_FILE, box_lines(sequence.truth, "nan,nan,nan,nan"))


def _write_otb(folder: Path, sequence: VideoSequence) -> None:
    _write_images(folder / "img", sequence, 4)
    one_based = sequence.truth + np.array([1.0, 1.0, 0.0, 0.0])
    _write_lines(folder / "groundtruth_rect.txt", box_lines(one_based, NOT_VISIBLE))


def _write_lasot(folder: Path, sequence: VideoSequence) -> None:
    _write_images(folder / "img", sequence, 8)
    _write_lines(folder / TRUTH_FILE, box_lines(sequence.truth, NOT_VISIBLE))
    absent = (~sequence.visible).astype(int)
    # Which of the two it is, covered or out of view, is not known here.
    _write_lines(folder / OUT_OF_VIEW, [",".join(map(str, absent.tolist()))])
    _write_lines(folder / OCCLUSION, [",".join(map(str, (0 * absent).tolist()))])


def _write_got10k(folder: Path, sequence: VideoSequence) -> None:
    _write_images(folder, sequence, 8)
    _write_lines(folder / TRUTH_FILE, box_lines(sequence.truth, NOT_VISIBLE))
    visible = sequence.visible.astype(int)
    _write_lines(folder / COVER, map(str, (8 * visible).tolist()))
    _write_lines(folder / ABSENCE, map(str, (1 - visible).tolist()))
    assert sequence.size is not None  # it is known wherever there are images
    cut = _at_the_border(sequence.truth, *sequence.size).astype(int)
    _write_lines(folder / CUT_BY_IMAGE, map(str, cut.tolist()))
    width, height = sequence.size
    _write_lines(folder / META, ["[METAINFO]", f"resolution: ({width}, {height})"])


def _at_the_border(boxes: FloatArray, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Where boxes reach the border of the image or beyond it, (frames,); no where they are nan."""
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    reached = (low <= 0).any(axis=1) | (high >= np.array([width, height])).any(axis=1)
    return np.asarray(reached & has_target(boxes), np.bool_)


def _write_vot(folder: Path, sequence: VideoSequence) -> None:
    _write_images(folder / "color", sequence, 8)
    rows = truth_rows(sequence)
    _write_lines(folder / TRUTH_FILE, [",".join(f"{v:.4f}" for v in row.ravel()) for row in rows])
    if sequence.anchors is not None:
        _write_lines(folder / ANCHORS, map(str, sequence.anchors.tolist()))


def _write_pysot(folder: Path, sequence: VideoSequence) -> None:
    _write_images(folder / "img", sequence, 8)


def _write_annotations(folder: Path, name: str, sequences: Sequence[VideoSequence]) -> None:
    document: dict[str, Any] = {}
    for sequence in sequences:
        rows = [row.ravel() for row in truth_rows(sequence)]
        images = sorted((folder / sequence.name / "img").iterdir())
        document[sequence.name] = {
            "video_dir": sequence.name,
            "init_rect": sequence.truth[sequence.start].tolist(),
            "img_names": [str(path.relative_to(folder)) for path in images],
            "gt_rect": [[0.0] * len(row) if np.isnan(row).any() else row.tolist() for row in rows],
        }
        if sequence.size is not None:
            width, height = sequence.size
            document[sequence.name] |= {"width": width, "height": height}
    text = json.dumps(document)
    write_whole(folder / f"{name}.json", text + "\n")


def box_lines(boxes: FloatArray, absent: str) -> list[str]:
    """A line x,y,w,h for every box, and `absent` where there is none."""
    known = has_target(boxes)
    return [
        ",".join(f"{value:.4f}" for value in box) if shown else absent
        for box, shown in zip(boxes.tolist(), known, strict=True)
    ]


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    write_whole(path, "".join(f"{line}\n" for line in lines))


def _write_images(folder: Path, sequence: VideoSequence, digits: int) -> None:
    folder.mkdir(parents=True)
    for number, source in enumerate(sequence.images, 1):
        path = folder / f"{number:0{digits}d}{source.suffix.lower()}"
        try:
            os.link(source.resolve(), path)
        except OSError:  # another disk, or one that has no links
            shutil.copyfile(source, path)


WRITERS: dict[str, Callable[[Path, VideoSequence], None]] = {
    "folder": _write_folder,
    "otb": _write_otb,
    "lasot": _write_lasot,
    "got10k": _write_got10k,
    "vot": _write_vot,
    "pysot": _write_pysot,
}
"""By the name of the form."""
