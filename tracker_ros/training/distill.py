"""Feature distillation: a teacher's features are what our backbone learns first.

Labels are not needed: any part of any picture teaches, and every cell of a crop is an example, so
that few pictures go far.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset, get_worker_info

from tracker_ros.errors import DataError
from tracker_ros.geometry import UInt8Image
from tracker_ros.training import augment
from tracker_ros.training.distributed import of_main, rank
from tracker_ros.training.pictures import Collection, Frame, Still
from tracker_ros.training.session import Session
from tracker_ros.training.task import Figures, Level, Task, images_of
from tracker_ros.training.teacher import CROP, STRIDES, Teacher, TeacherFiles
from tracker_ros.training.trainer import Trainer
from tracker_ros.training.views import crop_transform, warp

Generator = np.random.Generator
Taught = tuple[Tensor, Tensor, Tensor]
"""Crops (B, 255, 255, 3) uint8 BGR, and the teacher's maps (B, C, 32, 32) and (B, C, 16, 16)."""
FROM_TRACKS = 0.2
"""Share of the crops that show frames of tracks, of which there are many alike."""
GREY = 0.15
"""Share of the crops without colour."""
SMALLEST = 70.0
"""Side of the smallest part of a picture that becomes a crop, in pixels."""
FINE, MAGNITUDE = 0.4, 0.25
"""Weights of the finer map, and of the difference beside the angle."""


class TaughtCrops(Dataset[Taught]):
    """Batches by step: any part of any picture, in any size, changed as training crops are."""

    def __init__(self, collection: Collection, files: TeacherFiles, batch: int, seed: int) -> None:
        self._frames = [frame for track in collection.tracks for frame in track.frames]
        self._photographs = collection.stills + collection.unlabelled
        self._files, self._batch, self._seed = files, batch, seed
        self._teacher: Teacher | None = None
        if not self._frames and not self._photographs:
            raise DataError("there is nothing to draw crops from: the data hold no picture")

    def __getitem__(self, step: int) -> Taught:
        if get_worker_info() is not None:
            cv2.setNumThreads(0)  # the workers are the threads
        if self._teacher is None:
            self._teacher = Teacher(self._files)
        rng = np.random.default_rng((self._seed, step, rank()))
        crops = [self.draw(rng) for _ in range(self._batch)]
        answers = [self._teacher.features(crop) for crop in crops]
        maps = (torch.from_numpy(np.stack(level)) for level in zip(*answers, strict=True))
        fine, coarse = maps
        return torch.from_numpy(np.stack(crops)), fine, coarse

    def draw(self, rng: Generator) -> UInt8Image:
        """One crop (255, 255, 3)."""
        picture: Frame | Still
        if self._frames and (not self._photographs or rng.random() < FROM_TRACKS):
            picture = self._frames[rng.integers(len(self._frames))]
        else:
            picture = self._photographs[rng.integers(len(self._photographs))]
        height, width = picture.image.shape[:2]
        largest = max(1.2 * max(height, width), SMALLEST + 1)
        zoom = CROP / np.exp(rng.uniform(np.log(SMALLEST), np.log(largest)))
        stretch = np.exp(rng.normal(0, 0.12))
        place = rng.uniform(0, width), rng.uniform(0, height)
        transform = crop_transform(
            *place, zoom * stretch, zoom / stretch, (CROP // 2, CROP // 2),
            bool(rng.random() < 0.5), CROP,
        )  # fmt: skip
        crop = warp(picture.image, transform, CROP, None if rng.random() < 0.5 else picture.mean)
        crop = augment.recoloured(crop, augment.colour_table(rng, 1.0))
        crop = augment.degrade(crop, rng)
        return augment.grey(crop) if rng.random() < GREY else crop


def at_cells(level: Level, stride: int, cells: int) -> tuple[Tensor, slice]:
    """Features interpolated at a teacher's cells, (B, C, n, n), and which cells those are.

    The teacher's cell i, of `cells`, looks at pixel stride * i. Cells that `level` does not
    enclose are left out.
    """
    size = int(level.features.shape[-1])
    places = (np.arange(cells) * stride - level.first) / level.stride
    inside = np.flatnonzero((places >= 0) & (places <= size - 1))
    low = np.minimum(places[inside].astype(int), size - 2)
    share = torch.tensor(
        places[inside] - low, dtype=level.features.dtype, device=level.features.device
    )
    index = torch.from_numpy(low).to(level.features.device)
    x = level.features
    x = x[:, :, index] * (1 - share[:, None]) + x[:, :, index + 1] * share[:, None]
    x = x[..., index] * (1 - share) + x[..., index + 1] * share
    return x, slice(int(inside[0]), int(inside[-1]) + 1)


class _Student(nn.Module):
    """A backbone and, for each map, the projection to the teacher's channels, not kept."""

    def __init__(self, backbone: nn.Module, pairs: list[tuple[int, int]]) -> None:
        super().__init__()
        self.backbone = backbone
        self.projections = nn.ModuleList(nn.Conv2d(ours, theirs, 1) for ours, theirs in pairs)


def _scales(data: TaughtCrops, after: int, count: int) -> list[tuple[Tensor, Tensor]]:
    """Mean and deviation (1, C, 1, 1) of the last `count` of the teacher's maps."""
    # Of batches after the last, which are not trained on.
    batches = [data[after + i][1:] for i in range(4)]
    maps = [torch.cat(level) for level in zip(*batches, strict=True)][-count:]
    return [
        (part.mean((0, 2, 3), keepdim=True), part.std((0, 2, 3), keepdim=True) + 1e-6)
        for part in maps
    ]


def distill(
    task: Task, collection: Collection, files: TeacherFiles, trainer: Trainer, session: Session
) -> dict[str, float]:
    """Train the task's backbone in place; returns the last smoothed figures: the cosines.

    A backbone of one map learns the teacher's coarser one, a backbone of two both.
    """

    def crops() -> TaughtCrops:
        return TaughtCrops(collection, files, trainer.batch, trainer.seed)

    count = task.levels_taught
    strides = STRIDES[-count:]
    # The same in all processes, which draw different crops; and by a data set of its own: a
    # teacher that has run here would not survive being forked into the workers.
    scales = of_main(lambda: _scales(crops(), trainer.steps, count))
    with torch.no_grad():
        ours = [level.features.shape[1] for level in task.levels(torch.zeros(1, 3, CROP, CROP))]
    widths = (int(mean.shape[1]) for mean, _ in scales)
    channels = list(zip(ours[-count:], widths, strict=True))
    student = _Student(task.backbone, channels)
    task.network.to(trainer.device)  # also what `levels` uses beside the backbone

    def loss(batch: Taught) -> tuple[Tensor, Figures]:
        images, taught = images_of(batch[0]), batch[1:][-count:]
        figures: Figures = {}
        total = torch.zeros((), device=trainer.device)
        with trainer.autocast():
            levels = task.levels(images)[-count:]
        for i, (level, theirs, stride) in enumerate(zip(levels, taught, strides, strict=True)):
            found, cells = at_cells(level, stride, int(theirs.shape[-1]))
            with trainer.autocast():
                projected = student.projections[i](found)
            mean, deviation = (part.to(theirs) for part in scales[i])
            target = ((theirs - mean) / deviation)[..., cells, cells]
            projected = projected.float()
            cosine = functional.cosine_similarity(projected, target, dim=1).mean()
            weight = 1.0 if stride == STRIDES[-1] else FINE
            apart = functional.smooth_l1_loss(projected, target)
            total = total + weight * (1 - cosine + MAGNITUDE * apart)
            figures[f"cosine{stride}"] = cosine.detach()
        return total, figures

    return trainer.run(student, crops(), loss, name="distil", session=session)
