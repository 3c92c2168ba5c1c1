"""What the outputs of a detection network mean: recognised once, then read for every image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tracker_ros.engines.engine import Array
from tracker_ros.errors import ModelError
from tracker_ros.mot.detections import Float64

KNOWN = {
    "yolov5": "one output (1, N, 5+classes): cx, cy, w, h, objectness, a score a class (v5, v7)",
    "yolov8": "one output (1, 4+classes, N): cx, cy, w, h, a score a class (v8, v9, v11)",
    "yolov10": "one output (1, N, 6): x0, y0, x1, y1, score, class; nothing doubled (v10)",
    "tf": "detection_boxes (1, N, 4) y0, x0, y1, x1 from 0 to 1, detection_scores, "
    "detection_classes (1, N), perhaps num_detections (TensorFlow's SSD)",
    "torchvision": "boxes (N, 4) x0, y0, x1, y1 in pixels, labels, scores (N) (torchvision's SSD)",
}
"""Layout -> its outputs, in words. Boxes of YOLO are in pixels of the network's input."""
SLACK = 0.05
"""How far a score may lie outside [0, 1]: quantised networks round."""
STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
"""Of the grids on which YOLO's networks look."""


@dataclass(frozen=True)
class Found:
    """What a network says of one picture, undoubled or not."""

    boxes: Float64
    """(n, 4) x0, y0, x1, y1 in pixels of its input."""
    scores: Float64
    """(n,)."""
    classes: Float64
    """(n,): whole numbers."""


@dataclass(frozen=True)
class Layout:
    """How the outputs of one network are read."""

    name: str
    """A key of KNOWN."""
    outputs: tuple[str, ...]
    """Names of the outputs it reads."""
    classes: int | None
    """How many; None when the shapes do not tell."""

    @property
    def family(self) -> str:
        """The detector that it is chosen by: yolo or ssd."""
        return "yolo" if self.name.startswith("yolo") else "ssd"

    @property
    def first_class(self) -> int:
        """Number of the first class: SSD's networks keep 0 for the background."""
        return 0 if self.family == "yolo" else 1

    @property
    def alone(self) -> bool:
        """Whether the network itself has suppressed what is doubled."""
        return self.name not in ("yolov5", "yolov8")

    def read(self, outputs: Mapping[str, Array], canvas: tuple[int, int]) -> Found:
        """The boxes of one picture, finite ones; canvas: width and height of the input."""
        found = self._finite(outputs, canvas)
        return Found(found.boxes, np.clip(found.scores, 0.0, 1.0), found.classes)

    def require_meant(self, outputs: Mapping[str, Array], canvas: tuple[int, int]) -> None:
        """Raise ModelError when the numbers are not what the layout says, whatever their shapes."""
        found = self._finite(outputs, canvas)
        scores, boxes = found.scores, found.boxes
        if scores.size and not -SLACK <= scores.min() <= scores.max() <= 1 + SLACK:
            raise ModelError(
                f"read as {self.name}, its scores go from {scores.min():.3g} to "
                f"{scores.max():.3g}, expected 0 to 1; export it with the sigmoid in the graph, or "
                "set the parameter layout if it is another"
            )
        if self.family == "yolo" and 0 < np.abs(boxes).max(initial=0) <= 2:
            raise ModelError(
                f"read as {self.name}, its boxes reach no further than {boxes.max():.3g}, expected "
                f"pixels of its input of {canvas[0]}x{canvas[1]}; export it with boxes in pixels"
            )

    def _finite(self, outputs: Mapping[str, Array], canvas: tuple[int, int]) -> Found:
        values = [outputs[name].astype(np.float64) for name in self.outputs]
        found = READERS[self.name](values, canvas)
        finite = np.isfinite(found.boxes).all(1) & np.isfinite(found.scores)
        finite &= np.isfinite(found.classes)
        return Found(found.boxes[finite], found.scores[finite], found.classes[finite])


def recognise(outputs: Mapping[str, Array], canvas: tuple[int, int], asked: str = "auto") -> Layout:
    """The layout of the outputs that a network gave for an empty canvas (width, height).

    `asked`, a key of KNOWN, is taken where shapes could be read in several ways. Raises ModelError
    with the shapes found and the layouts known when there is none.
    """
    for layout in (_tensorflow(outputs), _torchvision(outputs), _yolo(outputs, canvas, asked)):
        if layout is not None and asked in ("auto", layout.name):
            return layout
    shown = "; ".join(f"{name} {value.dtype} {value.shape}" for name, value in outputs.items())
    known = "; ".join(f"{name}: {words}" for name, words in KNOWN.items())
    wanted = "no known layout" if asked == "auto" else f"not the layout {asked}"
    raise ModelError(f"its outputs have {wanted}: {shown}. Known are {known}")


def _tensorflow(outputs: Mapping[str, Array]) -> Layout | None:
    plain = {name.split(":")[0].rsplit("/", 1)[-1]: name for name in outputs}
    needed = ["detection_boxes", "detection_scores", "detection_classes"]
    if not all(name in plain for name in needed):
        return None
    boxes, scores, classes = (outputs[plain[name]] for name in needed)
    if boxes.ndim != 3 or boxes.shape[0] != 1 or boxes.shape[2] != 4:
        return None
    if not boxes.shape[1] == scores.size == classes.size:
        return None
    names = [plain[name] for name in (*needed, "num_detections") if name in plain]
    return Layout("tf", tuple(names), None)


def _torchvision(outputs: Mapping[str, Array]) -> Layout | None:
    """By type and rank: the names are often lost in the export."""
    if len(outputs) != 3:
        return None
    found: dict[str, str] = {}
    for name, value in outputs.items():
        if value.ndim == 2 and value.shape[1] == 4 and value.dtype.kind == "f":
            found["boxes"] = name
        elif value.ndim == 1:
            found["scores" if value.dtype.kind == "f" else "labels"] = name
    if len(found) != 3 or len({outputs[name].shape[0] for name in found.values()}) != 1:
        return None
    return Layout("torchvision", (found["boxes"], found["scores"], found["labels"]), None)


def _yolo(outputs: Mapping[str, Array], canvas: tuple[int, int], asked: str) -> Layout | None:
    """One output of three axes; raw heads of five, of early exports, are not read."""
    flat = [name for name, value in outputs.items() if value.ndim == 3]
    if len(flat) != 1 or any(v.ndim not in (3, 5) for v in outputs.values()):
        return None
    batch, rows, columns = outputs[flat[0]].shape
    if batch != 1:
        return None
    places = _places(canvas)
    if asked in ("yolov5", "yolov8", "yolov10"):
        name = asked
    elif columns == 6 and rows not in places:
        name = "yolov10"  # else it is a YOLOv5 of one class
    elif (rows in places) != (columns in places):
        name = "yolov5" if rows in places else "yolov8"
    else:
        name = "yolov8" if columns > rows else "yolov5"
    if name == "yolov10":
        return Layout(name, (flat[0],), None) if columns == 6 else None
    classes = rows - 4 if name == "yolov8" else columns - 5
    return Layout(name, (flat[0],), classes) if classes > 0 else None


def _places(canvas: tuple[int, int]) -> set[int]:
    """How many boxes YOLO's networks give for an input (width, height): 1 or 3 a cell."""
    cells = [
        sum(math.ceil(canvas[0] / stride) * math.ceil(canvas[1] / stride) for stride in strides)
        for strides in STRIDES
    ]
    return {count * each for count in cells for each in (1, 3)}


# --- readers -------------------------------------------------------------------------------------


def _read_yolov5(values: list[Float64], canvas: tuple[int, int]) -> Found:
    rows = values[0][0]
    return _strongest(rows[:, :4], rows[:, 5:] * rows[:, 4:5])


def _read_yolov8(values: list[Float64], canvas: tuple[int, int]) -> Found:
    rows = values[0][0].T
    return _strongest(rows[:, :4], rows[:, 4:])


def _strongest(centred: Float64, scores: Float64) -> Found:
    """Of each box (cx, cy, w, h) the class of the highest score (n, classes)."""
    corners = np.hstack((centred[:, :2] - centred[:, 2:] / 2, centred[:, :2] + centred[:, 2:] / 2))
    best = scores.argmax(1)
    return Found(corners, scores[np.arange(len(scores)), best], best.astype(np.float64))


def _read_yolov10(values: list[Float64], canvas: tuple[int, int]) -> Found:
    rows = values[0][0]
    return Found(rows[:, :4], rows[:, 4], rows[:, 5])


def _read_tensorflow(values: list[Float64], canvas: tuple[int, int]) -> Found:
    boxes, scores, classes = values[0][0], values[1].ravel(), values[2].ravel()
    told = values[3].ravel()[:1] if len(values) > 3 else values[1][:0]
    count = int(told[0]) if told.size and 0 <= told[0] < len(boxes) else len(boxes)
    corners = boxes[:, [1, 0, 3, 2]] * np.array(canvas * 2, np.float64)
    return Found(corners[:count], scores[:count], classes[:count])


def _read_torchvision(values: list[Float64], canvas: tuple[int, int]) -> Found:
    return Found(values[0], values[1], values[2])


READERS: dict[str, Callable[[list[Float64], tuple[int, int]], Found]] = {
    "yolov5": _read_yolov5,
    "yolov8": _read_yolov8,
    "yolov10": _read_yolov10,
    "tf": _read_tensorflow,
    "torchvision": _read_torchvision,
}
