"""Draws boxes and words onto images, in the colours that the project gives to states."""

from __future__ import annotations

import colorsys
import re
import zlib
from collections.abc import Mapping, Sequence

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
_GOLDEN = 0.618033988749895
"""Of the circle of hues from one id to the next: neighbours differ, and none comes again soon."""
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


def identity_colour(id: str) -> Colour:
    """The colour of an identity, BGR: always the same for one id, and bright on any picture."""
    digits = re.search(r"(\d{1,9})$", id)
    number = int(digits[1]) if digits else zlib.crc32(id.encode())
    hue = (0.02 + number * _GOLDEN) % 1.0
    saturation, value = ((0.85, 1.0), (0.5, 1.0), (0.95, 0.75))[number // 3 % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * blue), round(255 * green), round(255 * red)


def draw_identities(
    image: UInt8Image,
    tracks: Sequence[Track],
    trails: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> None:
    """Draw every track in the colour of its identity, in place.

    One that is not seen in this picture (UNCERTAIN: recovered or predicted; LOST: where it is
    expected) is dashed. trails: by id, where each was, the newest last, in pixels.
    """
    scale = max(image.shape[1] / 640, 0.5)
    width = max(round(2 * scale), 1)
    for id, points in (trails or {}).items():
        _draw_trail(image, points, identity_colour(id), width)
    for track in tracks:
        colour = identity_colour(track.id)
        seen = track.state not in (TrackState.UNCERTAIN, TrackState.LOST)
        draw_box(image, track.box, colour, width, dashed=not seen)
    for track in tracks:
        _draw_id(image, track.box, track.id, identity_colour(track.id), scale)


def _draw_trail(
    image: UInt8Image, points: Sequence[tuple[float, float]], colour: Colour, width: int
) -> None:
    """Draw where something was, the longer ago the fainter."""
    places = [tuple(round(float(v)) for v in np.clip(p, -_FAR, _FAR)) for p in points]
    if len(places) < 2:
        return
    xs, ys = zip(*places, strict=True)
    left, top = max(min(xs) - width, 0), max(min(ys) - width, 0)
    part = image[top : max(max(ys) + width + 1, 0), left : max(max(xs) + width + 1, 0)]
    if not part.size:
        return
    strength = np.zeros(part.shape[:2], np.uint8)
    for index in range(1, len(places)):
        (x0, y0), (x1, y1) = places[index - 1], places[index]
        faint = round(230 * index / (len(places) - 1))
        cv2.line(strength, (x0 - left, y0 - top), (x1 - left, y1 - top), faint, width, cv2.LINE_AA)
    weight = strength[..., None].astype(np.float32) / 255
    part[:] = (part * (1 - weight) + np.array(colour, np.float32) * weight).astype(np.uint8)


def _draw_id(image: UInt8Image, box: Box, id: str, colour: Colour, scale: float) -> None:
    """The id on a plate of its colour, on top of its box; within the picture where the box is."""
    size = 0.5 * scale
    (width, height), _ = cv2.getTextSize(id, FONT, size, 1)
    pad = max(round(3 * scale), 1)
    room = (max(image.shape[1] - width - 2 * pad, 0), max(image.shape[0] - height - 2 * pad, 0))
    x = round(min(max(box.x, 0.0), room[0]))
    y = round(min(max(box.y - height - 2 * pad, 0.0), room[1]))
    far = (x + width + 2 * pad, y + height + 2 * pad)
    cv2.rectangle(image, (x, y), far, colour, -1)
    bright = 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2] > 110
    ink = (20, 20, 20) if bright else (255, 255, 255)
    cv2.putText(image, id, (x + pad, y + pad + height), FONT, size, ink, 1, cv2.LINE_AA)
