"""The subscription to a detector."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from vision_msgs.msg import Detection2DArray

from tracker_ros.errors import DetectionsError
from tracker_ros.nodes.subscription import Choice, MatchedSubscription, Rate
from tracker_ros.pipeline.detection_messages import DetectionArray

DEPTH = 10


class DetectionsInput:
    """Subscribed to `detections` while active; gives every array, not read yet, to `on_array`."""

    def __init__(
        self, node: Any, on_array: Callable[[DetectionArray], None],
        on_unreadable: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        """on_unreadable: gets a short stable key and the reason."""
        self._on_array, self._on_unreadable = on_array, on_unreadable
        self.topic: str = node.resolve_topic_name("detections")
        self._arrays = MatchedSubscription(
            node, [(self.topic, Detection2DArray)], reliability="auto", depth=DEPTH,
            on_message=self._on_message,
        )  # fmt: skip

    @property
    def chosen(self) -> Choice | None:
        """What is subscribed to; None until somebody publishes detections."""
        return self._arrays.chosen

    @property
    def last_received(self) -> float | None:
        """time.perf_counter() of the last array."""
        return self._arrays.last_received

    @property
    def received(self) -> Rate:
        """Of the arrays that came."""
        return self._arrays.received

    def close(self) -> None:
        """Unsubscribe."""
        self._arrays.close()

    def _on_message(self, raw: bytes) -> None:
        try:
            array = DetectionArray.of(raw, received=perf_counter())
        except DetectionsError as error:
            self._on_unreadable("message", str(error))
            return
        self._on_array(array)
