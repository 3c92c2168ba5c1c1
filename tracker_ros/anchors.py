"""Anchors of the region proposal trackers: one table for training and for tracking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AnchorGrid:
    """Five anchors a cell, on `size` x `size` cells around the middle of the crop.

    Source: specs of SiamRPN++, section 4 (area 64, int-rounded sides, times the scale).
    """

    size: int
    stride: int = 8
    ratios: tuple[float, ...] = (0.33, 0.5, 1.0, 2.0, 3.0)
    scale: int = 8

    def shapes(self) -> Float32:
        """Width and height in crop pixels, (5, 2)."""
        area = self.stride * self.stride
        shapes = []
        for ratio in self.ratios:
            width = int(np.sqrt(area / ratio))
            shapes.append((width * self.scale, int(width * ratio) * self.scale))
        return np.array(shapes, np.float32)

    def table(self) -> Float32:
        """cx, cy, w, h of every anchor relative to the crop's middle, (4, 5, size, size)."""
        shapes = self.shapes()
        ticks = (np.arange(self.size, dtype=np.float32) - self.size // 2) * self.stride
        table = np.empty((4, len(shapes), self.size, self.size), np.float32)
        table[0] = ticks[None, None, :]
        table[1] = ticks[None, :, None]
        table[2] = shapes[:, 0, None, None]
        table[3] = shapes[:, 1, None, None]
        return table
