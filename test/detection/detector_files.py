"""Small real ONNX files: graphs that take a picture and say of it what a test wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tracker_ros.detection.onnx_detector import OnnxDetector
from tracker_ros.detection.open import open_detector

onnx = pytest.importorskip("onnx", reason="no onnx to make models with: ./run setup train")

PICTURE = (640, 480)
"""Width and height of the picture in which the boxes are."""
CANVAS = 320
"""Sides of the networks' input: the picture is halved, with 40 rows of grey above and below."""
PERSON, CAR = (100.0, 120.0, 60.0, 160.0), (400.0, 200.0, 120.0, 80.0)
"""Boxes x, y, w, h in the picture, that each network sees with these scores."""
SCORES = (0.9, 0.75)
PLACES = 40 * 40 + 20 * 20 + 10 * 10
"""Cells of the three grids of YOLO on such an input."""

Outputs = Mapping[str, npt.NDArray[Any]]


def picture(width: int = PICTURE[0], height: int = PICTURE[1]) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), 90, np.uint8)


def corners() -> npt.NDArray[np.float32]:
    """PERSON and CAR in the input of the network: x0, y0, x1, y1."""
    return np.array(
        [[x / 2, y / 2 + 40, (x + w) / 2, (y + h) / 2 + 40] for x, y, w, h in (PERSON, CAR)],
        np.float32,
    )


def centred() -> npt.NDArray[np.float32]:
    """The same as cx, cy, w, h."""
    c = corners()
    return np.hstack(((c[:, :2] + c[:, 2:]) / 2, c[:, 2:] - c[:, :2]))


def yolov5(rows: int = 3 * PLACES, classes: int = 80) -> Outputs:
    """Person is class 0, car class 2 (or the last); the person is there twice."""
    out = np.zeros((1, rows, 5 + classes), np.float32)
    car = min(2, classes - 1)
    for row, number, box, score in zip((7, 900), (0, car), centred(), SCORES, strict=True):
        out[0, row, :4], out[0, row, 4], out[0, row, 5 + number] = box, 0.95, score / 0.95
    out[0, 8] = out[0, 7]
    out[0, 8, 0] += 2
    out[0, 8, 4] = 0.7
    return {"output0": out}


def yolov8(columns: int = PLACES, classes: int = 80) -> Outputs:
    out = np.zeros((1, 4 + classes, columns), np.float32)
    car = min(2, classes - 1)
    for column, number, box, score in zip((7, 900), (0, car), centred(), SCORES, strict=True):
        out[0, :4, column], out[0, 4 + number, column] = box, score
    out[0, :, 8] = out[0, :, 7]
    out[0, 0, 8] += 2
    out[0, 4, 8] = 0.6
    return {"output0": out}


def yolov10(rows: int = 300) -> Outputs:
    out = np.zeros((1, rows, 6), np.float32)
    for row, number, box, score in zip((0, 1), (0, 2), corners(), SCORES, strict=True):
        out[0, row] = [*box, score, number]
    return {"output0": out}


def tensorflow() -> Outputs:
    """Of ten rows two count; class 1 is the person, 3 the car."""
    boxes, scores = np.full((1, 10, 4), 0.5, np.float32), np.full((1, 10), 0.99, np.float32)
    boxes[0, :2], scores[0, :2] = corners()[:, [1, 0, 3, 2]] / CANVAS, SCORES
    classes = np.full((1, 10), 7, np.float32)
    classes[0, :2] = 1, 3
    return {
        "detection_boxes": boxes, "detection_classes": classes, "detection_scores": scores,
        "num_detections": np.array([2], np.float32),
    }  # fmt: skip


def torchvision() -> Outputs:
    """The names are those that an export without names gives."""
    return {
        "2831": corners(), "2833": np.array(SCORES, np.float32),
        "2832": np.array([1, 3], np.int64),
    }  # fmt: skip


def save(
    path: Path, outputs: Outputs, *, shape: Sequence[int | None] = (1, 3, CANVAS, CANVAS),
    dtype: str = "float32", metadata: Mapping[str, str] | None = None, open_shapes: bool = False,
) -> Path:  # fmt: skip
    """A file that says the same of every picture. `open_shapes`: its outputs' are not declared."""
    helper = onnx.helper
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["numbers"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "nought"], ["zero"]),
    ]
    constants = [onnx.numpy_helper.from_array(np.float32(0), "nought")]
    declared = []
    for index, (name, value) in enumerate(outputs.items()):
        to = helper.np_dtype_to_tensor_dtype(value.dtype)
        constants.append(onnx.numpy_helper.from_array(value, f"value{index}"))
        nodes.append(helper.make_node("Cast", ["zero"], [f"zero{index}"], to=to))
        nodes.append(helper.make_node("Add", [f"zero{index}", f"value{index}"], [name]))
        sides = [None] * value.ndim if open_shapes else value.shape
        declared.append(helper.make_tensor_value_info(name, to, sides))
    images = helper.make_tensor_value_info("images", kind, shape)
    return write(path, nodes, images, declared, constants, metadata or {})


def colours(path: Path, shape: Sequence[int | None], dtype: str) -> Path:
    """A YOLOv8 of one box over the whole input: its three scores are the means of the channels."""
    helper = onnx.helper
    axes = {4: {1: (2, 3), 3: (1, 2)}, 3: {0: (1, 2), 2: (0, 1)}}[len(shape)][shape.index(3)]
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["means"], axes=axes, keepdims=0),
        helper.make_node("Mul", ["means", "scale"], ["scores"]),
        helper.make_node("Reshape", ["scores", "column"], ["three"]),
        helper.make_node("Concat", ["box", "three"], ["output0"], axis=1),
    ]
    scale = np.float32(1 / 255 if dtype == "uint8" else 1)
    half = CANVAS / 2
    box = np.array([half, half, CANVAS, CANVAS], np.float32).reshape(1, 4, 1)
    named = {"scale": scale, "column": np.array([1, 3, 1], np.int64), "box": box}
    constants = [onnx.numpy_helper.from_array(value, name) for name, value in named.items()]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    images = helper.make_tensor_value_info("images", kind, shape)
    out = helper.make_tensor_value_info("output0", onnx.TensorProto.FLOAT, (1, 7, 1))
    return write(path, nodes, images, [out], constants, {})


def write(
    path: Path, nodes: list[Any], images: Any, outputs: list[Any], constants: list[Any],
    metadata: Mapping[str, str],
) -> Path:  # fmt: skip
    helper = onnx.helper
    graph = helper.make_graph(nodes, "detector", [images], outputs, constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )  # what ONNX Runtime has read for years
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def opened(path: Path, family: str, **options: Any) -> OnnxDetector:
    """A detector of a model file."""
    detector = open_detector(family, model=str(path), threads=1, **options)
    assert isinstance(detector, OnnxDetector)
    return detector


LAYOUTS: dict[str, tuple[Callable[[], Outputs], str]] = {
    "yolov5": (yolov5, "yolo"),
    "yolov8": (yolov8, "yolo"),
    "yolov10": (yolov10, "yolo"),
    "tf": (tensorflow, "ssd"),
    "torchvision": (torchvision, "ssd"),
}
"""What each layout gives, and which detector reads it."""
