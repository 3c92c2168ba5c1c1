"""The scene of the demo: a film that needs no file, with the truth about its target.

A buggy drives along a country road, filmed from the air. In 20 seconds happens all that makes
tracking hard:

    0 -  4 s   it drives, the camera pans along and its height changes
    4 -  8 s   a buggy of the same make overtakes it, closely
    8 - 12 s   it passes under a railway bridge and is hidden there
   14 - 18 s   it is faster than the camera, leaves the picture and comes back at the same edge
   18 - 20 s   it drives on
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.demo.vehicles import SPRITE_SCALE, Sprite, draw_vehicle
from tracker_ros.demo.world import LANE_OFFSET, build_world, road_heading, road_y
from tracker_ros.geometry import Box, UInt8Image

DURATION = 20.0
"""Seconds."""
MIN_VISIBLE = 0.05
"""Where less than this share of the target is seen, the truth is that it is not visible."""

# (second, value): smooth curves run through these.
# fmt: off
_TARGET_X = ((0, 330), (4, 700), (8, 1080), (10, 1270), (12, 1500), (14.5, 1790), (17, 2080),
             (20, 2400))
# World pixels from the middle of the picture to the target:
_AHEAD = ((0, -130), (3, 60), (5.5, -50), (8, 30), (10, 60), (11.5, 10), (13.5, 60), (14.4, 190),
          (15.3, 372), (15.8, 408), (16.2, 408), (16.7, 372), (17.6, 200), (18.6, 20), (20, -20))
# World pixels from the target to the overtaker:
_OVERTAKER_AHEAD = ((0, -560), (3.5, -330), (5, -120), (6, 0), (7, 110), (9, 420), (12, 900),
                    (20, 1500))
_ZOOM = ((0, 1.0), (3, 1.12), (6, 1.06), (10, 1.0), (13, 0.94), (16, 1.0), (20, 1.15))
# fmt: on


@dataclass(frozen=True)
class SceneFrame:
    """One picture of the scene and what is true of it."""

    image: UInt8Image
    box: Box | None
    """The box round the whole target, as far as the picture reaches; None: it is not visible."""
    visibility: float
    """Share of the target's pixels that can be seen: 0 hidden or absent, 1 all of it."""


@dataclass(frozen=True)
class _View:
    """Where the camera looks: the world point amid the picture, pixels per world pixel."""

    x: float
    y: float
    zoom: float


@dataclass(frozen=True)
class _Vehicle:
    """A vehicle in one frame: a patch of the picture, perhaps reaching beyond its border."""

    box: Box
    left: int
    top: int
    columns: slice
    rows: slice
    """The part of the patch within the picture."""
    layer: npt.NDArray[np.float32]
    open_sky: npt.NDArray[np.float32]
    """How much of each pixel of the patch nothing hides, 0 to 1."""
    zoom: float


class Scene:
    """A film of `len(scene)` frames; `frame(i)` depends on `i` and on the arguments only."""

    def __init__(
        self, width: int = 640, height: int = 480, fps: float = 30.0, seed: int = 7
    ) -> None:
        """Draw the world (about a second); `width` and `height` in pixels, `fps` in hertz."""
        self.width, self.height, self.fps = width, height, fps
        rng = np.random.default_rng(seed)
        self._world = build_world(rng)
        self._target = draw_vehicle((38, 82, 226), (238, 242, 244), chequered=True)
        self._overtaker = draw_vehicle((44, 128, 232), (70, 60, 56), chequered=False)
        grain = rng.normal(0.0, 2.2, (height + 64, width + 64, 3))
        self._brighter = np.clip(np.round(grain), 0, 255).astype(np.uint8)
        self._darker = np.clip(np.round(-grain), 0, 255).astype(np.uint8)

    def __len__(self) -> int:
        return round(DURATION * self.fps)

    def frame(self, index: int) -> SceneFrame:
        """Film frame `index`, 0 to len - 1. Raises IndexError beyond the end."""
        view = self._view(index)
        to_picture = np.array(
            [
                [view.zoom, 0, self.width / 2 - view.zoom * view.x],
                [0, view.zoom, self.height / 2 - view.zoom * view.y],
            ]
        )
        size = (self.width, self.height)
        ground = cv2.warpAffine(
            self._world.ground, to_picture, size, borderMode=cv2.BORDER_REFLECT_101
        )
        image = np.asarray(ground, np.uint8)
        overtaker, target = self._vehicles(index, view)
        self._draw(image, overtaker)
        self._draw(image, target)
        self._add_grain(image, index)
        visibility = self._visibility(target)
        return SceneFrame(image, target.box if visibility >= MIN_VISIBLE else None, visibility)

    def truth(self) -> tuple[Box | None, ...]:
        """The box of every frame, without filming them (a tenth of the time)."""
        boxes: list[Box | None] = []
        for index in range(len(self)):
            target = self._vehicles(index, self._view(index))[1]
            boxes.append(target.box if self._visibility(target) >= MIN_VISIBLE else None)
        return tuple(boxes)

    def _view(self, index: int) -> _View:
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} is not in a scene of {len(self)} frames")
        second = index / self.fps
        x = _curve(_TARGET_X, second) - _curve(_AHEAD, second)
        y = 450.0 + 0.5 * (road_y(x) - 450.0) + 18.0 * math.sin(second * 0.7)
        return _View(x, y, _curve(_ZOOM, second) * self.width / 640)

    def _vehicles(self, index: int, view: _View) -> tuple[_Vehicle, _Vehicle]:
        """The overtaker and the target as they are in frame `index`."""
        second = index / self.fps
        x = _curve(_TARGET_X, second)
        return (
            self._place(self._overtaker, x + _curve(_OVERTAKER_AHEAD, second), -LANE_OFFSET, view),
            self._place(self._target, x, LANE_OFFSET, view),
        )

    def _place(self, sprite: Sprite, x: float, offset: float, view: _View) -> _Vehicle:
        """Turn, scale and move a sprite to its place on the road, `offset` right of the middle."""
        heading = road_heading(x)
        cos, sin = math.cos(heading) * view.zoom, math.sin(heading) * view.zoom
        turn = np.array([[cos, -sin], [sin, cos]])
        centre = np.array(
            [
                self.width / 2 + view.zoom * (x - offset * math.sin(heading) - view.x),
                self.height / 2 + view.zoom * (road_y(x) + offset * math.cos(heading) - view.y),
            ]
        )
        corners = sprite.outline @ turn.T + centre
        (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
        box = Box(float(x0), float(y0), float(x1 - x0), float(y1 - y0))

        pad = 6 * view.zoom  # room for the shadow
        left, top = math.floor(x0 - pad), math.floor(y0 - pad)
        size = (math.ceil(x1 + pad) - left, math.ceil(y1 + pad) - top)
        sprite_height, sprite_width = sprite.premultiplied.shape[:2]
        place = np.empty((2, 3))
        place[:, :2] = turn / SPRITE_SCALE
        # Pixel centres are whole numbers for cv2, half numbers for outlines and boxes.
        middle = np.array([sprite_width / 2 - 0.5, sprite_height / 2 - 0.5])
        place[:, 2] = centre - (left, top) - 0.5 - place[:, :2] @ middle
        return _Vehicle(
            box=box.clipped(self.width, self.height),
            left=left,
            top=top,
            columns=slice(max(-left, 0), max(min(self.width - left, size[0]), 0)),
            rows=slice(max(-top, 0), max(min(self.height - top, size[1]), 0)),
            layer=np.asarray(cv2.warpAffine(sprite.premultiplied, place, size), np.float32),
            open_sky=1.0 - self._cover_of(left, top, size, view),
            zoom=view.zoom,
        )

    @staticmethod
    def _visibility(vehicle: _Vehicle) -> float:
        alpha = vehicle.layer[..., 3]
        seen = (alpha * vehicle.open_sky)[vehicle.rows, vehicle.columns]
        return float(seen.sum() / alpha.sum())

    @staticmethod
    def _draw(image: UInt8Image, vehicle: _Vehicle) -> None:
        rows, columns = vehicle.rows, vehicle.columns
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        height, width, _ = vehicle.layer.shape
        alpha = vehicle.layer[..., 3]
        shift = np.array([[1, 0, 3.0 * vehicle.zoom], [0, 1, 4.0 * vehicle.zoom]])
        shadow = 0.45 * cv2.warpAffine(cv2.blur(alpha, (3, 3)), shift, (width, height))
        keep = (1 - shadow * vehicle.open_sky) * (1 - alpha * vehicle.open_sky)
        light = vehicle.layer[..., :3] * (255 * vehicle.open_sky[..., None])
        part = image[
            vehicle.top + rows.start : vehicle.top + rows.stop,
            vehicle.left + columns.start : vehicle.left + columns.stop,
        ]
        painted = part * keep[rows, columns, None] + light[rows, columns]
        part[:] = np.clip(painted + 0.5, 0, 255).astype(np.uint8)

    def _cover_of(
        self, left: int, top: int, patch: tuple[int, int], view: _View
    ) -> npt.NDArray[np.float32]:
        """How much of each pixel of a patch of the picture lies under something, 0 to 1."""
        to_world = np.array(
            [
                [1 / view.zoom, 0, view.x + (left - self.width / 2) / view.zoom],
                [0, 1 / view.zoom, view.y + (top - self.height / 2) / view.zoom],
            ]
        )
        cover = cv2.warpAffine(
            self._world.cover, to_world, patch, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        return np.asarray(np.asarray(cover, np.float32) / 255, np.float32)

    def _add_grain(self, image: UInt8Image, index: int) -> None:
        """The noise of the camera: one field of it, shifted from frame to frame."""
        dx, dy = (index * 29) % 64, (index * 43 + 17) % 64
        window = (slice(dy, dy + self.height), slice(dx, dx + self.width))
        cv2.add(image, self._brighter[window], image)
        cv2.subtract(image, self._darker[window], image)


def _curve(points: tuple[tuple[float, float], ...], second: float) -> float:
    """Value at `second` of the smooth (Catmull-Rom) curve through `points`."""
    times = [time for time, _ in points]
    right = min(max(sum(time <= second for time in times), 1), len(points) - 1)
    (t0, v0), (t1, v1) = points[right - 1], points[right]

    def slope(index: int) -> float:
        before, after = points[max(index - 1, 0)], points[min(index + 1, len(points) - 1)]
        return (after[1] - before[1]) / (after[0] - before[0])

    span = t1 - t0
    u = (second - t0) / span
    return (
        v0 * (2 * u**3 - 3 * u**2 + 1)
        + v1 * (3 * u**2 - 2 * u**3)
        + slope(right - 1) * span * (u**3 - 2 * u**2 + u)
        + slope(right) * span * (u**3 - u**2)
    )
