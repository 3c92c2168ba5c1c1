"""Feature distillation: the backbone learns, cell by cell, the features of a teacher.

Few pictures go far this way, because every cell of every crop is a target. The teacher is an
exported backbone of total stride 16 whose cell i looks at pixel 16 i of a 255 px crop, as
NanoTrack's does. A linear projection, thrown away afterwards, maps our features to its.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import IterableDataset

from tracker_ros.errors import ModelError
from tracker_ros.networks.backbones.alexnet import AlexNet
from tracker_ros.training.pairs import PairSampler, Sampling, batch_loader
from tracker_ros.training.pictures import Collection
from tracker_ros.training.schedule import Trainer

CROP = 255
FIRST, LAST = 3, 14
"""The teacher's cells whose middle our 22x22 cells enclose: 48 to 208 px, eleven a side."""


class Teacher:
    """An exported backbone, run on single crops with one thread (one in each data worker)."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise ModelError(
                f"the teacher {path} does not exist; give its ONNX file with --teacher"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options)
        self.input = self.session.get_inputs()[0].name

    def __call__(self, crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Features (C, 11, 11) of a crop (255, 255, 3), BGR."""
        blob = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32)
        features: npt.NDArray[np.float32] = self.session.run(None, {self.input: blob})[0][0]
        return features[:, FIRST:LAST, FIRST:LAST]


class TaughtCrops(IterableDataset[tuple[Tensor, Tensor]]):
    """Batches of crops (B, 255, 255, 3) uint8 and the teacher's features (B, C, 11, 11)."""

    def __init__(self, collection: Collection, teacher: Path, batch: int, seed: int) -> None:
        self.collection, self.teacher, self.batch, self.seed = collection, teacher, batch, seed
        self.sampling = Sampling(search_size=CROP, shift=100.0, scale=0.5, negative=0.0)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        cv2.setNumThreads(0)
        worker = torch.utils.data.get_worker_info()
        number = worker.id if worker else 0
        sampler = PairSampler(self.collection, self.sampling, self.seed + number)
        teacher = Teacher(self.teacher)
        while True:
            crops = np.stack([sampler.draw().search for _ in range(self.batch)])
            yield torch.from_numpy(crops), torch.from_numpy(np.stack([teacher(c) for c in crops]))


def at_teacher_cells(features: Tensor) -> Tensor:
    """Our features (B, C, 22, 22) interpolated at the teacher's cells: (B, C, 11, 11).

    The teacher's cell i looks at 16 i, ours j at 8 j + 43: j = 2 (i - 3) + 0.625.
    """
    even, odd = features[:, :, 0::2], features[:, :, 1::2]
    rows = 0.375 * even + 0.625 * odd
    return 0.375 * rows[..., 0::2] + 0.625 * rows[..., 1::2]


def distill(
    backbone: AlexNet, collection: Collection, teacher: Path, trainer: Trainer, *, workers: int
) -> float:
    """Train `backbone` in place; returns the last smoothed cosine similarity to the teacher."""
    data = TaughtCrops(collection, teacher, trainer.batch, trainer.seed)
    loader = iter(batch_loader(data, workers))
    _, sample = next(loader)
    mean = sample.mean((0, 2, 3), keepdim=True)
    deviation = sample.std((0, 2, 3), keepdim=True) + 1e-6
    projection = nn.Conv2d(backbone.out_channels, sample.shape[1], 1)
    student = nn.ModuleDict({"backbone": backbone, "projection": projection})
    device = trainer.device

    def loss(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
        crops, target = batch
        images = crops.to(device).permute(0, 3, 1, 2).float()
        with trainer.autocast():
            features = projection(at_teacher_cells(backbone(images)))
        wanted = ((target - mean) / deviation).to(device)
        similarity = functional.cosine_similarity(features.float(), wanted, dim=1).mean()
        return 1 - similarity, {"cosine": float(similarity.detach())}

    return trainer.run(student, loader, loss, name=f"distil ({os.path.basename(teacher)})")[
        "cosine"
    ]
