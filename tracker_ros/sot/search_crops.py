"""What trackers search in: squares of an image that are cut out on the CPU, or by an engine.

A square is cut out when somebody asks for its pixels. Where an engine has cut it out nobody does,
and its contrast is that of the same part of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from tracker_ros.engines.crop_graph import CropKind
from tracker_ros.engines.crops import Crop, Float64
from tracker_ros.engines.cutter import CroppingEngine, Cutter, OpenGraph
from tracker_ros.engines.engine import Engine, Float32
from tracker_ros.engines.upgrade import GivenUpError
from tracker_ros.errors import EngineError
from tracker_ros.geometry import UInt8Image, grey_contrast, on_image, square_crop
from tracker_ros.sot.clips import drawn_clips
from tracker_ros.sot.spm_crop import searched_part

SEARCH = "search"
"""Role of the network that looks at search crops."""
TRIALS = (
    (240.0, 180.0, 60.0),  # a small target
    (251.3, 166.8, 240.0),
    (228.9, 171.2, 330.0),
    (14.0, 9.5, 280.0),  # over a corner
    (470.2, 201.0, 900.0),  # of a target as large as the picture
)
"""Middles and sides of squares in a drawn picture (sot.clips)."""


@dataclass(frozen=True)
class Cropping:
    """How the search crops of a tracker are made: for the engines that shall make them."""

    kind: CropKind
    square: Callable[[UInt8Image, float, float, float, int], Crop]
    """(image, cx, cy, side, S): the square of about `side` pixels around (cx, cy), S pixels a side
    when it is cut out."""

    def trials(self, out: int) -> Iterator[Crop]:
        """Crops of `out` pixels a side to try an engine on, the same every time."""
        for clip in drawn_clips(2):
            for cx, cy, side in TRIALS:
                yield self.square(clip.pictures[0], cx, cy, side, out)


def with_cutter(engine: Engine, cropping: Cropping, open_graph: OpenGraph) -> CroppingEngine:
    """The engine of a search network, with crops cut out where it runs if they are as the CPU's.

    open_graph: gives an engine of the same device for the graph of the crops. Where there is none,
    or it cuts otherwise, crops stay on the CPU, and the engine's remark says why. Raises
    GivenUpError when nobody waits any more.
    """
    side = int(engine.inputs[0].shape[-1] or 0)
    try:
        cutter = Cutter(open_graph, cropping.kind, side)
        comparison = cutter.compared(cropping.trials(side))
    except GivenUpError:
        raise
    except EngineError as error:
        return CroppingEngine(engine, None, f"crops are cut out on the CPU: {error}")
    if comparison.good:
        return CroppingEngine(engine, cutter)
    words = f"crops are cut out on the CPU, as here they come out otherwise: {comparison.words}"
    return CroppingEngine(engine, None, words)


@dataclass(frozen=True, eq=False)
class FilledSquare:
    """A square of whole pixels of an image (height, width, 3), with one colour around the image.

    See geometry.square_crop.
    """

    image: UInt8Image
    cx: float
    cy: float
    side: float
    """As it was asked for, in pixels."""
    x0: int
    y0: int
    size: int
    """As it is cut out: the corner and the side."""
    out: int
    """Side of the crop."""
    fill: tuple[float, float, float]
    rgb: bool
    """Order of the planes; else that of the image, BGR."""

    @cached_property
    def pixels(self) -> UInt8Image:
        """(out, out, 3), BGR."""
        return square_crop(self.image, self.x0, self.y0, self.size, self.out, self.fill)

    def cut(self, into: Float32) -> None:
        """Fill `into` (3, out, out), 0..255."""
        planes = cv2.split(self.pixels)
        for row, plane in zip(into, reversed(planes) if self.rgb else planes, strict=True):
            np.copyto(row, plane)

    def places(self) -> tuple[Float64, Float64]:
        """Column and row of the image for each of the crop, as cv2.resize has them: (out,)."""
        inside = middles(self.size, self.out)
        return self.x0 + inside, self.y0 + inside

    def resized(self) -> UInt8Image:
        """Its pixels."""
        return self.pixels

    def contrast(self) -> float:
        """Of what it shows of the image, see geometry.grey_contrast."""
        if "pixels" in self.__dict__:
            shown = on_image(self.pixels, self.image, self.cx, self.cy, self.side)
        else:
            shown = searched_part(self.image, self.x0, self.y0, self.size, self.out)
        return grey_contrast(shown)


def middles(number: int, out: int) -> Float64:
    """Where in a line of `number` pixels each of `out` lies when it is resized to those: (out,)."""
    places = (np.arange(out) + 0.5) * (number / out) - 0.5
    return np.clip(places, 0, number - 1)
