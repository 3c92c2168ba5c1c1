"""Draws the identities of a run into its pictures: the annotated video and a sheet of moments."""

from __future__ import annotations

from collections import deque
from itertools import islice
from pathlib import Path

import numpy as np

from tracker_ros.demo.film import SHEET_COLUMNS, SHEET_ROWS, FilmWriter
from tracker_ros.demo.mot_recording import MotRecording
from tracker_ros.demo.sources import Source
from tracker_ros.drawing import draw_identities, draw_label
from tracker_ros.errors import DataError
from tracker_ros.geometry import UInt8Image
from tracker_ros.track import Track

TRAIL = 2.5
"""Seconds that a trail is long."""
_INK = (235, 235, 235)


class Annotator:
    """Draws frame after frame, and remembers where everybody was."""

    def __init__(self, recording: MotRecording) -> None:
        self._recording = recording
        self._length = max(round(TRAIL * recording.fps), 2)
        self._trails: dict[str, deque[tuple[float, float]]] = {}
        self._last_seen: dict[str, int] = {}

    def draw(self, image: UInt8Image, index: int) -> None:
        """Draw the tracks of frame `index` onto it; call it for every frame, in order."""
        tracks = self._recording.frame(index)
        for track in tracks or ():
            trail = self._trails.setdefault(track.id, deque(maxlen=self._length))
            trail.append((track.box.cx, track.box.y + track.box.h))
            self._last_seen[track.id] = index
        recent = {
            id: list(trail)
            for id, trail in self._trails.items()
            if index - self._last_seen[id] < self._length
        }
        draw_identities(image, tracks or [], recent)
        scale = max(image.shape[1] / 640, 0.5)
        draw_label(image, (8 * scale, 8 * scale), self._words(index, tracks), _INK, scale)

    def _words(self, index: int, tracks: list[Track] | None) -> str:
        found = self._recording.detected.get(self._recording.stamps[index])
        detections = "no answer of the detector" if found is None else f"{found} detected"
        if tracks is None:
            return f"frame {index + 1}: {detections}, no answer of the node"
        return (
            f"frame {index + 1}: {detections}, {len(tracks)} tracked, "
            f"{len(self._last_seen)} ids so far"
        )


def write_film(
    path: Path, source: Source, recording: MotRecording, fps: float
) -> list[tuple[UInt8Image, str]]:
    """Write the annotated video, `fps` frames a second; gives back the panels of the sheet.

    Raises DataError when OpenCV cannot write the video, or there is no frame.
    """
    moments = dict(choose_moments(source, recording))
    annotator = Annotator(recording)
    panels: list[tuple[UInt8Image, str]] = []
    with FilmWriter(path, fps) as film:
        for index, frame in enumerate(islice(source, len(recording.stamps))):
            image = frame.copy()
            annotator.draw(image, index)
            if index in moments:
                panels.append((image, moments[index]))
            film.add(image)
    if not panels:
        raise DataError(f"{path}: there is no frame to show")
    return panels


def choose_moments(source: Source, recording: MotRecording) -> list[tuple[int, str]]:
    """Choose six frames worth seeing: those that the source names, else evenly; with a caption."""
    count = len(recording.stamps)
    own = [
        (round(index * source.fps / 30), caption)
        for index, caption in getattr(source, "moments", ())
    ]
    if own and count > own[-1][0]:
        return [(index, f"{index / source.fps:.1f} s   {caption}") for index, caption in own]
    evenly = np.linspace(0, max(count - 1, 0), SHEET_COLUMNS * SHEET_ROWS).round().astype(int)
    return [(index, f"frame {index + 1}") for index in dict.fromkeys(evenly.tolist())]
