"""The parameters of the single-object node: declared with ranges, read into dataclasses."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)

from tracker_ros.errors import ModelError, ParameterError
from tracker_ros.models.card import read_card
from tracker_ros.sot import DEFAULT_MODELS, TRACKERS
from tracker_ros.sot.monitor import Thresholds

MONITOR_RANGES: dict[str, tuple[float, float]] = {
    "uncertain_score": (0.0, 1.0),
    "lost_score": (0.0, 1.0),
    "recover_score": (0.0, 1.0),
    "look_alike": (0.0, 1.0),
    "min_contrast": (0.0, 1.0),
    "max_size_change": (1.0, 100.0),
    "patience": (1, 1000),
    "confirm": (1, 1000),
}
MONITOR_HELP = {
    "uncertain_score": "a visible target with a lower score is UNCERTAIN",
    "lost_score": "a target with a lower score for `patience` frames is LOST",
    "recover_score": "a lost target must reach this score to be REACQUIRED",
    "look_alike": "a second response peak above this share of the first makes it UNCERTAIN",
    "min_contrast": "a picture of lower contrast is blank, and the target LOST at once",
    "max_size_change": "a box whose area changes by more than this factor is UNCERTAIN",
    "patience": "frames of weak evidence in a row before the target is LOST",
    "confirm": "frames of good evidence in a row before it is TRACKING",
}
CHOICES = {
    "tracker": TRACKERS,
    "transport": ("auto", "raw", "compressed"),
    "reliability": ("auto", "reliable", "best_effort"),
}


@dataclass(frozen=True)
class Parameters:
    """Their values."""

    tracker: str
    model: str
    """Name or path of the model card."""
    threads: int
    autostart: bool
    max_targets: int
    transport: str
    reliability: str
    history_frames: int
    history_bytes: int
    camera_rate: float
    """Hz; 0: as camera_info says."""
    thresholds: Thresholds


def declare_parameters(node: Any) -> None:
    """Declare them all. The defaults of `monitor.*` come from the model's card."""
    _declare(node, "tracker", "siamrpnpp", "tracker: " + ", ".join(TRACKERS), read_only=True)
    _declare(node, "model", "", "model card: a name, or the path of a .yaml; empty: the "
             "tracker's own", read_only=True)  # fmt: skip
    _declare(node, "threads", 0, "CPU threads of the network; 0: all cores", (0, 256), True)
    _declare(node, "autostart", True, "configure and activate at start", read_only=True)
    _declare(node, "max_targets", 1, "targets at a time; with 1 a new target replaces the old",
             (1, 32))  # fmt: skip
    _declare(node, "transport", "auto", "image message to subscribe to: auto, raw, compressed")
    _declare(node, "reliability", "auto", "of the image subscription: auto (as the camera "
             "offers), reliable, best_effort")  # fmt: skip
    _declare(node, "history_frames", 60, "images kept for targets set on an older one", (0, 1000))
    _declare(node, "history_megabytes", 256, "at most so much of them", (0, 8192))
    _declare(node, "camera_rate", 0.0, "rate of the camera in Hz, to tell when images are lost; "
             "0: as camera_info says", (0.0, 1000.0))  # fmt: skip
    defaults = _thresholds_of_card(node)
    for field in dataclasses.fields(Thresholds):
        _declare(node, f"monitor.{field.name}", getattr(defaults, field.name),
                 MONITOR_HELP[field.name], MONITOR_RANGES[field.name])  # fmt: skip


def read_parameters(node: Any) -> Parameters:
    """Read what is set now. Raises ParameterError for a value outside the choices."""

    def value(name: str) -> Any:
        return node.get_parameter(name).value

    for name, choices in CHOICES.items():
        if value(name) not in choices:
            raise ParameterError(_refusal(name, value(name)))
    tracker = str(value("tracker"))
    return Parameters(
        tracker=tracker,
        model=str(value("model")) or DEFAULT_MODELS.get(tracker, tracker),
        threads=value("threads"),
        autostart=value("autostart"),
        max_targets=value("max_targets"),
        transport=value("transport"),
        reliability=value("reliability"),
        history_frames=value("history_frames"),
        history_bytes=value("history_megabytes") << 20,
        camera_rate=value("camera_rate"),
        thresholds=Thresholds(**{name: value(f"monitor.{name}") for name in MONITOR_RANGES}),
    )


def check(parameters: list[Any]) -> SetParametersResult:
    """Refuse values that no range can describe; types and ranges are checked by rclpy."""
    for parameter in parameters:
        choices = CHOICES.get(parameter.name, (parameter.value,))
        if parameter.value not in choices:
            reason = _refusal(parameter.name, parameter.value)
            return SetParametersResult(successful=False, reason=reason)
    return SetParametersResult(successful=True)


def _refusal(name: str, value: object) -> str:
    return f"parameter {name} is '{value}'; choose one of {', '.join(CHOICES[name])}"


def _declare(
    node: Any, name: str, default: Any, description: str,
    limits: tuple[float, float] | None = None, read_only: bool = False,
) -> None:  # fmt: skip
    descriptor = ParameterDescriptor(description=description, read_only=read_only)
    if limits is not None and isinstance(default, int):
        low, high = int(limits[0]), int(limits[1])
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    elif limits is not None:
        low_high = FloatingPointRange(from_value=float(limits[0]), to_value=float(limits[1]))
        descriptor.floating_point_range = [low_high]
    node.declare_parameter(name, default, descriptor)


def _thresholds_of_card(node: Any) -> Thresholds:
    """The card's thresholds; where there is no such card, configure will say so."""
    tracker = node.get_parameter("tracker").value
    if tracker not in TRACKERS:
        return Thresholds()  # refused in a moment, when all are read
    name = node.get_parameter("model").value or DEFAULT_MODELS.get(tracker, tracker)
    try:
        return Thresholds(**read_card(name).monitor)
    except (ModelError, TypeError) as error:
        node.get_logger().warning(f"thresholds of model '{name}' not known: {error}")
        return Thresholds()
