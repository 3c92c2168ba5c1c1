"""The real multi-object node in its own process, with a camera and a detector beside it.

The pictures are small and empty and the tracker is SORT, which never looks at them: what is tested
here is which detections are applied to which image, and what goes out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from harness import Peer, RosProcess
from sot_harness import RELIABLE, Answer, Sot, header, image_message, nanoseconds
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from tracker_ros.geometry import Box

PICTURE = np.zeros((120, 160, 3), np.uint8)


def walker(index: int, *, row: int = 0) -> Box:
    """Where somebody is in frame `index`, who walks along a row of the picture."""
    return Box(10 + 1.5 * index, 10 + 35 * row, 12, 30)


def item(
    box: Box, label: str = "person", score: float = 0.9, *, theta: float = 0.0, id: str = ""
) -> Detection2D:
    """A detection with one hypothesis, or without any where the label is empty."""
    message = Detection2D(id=id)
    message.bbox.center.position.x, message.bbox.center.position.y = box.cx, box.cy
    message.bbox.center.theta = theta
    message.bbox.size_x, message.bbox.size_y = float(box.w), float(box.h)
    if label:
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = label, score
        message.results = [hypothesis]
    return message


def array(stamp: int, items: Sequence[Detection2D], **of_header: Any) -> Detection2DArray:
    """What a detector says of the image with that stamp; `of_header` replaces what is right."""
    message = Detection2DArray(header=header(stamp), detections=list(items))
    for name, value in of_header.items():
        setattr(message.header, name, value)
    return message


class Mot(Sot):
    """A running multi-object node, seen through its topics and services."""

    node_name = "mot"

    def __init__(self, process: RosProcess, peer: Peer, namespace: str = "") -> None:
        super().__init__(process, peer, namespace)
        self._detector: Any = None

    @property
    def detector(self) -> Any:
        """A reliable publisher of detections, made and matched when it is first used."""
        if self._detector is None:
            topic = f"{self.namespace}/detections"
            self._detector = self.ros.publisher(Detection2DArray, topic, RELIABLE)
        self.ros.wait_for_subscriber(self._detector)
        return self._detector

    def image(self, stamp: int | None = None) -> int:
        """Publish an image; gives its stamp."""
        return self.send(image_message(PICTURE, self.next_stamp() if stamp is None else stamp))

    def detect(self, stamp: int, items: Sequence[Detection2D], **of_header: Any) -> None:
        """Publish the detections of the image with that stamp."""
        self.detector.publish(array(stamp, items, **of_header))

    def see(self, items: Sequence[Detection2D], stamp: int | None = None) -> Answer:
        """Publish an image and its detections, and wait for the answer."""
        assert self.detector is not None  # matched before the image waits for its detections
        stamp = self.image(stamp)
        self.detect(stamp, items)
        return self.answer_to(stamp)

    def walk(self, frames: range, rows: Sequence[int] = (0,), **fields: Any) -> list[Answer]:
        """Somebody walks along each row; gives the answers."""
        return [
            self.see([item(walker(index, row=row), **fields) for row in rows]) for index in frames
        ]

    def count(self, name: str, key: str) -> int:
        """A count of the last diagnostics; 0 where there is none of that name."""
        for message in reversed(self.diagnostics):
            for entry in message.status:
                if entry.name == f"mot: {name}":
                    values = {value.key: value.value for value in entry.values}
                    return int(values.get(key, "0").split()[0])
        return 0


def ids(answer: Answer) -> list[str]:
    """The identities in an array; fails where one is there twice."""
    found = [detection.id for detection in answer.tracks.detections]
    assert len(set(found)) == len(found)
    return found


NOT_BOXES = [
    Box(math.nan, 10, 20, 20),
    Box(10, math.inf, 20, 20),
    Box(60, 60, -20, 20),
    Box(60, 60, 20, 0),
    Box(1e9, 10, 20, 20),
    Box(10, 10, 1e300, 20),
]
"""What is no box, or of no picture."""
__all__ = ["NOT_BOXES", "PICTURE", "Mot", "array", "ids", "item", "nanoseconds", "walker"]
