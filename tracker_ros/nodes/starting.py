"""How a node that watches a camera comes to life."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.logging import get_logger

from tracker_ros.errors import TrackerRosError
from tracker_ros.nodes.watching import SUCCESS, WatchingNode

N = TypeVar("N", bound=WatchingNode[Any, Any, Any])


def create_node(make: Callable[[], N], name: str) -> N | int | None:
    """Make a node and, with `autostart`, activate it; None when that fails, after saying why.

    The exit code of the process where the node has done all there was to do.
    """
    try:
        node = make()
    except (
        TrackerRosError, InvalidParameterTypeException, InvalidParameterValueException,
    ) as error:  # fmt: skip
        get_logger(name).error(f"cannot start: {error}")
        return None
    code = node.only_build()
    if code is not None:
        node.destroy_node()
        return code
    if not node._read().autostart:
        return node
    if node.trigger_configure() == SUCCESS and node.trigger_activate() == SUCCESS:
        return node
    node.destroy_node()
    return None
