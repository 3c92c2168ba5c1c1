"""A lifecycle node that survives impossible requests, and says why a transition failed."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from tracker_ros.nodes.process import RCLError

Callback = Callable[[Any, LifecycleState], TransitionCallbackReturn]


def transition(callback: Callback) -> Callback:
    """A transition of a ManagedNode; an exception, which rclpy swallows, is logged and kept."""

    @functools.wraps(callback)
    def told(node: ManagedNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return callback(node, state)
        except Exception as error:
            if node.context.ok():  # else a signal has shut ROS down meanwhile
                name = callback.__name__.removeprefix("on_")
                node.failure = f"{name} failed: {type(error).__name__}: {error}"
                node.get_logger().error(f"{node.failure}\n{traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR

    return told


class ManagedNode(LifecycleNode):
    """rclpy's lifecycle node, which a wrong `change_state` request cannot end.

    Up to Jazzy the exception of such a request goes through the executor and ends the process
    (https://github.com/ros2/rclpy/issues/1209); here it is refused, as by nodes in C++.
    """

    failure = ""
    """Why the last transition failed, in words; empty when it did not."""

    def _LifecycleNodeMixin__change_state(self, transition_id: int) -> Any:
        try:
            return super()._LifecycleNodeMixin__change_state(transition_id)
        except RCLError as error:
            self.get_logger().error(f"no transition {transition_id} from here: {error}")
            return TransitionCallbackReturn.FAILURE
