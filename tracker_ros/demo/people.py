"""The people of the demo's square: a skeleton that walks, clothed in rounded, shaded limbs.

Lengths are metres. A figure has its own axes: forward, to its left, and up from the ground. It is
drawn as seen from the side it turns to the camera, without perspective: people are small enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]
"""BGR, 0 to 255."""
Point = tuple[float, float, float]
"""Forward, left, up."""
PIXELS_PER_METRE = 112.0
"""Sprites are drawn at this scale."""
CANVAS_WIDTH, CANVAS_HEIGHT = 192, 232
GROUND = 16
"""Rows of the canvas below the ground on which the figure stands."""
_MARGIN = 4
"""Pixels round a figure, where its edge fades."""
_LIGHT = np.array((-0.48, -0.62, 0.62), np.float32)
"""Where the light comes from: right, down, towards the camera."""
_SOFT = 0.9
"""Pixels over which an edge fades."""


@dataclass(frozen=True)
class Look:
    """What somebody wears and how tall he or she is."""

    height: float
    build: float
    """Breadth, 1 for average."""
    skin: Colour
    hair: Colour
    top: Colour
    legs: Colour
    shoes: Colour
    sleeves: str = "long"
    """long or short."""
    wear: str = "trousers"
    """trousers, shorts, skirt or coat."""
    long_hair: bool = False
    hat: Colour | None = None
    backpack: Colour | None = None
    bag: Colour | None = None
    """Carried in the hand."""
    tights: Colour | None = None
    """Under a skirt; None: bare legs."""


@dataclass(frozen=True)
class Pose:
    """How somebody stands or walks at a moment."""

    heading: float
    """Radians: 0 walks to the right of the picture, pi / 2 away from the camera."""
    phase: float
    """Of the step, 0 to 1: two steps."""
    swing: float
    """Of arms and legs: 0 stands, 1 walks."""


@dataclass(frozen=True)
class Sprite:
    """A figure seen by the camera."""

    premultiplied: npt.NDArray[np.uint8]
    """(height, width, 4): blue, green, red, each already times alpha, then alpha."""
    foot: tuple[float, float]
    """Where it stands: across and down from the top-left corner, pixels."""
    box: tuple[float, float, float, float]
    """Left, top, right and bottom of its pixels, metres from where it stands: x right, y down."""


@dataclass(frozen=True)
class _Limb:
    """A rounded, tapering piece from `a` to `b`."""

    a: Point
    b: Point
    radius_a: float
    radius_b: float
    colour: Colour
    flat: float = 1.0
    """How far the rounded ends reach, in radii."""
    before: float = 0.0
    """Drawn as if it were so much nearer to the camera."""


def draw_person(look: Look, pose: Pose) -> Sprite:
    """Draw somebody in a pose."""
    canvas = np.zeros((CANVAS_HEIGHT, CANVAS_WIDTH, 4), np.float32)
    limbs = _limbs(look, pose)
    sin, cos = math.sin(pose.heading), math.cos(pose.heading)

    def depth(limb: _Limb) -> float:
        forward, left = (limb.a[0] + limb.b[0]) / 2, (limb.a[1] + limb.b[1]) / 2
        return forward * sin + left * cos - limb.before

    for limb in sorted(limbs, key=depth, reverse=True):
        _paint(canvas, limb, sin, cos)
    shown = canvas[..., 3] > 0.5
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    top, left = int(rows[0]) - _MARGIN, int(columns[0]) - _MARGIN
    bottom, right = int(rows[-1]) + 1, int(columns[-1]) + 1
    part = canvas[top : bottom + _MARGIN, left : right + _MARGIN]
    x, y = CANVAS_WIDTH / 2 - left, CANVAS_HEIGHT - GROUND - top
    edges = (_MARGIN - x, _MARGIN - y, right - left - x, bottom - top - y)
    x0, y0, x1, y1 = (edge / PIXELS_PER_METRE for edge in edges)
    return Sprite((part * 255 + 0.5).astype(np.uint8), (x, y), (x0, y0, x1, y1))


def _paint(canvas: npt.NDArray[np.float32], limb: _Limb, sin: float, cos: float) -> None:
    """Lay a limb over the canvas, shaded as a round body is."""
    ends = []
    for forward, left, up in (limb.a, limb.b):
        x = CANVAS_WIDTH / 2 + PIXELS_PER_METRE * (forward * cos - left * sin)
        y = CANVAS_HEIGHT - GROUND - PIXELS_PER_METRE * up
        ends.append((x, y))
    (xa, ya), (xb, yb) = ends
    ra, rb = limb.radius_a * PIXELS_PER_METRE, limb.radius_b * PIXELS_PER_METRE
    reach = max(ra, rb) + 2
    x0, x1 = max(int(min(xa, xb) - reach), 0), min(int(max(xa, xb) + reach) + 2, CANVAS_WIDTH)
    y0, y1 = max(int(min(ya, yb) - reach), 0), min(int(max(ya, yb) + reach) + 2, CANVAS_HEIGHT)
    if x0 >= x1 or y0 >= y1:
        return
    ys, xs = np.mgrid[y0:y1, x0:x1].astype(np.float32) + np.float32(0.5)
    length = math.hypot(xb - xa, yb - ya)
    # Seen from its end a limb has no direction; any one will do.
    ux, uy = ((xb - xa) / length, (yb - ya) / length) if length > 0.01 else (0.0, 1.0)
    length = max(length, 0.01)
    along = (xs - xa) * ux + (ys - ya) * uy
    across = (xs - xa) * -uy + (ys - ya) * ux
    share = np.clip(along / length, 0, 1)
    radius = ra + (rb - ra) * share
    over = (np.maximum(along - length, 0) + np.minimum(along, 0)) / limb.flat
    distance = np.hypot(over, across)
    alpha = np.clip((radius - distance) / _SOFT + 0.5, 0, 1)
    n_across, n_along = across / radius, over / radius
    towards = np.sqrt(np.clip(1 - n_across**2 - n_along**2, 0, 1))
    normal_x, normal_y = n_across * -uy + n_along * ux, n_across * ux + n_along * uy
    lit = normal_x * _LIGHT[0] + normal_y * _LIGHT[1] + towards * _LIGHT[2]
    shade = 0.52 + 0.56 * np.clip(lit, 0, 1)
    colour = np.array(limb.colour, np.float32) / 255
    part = canvas[y0:y1, x0:x1]
    keep = (1 - alpha)[..., None]
    part[..., :3] = (
        part[..., :3] * keep + np.clip(colour * shade[..., None], 0, 1) * alpha[..., None]
    )
    part[..., 3:] = part[..., 3:] * keep + alpha[..., None]


def _limbs(look: Look, pose: Pose) -> list[_Limb]:
    """Every piece of a figure; the lower foot stands on the ground."""
    pieces: list[_Limb] = []
    for side, phase in ((1, pose.phase), (-1, pose.phase + 0.5)):
        pieces += _leg(look, pose, side, phase)
    lowest = min(min(piece.a[2], piece.b[2]) - 0.5 * piece.radius_a for piece in pieces)
    for side, phase in ((1, pose.phase + 0.5), (-1, pose.phase)):
        pieces += _arm(look, pose, side, phase)
    pieces += _body(look, pose)
    pieces += _head(look)
    return [
        replace(
            piece,
            a=(piece.a[0], piece.a[1], piece.a[2] - lowest),
            b=(piece.b[0], piece.b[1], piece.b[2] - lowest),
        )
        for piece in pieces
    ]


def _step(start: Point, angle: float, length: float) -> Point:
    """The end of a bone that hangs from `start`, swung forward by `angle`."""
    forward, left, up = start
    return forward + length * math.sin(angle), left, up - length * math.cos(angle)


def _leg(look: Look, pose: Pose, side: int, phase: float) -> list[_Limb]:
    h, turn = look.height, 2 * math.pi * phase
    hip = (0.0, side * 0.052 * h, 0.52 * h)
    thigh_angle = pose.swing * (0.05 + 0.28 * math.cos(turn))
    bend = pose.swing * (0.10 + 0.75 * max(0.0, -math.sin(turn + 0.25)) ** 1.5)
    knee = _step(hip, thigh_angle, 0.245 * h)
    ankle = _step(knee, thigh_angle - bend, 0.235 * h)
    pitch = 0.9 * (thigh_angle - bend) if thigh_angle - bend < 0 else 0.5 * (thigh_angle - bend)
    toe = (ankle[0] + 0.085 * h * math.cos(pitch), ankle[1], ankle[2] - 0.012 * h
           + 0.085 * h * math.sin(pitch))  # fmt: skip
    wide = look.build
    bare = look.wear in ("shorts", "skirt")
    shin = (look.tights or look.skin) if bare else look.legs
    thigh = (look.tights or look.skin) if look.wear == "skirt" else look.legs
    loose = 1.0 if bare else 1.12
    pieces = [
        _Limb(ankle, toe, 0.023 * h, 0.017 * h, look.shoes),
        _Limb(knee, ankle, 0.034 * h * wide * loose, 0.021 * h * loose, shin, before=0.01),
        _Limb(hip, knee, 0.051 * h * wide, 0.037 * h * wide * loose, thigh, before=0.02),
    ]
    if look.wear == "shorts":
        half = _step(hip, thigh_angle, 0.2 * h)
        pieces.append(_Limb(hip, half, 0.055 * h * wide, 0.05 * h * wide, look.legs, before=0.03))
    return pieces


def _arm(look: Look, pose: Pose, side: int, phase: float) -> list[_Limb]:
    h, turn = look.height, 2 * math.pi * phase
    shoulder = (0.0, side * 0.104 * h * look.build, 0.785 * h)
    angle = pose.swing * (0.05 + 0.30 * math.cos(turn))
    elbow = _step(shoulder, angle, 0.165 * h)
    elbow = (elbow[0], elbow[1] + side * 0.02 * h, elbow[2])
    wrist = _step(elbow, angle + 0.12 + pose.swing * (0.2 + 0.15 * math.cos(turn)), 0.15 * h)
    hand = _step(wrist, angle + 0.2, 0.03 * h)
    lower = look.top if look.sleeves == "long" else look.skin
    thick = look.build * (1.1 if look.wear == "coat" else 1.0)
    pieces = [
        _Limb(wrist, hand, 0.017 * h, 0.018 * h, look.skin),
        _Limb(elbow, wrist, 0.024 * h * thick, 0.018 * h * thick, lower, before=0.01),
        _Limb(shoulder, elbow, 0.031 * h * thick, 0.026 * h * thick, look.top, before=0.02),
    ]
    if look.bag is not None and side == 1:
        strap = (hand[0], hand[1], hand[2] - 0.05 * h)
        bottom = (hand[0], hand[1], hand[2] - 0.15 * h)
        pieces.append(_Limb(hand, strap, 0.008 * h, 0.008 * h, look.bag))
        pieces.append(_Limb(strap, bottom, 0.04 * h, 0.055 * h, look.bag, flat=0.5))
    return pieces


def _body(look: Look, pose: Pose) -> list[_Limb]:
    h = look.height
    side_on, face_on = abs(math.cos(pose.heading)), abs(math.sin(pose.heading))

    def breadth(depth: float, width: float) -> float:
        return look.build * h * math.hypot(depth * side_on, width * face_on)

    hips, chest = (0.0, 0.0, 0.53 * h), (0.012 * h, 0.0, 0.77 * h)
    waist = breadth(0.058, 0.083)
    pieces = [
        _Limb(hips, chest, waist, breadth(0.066, 0.112), look.top, flat=0.36),
        _Limb((0.005 * h, 0.0, 0.79 * h), (0.012 * h, 0.0, 0.845 * h), breadth(0.055, 0.085),
              breadth(0.034, 0.04), look.top, flat=0.3),
        _Limb((0.0, 0.0, 0.49 * h), (0.0, 0.0, 0.545 * h), waist, waist,
              look.top if look.wear == "coat" else look.legs, flat=0.35, before=-0.005),
        _Limb(chest, (0.02 * h, 0.0, 0.87 * h), 0.03 * h, 0.028 * h, look.skin, before=-0.05),
    ]  # fmt: skip
    if look.wear == "skirt":
        pieces.append(_Limb((0.0, 0.0, 0.56 * h), (0.0, 0.0, 0.33 * h), waist,
                            breadth(0.098, 0.112), look.legs, flat=0.15, before=0.14))  # fmt: skip
    if look.wear == "coat":
        pieces.append(_Limb((0.0, 0.0, 0.60 * h), (0.0, 0.0, 0.32 * h), waist,
                            breadth(0.08, 0.098), look.top, flat=0.15, before=0.14))  # fmt: skip
    if look.backpack is not None:
        back = -0.085 * h
        pieces.append(_Limb((back, 0.0, 0.60 * h), (back, 0.0, 0.75 * h), breadth(0.045, 0.085),
                            breadth(0.04, 0.075), look.backpack, flat=0.6))  # fmt: skip
    return pieces


def _head(look: Look) -> list[_Limb]:
    h = look.height
    chin, crown = (0.03 * h, 0.0, 0.90 * h), (0.022 * h, 0.0, 0.95 * h)
    back, top = (0.008 * h, 0.0, 0.925 * h), (0.012 * h, 0.0, 0.958 * h)
    pieces = [
        _Limb(chin, crown, 0.041 * h, 0.050 * h, look.skin),
        # Behind the face for whoever comes towards the camera, over it for whoever goes away.
        _Limb(back, top, 0.050 * h, 0.052 * h, look.hair),
        _Limb((0.018 * h, 0.0, 0.972 * h), (0.0, 0.0, 0.968 * h), 0.037 * h, 0.040 * h,
              look.hair, before=0.08),
    ]  # fmt: skip
    if look.long_hair:
        pieces.append(_Limb(back, (-0.012 * h, 0.0, 0.875 * h), 0.052 * h, 0.036 * h, look.hair))
    if look.hat is not None:
        pieces.append(_Limb((0.0, 0.0, 0.975 * h), (0.03 * h, 0.0, 0.975 * h), 0.048 * h,
                            0.048 * h, look.hat, before=0.1))  # fmt: skip
        pieces.append(_Limb((0.05 * h, 0.0, 0.962 * h), (0.085 * h, 0.0, 0.955 * h), 0.014 * h,
                            0.01 * h, look.hat, before=0.1))  # fmt: skip
    return pieces
