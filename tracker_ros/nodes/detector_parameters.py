"""The parameters of the detector node: declared with ranges, read into dataclasses."""

from __future__ import annotations

from dataclasses import dataclass

from tracker_ros.detection.detector import ALL, Wanted
from tracker_ros.detection.hog import DEFAULTS, HogSettings
from tracker_ros.detection.open import DETECTORS, LAYOUTS
from tracker_ros.errors import ParameterError
from tracker_ros.pipeline.camera_parameters import CAMERA_CHOICES, CameraParameters
from tracker_ros.pipeline.parameters import Choices, ParameterStore, refuse

CHOICES: Choices = {"detector": DETECTORS, "layout": LAYOUTS, **CAMERA_CHOICES}
AT_CONFIGURE = ("detector", "model", "classes", "layout", "input_size", "threads")
"""What is read when the node is configured, and cannot change until it is cleaned up."""


@dataclass(frozen=True)
class DetectorParameters(CameraParameters):
    """Their values. A detector looks back at nothing: only the newest image is kept."""

    detector: str
    model: str
    """Path of an ONNX file."""
    classes: str
    """Path of a file of names, `coco`, or empty."""
    layout: str
    input_size: int
    threads: int
    wanted: Wanted
    hog: HogSettings
    max_rate: float
    """Hz; 0: as often as it can."""


def declare_detector_parameters(store: ParameterStore) -> None:
    """Declare them all."""
    declare = store.declare
    declare("detector", "hog", "hog (people, built in), or yolo or ssd with a model of yours")
    declare("model", "", "path of an ONNX file, for yolo and ssd")
    declare("classes", "", "path of a file of class names, one a line; coco: its names; "
            "empty: as the model has them, COCO's for 80 classes, else numbers")  # fmt: skip
    declare("layout", "auto", "of the model's outputs: auto, or one of docs/detector.md")
    declare("input_size", 0, "sides of the input of a model that takes any, pixels; 0: 640",
            (0, 4096))  # fmt: skip
    declare("threads", 0, "CPU threads of the detector; 0: the library's choice", (0, 256))
    declare("autostart", True, "configure and activate at start", read_only=True)
    declare("min_score", ALL.min_score, "weaker detections are not published", (0.0, 1.0))
    declare("nms_iou", ALL.nms_iou, "of two boxes of a class that overlap more, the weaker "
            "is left out; 1: none", (0.0, 1.0))  # fmt: skip
    declare("only", [""], 'names of the classes to publish; [""]: all')
    declare("max_rate", 0.0, "images looked at in a second, at most; 0: as many as it can",
            (0.0, 1000.0))  # fmt: skip
    declare("transport", "auto", "image message to subscribe to: auto, raw, compressed")
    declare("reliability", "auto", "of the image subscription: auto (as the camera "
            "offers), reliable, best_effort")  # fmt: skip
    declare("camera_rate", 0.0, "rate of the camera in Hz, to tell when images are lost; "
            "0: as camera_info says", (0.0, 1000.0))  # fmt: skip
    declare("hog.resize_to", DEFAULTS.resize_to, "longest side that images are resized to "
            "before; larger finds smaller people, and takes longer; 0: as they are",
            (0, 8192))  # fmt: skip
    declare("hog.scale", DEFAULTS.scale, "from one size of person to the next", (1.01, 2.0))
    declare("hog.stride", DEFAULTS.stride, "pixels from one place to the next, a "
            "multiple of 8", (8, 64))  # fmt: skip
    declare("hog.hit_threshold", DEFAULTS.hit_threshold, "windows of a smaller weight are "
            "not looked at further; a weight of 0 is a score of 0.15", (-2.0, 5.0))  # fmt: skip


def read_detector_parameters(store: ParameterStore) -> DetectorParameters:
    """Read what is set now. Raises ParameterError for a value outside the choices."""
    value = store.value
    for name in (*CHOICES, "hog.stride"):
        reason = refusal(name, value(name))
        if reason:
            raise ParameterError(reason)
    only = frozenset(name for name in value("only") if name)
    return DetectorParameters(
        detector=value("detector"),
        model=value("model"),
        classes=value("classes"),
        layout=value("layout"),
        input_size=value("input_size"),
        threads=value("threads"),
        autostart=value("autostart"),
        transport=value("transport"),
        reliability=value("reliability"),
        history_frames=1,
        history_bytes=0,
        history_seconds=0.0,
        camera_rate=value("camera_rate"),
        wanted=Wanted(value("min_score"), value("nms_iou"), only),
        hog=HogSettings(
            value("hog.resize_to"),
            value("hog.scale"),
            value("hog.stride"),
            value("hog.hit_threshold"),
        ),
        max_rate=value("max_rate"),
    )


def refusal(name: str, value: object) -> str:
    """Why a parameter cannot have a value, as far as no range describes it; empty when it can."""
    if name == "hog.stride" and isinstance(value, int) and value % 8:
        return f"parameter {name} is {value}; give a multiple of 8"
    return refuse(CHOICES, name, value)
