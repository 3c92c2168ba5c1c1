"""Square crops of images as inputs of a network: who cuts them out is decided where it runs.

A tracker says what it wants to see. Where the engine cuts by itself (tracker_ros.engines.cutter),
the device makes all crops of a pass from pixels of the image; else they are cut out on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tracker_ros.engines.engine import Float32
from tracker_ros.engines.memory import Given

UInt8 = npt.NDArray[np.uint8]
Float64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


class Crop(Protocol):
    """A square of an image that is resized to a side of S pixels."""

    @property
    def image(self) -> UInt8:
        """(height, width, 3), BGR."""

    @property
    def fill(self) -> tuple[float, float, float]:
        """The colour around the image, B, G, R, in 0..255."""

    def places(self) -> tuple[Float64, Float64] | None:
        """The column and the row of the image that each column and row of the crop shows: (S,).

        They grow. Between two pixels both are shown, each by its nearness; so are a pixel of the
        border and the fill, up to one pixel beside the image, and further out the fill alone.
        None: it is not made so, and is a picture of bytes.
        """

    def resized(self) -> UInt8 | None:
        """It, cut out on the CPU: (S, S, 3), BGR. None: it is no picture of bytes."""

    def cut(self, into: Float32) -> None:
        """Cut it out on the CPU, into (3, S, S), planes as the network takes them."""


class Crops:
    """The crops of one call: what is an input (N, 3, S, S) float32 once it is cut out."""

    def __init__(self, crops: Sequence[Crop], into: Float32) -> None:
        """into: what they are cut out into on the CPU; used again by the next ones."""
        self.crops, self._into = tuple(crops), into

    def __len__(self) -> int:
        return len(self.crops)

    def cut(self) -> Float32:
        """All of them, cut out on the CPU."""
        for crop, row in zip(self.crops, self._into, strict=True):
            crop.cut(row)
        return self._into

    @classmethod
    def joined(cls, parts: Sequence[Crops]) -> Crops:
        """The crops of several calls in one."""
        crops = [crop for part in parts for crop in part.crops]
        return cls(crops, np.empty((len(crops), *parts[0]._into.shape[1:]), np.float32))


Input = Given | Crops
Inputs = Mapping[str, Input]
"""What a network is given, by name."""


def cut_out(inputs: Inputs) -> Mapping[str, Given]:
    """The same inputs, with crops cut out on the CPU."""
    return {
        name: given.cut() if isinstance(given, Crops) else given for name, given in inputs.items()
    }
