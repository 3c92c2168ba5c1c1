"""From the name of a detector to a detector that is ready to run."""

from __future__ import annotations

from pathlib import Path

from tracker_ros.detection.detector import ALL, Detector, Wanted
from tracker_ros.detection.hog import DEFAULTS, HogDetector, HogSettings
from tracker_ros.detection.layouts import KNOWN
from tracker_ros.detection.onnx_detector import open_onnx
from tracker_ros.errors import ModelError

DETECTORS = ("hog", "yolo", "ssd")
LAYOUTS = ("auto", *KNOWN)


def open_detector(
    name: str, *, model: str = "", classes: str = "", layout: str = "auto", input_size: int = 0,
    threads: int = 0, hog: HogSettings = DEFAULTS, wanted: Wanted = ALL,
) -> Detector:  # fmt: skip
    """The detector `name`, one of DETECTORS.

    model: path of an ONNX file, for yolo and ssd. classes: path of a file with one name a line,
    `coco`, or empty: as the model file has them, else COCO's for 80 classes, else numbers. layout:
    one of LAYOUTS, for a model whose layout is not recognised. input_size: sides of the input of a
    model that takes any, 0 for 640. threads: 0 for the library's choice. Raises ModelError when
    the model is missing, damaged, or no detector of that kind.
    """
    if name == "hog":
        return HogDetector(hog, wanted, threads=threads)
    if name not in DETECTORS:
        raise ModelError(f"no detector '{name}'; there are {', '.join(DETECTORS)}")
    if not model:
        raise ModelError(
            f"detector {name} needs a model of yours: set the parameter model to the path of an "
            "ONNX file (docs/detector.md); detector hog needs none"
        )
    return open_onnx(
        Path(model).expanduser(), family=name, classes=classes, layout=layout,
        input_size=input_size, threads=threads, wanted=wanted,
    )  # fmt: skip
