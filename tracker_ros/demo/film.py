"""Draws what a run found into its pictures: the annotated video and a sheet of key moments."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np

from tracker_ros.demo.recording import FrameRecord, Recording
from tracker_ros.demo.sources import Source
from tracker_ros.drawing import FONT, STATE_COLOURS, draw_box, draw_label
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box, UInt8Image

SHEET_COLUMNS, SHEET_ROWS = 3, 2
PANEL_WIDTH = 480
_TRUTH_COLOUR = (255, 255, 255)


class FilmWriter:
    """A video file, whole when its `with` block ends."""

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def __enter__(self) -> FilmWriter:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.release()

    def add(self, image: UInt8Image) -> None:
        """Add a frame; the first one says the size, others are resized to it.

        Raises DataError when OpenCV cannot write it.
        """
        size = (image.shape[1], image.shape[0])
        if self._writer is None:
            fourcc = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer, self._size = (
                cv2.VideoWriter(str(self._path), fourcc, self._fps, size),
                size,
            )
            if not self._writer.isOpened():
                raise DataError(f"{self._path} cannot be written as a video; is the disk full?")
        # OpenCV leaves out a frame of another size without a word.
        self._writer.write(image if size == self._size else cv2.resize(image, self._size))


def write_film(
    path: Path, source: Source, recording: Recording, truth: Sequence[Box | None] | None
) -> dict[int, UInt8Image]:
    """Write the annotated video; give back the annotated frames that the sheet will show.

    Raises DataError when OpenCV cannot write the video.
    """
    moments = dict(choose_moments(source, recording))
    by_index = {record.index: record for record in recording.records}
    kept: dict[int, UInt8Image] = {}
    latest: FrameRecord | None = None
    with FilmWriter(path, source.fps) as film:
        for index, frame in enumerate(islice(source, len(recording.stamps))):
            latest = by_index.get(index, latest)
            image = frame.copy()
            annotate(image, index, latest, truth[index] if truth is not None else None)
            if index in moments:
                kept[index] = image
            film.add(image)
    return kept


def annotate(image: UInt8Image, index: int, record: FrameRecord | None, truth: Box | None) -> None:
    """Draw onto one frame: the truth thin and white, the track in the colour of its state."""
    scale = max(image.shape[1] / 640, 0.5)
    if truth is not None:
        draw_box(image, truth, _TRUTH_COLOUR, max(round(scale), 1))
    if record is None:
        draw_label(image, (8 * scale, 8 * scale), "no target yet", (200, 200, 200), scale)
        return
    colour = STATE_COLOURS[record.state]
    lost = not record.state.visible
    draw_box(image, record.box, colour, max(round(2 * scale), 1), dashed=lost)
    text = record.state.name if record.index == index else f"{record.state.name} (frame dropped)"
    draw_label(image, (8 * scale, 8 * scale), f"{text}  score {record.score:.2f}", colour, scale)


def choose_moments(source: Source, recording: Recording) -> list[tuple[int, str]]:
    """Choose six frames worth seeing, with a caption each.

    A source may name its own; otherwise the first, the changes of state and the last are
    taken, filled up with frames evenly between.
    """
    count = len(recording.stamps)
    own: Sequence[tuple[int, str]] = getattr(source, "moments", ())
    if own and count > own[-1][0] * source.fps / 30:
        return [(round(index * source.fps / 30), caption) for index, caption in own]
    wanted = SHEET_COLUMNS * SHEET_ROWS
    changes = [
        after.index
        for before, after in pairwise(recording.records)
        if before.state is not after.state
    ]
    evenly = np.linspace(0, max(count - 1, 0), wanted).round().astype(int).tolist()
    chosen = {0, max(count - 1, 0), *changes[1 : wanted - 1]}
    for index in evenly[1:-1]:
        if len(chosen) < wanted:
            chosen.add(index)
    return [(index, f"frame {index}") for index in sorted(chosen)]


def write_sheet(
    path: Path, source: Source, recording: Recording, kept: dict[int, UInt8Image]
) -> None:
    """Write the key moments side by side, as one picture."""
    moments = [moment for moment in choose_moments(source, recording) if moment[0] in kept]
    if not moments:
        raise DataError(f"{path}: there is no frame to show")
    write_panels(path, [(kept[i], f"{i / source.fps:.1f} s   {words}") for i, words in moments])


def write_panels(path: Path, panels: Sequence[tuple[UInt8Image, str]]) -> None:
    """Write pictures with a line of words each, side by side, as one picture.

    Raises DataError when it cannot be written.
    """
    first = panels[0][0]
    height = round(PANEL_WIDTH * first.shape[0] / first.shape[1])
    gap, bar = 4, 30
    rows = -(-len(panels) // SHEET_COLUMNS)
    sheet = np.full(
        (rows * (height + bar + gap) + gap, SHEET_COLUMNS * (PANEL_WIDTH + gap) + gap, 3),
        24,
        np.uint8,
    )
    for number, (picture, words) in enumerate(panels):
        row, column = divmod(number, SHEET_COLUMNS)
        top, left = gap + row * (height + bar + gap), gap + column * (PANEL_WIDTH + gap)
        panel = cv2.resize(picture, (PANEL_WIDTH, height), interpolation=cv2.INTER_AREA)
        sheet[top : top + height, left : left + PANEL_WIDTH] = panel
        place = (left + 10, top + height + 21)
        cv2.putText(sheet, words, place, FONT, 0.55, (225, 225, 225), 1, cv2.LINE_AA)
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [] if path.suffix.lower() == ".png" else [cv2.IMWRITE_JPEG_QUALITY, 85]
    if not cv2.imwrite(str(path), sheet, options):
        raise DataError(f"{path} cannot be written; is the disk full?")
