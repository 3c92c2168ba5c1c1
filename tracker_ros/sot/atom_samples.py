"""Crops of an image as ATOM sees them, their labels, and the samples made of the first frame.

Source: specs of ATOM, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import cv2
import numpy as np

from tracker_ros.engines.crops import Float64
from tracker_ros.geometry import UInt8Image, grey_contrast, on_image
from tracker_ros.sot.atom_memory import Float32
from tracker_ros.sot.atom_parameters import STRIDE, AtomParameters
from tracker_ros.sot.search_crops import middles
from tracker_ros.sot.spm_crop import searched_part

SHIFT = 0.6
"""Of the four shifted samples, in halves of a crop."""
RANDOM_SHIFT = 1 / 6
"""Largest shift of a sample that is flipped, blurred or turned, in sides of a crop."""
BLURS = ((2.0, 0.2), (0.2, 2.0), (3.0, 1.0), (1.0, 3.0), (2.0, 2.0))
"""Standard deviations along x and y, in pixels of a crop."""
TURNS = (5, -5, 10, -10, 20, -20, 30, -30, 45, -45, 60, -60)
"""Degrees."""
DROPPED_COPIES = 7
DROPPED_CHANNELS = 0.2
"""Copies of the first sample's features in which this share of the channels is empty."""
SIGMA = 0.25
"""Of a label, in sides of a square target."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A square of an image, and where it lies. Positions are those of middles of pixels."""

    image: UInt8Image
    x0: int
    y0: int
    """Its first pixel."""
    step: int
    number: int
    """Every so-manieth pixel is taken, and so many in a line."""
    out: int
    """Side of the crop."""
    fill: ClassVar[tuple[float, float, float]] = (0.0, 0.0, 0.0)
    """Is never seen."""

    @property
    def cx(self) -> float:
        """Its middle, in the image."""
        return self.x0 + self.step * (self.number - 1) / 2

    @property
    def cy(self) -> float:
        """Its middle, in the image."""
        return self.y0 + self.step * (self.number - 1) / 2

    @property
    def scale(self) -> float:
        """Pixels of the image per pixel of the crop."""
        return self.number * self.step / self.out

    def inward(self, x: float, y: float) -> tuple[float, float]:
        """A position of the image, in the crop."""
        middle = (self.out - 1) / 2
        return (x - self.cx) / self.scale + middle, (y - self.cy) / self.scale + middle

    def outward(self, x: float, y: float) -> tuple[float, float]:
        """A position of the crop, in the image."""
        middle = (self.out - 1) / 2
        return (x - middle) * self.scale + self.cx, (y - middle) * self.scale + self.cy

    @cached_property
    def pixels(self) -> UInt8Image:
        """(out, out, 3), BGR."""
        image, x0, y0, step, number = self.image, self.x0, self.y0, self.step, self.number
        height, width = image.shape[:2]
        last = step * (number - 1)
        if step == 1 and x0 >= 0 and y0 >= 0 and x0 + last < width and y0 + last < height:
            taken = image[y0 : y0 + number, x0 : x0 + number]
        else:
            matrix = np.array([[step, 0, x0], [0, step, y0]], np.float64)
            flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
            warped = cv2.warpAffine(
                image, matrix, (number, number), flags=flags, borderMode=cv2.BORDER_REPLICATE
            )
            taken = warped.astype(np.uint8, copy=False)
        resized = cv2.resize(taken, (self.out, self.out), interpolation=cv2.INTER_LINEAR)
        return resized.astype(np.uint8, copy=False)

    def cut(self, into: Float32) -> None:
        """Fill `into` (3, out, out), RGB in 0..255."""
        as_input([self.pixels], into[None])

    def places(self) -> tuple[Float64, Float64] | None:
        """Column and row of the image for each of the crop, (out,), where every pixel is taken."""
        if self.step > 1:
            return None
        height, width = self.image.shape[:2]
        inside = middles(self.number, self.out)
        across, down = self.x0 + inside, self.y0 + inside
        return np.clip(across, 0, width - 1), np.clip(down, 0, height - 1)

    def resized(self) -> UInt8Image:
        """Its pixels."""
        return self.pixels

    def contrast(self) -> float:
        """Of what it shows of the image, see geometry.grey_contrast."""
        if "pixels" in self.__dict__:
            side = self.scale * self.out
            shown = on_image(self.pixels, self.image, self.cx + 0.5, self.cy + 0.5, side)
        else:
            shown = searched_part(self.image, self.x0, self.y0, self.step * self.number, self.out)
        return grey_contrast(shown)


def crop_at(image: UInt8Image, cx: float, cy: float, side: float, out: int) -> Crop:
    """The square of about `side` pixels around the pixel nearest to (cx, cy), resized to `out`.

    Whole pixels are taken: every pixel, or every second, third, ... of a large square; beyond the
    border its last pixel repeats. The crop says where exactly it lies. Only pixels of the square
    are read, at most (2.1 out)^2; where it lies inside the image at full size none is copied.
    """
    step = max(int(side / out - 0.1), 1)
    number = max(round(side / step), 2)
    x0, y0 = (round(middle) - step * (number // 2) for middle in (cx, cy))
    return Crop(image, x0, y0, step, number, out)


def as_input(crops: list[UInt8Image], out: Float32) -> Float32:
    """Write crops (S, S, 3) BGR into the first rows of (N, 3, S, S) RGB in 0..255; gives them."""
    for row, crop in zip(out, crops, strict=False):
        np.copyto(row, crop[..., ::-1].transpose(2, 0, 1))
    return out[: len(crops)]


def normalised(features: Float32) -> Float32:
    """Every sample (..., C, H, W) divided by its root mean square."""
    power = np.mean(features**2, axis=(-3, -2, -1), keepdims=True)
    scaled: Float32 = features / np.sqrt(power + 1e-10)
    return scaled


def label(parameters: AtomParameters, x: float, y: float) -> Float32:
    """What the classifier shall say, (cells, cells): a Gaussian around (x, y) in a crop.

    A target in the middle of the crop has its peak at cell cells / 2: the kernel looks at two cells
    before that one and at one behind it, whose middle is the crop's.
    """
    ticks = np.arange(parameters.cells) - (parameters.cells - 1) / 2
    sigma = SIGMA * parameters.base_side / STRIDE
    middle = (parameters.sample - 1) / 2
    across = np.exp(-0.5 * ((ticks - (x - middle) / STRIDE - 0.5) / sigma) ** 2)
    down = np.exp(-0.5 * ((ticks - (y - middle) / STRIDE - 0.5) / sigma) ** 2)
    return np.outer(down, across).astype(np.float32)


@dataclass(frozen=True)
class FirstSample:
    """A picture made of the first frame, and where the target's middle is in it."""

    pixels: UInt8Image
    x: float
    y: float


def first_samples(
    patch: Crop, x: float, y: float, out: int, rng: np.random.Generator
) -> Iterator[FirstSample]:
    """The target as it is, shifted, flipped, blurred and turned: 23 pictures of side `out`.

    patch: twice the size of a sample, around the target; (x, y): the target in the image. The
    first is the plain one.
    """
    at = np.array([*patch.inward(x, y), 1.0])
    plain = np.eye(2)

    def random_shift() -> tuple[float, float]:
        dx, dy = np.round(rng.uniform(-RANDOM_SHIFT, RANDOM_SHIFT, 2) * out).tolist()
        return dx, dy

    def sample(pixels: UInt8Image, turn: Float64, shift: tuple[float, float]) -> FirstSample:
        from_middle = (patch.out - 1) / 2
        offset = (out - 1) / 2 + np.array(shift) - turn @ [from_middle, from_middle]
        matrix = np.column_stack((turn, offset))
        warped = cv2.warpAffine(
            pixels, matrix, (out, out), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        tx, ty = (matrix @ at).tolist()
        return FirstSample(warped.astype(np.uint8, copy=False), tx, ty)

    yield sample(patch.pixels, plain, (0.0, 0.0))
    far = float(round(SHIFT * out / 2))
    for dx, dy in ((far, far), (-far, far), (far, -far), (-far, -far)):
        yield sample(patch.pixels, plain, (dx, dy))
    yield sample(patch.pixels, np.diag([-1.0, 1.0]), random_shift())
    for sigma_x, sigma_y in BLURS:
        blurred = cv2.GaussianBlur(
            patch.pixels, (0, 0), sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REPLICATE
        )
        yield sample(blurred.astype(np.uint8, copy=False), plain, random_shift())
    for degrees in TURNS:
        angle = math.radians(degrees)
        cosine, sine = math.cos(angle), math.sin(angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        yield sample(patch.pixels, turn, random_shift())


def dropped(features: Float32, rng: np.random.Generator) -> Float32:
    """Copies (7, C, H, W) of the features (C, H, W) of a sample, with channels left out."""
    kept = rng.random((DROPPED_COPIES, len(features), 1, 1)) >= DROPPED_CHANNELS
    return (features * (kept / (1 - DROPPED_CHANNELS))).astype(np.float32)
