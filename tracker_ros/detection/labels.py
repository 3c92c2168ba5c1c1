"""From the number of a class to its name."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from tracker_ros.errors import ModelError

COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""The 80 classes of COCO, in order."""
NOT_IN_COCO = frozenset((12, 26, 29, 30, 45, 66, 68, 69, 71, 83))
"""Of the numbers 1 to 90, those that COCO has not given away."""


def names_of_classes(
    classes: str, *, count: int | None, first: int, carried: Mapping[int, str]
) -> dict[int, str]:
    """Class number, as a network gives it -> name; without an entry the number is the name.

    classes: path of a file with one name a line, `coco`, or empty: the names that the model file
    carries, else COCO's for a model of 80 classes, else none. count: of the classes, None when the
    network does not tell. first: number of the first name, 0 or 1; a network that counts from 1
    has COCO's own numbers, with gaps. Raises ModelError.
    """
    coco = range(80) if first == 0 else [n for n in range(1, 91) if n not in NOT_IN_COCO]
    if not classes:
        if carried and (count is None or count == len(carried)):
            return dict(carried)
        return dict(enumerate(COCO)) if count == len(COCO) else {}
    names = COCO if classes == "coco" else read_names(Path(classes).expanduser())
    if count not in (None, len(names)):
        raise ModelError(
            f"the model has {count} classes, but classes '{classes}' names {len(names)}; give the "
            "file that it was trained with, one name a line, or leave classes empty for numbers"
        )
    if classes == "coco":
        return dict(zip(coco, COCO, strict=True))
    return dict(enumerate(names, first))


def read_names(path: Path) -> tuple[str, ...]:
    """The names of a file, one a line; blank lines at its end do not count. Raises ModelError."""
    try:
        lines = path.read_text(encoding="utf-8").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"class names {path} cannot be read: {error}") from error
    names = tuple(line.strip() for line in lines)
    if not names or not all(names):
        raise ModelError(f"class names {path}: a line is empty; write one name a line")
    return names


def carried_names(metadata: Mapping[str, str]) -> dict[int, str]:
    """The names in the field `names` of a model file, written as `{0: 'person', ...}`, if any."""
    try:
        names = ast.literal_eval(metadata.get("names", ""))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return {}
    if isinstance(names, (list, tuple)):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(isinstance(number, int) for number in names):
        return {}
    return {number: str(name) for number, name in names.items()}
