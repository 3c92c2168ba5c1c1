"""What FAMNet trains on: candidates of films with their identities, boxes and feature cells.

Films come from MOTChallenge folders, with or without pictures, and from composed crowds. The
backbone stays as it is, so the cells of every candidate are computed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tracker_ros.geometry import UInt8Image, mean_colour
from tracker_ros.mot.appearance import MARGIN, candidate_crop, cell_coordinates, fit_to_canvas
from tracker_ros.networks.famnet import sample_cells

Float64 = npt.NDArray[np.float64]
Float16 = npt.NDArray[np.float16]
Int = npt.NDArray[np.intp]

CANVAS = (640, 480)
JITTER = np.array([0.10, 0.05, 0.17, 0.10])
"""Standard deviations of a detector's centre, in widths and heights, and of the logarithms of its
width and height; about those of the detections of MOT15."""
MIN_SEEN = 0.35
"""Objects of which less is seen are not detected."""


@dataclass(frozen=True)
class Film:
    """The candidates of one film, row by row; several rows may show one object in one frame."""

    frames: Int
    """(n,) frame number."""
    identities: Int
    """(n,) who it is; -1: nobody, a false detection."""
    boxes: Float64
    """(n, 4): centre x and y, width, height."""
    scores: Float64
    """(n,)."""
    fps: float
    cells: Float16 | None = None
    """(2, n, C, 6, 6) from crops and from the whole frame; None: there are no pictures."""


class CellReader:
    """Feature cells of candidates by both ways, with the backbone in torch."""

    def __init__(self, backbone: nn.Module, device: str = "cpu") -> None:
        self._backbone = backbone.eval().to(device)
        self._device = device
        width, height = CANVAS
        self._canvas = np.empty((1, 3, height + 2 * MARGIN, width + 2 * MARGIN), np.float32)

    @torch.no_grad()
    def read(self, image: UInt8Image, boxes: Float64) -> Float16:
        """Cells (2, n, C, 6, 6) of boxes (n, 4: cx, cy, w, h) from crops and from the frame."""
        fill = mean_colour(image)
        crops = np.stack([candidate_crop(image, box, fill) for box in boxes])
        by_crop = self._backbone(self._tensor(crops.transpose(0, 3, 1, 2).astype(np.float32)))
        scale = fit_to_canvas(image, *CANVAS, fill, self._canvas)
        features = self._backbone(self._tensor(self._canvas))
        rows, columns = cell_coordinates(boxes, scale)
        by_frame = sample_cells(features, self._tensor(rows), self._tensor(columns))
        return np.asarray(torch.stack((by_crop, by_frame)).cpu().numpy(), np.float16)

    def _tensor(self, array: npt.NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)


def detected(
    objects: Sequence[tuple[int, Float64, float]],
    rng: np.random.Generator,
    width: int,
    height: int,
) -> tuple[Int, Float64, Float64]:
    """Two noisy detections of every object that can be seen, and false ones beside them.

    objects: identity, box (cx, cy, w, h), share that is seen. Returns identities, boxes, scores.
    """  # fmt: skip
    identities, boxes, scores = [], [], []
    for identity, box, seen in objects:
        if seen < MIN_SEEN:
            continue
        for _ in range(2):
            noise = rng.normal(0, JITTER) * rng.uniform(0.3, 1.2)
            shape = box[2:] * np.exp(noise[2:])
            boxes.append(np.concatenate((box[:2] + noise[:2] * box[2:], shape)))
            identities.append(identity)
            scores.append(float(np.clip(rng.normal(0.5 + 0.45 * seen, 0.1), 0.05, 1)))
    for _ in range(rng.poisson(0.2 * max(len(objects), 1))):
        if objects and rng.random() < 0.5:  # a part of somebody, or two at once
            box = objects[int(rng.integers(len(objects)))][1].copy()
            box[:2] += rng.uniform(-0.7, 0.7, 2) * box[2:]
            box[2:] *= rng.uniform(0.5, 1.5)
        else:
            side = np.exp(rng.uniform(np.log(30), np.log(200)))
            box = np.array([rng.uniform(0, width), rng.uniform(0, height), side * 0.5, side])
        boxes.append(box)
        identities.append(-1)
        scores.append(float(rng.uniform(0.05, 0.7)))
    return np.array(identities, np.intp), np.array(boxes).reshape(-1, 4), np.array(scores)


def film_of(
    frames: Iterable[tuple[int, UInt8Image | None, Int, Float64, Float64]],
    fps: float,
    reader: CellReader | None,
) -> Film:
    """Put a film together: frame number, image, identities, boxes and scores of each frame."""
    numbers, identities, boxes, scores, cells = [], [], [], [], []
    for number, image, who, where, how_sure in frames:
        if not len(who):
            continue
        numbers.append(np.full(len(who), number, np.intp))
        identities.append(who)
        boxes.append(where)
        scores.append(how_sure)
        if reader is not None and image is not None:
            cells.append(reader.read(image, where))
    return Film(
        np.concatenate(numbers), np.concatenate(identities), np.concatenate(boxes),
        np.concatenate(scores), fps, np.concatenate(cells, axis=1) if cells else None,
    )  # fmt: skip
