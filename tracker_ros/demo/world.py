"""The world that the demo's scene films, seen from above: ground, road and bridge.

Everything is drawn here from random numbers and a few polygons; no file is read. The
distances are world pixels: at zoom 1 a world pixel is one pixel of a 640 pixel wide picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.geometry import UInt8Image

WORLD_WIDTH, WORLD_HEIGHT = 2900, 900
ROAD_WIDTH = 128
LANE_OFFSET = 31.0
"""From the middle of the road to the middle of a lane."""
BRIDGE_LEFT, BRIDGE_RIGHT = 1290, 1440
"""The bridge crosses over the road between these two abscissas."""

Float32Field = npt.NDArray[np.float32]


@dataclass(frozen=True)
class World:
    """What stands still."""

    ground: UInt8Image
    """(WORLD_HEIGHT, WORLD_WIDTH, 3): everything as seen from above, the bridge included."""
    cover: npt.NDArray[np.uint8]
    """(WORLD_HEIGHT, WORLD_WIDTH): 255 where something stands over whatever is on the road."""


def road_y(x: float) -> float:
    """Ordinate of the middle of the road at abscissa `x`."""
    return 450.0 + 75.0 * math.sin(x / 360.0) + 18.0 * math.sin(x / 150.0 + 1.0)


def road_heading(x: float) -> float:
    """Direction of the road at abscissa `x`, radians, positive towards larger y."""
    return math.atan((road_y(x + 1.0) - road_y(x - 1.0)) / 2.0)


def build_world(rng: np.random.Generator) -> World:
    """Draw the world; the same generator state gives the same world."""
    ground = _meadow(rng)
    _draw_fields(ground, rng)
    _draw_road(ground, rng)
    _draw_houses(ground, rng)
    _draw_trees(ground, rng)
    cover = np.zeros((WORLD_HEIGHT, WORLD_WIDTH), np.uint8)
    _draw_bridge(ground, cover, rng)
    grain = rng.normal(0.0, 5.0, ground.shape[:2]).astype(np.float32)[..., None]
    return World(np.clip(ground.astype(np.float32) + grain, 0, 255).astype(np.uint8), cover)


def noise(
    rng: np.random.Generator, height: int, width: int, cell: int, octaves: int
) -> Float32Field:
    """Smooth noise, about -1 to 1: octaves of random grids, each of half the cell and weight."""
    total = np.zeros((height, width), np.float32)
    weight = 0.5
    for _ in range(octaves):
        grid = rng.uniform(-1, 1, (height // cell + 2, width // cell + 2)).astype(np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        weight, cell = weight / 1.6, max(cell // 2, 1)
    return total


def _meadow(rng: np.random.Generator) -> UInt8Image:
    dry = noise(rng, WORLD_HEIGHT, WORLD_WIDTH, 192, 4)[..., None]
    blades = noise(rng, WORLD_HEIGHT, WORLD_WIDTH, 12, 3)[..., None]
    green = np.array((58, 104, 84), np.float32)
    straw = np.array((88, 140, 146), np.float32)
    mix = np.clip(0.45 + 0.9 * dry, 0, 1)
    colour = green * (1 - mix) + straw * mix
    return np.asarray(np.clip(colour * (1 + 0.28 * blades), 0, 255), np.uint8)


def _draw_fields(ground: UInt8Image, rng: np.random.Generator) -> None:
    """Ploughed fields: furrows at an angle inside tilted rectangles."""
    for cx, side in ((220, -1), (760, 1), (1120, -1), (1750, 1), (2080, -1), (2600, 1)):
        cy = road_y(cx) + side * rng.uniform(230, 260)
        angle = rng.uniform(-0.35, 0.35)
        size = (rng.uniform(260, 380), rng.uniform(170, 220))
        corners = cv2.boxPoints(((float(cx), cy), size, math.degrees(angle)))
        left, top = np.maximum(corners.min(0).astype(int) - 9, 0)
        part = ground[top : int(corners[:, 1].max()) + 9, left : int(corners[:, 0].max()) + 9]
        mask = np.zeros(part.shape[:2], np.uint8)
        cv2.fillPoly(mask, [(corners - (left, top)).astype(np.int32)], 255)
        ys, xs = np.mgrid[0 : part.shape[0], 0 : part.shape[1]].astype(np.float32)
        furrows = np.sin((xs * math.sin(angle) - ys * math.cos(angle)) * (2 * math.pi / 13.0))
        soil = ((62, 96, 128), (70, 128, 140), (66, 118, 96))[rng.integers(3)]
        picture = np.array(soil, np.float32) * (1 + 0.16 * furrows[..., None])
        _paint(part, cv2.GaussianBlur(mask, (0, 0), 3), 0.85 * picture + 0.15 * part)


def _paint(ground: UInt8Image, mask: cv2.typing.MatLike, picture: npt.NDArray[Any]) -> None:
    """Lay `picture` over the ground where the mask is 255, and in part where it is less."""
    weight = mask[..., None].astype(np.float32) / 255
    ground[:] = np.clip(ground * (1 - weight) + picture * weight, 0, 255).astype(np.uint8)


def _road_line(offset: float, start: float, stop: float) -> npt.NDArray[np.int32]:
    """Points along the road, `offset` to the right of its middle, in 1/16 px for cv2."""
    points = []
    for x in np.arange(start, stop + 1, 6.0):
        heading = road_heading(x)
        points.append((x - offset * math.sin(heading), road_y(x) + offset * math.cos(heading)))
    return np.round(np.array(points) * 16).astype(np.int32)


def _draw_road(ground: UInt8Image, rng: np.random.Generator) -> None:
    shape = ground.shape[:2]
    middle = _road_line(0, -60, WORLD_WIDTH + 60)
    verge, asphalt = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    cv2.polylines(verge, [middle], False, 255, ROAD_WIDTH + 26, cv2.LINE_AA, 4)
    cv2.polylines(asphalt, [middle], False, 255, ROAD_WIDTH, cv2.LINE_AA, 4)
    rough = 1 + 0.10 * noise(rng, WORLD_HEIGHT, WORLD_WIDTH, 64, 5)[..., None]
    _paint(
        ground, cv2.GaussianBlur(verge, (0, 0), 5), np.array((112, 138, 150), np.float32) * rough
    )
    _paint(ground, asphalt, np.array((104, 100, 98), np.float32) * rough)
    for edge in (-ROAD_WIDTH / 2 + 6, ROAD_WIDTH / 2 - 6):
        line = _road_line(edge, -60, WORLD_WIDTH + 60)
        cv2.polylines(ground, [line], False, (205, 210, 212), 3, cv2.LINE_AA, 4)
    for x in np.arange(0.0, WORLD_WIDTH, 76.0):
        cv2.polylines(ground, [_road_line(0, x, x + 36)], False, (205, 210, 212), 3, cv2.LINE_AA, 4)
    patches = np.zeros(shape, np.uint8)  # of newer asphalt: the road itself has something to see
    for _ in range(14):
        x, offset = rng.uniform(0, WORLD_WIDTH), rng.uniform(-40, 40)
        patch = ((x, road_y(x) + offset), (rng.uniform(40, 110), rng.uniform(18, 34)))
        corners = cv2.boxPoints((*patch, math.degrees(road_heading(x))))
        cv2.fillPoly(patches, [corners.astype(np.int32)], 255, cv2.LINE_AA)
    _shade(ground, patches, 0.14, 0.7)


def _shade(ground: UInt8Image, mask: npt.NDArray[np.uint8], darkness: float, blur: float) -> None:
    """Darken the ground under a mask: the shadow of something that stands there."""
    soft = cv2.GaussianBlur(mask, (0, 0), blur)[..., None].astype(np.float32) / 255
    ground[:] = (ground * (1 - darkness * soft)).astype(np.uint8)


def _draw_houses(ground: UInt8Image, rng: np.random.Generator) -> None:
    """Gabled roofs: a bright and a dark half, rows of tiles, a shadow."""
    roofs = ((66, 84, 150), (104, 108, 116), (86, 112, 160), (130, 120, 108))
    sides = (
        (480, -1),
        (560, 1),
        (950, -1),
        (1040, 1),
        (1600, -1),
        (1940, 1),
        (2330, -1),
        (2420, 1),
    )
    houses = []
    for x, side in sides:
        angle = math.degrees(road_heading(x)) + rng.uniform(-6, 6)
        size = (rng.uniform(84, 120), rng.uniform(62, 82))
        centre = (float(x), road_y(x) + side * rng.uniform(135, 160))
        houses.append(
            (cv2.boxPoints((centre, size, angle)), np.array(roofs[rng.integers(4)], float))
        )
    shadow = np.zeros(ground.shape[:2], np.uint8)
    for corners, _ in houses:
        cv2.fillPoly(shadow, [(corners + np.array((9, 12))).astype(np.int32)], 255)
    _shade(ground, shadow, 0.5, 2.0)
    for corners, roof in houses:
        ridge = (corners[[0, 3]] + corners[[1, 2]]) / 2
        for eave, light in (((0, 3), 1.12), ((1, 2), 0.82)):
            half = np.array([corners[eave[0]], ridge[0], ridge[1], corners[eave[1]]])
            cv2.fillPoly(ground, [half.astype(np.int32)], (roof * light).tolist(), cv2.LINE_AA)
        for step in np.linspace(0.12, 0.88, 9):
            row = corners[[0, 1]] * (1 - step) + corners[[3, 2]] * step
            ends = row.astype(int).tolist()
            cv2.line(ground, ends[0], ends[1], (roof * 0.72).tolist(), 1, cv2.LINE_AA)


def _draw_trees(ground: UInt8Image, rng: np.random.Generator) -> None:
    """Round trees beside the road: a shadow, then tufts from dark to light towards the sun."""
    places = [(rng.uniform(0, WORLD_WIDTH), rng.uniform(0, WORLD_HEIGHT)) for _ in range(190)]
    trees = [(x, y, rng.uniform(13, 30)) for x, y in places]
    trees = [
        tree for tree in trees if abs(tree[1] - road_y(tree[0])) > ROAD_WIDTH / 2 + 22 + tree[2]
    ]
    shadow = np.zeros(ground.shape[:2], np.uint8)
    for x, y, radius in trees:
        cv2.circle(shadow, (int(x + radius * 0.45), int(y + radius * 0.6)), int(radius), 255, -1)
    _shade(ground, shadow, 0.5, 3.0)
    for x, y, radius in sorted(trees, key=lambda tree: tree[1]):
        tint = rng.uniform(0.8, 1.15)
        for tuft in range(26):
            light = tuft / 25
            reach = radius * (1 - 0.75 * light)
            angle, distance = rng.uniform(0, 2 * math.pi), reach * math.sqrt(rng.uniform())
            centre = (
                int(x + distance * math.cos(angle) - 0.25 * radius * light),
                int(y + distance * math.sin(angle) - 0.3 * radius * light),
            )
            colour = tuple(float(c * tint * (0.62 + 0.75 * light)) for c in (46, 92, 62))
            cv2.circle(
                ground, centre, max(int(radius * (0.42 - 0.2 * light)), 2), colour, -1, cv2.LINE_AA
            )


def _draw_bridge(
    ground: UInt8Image, cover: npt.NDArray[np.uint8], rng: np.random.Generator
) -> None:
    """A railway bridge straight across: sleepers, rails and parapets; it hides what is below."""
    left, right = BRIDGE_LEFT, BRIDGE_RIGHT
    shadow = np.zeros(ground.shape[:2], np.uint8)
    cv2.rectangle(shadow, (left, 0), (right + 16, WORLD_HEIGHT), 255, -1)
    _shade(ground, shadow, 0.5, 4.0)
    deck = 1 + 0.16 * noise(rng, WORLD_HEIGHT, right - left, 16, 3)[..., None]
    ground[:, left:right] = np.clip(np.array((126, 138, 146), np.float32) * deck, 0, 255).astype(
        np.uint8
    )
    for track in (left + 44, right - 44):
        for y in range(6, WORLD_HEIGHT, 16):
            cv2.rectangle(ground, (track - 25, y), (track + 25, y + 6), (58, 72, 84), -1)
        for rail in (track - 15, track + 15):
            cv2.line(ground, (rail, 0), (rail, WORLD_HEIGHT), (176, 178, 180), 3)
    for parapet in (left, right - 8):
        cv2.rectangle(ground, (parapet, 0), (parapet + 8, WORLD_HEIGHT), (168, 176, 180), -1)
        cv2.rectangle(ground, (parapet, 0), (parapet + 8, WORLD_HEIGHT), (96, 100, 104), 1)
    cover[:, left:right] = 255
