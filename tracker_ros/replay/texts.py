"""Tracks as text: CSV for people and programs, MOTChallenge and VOT files for toolkits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tracker_ros.errors import DataError
from tracker_ros.pipeline.frames import seconds
from tracker_ros.replay.result import ReplayResult
from tracker_ros.replay.whole_file import write_whole_file
from tracker_ros.track import TrackState

HEADER = "stamp,image,id,label,state,published,x,y,w,h,score"


def write_texts(folder: Path, result: ReplayResult) -> None:
    """Write tracks.csv, mot.txt and, for sot, vot/ID.txt. Raises DataError."""
    write_whole_file(folder / "tracks.csv", "\n".join([HEADER, *_csv(result), ""]), "the tracks")
    write_whole_file(folder / "mot.txt", "".join(_mot(result)), "the tracks")
    if result.kind != "sot":
        return
    vot = folder / "vot"
    try:
        vot.mkdir(exist_ok=True)
    except OSError as error:
        raise DataError(f"{vot} cannot be written: {error.strerror}") from None
    for id, name in vot_names(result).items():
        write_whole_file(vot / name, "".join(_vot(result, id)), "the tracks")


def vot_names(result: ReplayResult) -> dict[str, str]:
    """The file of each target in vot/, by its id."""
    return {id: re.sub(r"[^\w.-]", "_", id) + ".txt" for id in result.starts}


def _csv(result: ReplayResult) -> Iterator[str]:
    """Every track of every state: stamps to the nanosecond, boxes x, y, w, h in pixels."""
    line = result.timeline
    stamps, inputs = line.stamps.tolist(), line.inputs.tolist()
    rows = zip(
        line.frames.tolist(), line.targets.tolist(), line.states.tolist(),
        line.published.tolist(), line.boxes.tolist(), line.scores.tolist(), strict=True,
    )  # fmt: skip
    for frame, target, state, published, (x, y, w, h), score in rows:
        yield (
            f"{seconds(stamps[frame])},{inputs[frame]},{_cell(line.ids[target])},"
            f"{_cell(line.labels[target])},{TrackState(state).name},{int(published)},"
            f"{x:.4f},{y:.4f},{w:.4f},{h:.4f},{score:.6f}"
        )


def _mot(result: ReplayResult) -> Iterator[str]:
    """What was published: frame (the image's number, from 1), id, 1-based box, score."""
    line = result.timeline
    inputs = line.inputs.tolist()
    rows = zip(
        line.frames.tolist(), line.targets.tolist(), line.published.tolist(),
        line.boxes.tolist(), line.scores.tolist(), strict=True,
    )  # fmt: skip
    for frame, target, published, (x, y, w, h), score in rows:
        if published and inputs[frame] >= 0:
            yield (
                f"{inputs[frame] + 1},{target + 1},{x + 1:.3f},{y + 1:.3f},{w:.3f},{h:.3f},"
                f"{score:.4f},-1,-1,-1\n"
            )


def _vot(result: ReplayResult, id: str) -> Iterator[str]:
    """A line for every image: 0 where there is no box, 1 where the target was set, else x,y,w,h.

    Of all images of the topic, as a truth has them, also where a part of them was replayed.
    """
    line = result.timeline
    lines = ["0\n"] * max(result.images, result.first + result.received)
    if id in line.ids:
        own = (line.targets == line.ids.index(id)) & line.published
        numbers = line.inputs[line.frames[own]].tolist()
        for number, (x, y, w, h) in zip(numbers, line.boxes[own].tolist(), strict=True):
            lines[number] = f"{x:.4f},{y:.4f},{w:.4f},{h:.4f}\n"
    lines[result.starts[id].number] = "1\n"
    yield from lines


def _cell(text: str) -> str:
    """A cell of a CSV file, quoted where it has to be."""
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\r\n]', text) else text
