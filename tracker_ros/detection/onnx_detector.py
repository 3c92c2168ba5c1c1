"""A detection network of the user's own: any ONNX file with a layout of `layouts.KNOWN`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker_ros.detection.detector import Wanted, on_picture
from tracker_ros.detection.labels import carried_names, names_of_classes
from tracker_ros.detection.layouts import Layout, recognise
from tracker_ros.detection.letterbox import GREY, Letterbox
from tracker_ros.engines.engine import Array, Tensor
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.errors import ModelError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.mot.detections import Detection

DYNAMIC_SIZE = 640
"""Sides of the input of a network that takes any, unless told otherwise."""
BEFORE_SUPPRESSION = 3000
"""Boxes of one image among which doubled ones are looked for, the strongest."""


@dataclass(frozen=True)
class Input:
    """What a network takes: a picture, RGB; real numbers from 0 to 1, or bytes."""

    name: str
    dtype: str
    """float32, float16 or uint8."""
    channels_first: bool
    batch: bool
    """Whether there is an axis of pictures before the others."""
    canvas: tuple[int, int]
    """Width and height."""

    def fill(self, canvas: UInt8Image) -> Array:
        """The array for a canvas (H, W, 3) BGR."""
        rgb: Array = canvas[..., ::-1]
        if self.channels_first:
            rgb = rgb.transpose(2, 0, 1)
        if self.dtype != "uint8":
            rgb = rgb.astype(np.float32) * np.float32(1 / 255)
        return np.ascontiguousarray(rgb[None] if self.batch else rgb, self.dtype)


class OnnxDetector:
    """Runs a network and reads what it says."""

    def __init__(
        self, engine: OnnxEngine, takes: Input, layout: Layout, names: dict[int, str], *,
        model: str, wanted: Wanted,
    ) -> None:  # fmt: skip
        self._engine, self._takes, self._names = engine, takes, names
        self.layout, self.name, self.model, self.wanted = layout, layout.family, model, wanted
        self.backend, self.precision = engine.backend, engine.precision
        self.labels: tuple[str, ...] = tuple(names.values())
        classes = "" if layout.classes is None else f", {layout.classes} classes"
        size = f"{takes.canvas[0]}x{takes.canvas[1]}"
        self.about = f"layout {layout.name}, input {size} {takes.dtype}{classes}"

    def detect(self, image: UInt8Image) -> list[Detection]:
        """The objects in (H, W, 3) BGR."""
        fit = Letterbox((image.shape[1], image.shape[0]), self._takes.canvas)
        outputs = self._engine.run({self._takes.name: self._takes.fill(fit.apply(image))})
        found = self.layout.read(outputs, self._takes.canvas)
        order = np.argsort(-found.scores, kind="stable")
        order = order[found.scores[order] >= self.wanted.min_score]
        labels = {number: self._label(number) for number in set(found.classes[order].tolist())}
        rows = zip(
            order, fit.back(found.boxes[order]).tolist(), found.classes[order].tolist(),
            strict=True,
        )  # fmt: skip
        detections = []
        for index, (x0, y0, x1, y1), number in rows:
            if not self.wanted.is_named(labels[number]):
                continue
            box = Box(x0, y0, x1 - x0, y1 - y0)
            detections.append(Detection(box, float(found.scores[index]), labels[number]))
            if len(detections) == BEFORE_SUPPRESSION:
                break
        return on_picture(detections, image, self.wanted, alone=self.layout.alone)

    def _label(self, number: float) -> str:
        return self._names.get(int(number), str(int(number)))


def open_onnx(
    path: Path, *, family: str, classes: str, layout: str, input_size: int, threads: int,
    wanted: Wanted,
) -> OnnxDetector:  # fmt: skip
    """A detector from a file; `open_detector` says what the arguments are. Raises ModelError."""
    if not path.is_file():
        raise ModelError(f"there is no model file {path}; the parameter model is its path")
    engine = OnnxEngine(path, threads=threads)
    try:
        takes = _input(engine.inputs, input_size)
        outputs = _probe(engine, takes)
        found = recognise(outputs, takes.canvas, layout)
        if found.family != family:
            raise ModelError(
                f"its layout is {found.name}, which the detector {found.family} reads, not "
                f"{family}; set detector to {found.family}"
            )
        found.require_meant(outputs, takes.canvas)
        carried = carried_names(engine.metadata)
        names = names_of_classes(
            classes, count=found.classes, first=found.first_class, carried=carried
        )
    except ModelError as error:
        raise ModelError(f"{path} is not usable as a detector: {error}") from error
    return OnnxDetector(engine, takes, found, names, model=path.name, wanted=wanted)


def _input(inputs: tuple[Tensor, ...], input_size: int) -> Input:
    """How the only input takes a picture. Raises ModelError when it does not."""
    shown = "; ".join(str(tensor) for tensor in inputs)
    wanted = (
        "known are one float32, float16 or uint8 picture: (1, 3, H, W), (1, H, W, 3), (3, H, W) "
        "or (H, W, 3)"
    )
    if len(inputs) != 1:
        raise ModelError(f"it has {len(inputs)} inputs: {shown}; {wanted}")
    (tensor,) = inputs
    if tensor.dtype not in ("float32", "float16", "uint8"):
        raise ModelError(f"its input is {shown}; {wanted}")
    batch = len(tensor.shape) == 4
    sides = tensor.shape[1:] if batch else tensor.shape
    if len(sides) != 3 or (batch and tensor.shape[0] not in (1, None)):
        raise ModelError(f"its input is {shown}; {wanted}")
    if 3 not in (sides[0], sides[2]) and sides[0] is not None and sides[2] is not None:
        raise ModelError(f"its input is {shown}, without three channels; {wanted}")
    # Where not even the channels are fixed, bytes lie as TensorFlow has them, numbers as torch.
    channels_first = sides[0] == 3 or (sides[2] != 3 and tensor.dtype != "uint8")
    height, width = sides[1:] if channels_first else sides[:2]
    for side in (height, width):
        if input_size and side not in (input_size, None):
            raise ModelError(
                f"its input is {shown}, of fixed size, but input_size is {input_size}; leave "
                "input_size 0, or export the model anew with that size"
            )
    free = input_size or DYNAMIC_SIZE
    return Input(tensor.name, tensor.dtype, channels_first, batch, (width or free, height or free))


def _probe(engine: OnnxEngine, takes: Input) -> dict[str, Array]:
    """What comes out for an empty canvas: declared shapes are often left open."""
    width, height = takes.canvas
    canvas = np.full((height, width, 3), GREY, np.uint8)
    try:
        outputs = engine.run({takes.name: takes.fill(canvas)})
    except Exception as error:  # its exception types are private to its C++ binding
        raise ModelError(
            f"it fails on an empty picture of {width}x{height}: {error}; for a network whose input "
            "is of any size the parameter input_size sets another"
        ) from error
    for name, value in outputs.items():
        if not isinstance(value, np.ndarray):
            raise ModelError(f"its output {name} is no array but a {type(value).__name__}")
    return outputs
