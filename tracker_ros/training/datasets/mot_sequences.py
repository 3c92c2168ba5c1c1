"""MOTChallenge sequences: one track for each identity, of the frames in which it is to be seen."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import list_images
from tracker_ros.evaluation.mot_datasets import SequenceInfo, read_mot_truth
from tracker_ros.evaluation.mot_files import read_rows
from tracker_ros.training.datasets.records import (
    Contents,
    DataSet,
    Entry,
    Faults,
    Label,
    TrackRecord,
)
from tracker_ros.training.datasets.sources import PictureFile

MIN_VISIBILITY = 0.3
"""Default: less of somebody teaches what hides them."""
VISIBILITY = 8
"""Column of gt.txt, from MOT16 on."""


def read(data: DataSet) -> Contents:
    """One loader a sequence: the root itself, or the folders in it."""
    least = float(data.options.get("min_visibility", MIN_VISIBILITY))
    folders = [data.root, *sorted(path for path in data.root.iterdir() if path.is_dir())]
    return Contents(
        {
            path.resolve().name: partial(_load, path, least)
            for path in folders
            if (path / "seqinfo.ini").is_file()
        }
    )


def _load(folder: Path, least: float, faults: Faults) -> list[TrackRecord]:
    """Tracks NAME/IDENTITY. Raises DataError, naming file, line and value, at the first fault."""
    info = SequenceInfo.read(folder / "seqinfo.ini")
    path = folder / "gt/gt.txt"
    truth = read_mot_truth(path, info.length, mot20=info.is_mot20)
    table = read_rows(path, frames=info.length)
    order = np.lexsort((table[:, 1], table[:, 0]))  # that of the truth's rows
    seen = truth.counts
    if table.shape[1] == VISIBILITY + 1:
        seen = seen & (table[order, VISIBILITY] >= least)
    images = list_images(folder / info.image_folder, gaps=True)
    if not all(image.stem.isdecimal() for image in images):
        raise DataError(f"{images[0].parent}: pictures are numbered from 1, as 000001.jpg")
    pictures = {int(image.stem): image for image in images}
    missing = f"{{:0{len(images[0].stem)}d}}{images[0].suffix}"
    name = folder.resolve().name
    entries: dict[int, list[Entry]] = {}
    for row, line in zip(truth.rows[seen].tolist(), (order[seen] + 1).tolist(), strict=True):
        frame, identity = int(row[0]), int(row[1])
        where = f"{path}, line {line}"
        picture = pictures.get(frame, images[0].with_name(missing.format(frame)))
        label = Label(tuple(row[2:6]), where)
        entries.setdefault(identity, []).append(Entry(PictureFile(str(picture)), where, (label,)))
    video = str(images[0].parent.resolve())
    return [TrackRecord(f"{name}/{i}", tuple(entries[i]), video=video) for i in sorted(entries)]
