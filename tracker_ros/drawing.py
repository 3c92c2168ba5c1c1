"""Draws boxes and words onto images, in the colours that the project gives to states."""

from __future__ import annotations

import cv2
import numpy as np

from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.track import Track, TrackState

Colour = tuple[int, int, int]

STATE_COLOURS: dict[TrackState, Colour] = {
    TrackState.TENTATIVE: (70, 215, 245),
    TrackState.TRACKING: (90, 225, 70),
    TrackState.UNCERTAIN: (40, 160, 255),
    TrackState.LOST: (70, 70, 245),
    TrackState.REACQUIRED: (245, 190, 60),
}
"""BGR."""
FONT = cv2.FONT_HERSHEY_DUPLEX
_DASH = 7
_FAR = 1e5
"""A box may lie far outside; OpenCV's drawing takes 32-bit integers and is slow far outside."""


def draw_box(
    image: UInt8Image, box: Box, colour: Colour, width: int, *, dashed: bool = False
) -> None:
    """Draw the outline of a box, in place; `width` in pixels."""
    corners = np.clip([box.x, box.y, box.x + box.w - 1, box.y + box.h - 1], -_FAR, _FAR)
    x0, y0, x1, y1 = (round(float(value)) for value in corners)
    if not dashed:
        cv2.rectangle(image, (x0, y0), (x1, y1), colour, width)
        return
    for x in range(x0, x1, 2 * _DASH):
        for y in (y0, y1):
            cv2.line(image, (x, y), (min(x + _DASH, x1), y), colour, width)
    for y in range(y0, y1, 2 * _DASH):
        for x in (x0, x1):
            cv2.line(image, (x, y), (x, min(y + _DASH, y1)), colour, width)


def draw_label(
    image: UInt8Image, corner: tuple[float, float], text: str, colour: Colour, scale: float
) -> None:
    """Draw text on a darkened plate, its top-left at `corner`, in place."""
    size = 0.55 * scale
    (width, height), base = cv2.getTextSize(text, FONT, size, 1)
    x, y, pad = round(corner[0]), round(corner[1]), round(5 * scale)
    plate = image[y : y + height + base + 2 * pad, x : x + width + 2 * pad]
    plate[:] = (plate * 0.35).astype(np.uint8)
    place = (x + pad, y + pad + height)
    cv2.putText(image, text, place, FONT, size, colour, 1, cv2.LINE_AA)


def draw_tracks(image: UInt8Image, tracks: list[Track]) -> None:
    """Draw every track in the colour of its state, a lost one dashed where it was last seen."""
    scale = max(image.shape[1] / 640, 0.5)
    for row, track in enumerate(tracks):
        colour = STATE_COLOURS[track.state]
        lost = not track.state.visible
        draw_box(image, track.box, colour, max(round(2 * scale), 1), dashed=lost)
        words = f"{track.id} {track.label} {track.state.name}  {track.evidence.score:.2f}"
        draw_label(image, (8 * scale, (8 + 26 * row) * scale), words, colour, scale)
