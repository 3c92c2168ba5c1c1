"""Parameters of a live node: declared to ROS with description and range, refused when bad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)

from tracker_ros.pipeline.parameters import Choices, refuse


class NodeParameters:
    """The parameters of a node, as tracker_ros.pipeline.parameters.ParameterStore."""

    def __init__(self, node: Any) -> None:
        self._node = node

    def declare(
        self, name: str, default: Any, description: str,
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
        self._node.declare_parameter(name, default, descriptor)

    def value(self, name: str) -> Any:
        """What is set now."""
        return self._node.get_parameter(name).value


def checker(choices: Choices) -> Callable[[list[Any]], SetParametersResult]:
    """For `add_on_set_parameters_callback`: refuses values that no range can describe."""

    def check(parameters: list[Any]) -> SetParametersResult:
        for parameter in parameters:
            reason = refuse(choices, parameter.name, parameter.value)
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    return check
