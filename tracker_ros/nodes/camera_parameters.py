"""The parameters that every node with a camera has, and how parameters are declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)

from tracker_ros.errors import ParameterError

Choices = Mapping[str, Sequence[str]]
CAMERA_CHOICES: Choices = {
    "transport": ("auto", "raw", "compressed"),
    "reliability": ("auto", "reliable", "best_effort"),
}


@dataclass(frozen=True)
class CameraParameters:
    """Their values."""

    autostart: bool
    transport: str
    reliability: str
    history_frames: int
    history_bytes: int
    camera_rate: float
    """Hz; 0: as camera_info says."""


def declare_camera_parameters(node: Any, history: str) -> None:
    """Declare them; `history` says in words what images are kept for."""
    declare(node, "autostart", True, "configure and activate at start", read_only=True)
    declare(node, "transport", "auto", "image message to subscribe to: auto, raw, compressed")
    declare(node, "reliability", "auto", "of the image subscription: auto (as the camera "
            "offers), reliable, best_effort")  # fmt: skip
    declare(node, "history_frames", 60, f"images kept {history}", (0, 1000))
    declare(node, "history_megabytes", 256, "at most so much of them", (0, 8192))
    declare(node, "camera_rate", 0.0, "rate of the camera in Hz, to tell when images are lost; "
            "0: as camera_info says", (0.0, 1000.0))  # fmt: skip


def read_camera_parameters(node: Any, choices: Choices) -> dict[str, Any]:
    """The fields of CameraParameters. Raises ParameterError for a value outside the choices."""

    def value(name: str) -> Any:
        return node.get_parameter(name).value

    for name in choices:
        refusal = refuse(choices, name, value(name))
        if refusal:
            raise ParameterError(refusal)
    names = ("autostart", "transport", "reliability", "history_frames", "camera_rate")
    return {
        **{name: value(name) for name in names},
        "history_bytes": value("history_megabytes") << 20,
    }


def checker(choices: Choices) -> Callable[[list[Any]], SetParametersResult]:
    """For `add_on_set_parameters_callback`: refuses values that no range can describe."""

    def check(parameters: list[Any]) -> SetParametersResult:
        for parameter in parameters:
            reason = refuse(choices, parameter.name, parameter.value)
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    return check


def refuse(choices: Choices, name: str, value: object) -> str:
    """Why a value is refused; empty when it is among the choices, or the name has none."""
    if name not in choices or value in choices[name]:
        return ""
    return f"parameter {name} is '{value}'; choose one of {', '.join(choices[name])}"


def declare(
    node: Any, name: str, default: Any, description: str,
    limits: tuple[float, float] | None = None, read_only: bool = False,
) -> None:  # fmt: skip
    """Declare a parameter; `limits` are of a number."""
    descriptor = ParameterDescriptor(description=description, read_only=read_only)
    if limits is not None and isinstance(default, int):
        low, high = int(limits[0]), int(limits[1])
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    elif limits is not None:
        low_high = FloatingPointRange(from_value=float(limits[0]), to_value=float(limits[1]))
        descriptor.floating_point_range = [low_high]
    node.declare_parameter(name, default, descriptor)
