"""Training pairs: a template crop and a search crop of the same target (or of another one).

Spatial-aware sampling: the target is anywhere within `shift` pixels of the middle of the
search crop and up to `scale` larger or smaller than the tracker expects, so that the network
cannot learn that targets sit in the middle (SiamRPN++, section 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.training import augment
from tracker_ros.training.pictures import Collection, Frame, Still

Generator = np.random.Generator
Affine = npt.NDArray[np.float64]
TEMPLATE = 127


@dataclass(frozen=True)
class Sampling:
    """How pairs are drawn. Probabilities in [0, 1], lengths in pixels of the crop."""

    search_size: int = 239
    template_shift: float = 6.0
    template_scale: float = 0.06
    shift: float = 56.0
    scale: float = 0.25
    stretch: float = 0.12
    max_gap: int = 60
    video: float = 0.5
    still: float = 0.3
    paste: float = 0.35
    negative: float = 0.12
    distractor: float = 0.2
    occluder: float = 0.12
    grey: float = 0.15
    flip: float = 0.5
    mirror: float = 0.6
    degrade: float = 1.0


@dataclass(frozen=True)
class Pair:
    """A pair of crops; `box` is cx, cy, w, h of the target in the search crop."""

    template: UInt8Image
    search: UInt8Image
    box: tuple[float, float, float, float]
    positive: bool


def context_side(w: float, h: float) -> float:
    """Side, in image pixels, of the square that becomes the 127 px template."""
    margin = (w + h) / 2
    return float(np.sqrt((w + margin) * (h + margin)))


def crop_transform(
    cx: float,
    cy: float,
    zoom_x: float,
    zoom_y: float,
    at: tuple[float, float],
    flip: bool,
    size: int,
) -> Affine:
    """The affine map (2, 3) that takes image point (cx, cy) to `at` of a crop, and scales."""
    sign = -1.0 if flip else 1.0
    x = size - 1 - at[0] if flip else at[0]
    return np.array([[sign * zoom_x, 0, x - sign * zoom_x * cx], [0, zoom_y, at[1] - zoom_y * cy]])


def warp(
    image: UInt8Image, transform: Affine, size: int, fill: tuple[float, ...] | None
) -> UInt8Image:
    """A size x size crop; over the border it shows `fill`, or the image mirrored if None."""
    border = cv2.BORDER_REFLECT_101 if fill is None else cv2.BORDER_CONSTANT
    crop = cv2.warpAffine(
        image,
        transform,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=border,
        borderValue=fill or (0.0, 0.0, 0.0),
    )
    return crop.astype(np.uint8, copy=False)


class PairSampler:
    """Draws pairs from a collection, forever; one generator a worker."""

    def __init__(self, collection: Collection, sampling: Sampling, seed: int) -> None:
        self.sampling = sampling
        self.rng = np.random.default_rng(seed)
        self.tracks = [(track, track.visible) for track in collection.tracks]
        self.masked = [item for item in self.tracks if item[0].frames[0].mask is not None]
        self.labelled = [still for still in collection.stills if still.boxes]
        # Where there are only videos, their first pictures are the photographs.
        self.backgrounds = collection.unlabelled + collection.stills or [
            Still(track.frames[0].image, (), track.frames[0].mean) for track in collection.tracks
        ]
        share = np.array(
            [
                sampling.video if self.tracks else 0.0,
                sampling.still if self.labelled else 0.0,
                1 - sampling.video - sampling.still if self.backgrounds else 0.0,
            ]
        )
        if not share.sum() > 0:
            raise DataError("there is nothing to draw pairs from: the data hold no picture")
        self.until_video, self.until_still, _ = np.cumsum(share / share.sum())

    def draw(self) -> Pair:
        """One pair, of a video, a labelled still or a patch of any photograph."""
        s, rng = self.sampling, self.rng
        first, second, pasted = self._frames()
        if rng.random() < s.negative:
            other, _, _ = self._frames()
            return self._render(first, other, positive=False, pasted=False)
        return self._render(first, second, positive=True, pasted=pasted)

    def _frames(self) -> tuple[Frame, Frame, bool]:
        """Two views of one target, and whether it is to be cut out and pasted elsewhere."""
        s, rng = self.sampling, self.rng
        kind = rng.random()
        if kind < self.until_video:
            track, visible = self.tracks[rng.integers(len(self.tracks))]
            i = int(rng.integers(len(visible)))
            low, high = max(i - s.max_gap, 0), min(i + s.max_gap, len(visible) - 1)
            j = int(rng.integers(low, high + 1))
            first, second = track.frames[visible[i]], track.frames[visible[j]]
            return first, second, first.mask is not None and rng.random() < s.paste
        if kind < self.until_still:
            still = self.labelled[rng.integers(len(self.labelled))]
            boxes = [box for box in still.boxes if min(box.w, box.h) >= 12]
            if boxes:
                frame = Frame(still.image, boxes[rng.integers(len(boxes))], None, still.mean)
                return frame, frame, False
        frame = self._patch()
        return frame, frame, False

    def _patch(self) -> Frame:
        """Any textured patch of any photograph, as if it were a target."""
        rng = self.rng
        for _ in range(5):
            still = self.backgrounds[rng.integers(len(self.backgrounds))]
            height, width = still.image.shape[:2]
            side = np.exp(rng.uniform(np.log(20.0), np.log(0.5 * min(height, width))))
            ratio = np.exp(rng.normal(0, 0.35))
            w, h = min(side * ratio, 0.9 * width), min(side / ratio, 0.9 * height)
            x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
            if still.image[int(y) : int(y + h), int(x) : int(x + w)].std() > 15:
                break
        return Frame(still.image, Box(x, y, w, h), None, still.mean)

    def _crop(
        self,
        frame: Frame,
        size: int,
        at: tuple[float, float],
        zoom: tuple[float, float],
        flip: bool,
        pasted: bool,
        colours: UInt8Image,
        mirror: bool,
    ) -> tuple[UInt8Image, tuple[float, float, float, float]]:
        """A crop with the target's middle at `at`, and the target's cx, cy, w, h in it."""
        box = frame.box
        assert box is not None  # _frames draws visible frames only
        fill = None if mirror else frame.mean
        cx, cy = box.x + (box.w - 1) / 2, box.y + (box.h - 1) / 2
        transform = crop_transform(cx, cy, zoom[0], zoom[1], at, flip, size)
        crop = warp(frame.image, transform, size, fill)
        if pasted and frame.mask is not None:
            crop = self._paste(crop, frame.mask, transform, size)
        crop = cv2.LUT(crop, colours).astype(np.uint8, copy=False)
        crop = augment.degrade(crop, self.rng, self.sampling.degrade)
        x = size - 1 - at[0] if flip else at[0]
        return crop, (x, at[1], box.w * zoom[0], box.h * zoom[1])

    def _background(self, size: int) -> UInt8Image:
        still = self.backgrounds[self.rng.integers(len(self.backgrounds))]
        height, width = still.image.shape[:2]
        zoom = self.rng.uniform(1.0, 2.0) * size / min(height, width)
        middle = (size / 2, size / 2)
        cx, cy = self.rng.uniform(0.3, 0.7) * width, self.rng.uniform(0.3, 0.7) * height
        return warp(
            still.image, crop_transform(cx, cy, zoom, zoom, middle, False, size), size, still.mean
        )

    def _paste(
        self, crop: UInt8Image, mask: UInt8Image, transform: Affine, size: int
    ) -> UInt8Image:
        """The target of `crop`, cut out by its mask, over another background."""
        inside = cv2.warpAffine(mask, transform, (size, size), flags=cv2.INTER_LINEAR)
        weight = (cv2.blur(inside, (3, 3)).astype(np.float32) / max(float(mask.max()), 1.0))[
            ..., None
        ]
        background = self._background(size)
        return (background + weight * (crop.astype(np.float32) - background)).astype(np.uint8)

    def _distract(
        self, search: UInt8Image, box: tuple[float, float, float, float], colours: UInt8Image
    ) -> None:
        """Paste another cut-out object beside the target, in place."""
        rng, size = self.rng, search.shape[0]
        track, visible = self.masked[rng.integers(len(self.masked))]
        frame = track.frames[visible[rng.integers(len(visible))]]
        other = frame.box
        assert other is not None and frame.mask is not None
        zoom = 64 / max(np.sqrt(other.w * other.h), 1) * np.exp(rng.normal(0, 0.25))
        w, h = other.w * zoom, other.h * zoom
        at = (rng.uniform(0, size), rng.uniform(0, size))
        if abs(at[0] - box[0]) < (w + box[2]) / 2 and abs(at[1] - box[1]) < (h + box[3]) / 2:
            return
        transform = crop_transform(
            other.cx, other.cy, zoom, zoom, at, bool(rng.random() < 0.5), size
        )
        crop = cv2.LUT(warp(frame.image, transform, size, frame.mean), colours)
        inside = cv2.warpAffine(frame.mask, transform, (size, size)) > frame.mask.max() / 2
        search[inside] = crop[inside]

    def _occlude(self, search: UInt8Image, box: tuple[float, float, float, float]) -> None:
        """Cover one side of the target with a strip of another picture, in place."""
        rng = self.rng
        cx, cy, w, h = box
        share, side = rng.uniform(0.15, 0.5), rng.integers(4)
        strip = (cx, cy, w * share, h * 1.3) if side < 2 else (cx, cy, w * 1.3, h * share)
        move = (1 - share) / 2 * (1 if side % 2 else -1)
        strip = (cx + move * w * (side < 2), cy + move * h * (side >= 2), strip[2], strip[3])
        augment.occlude(search, self._background(96), strip)

    def _render(self, first: Frame, second: Frame, *, positive: bool, pasted: bool) -> Pair:
        s, rng = self.sampling, self.rng
        assert first.box is not None and second.box is not None
        flip, mirror = bool(rng.random() < s.flip), bool(rng.random() < s.mirror)
        colours = augment.colour_table(rng, s.degrade)
        zoom = TEMPLATE / context_side(first.box.w, first.box.h)
        zoom *= 1 + rng.uniform(-s.template_scale, s.template_scale)
        middle = (TEMPLATE - 1) / 2
        at = (
            middle + rng.uniform(-1, 1) * s.template_shift,
            middle + rng.uniform(-1, 1) * s.template_shift,
        )
        template, _ = self._crop(first, TEMPLATE, at, (zoom, zoom), flip, pasted, colours, mirror)

        zoom = TEMPLATE / context_side(second.box.w, second.box.h)
        zoom *= np.exp(rng.uniform(-s.scale, s.scale))
        stretch = np.exp(rng.normal(0, s.stretch))
        middle = (s.search_size - 1) / 2
        at = (middle + rng.uniform(-1, 1) * s.shift, middle + rng.uniform(-1, 1) * s.shift)
        search, box = self._crop(
            second,
            s.search_size,
            at,
            (zoom * stretch, zoom / stretch),
            flip,
            pasted,
            colours,
            mirror,
        )
        if self.masked and rng.random() < s.distractor:
            self._distract(search, box, colours)
        if rng.random() < s.occluder:
            self._occlude(search, box)
        if rng.random() < s.grey:
            template = np.repeat(cv2.cvtColor(template, cv2.COLOR_BGR2GRAY)[..., None], 3, 2)
            search = np.repeat(cv2.cvtColor(search, cv2.COLOR_BGR2GRAY)[..., None], 3, 2)
        return Pair(template, search, box, positive)


Batch = tuple[Tensor, Tensor, Tensor, Tensor]


class PairBatches(IterableDataset[Batch]):
    """Batches, forever.

    Templates (B, 127, 127, 3) and searches (B, S, S, 3), uint8 BGR; boxes (B, 4) cx, cy, w, h;
    positive (B,) bool.
    """

    def __init__(self, collection: Collection, sampling: Sampling, batch: int, seed: int) -> None:
        self.collection, self.sampling, self.batch, self.seed = collection, sampling, batch, seed

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(0)
        worker = torch.utils.data.get_worker_info()
        sampler = PairSampler(
            self.collection, self.sampling, self.seed + (worker.id if worker else 0)
        )
        while True:
            pairs = [sampler.draw() for _ in range(self.batch)]
            yield (
                torch.from_numpy(np.stack([pair.template for pair in pairs])),
                torch.from_numpy(np.stack([pair.search for pair in pairs])),
                torch.tensor([pair.box for pair in pairs], dtype=torch.float32),
                torch.tensor([pair.positive for pair in pairs]),
            )


def batch_loader(data: IterableDataset[Any], workers: int) -> DataLoader[Any]:
    """Draws ready-made batches in `workers` processes, or in this one if 0."""
    ahead = 4 if workers else None
    return DataLoader(data, batch_size=None, num_workers=workers, prefetch_factor=ahead)
