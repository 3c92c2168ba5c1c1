"""The square that the demo's pedestrians cross: paving, house fronts, and what people go behind.

Everything is drawn here from random numbers and a few polygons; no file is read. Lengths are
metres: x to the right of the camera, z away from it, y up from the ground.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from tracker_ros.demo.easel import FINE, Colour, Cover, Easel, Lens
from tracker_ros.demo.world import noise
from tracker_ros.geometry import UInt8Image

FRONTS = 15.5
"""How far away the house fronts are."""
_TEXEL = 36
"""Texels a metre of the paving."""


@dataclass(frozen=True)
class Square:
    """What stands still."""

    picture: UInt8Image
    """(height, width, 3), without people."""
    covers: tuple[Cover, ...]
    """The nearest last."""


def build_square(lens: Lens, rng: np.random.Generator) -> Square:
    """Draw the square; the same generator state gives the same square."""
    picture = _ground(lens, rng)
    easel = Easel(lens, picture)
    _draw_fronts(easel, rng)
    _shade_edge(picture, lens)
    covers = []
    for draw, z in ((_draw_column, 9.6), (_draw_kiosk, 8.2), (_draw_tree, 7.3), (_draw_lamp, 7.0)):
        easel.mask[:] = 0
        draw(easel, z, rng)
        covers.append(easel.cover(z))
    size = (lens.width, lens.height)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    small += rng.normal(0.0, 2.0, small.shape[:2]).astype(np.float32)[..., None]
    return Square(np.clip(small, 0, 255).astype(np.uint8), tuple(covers))


def _ground(lens: Lens, rng: np.random.Generator) -> UInt8Image:
    """Paving, seen in perspective."""
    left, near, far = -14.0, 4.0, FRONTS + 0.2
    width, depth = round(-2 * left * _TEXEL), round((far - near) * _TEXEL)
    slabs = np.empty((depth, width, 3), np.float32)
    slab = round(0.75 * _TEXEL)
    tones = np.array(((186, 194, 202), (178, 188, 196), (192, 198, 206), (182, 190, 196)), float)
    for row in range(-(-depth // slab)):
        band = row % 6 == 2
        shift = (slab // 2) * (row % 2)
        for column in range(-1, -(-width // slab) + 1):
            tone = np.array((160, 170, 182)) if band else tones[rng.integers(4)]
            tone = tone * rng.uniform(0.95, 1.05)
            top, start = row * slab, column * slab + shift
            slabs[top : top + slab, max(start, 0) : max(start + slab, 0)] = tone
            slabs[top : top + slab, max(start, 0) : max(start + 1, 0)] = 150
        slabs[row * slab : row * slab + 1] = 150
    slabs *= 1 + 0.07 * noise(rng, depth, width, 96, 5)[..., None]
    world = [(left, near), (-left, near), (-left, far), (left, far)]
    texels = np.array([((x - left) * _TEXEL, (far - z) * _TEXEL) for x, z in world], np.float32)
    pixels = np.array([lens.at(x, 0, z) for x, z in world], np.float32) * FINE
    size = (lens.width * FINE, lens.height * FINE)
    to_picture = cv2.getPerspectiveTransform(texels, pixels)
    seen = cv2.warpPerspective(slabs, to_picture, size, flags=cv2.INTER_LINEAR)
    return np.clip(seen, 0, 255).astype(np.uint8)


def _draw_fronts(easel: Easel, rng: np.random.Generator) -> None:
    """A row of houses: plaster, shops with awnings below, windows above."""
    z = FRONTS
    walls: tuple[Colour, ...] = ((150, 190, 214), (172, 196, 204), (140, 168, 206), (186, 200, 206))
    awnings: tuple[Colour, ...] = ((70, 80, 168), (96, 130, 70), (150, 104, 64), (60, 120, 178))
    x, house = -9.6, 0
    while x < 9.6:
        width = (5.4, 4.2, 4.8, 5.8)[house % 4]
        wall = walls[house % 4]
        dark = (int(wall[0] * 0.8), int(wall[1] * 0.8), int(wall[2] * 0.8))
        easel.panel(x, x + width, 0, 9, z, wall)
        easel.panel(x, x + width, 0, 0.45, z, (160, 168, 174))
        easel.panel(x, x + width, 3.55, 3.75, z, dark)
        easel.panel(x + width - 0.06, x + width, 0, 9, z, dark)
        _draw_shop(easel, x + 0.45, x + width - 0.45, z, awnings[house % 4], rng)
        for place in np.arange(x + 0.7, x + width - 1.0, 1.55):
            easel.panel(place - 0.08, place + 0.98, 4.15, 5.9, z, (206, 212, 216))
            easel.panel(place, place + 0.9, 4.25, 5.8, z, (96, 84, 74))
            easel.panel(place + 0.42, place + 0.48, 4.25, 5.8, z, (206, 212, 216))
        x += width
        house += 1
    rough = noise(rng, easel.picture.shape[0], easel.picture.shape[1], 48, 4)[..., None]
    edge = round(easel.lens.at(0, 0, z)[1] * FINE)
    part = easel.picture[:edge]
    part[:] = np.clip(part * (1 + 0.06 * rough[:edge]), 0, 255).astype(np.uint8)


def _draw_shop(
    easel: Easel, x0: float, x1: float, z: float, awning: Colour, rng: np.random.Generator
) -> None:
    easel.panel(x0, x1, 0.45, 2.7, z, (150, 160, 166))
    easel.panel(x0 + 0.1, x1 - 0.1, 0.6, 2.6, z, (190, 182, 172))
    for _ in range(14):  # what is in the window
        place, size = rng.uniform(x0 + 0.2, x1 - 0.7), rng.uniform(0.2, 0.5)
        tone = rng.integers(140, 215, 3)
        top = 0.6 + rng.uniform(0.2, 0.8)
        easel.panel(place, place + size, 0.6, top, z, (int(tone[0]), int(tone[1]), int(tone[2])))
    light = [(x0 + 0.2, 0.6, z), (x0 + 1.1, 0.6, z), (x0 + 2.1, 2.6, z), (x0 + 1.2, 2.6, z)]
    easel.polygon(light, (206, 200, 192))
    stripes = max(round((x1 - x0 + 0.3) / 0.4), 2)
    edges = np.linspace(x0 - 0.15, x1 + 0.15, stripes + 1)
    for stripe in range(stripes):
        a, b = float(edges[stripe]), float(edges[stripe + 1])
        colour = awning if stripe % 2 else (214, 222, 226)
        easel.polygon([(a, 3.2, z), (b, 3.2, z), (b, 2.55, z - 1.0), (a, 2.55, z - 1.0)], colour)
        dim = (int(colour[0] * 0.8), int(colour[1] * 0.8), int(colour[2] * 0.8))
        easel.panel(a, b, 2.4, 2.55, z - 1.0, dim)


def _shade_edge(picture: UInt8Image, lens: Lens) -> None:
    """The ground is darker where it meets the houses."""
    edge = round(lens.at(0, 0, FRONTS)[1] * FINE)
    reach = round(0.06 * picture.shape[0])
    fade = np.linspace(0.72, 1.0, reach)[:, None, None]
    picture[edge : edge + reach] = (picture[edge : edge + reach] * fade).astype(np.uint8)


def _shadow(easel: Easel, x: float, z: float, wide: float, deep: float) -> None:
    """The shadow of something on the ground, to its right."""
    mask = np.zeros(easel.picture.shape[:2], np.uint8)
    turns = np.linspace(0, 2 * math.pi, 40)
    points = [
        easel.lens.at(x + wide * (0.35 + math.cos(a)), 0, z + deep * math.sin(a)) for a in turns
    ]
    cv2.fillPoly(mask, [np.round(np.array(points) * FINE).astype(np.int32)], 255)
    soft = cv2.GaussianBlur(mask, (0, 0), 5 * FINE * easel.lens.height / 480)
    dark = 1 - 0.5 * soft[..., None].astype(np.float32) / 255
    easel.picture[:] = (easel.picture * dark).astype(np.uint8)


def _draw_column(easel: Easel, z: float, rng: np.random.Generator) -> None:
    """An advertising column with posters."""
    x, radius = 2.95, 0.58
    _shadow(easel, x, z, 0.9, 0.5)
    easel.cylinder(x, radius + 0.06, 0.0, 0.45, z, (120, 124, 126))
    easel.cylinder(x, radius, 0.45, 2.65, z, (190, 196, 198))
    posters: tuple[tuple[float, float, float, float, Colour], ...] = (
        (-0.50, -0.20, 1.45, 2.45, (60, 70, 190)),
        (-0.16, 0.22, 1.25, 2.5, (180, 140, 60)),
        (0.26, 0.5, 1.5, 2.4, (70, 160, 210)),
        (-0.46, -0.02, 0.6, 1.2, (110, 170, 90)),
        (0.04, 0.44, 0.62, 1.15, (60, 60, 70)),
    )
    for x0, x1, y0, y1, colour in posters:
        dim = 1.0 - 0.45 * max(0.0, (x0 + x1) / 2 / radius)
        tone = (int(colour[0] * dim), int(colour[1] * dim), int(colour[2] * dim))
        easel.panel(x + x0, x + x1, y0, y1, z - radius * 0.3, tone)
        pale = (int(225 * dim), int(228 * dim), int(230 * dim))
        for line in range(3):
            top = y0 + (y1 - y0) * (0.2 + 0.13 * line)
            easel.panel(x + x0 + 0.05, x + x1 - 0.05 - 0.05 * line, top, top + 0.04,
                        z - radius * 0.3, pale)  # fmt: skip
    easel.cylinder(x, radius + 0.12, 2.65, 2.8, z, (70, 92, 74))
    for step in range(16):
        easel.cylinder(x, (radius + 0.06) * math.cos(step * 0.1), 2.8 + 0.028 * step,
                       2.84 + 0.028 * step, z, (78, 104, 82))  # fmt: skip


def _draw_kiosk(easel: Easel, z: float, rng: np.random.Generator) -> None:
    """A newspaper kiosk with a striped awning."""
    x0, x1, back = -1.45, 0.25, z + 0.55
    _shadow(easel, (x0 + x1) / 2, z + 0.2, 1.1, 0.55)
    body, trim = (176, 206, 212), (150, 182, 190)
    easel.polygon([(x1, 0, z), (x1, 0, back), (x1, 2.5, back), (x1, 2.5, z)], (120, 146, 152))
    easel.panel(x0, x1, 0, 2.5, z, body)
    easel.panel(x0, x1, 0, 0.12, z, (110, 130, 136))
    for place in np.linspace(x0 + 0.1, x1 - 0.56, 3):
        easel.panel(place, place + 0.46, 0.2, 0.86, z, trim)
        easel.panel(place + 0.05, place + 0.41, 0.25, 0.81, z, body)
    easel.panel(x0 + 0.1, x1 - 0.1, 1.0, 2.05, z, (134, 150, 156))
    for row in range(2):  # newspapers and magazines
        for place in np.arange(x0 + 0.16, x1 - 0.34, 0.26):
            tone = rng.integers(120, 215, 3)
            bottom = 1.06 + 0.44 * row
            cover = (int(tone[0]), int(tone[1]), int(tone[2]))
            easel.panel(place, place + 0.2, bottom, bottom + 0.34, z, cover)
            easel.panel(place + 0.03, place + 0.17, bottom + 0.25, bottom + 0.3, z, (230, 232, 234))
    easel.panel(x0 - 0.05, x1 + 0.05, 0.92, 1.0, z - 0.15, (120, 146, 160))
    edges = np.linspace(x0 - 0.1, x1 + 0.1, 10)
    for stripe in range(9):
        a, b = float(edges[stripe]), float(edges[stripe + 1])
        colour = (58, 62, 188) if stripe % 2 else (222, 228, 232)
        easel.polygon([(a, 2.32, z), (b, 2.32, z), (b, 2.0, z - 0.5), (a, 2.0, z - 0.5)], colour)
        dim = (int(colour[0] * 0.82), int(colour[1] * 0.82), int(colour[2] * 0.82))
        easel.panel(a, b, 1.9, 2.0, z - 0.5, dim)
    easel.panel(x0 - 0.02, x1 + 0.02, 2.32, 2.7, z - 0.02, (60, 80, 40))
    easel.polygon([(x0 - 0.1, 2.7, z - 0.1), (x1 + 0.1, 2.7, z - 0.1), (x1 - 0.2, 2.9, back),
                   (x0 + 0.2, 2.9, back)], (88, 112, 70))  # fmt: skip
    u, v = easel.lens.at((x0 + x1) / 2, 2.42, z)
    size = 0.0056 * easel.lens.focal * FINE / z
    (across, _), _ = cv2.getTextSize("KIOSK", cv2.FONT_HERSHEY_DUPLEX, size, 2)
    place_px = (round(u * FINE - across / 2), round(v * FINE))
    cv2.putText(easel.picture, "KIOSK", place_px, cv2.FONT_HERSHEY_DUPLEX, size,
                (214, 230, 236), max(round(2 * size), 1), cv2.LINE_AA)  # fmt: skip


def _draw_tree(easel: Easel, z: float, rng: np.random.Generator) -> None:
    """A tree in a tub at the left border."""
    x = -3.25
    _shadow(easel, x + 0.2, z, 1.2, 0.5)
    easel.cylinder(x, 0.62, 0, 0.55, z, (124, 132, 140))
    easel.cylinder(x, 0.66, 0.5, 0.62, z, (140, 148, 156))
    easel.cylinder(x, 0.11, 0.6, 2.7, z - 0.02, (58, 78, 98))
    tufts = 420
    for tuft in range(tufts):
        light = tuft / tufts
        angle, reach = rng.uniform(0, 2 * math.pi), math.sqrt(rng.uniform(0, min(0.75 + light, 1)))
        across = x + 1.45 * reach * math.cos(angle) * (1 - 0.25 * light)
        up = 3.75 + 1.35 * reach * math.sin(angle) * (1 - 0.25 * light) + 0.2 * light
        u, v = easel.lens.at(across - 0.3 * light, up, z)
        radius = rng.uniform(0.08, 0.2) * easel.lens.focal / z
        tone = (0.5 + 0.75 * light) * rng.uniform(0.85, 1.15)
        colour = (int(44 * tone), int(112 * tone), int(74 * tone))
        centre = (round(u * FINE), round(v * FINE))
        for sheet, ink in ((easel.picture, colour), (easel.mask, (255, 255, 255))):
            cv2.circle(sheet, centre, max(round(radius * FINE), 2), ink, -1, cv2.LINE_AA)


def _draw_lamp(easel: Easel, z: float, rng: np.random.Generator) -> None:
    """A lamp post; its lamp is above the picture."""
    x = 0.95
    _shadow(easel, x, z, 0.28, 0.16)
    easel.cylinder(x, 0.13, 0, 0.35, z, (74, 78, 76))
    easel.cylinder(x, 0.09, 0.35, 0.95, z, (66, 72, 68))
    easel.cylinder(x, 0.055, 0.95, 5.0, z, (62, 68, 64))
