"""A lifecycle node that survives a request for a transition that is not possible."""

from __future__ import annotations

from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

RCLError = rclpy_implementation.RCLError


class ManagedNode(LifecycleNode):
    """rclpy's lifecycle node, which a wrong `change_state` request cannot end.

    Up to Jazzy the exception of such a request goes through the executor and ends the process
    (https://github.com/ros2/rclpy/issues/1209); here it is refused, as by nodes in C++.
    """

    def _LifecycleNodeMixin__change_state(self, transition_id: int) -> Any:
        try:
            return super()._LifecycleNodeMixin__change_state(transition_id)
        except RCLError as error:
            self.get_logger().error(f"no transition {transition_id} from here: {error}")
            return TransitionCallbackReturn.FAILURE
