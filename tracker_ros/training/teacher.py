"""A published tracker as a teacher: its features and its responses to pairs of crops.

Made for NanoTrack v2 (SiamTrackers project, Apache-2.0), whose backbone and head are two ONNX
files; its weights are not ours to ship, and nothing of them is kept but what is learnt from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from tracker_ros.errors import ModelError
from tracker_ros.geometry import UInt8Image
from tracker_ros.training.task import Batch

Float32 = npt.NDArray[np.float32]
CROP, TEMPLATE = 255, 127
STRIDES = (8, 16)
"""Of the feature maps that are taught; cell i looks at pixel stride * i of the crop."""
CELLS = (32, 16)
"""A side of these maps, of a search crop."""
QUIET = 3
"""Log severity of ONNX Runtime: no warnings of maps whose size the file does not name."""


class TeacherFiles(NamedTuple):
    """Where the parts of a teacher are."""

    backbone: Path
    head: Path | None
    """None: it teaches features, and no responses."""

    @classmethod
    def at(cls, path: Path) -> TeacherFiles:
        """A backbone's file, or a folder with *backbone*.onnx and perhaps *head*.onnx.

        Raises ModelError.
        """
        if path.is_file():
            return cls(path, None)
        backbones, heads = (sorted(path.glob(f"*{part}*.onnx")) for part in ("backbone", "head"))
        if len(backbones) != 1 or len(heads) > 1:
            raise ModelError(
                f"the teacher {path} is no file and no folder with one *backbone*.onnx and at most "
                f"one *head*.onnx, but has {len(backbones)} and {len(heads)}; correct --teacher"
            )
        return cls(backbones[0], heads[0] if heads else None)


class Teacher:
    """An exported tracker, run on single crops with one thread (one in each data worker)."""

    def __init__(self, files: TeacherFiles) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, QUIET
        self._head = None
        try:
            model = onnx.load(str(files.backbone))
            self._middle = _residual_sum(model, CELLS[0])
            _of_any_size(model)
            model.graph.output.append(onnx.ValueInfoProto(name=self._middle))
            self._backbone = onnxruntime.InferenceSession(model.SerializeToString(), options)
            self._last = self._backbone.get_outputs()[0].name
            self._input = self._backbone.get_inputs()[0].name
            if files.head is not None:
                self._head = onnxruntime.InferenceSession(str(files.head), options)
            self._require_maps()
        except ModelError:
            raise
        except Exception as error:  # onnx and onnxruntime raise classes of their own for each fault
            names = " and ".join(str(file) for file in files if file is not None)
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ModelError(f"the teacher {names} cannot be run: {reason}") from error

    def _require_maps(self) -> None:
        """Raise ModelError where its answers to a grey crop are not what teaches."""
        crop = np.full((CROP, CROP, 3), 128, np.uint8)
        found = [answer.shape[1:] for answer in self.features(crop)]
        wanted = [(cells, cells) for cells in CELLS]
        if self._head is not None:
            found.append(self.respond(crop[:TEMPLATE, :TEMPLATE], crop).shape)
            wanted.append(wanted[-1])
        if found != wanted:
            raise ModelError(
                f"the teacher gives maps of {found} cells for a crop of {CROP} px; {wanted}, as "
                "NanoTrack v2's, are wanted"
            )

    def features(self, crop: UInt8Image) -> tuple[Float32, Float32]:
        """Maps (C, 32, 32) and (C, 16, 16) of a crop (255, 255, 3), BGR."""
        middle, last = self._backbone.run([self._middle, self._last], {self._input: _blob(crop)})
        return middle[0], last[0]

    def respond(self, template: UInt8Image, search: UInt8Image) -> Float32:
        """How sure it is, (16, 16) in [0, 1], that each cell of `search` lies on the target.

        template (127, 127, 3), search (255, 255, 3), BGR.
        """
        assert self._head is not None  # `TeacherFiles.head` tells beforehand
        blobs = ({self._input: _blob(crop)} for crop in (template, search))
        features = (self._backbone.run([self._last], blob)[0] for blob in blobs)
        names = (item.name for item in self._head.get_inputs())
        cls = self._head.run(None, dict(zip(names, features, strict=True)))[0][0]
        sure: Float32 = 1 / (1 + np.exp(np.clip(cls[0] - cls[1], -30, 30)))
        return sure


class TaughtPairs(Dataset[Batch]):
    """Pairs with what a teacher answers to them: `taught` is one tensor (B, 16, 16)."""

    def __init__(self, pairs: Dataset[Batch], files: TeacherFiles) -> None:
        self._pairs, self._files = pairs, files
        self._teacher: Teacher | None = None

    def __getitem__(self, step: int) -> Batch:
        if self._teacher is None:  # in the data worker: a session does not survive a fork
            self._teacher = Teacher(self._files)
        batch = self._pairs[step]
        crops = zip(batch.template.numpy(), batch.search.numpy(), strict=True)
        answers = np.stack([self._teacher.respond(*pair) for pair in crops])
        return batch._replace(taught=(torch.from_numpy(answers),))


def response_loss(cls: Tensor, ticks: Tensor, taught: Tensor) -> Tensor:
    """Cross-entropy of the best anchor of every cell against what the teacher says there.

    cls (B, 10, s, s): logits, background of the five anchors, then foreground; ticks (s,): the
    pixels of the search crop that rows and columns look at; taught (B, 16, 16) in [0, 1].
    """
    batch, size = cls.shape[0], cls.shape[-1]
    background, foreground = cls.reshape(batch, 2, 5, size, size).unbind(1)
    best = (foreground - background).amax(1)
    place = ticks / STRIDES[1] / (taught.shape[-1] - 1) * 2 - 1
    grid = torch.stack(torch.meshgrid(place, place, indexing="xy"), -1)
    wanted = functional.grid_sample(
        taught[:, None], grid.expand(batch, -1, -1, -1), padding_mode="border", align_corners=True
    )[:, 0]
    loss = functional.binary_cross_entropy_with_logits(best, wanted, reduction="none")
    there = (loss * wanted).sum() / wanted.sum().clamp(min=1)
    elsewhere = (loss * (1 - wanted)).sum() / (1 - wanted).sum().clamp(min=1)
    return 0.5 * (there + elsewhere)


def _blob(crop: UInt8Image) -> Float32:
    return np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32)


def _residual_sum(model: Any, cells: int) -> str:
    """The last sum of `cells` x `cells`: where the network's residual stream leaves a resolution.

    Raises ModelError when there is none.
    """
    inferred = onnx.shape_inference.infer_shapes(model)
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in inferred.graph.value_info
    }
    sums = [
        node.output[0]
        for node in model.graph.node
        if node.op_type == "Add" and shapes.get(node.output[0], [])[2:] == [cells, cells]
    ]
    if not sums:
        raise ModelError(
            f"the teacher has no residual sum of {cells}x{cells} cells for a crop of {CROP} px; "
            "a backbone as NanoTrack v2's is wanted"
        )
    name: str = sums[-1]
    return name


def _of_any_size(model: Any) -> None:
    """Free height and width of input and output: the file names those of a search crop."""
    for value in (model.graph.input[0], model.graph.output[0]):
        for axis in (2, 3):
            size = value.type.tensor_type.shape.dim[axis]
            size.ClearField("dim_value")
            size.dim_param = f"{value.name}_{axis}"
    del model.graph.value_info[:]  # of the size that the file names
