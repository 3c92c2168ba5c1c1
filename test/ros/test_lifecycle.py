"""A transition that raises is told, and leaves a node that can be configured again."""

from __future__ import annotations

import pytest
from harness import Peer
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from tracker_ros.nodes.lifecycle import ManagedNode, transition

SUCCESS = TransitionCallbackReturn.SUCCESS


class Camera(ManagedNode):
    """Cannot be activated while its lens cap is on."""

    capped = True

    @transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self.capped:
            raise ValueError("the lens cap is on")
        return SUCCESS


def test_a_transition_that_raises_is_logged_and_can_be_tried_again(
    ros: Peer, capfd: pytest.CaptureFixture[str]
) -> None:
    node = Camera("camera", context=ros.node.context)
    try:
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.ERROR
        assert node.failure == "activate failed: ValueError: the lens cap is on"
        log = "".join(capfd.readouterr())
        assert "[ERROR]" in log and node.failure in log and "Traceback" in log
        node.capped = False
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == SUCCESS
    finally:
        node.destroy_node()
