"""What the node publishes costs nothing where nobody listens."""

from __future__ import annotations

import numpy as np
import pytest
from harness import Peer
from sensor_msgs.msg import Image
from sot_harness import image_message, scene

from tracker_ros.nodes import outputs
from tracker_ros.nodes.outputs import Outputs
from tracker_ros.pipeline.answer import Counters
from tracker_ros.pipeline.frames import Frame
from tracker_ros.pipeline.images import Stamped
from tracker_ros.pipeline.sot_worker import Processed
from tracker_ros.sot import load_model
from tracker_ros.track import StageTimes


def test_the_debug_image_is_drawn_only_while_somebody_looks(
    ros: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[object] = []
    monkeypatch.setattr(outputs, "draw_tracks", lambda image, tracks: drawn.append(image))
    out, model = Outputs(ros.node), load_model("siamrpnpp", threads=1)
    image = np.ascontiguousarray(scene()[0].image)
    frame = Frame(bytes(image_message(image, 1).data), Stamped(1, 0, "camera"), False, 0.0)
    processed = Processed(frame, image, [], 0.0, StageTimes())
    out.publish(processed, model, Counters())
    assert not drawn
    topic = f"{ros.node.get_name()}/debug_image"
    subscription = ros.node.create_subscription(Image, topic, lambda message: None, 5)
    ros.wait_until(lambda: subscription.get_publisher_count() > 0, what="the debug image")

    def is_drawn() -> bool:
        out.publish(processed, model, Counters())
        return bool(drawn)

    ros.wait_until(is_drawn, what="a drawing")
    ros.node.destroy_subscription(subscription)
    ros.wait_until(
        lambda: not ros.node.count_subscribers(topic), what="the end of the subscription"
    )
    drawn.clear()
    out.publish(processed, model, Counters())
    assert not drawn
