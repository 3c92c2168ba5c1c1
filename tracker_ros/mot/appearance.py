"""From an image and its candidates to what the network compares them by.

Two ways to the same 6x6 feature cells of a candidate, those that SiamRPN++ sees in its template
crop. `frame`: the whole image goes through the backbone once, and the cells are sampled from the
map: the cost hardly grows with the candidates. `crop`: each candidate's crop goes through the
backbone: exact, and cheaper where they are few.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from tracker_ros.engines.network import Network
from tracker_ros.geometry import UInt8Image, mean_colour, square_crop

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

CROP = 127
"""Side of a candidate's crop, pixels."""
CELLS = 6
STRIDE = 8
MARGIN = 43
"""Pixels around the frame, so that the map's first cell lies on its first pixel."""
MODES = ("auto", "frame", "crop")
CROPS_OF_A_FRAME = 24
"""A pass of the whole frame costs as much as about so many crops (640x480 against 127x127)."""


def context_sides(boxes: Float64) -> Float64:
    """Sides (n,) of the squares around boxes (n, 4: cx, cy, w, h) that make their crops."""
    margin = (boxes[:, 2] + boxes[:, 3]) / 2
    side: Float64 = np.sqrt((boxes[:, 2] + margin) * (boxes[:, 3] + margin))
    return side


def candidate_crop(image: UInt8Image, box: Float64, fill: tuple[float, ...]) -> UInt8Image:
    """The crop (127, 127, 3) around a box (4,): cx, cy, w, h in pixels."""
    side = max(round(float(context_sides(box[None])[0])), 2)
    x0 = math.floor(float(box[0]) - side / 2 + 0.5)
    y0 = math.floor(float(box[1]) - side / 2 + 0.5)
    return square_crop(image, x0, y0, side, CROP, fill)


def fit_to_canvas(
    image: UInt8Image, width: int, height: int, fill: tuple[float, ...], out: Float32
) -> float:
    """Scale the image into the top-left of a canvas, with a margin around, as network input.

    out: (1, 3, height + 86, width + 86), filled in place. Returns the scale, at most 1 and as
    large as fits: canvas pixels for each pixel of the image.
    """
    scale = float(min(width / image.shape[1], height / image.shape[0]))
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    rows, columns = slice(MARGIN, MARGIN + size[1]), slice(MARGIN, MARGIN + size[0])
    for channel in range(3):
        out[0, channel] = fill[channel]
        out[0, channel, rows, columns] = resized[..., channel]
    return scale


def cell_coordinates(boxes: Float64, scale: float) -> tuple[Float32, Float32]:
    """Rows and columns (n, 6) of the map where the cells of boxes (n, 4: cx, cy, w, h) lie."""
    steps = (np.arange(CELLS) - (CELLS - 1) / 2) * STRIDE / CROP
    reach = context_sides(boxes)[:, None] * steps
    columns = ((boxes[:, :1] + reach) * scale - 0.5) / STRIDE
    rows = ((boxes[:, 1:2] + reach) * scale - 0.5) / STRIDE
    return rows.astype(np.float32), columns.astype(np.float32)


class Appearance:
    """Embeds candidates with the graphs of a model. Buffers are reused from frame to frame."""

    def __init__(
        self, networks: Mapping[str, Network], *, canvas: tuple[int, int], batch: int, crops: int,
        mode: str = "auto",
    ) -> None:  # fmt: skip
        """Take the graphs `frame`, `sample` and `crop`.

        canvas: width and height of the frame graph's picture; batch: candidates of the sample
        graph; crops: of the crop graph.
        """
        self._networks, self._canvas, self._batch, self._crops = networks, canvas, batch, crops
        self._mode = mode
        width, height = canvas
        self._frame = np.empty((1, 3, height + 2 * MARGIN, width + 2 * MARGIN), np.float32)
        self._crop = np.zeros((crops, 3, CROP, CROP), np.float32)

    def embed(self, image: UInt8Image, boxes: Float64) -> tuple[Float32, Float32]:
        """Template and search embeddings, each (n, hidden * 16), of boxes (n, 4: cx, cy, w, h)."""
        if self._by_frame(len(boxes)):
            return self._embed_from_frame(image, boxes)
        return self._embed_from_crops(image, boxes)

    def _by_frame(self, count: int) -> bool:
        if self._mode == "auto":
            return count > CROPS_OF_A_FRAME
        return self._mode == "frame"

    def _embed_from_frame(self, image: UInt8Image, boxes: Float64) -> tuple[Float32, Float32]:
        scale = fit_to_canvas(image, *self._canvas, mean_colour(image), self._frame)
        features = self._networks["frame"].run({"frame": self._frame})["features"]
        parts = []
        for start in range(0, len(boxes), self._batch):
            some = boxes[start : start + self._batch]
            rows, columns = cell_coordinates(some, scale)
            pad = ((0, self._batch - len(some)), (0, 0))
            inputs = {
                "features": features,
                "rows": np.pad(rows, pad),
                "columns": np.pad(columns, pad),
                "mask": np.pad(np.ones(len(some), np.float32), pad[0]),
            }
            found = self._networks["sample"].run(inputs)
            parts.append((found["template"][: len(some)], found["search"][: len(some)]))
        return _joined(parts)

    def _embed_from_crops(self, image: UInt8Image, boxes: Float64) -> tuple[Float32, Float32]:
        fill = mean_colour(image)
        parts = []
        for start in range(0, len(boxes), self._crops):
            some = boxes[start : start + self._crops]
            for index, box in enumerate(some):
                self._crop[index] = candidate_crop(image, box, fill).transpose(2, 0, 1)
            found = self._networks["crop"].run({"crops": self._crop})
            parts.append((found["template"][: len(some)], found["search"][: len(some)]))
        return _joined(parts)


def _joined(parts: list[tuple[Float32, Float32]]) -> tuple[Float32, Float32]:
    template, search = zip(*parts, strict=True)
    return np.concatenate(template), np.concatenate(search)
