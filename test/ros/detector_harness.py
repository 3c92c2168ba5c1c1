"""The real detector node in its own process, with a camera beside it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray
from harness import Peer, RosProcess
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from sot_harness import PERIOD, RELIABLE, image_message, nanoseconds
from vision_msgs.msg import Detection2DArray

BLACK = np.zeros((480, 640, 3), np.uint8)


class Detector:
    """A running node, seen through its topics and services."""

    _stamps = itertools.count(2_000 * 10**9 + 11, PERIOD)

    def __init__(self, process: RosProcess, peer: Peer) -> None:
        self.process, self.ros = process, peer
        self.arrays: list[Detection2DArray] = peer.collect(
            Detection2DArray, "/detector/detections", 100
        )
        self.diagnostics: list[DiagnosticArray] = peer.collect(DiagnosticArray, "/diagnostics")
        self._cameras: list[Any] = []

    def camera(self, kind: Any = Image, topic: str = "image", qos: Any = RELIABLE) -> Any:
        """A publisher that the node listens to."""
        publisher = self.ros.publisher(kind, topic, qos)
        self._cameras.append(publisher)
        self.ros.wait_for_subscriber(publisher)
        return publisher

    def remove_cameras(self) -> None:
        for publisher in self._cameras:
            self.ros.node.destroy_publisher(publisher)
        self._cameras.clear()

    def next_stamp(self) -> int:
        return next(self._stamps)

    def answer_to(self, stamp: int) -> Detection2DArray:
        """Wait for the array of the image with that stamp."""
        found: list[Detection2DArray] = []

        def answered() -> bool:
            arrays = list(self.arrays)
            found[:] = [a for a in arrays if nanoseconds(a.header.stamp) == stamp]
            return bool(found)

        self.ros.wait_until(answered, what=f"the array of the image at {stamp}")
        (array,) = found
        return array

    def show(self, camera: Any, pixels: npt.NDArray[Any]) -> Detection2DArray:
        """Publish a picture, and wait for what is in it."""
        message = image_message(pixels, self.next_stamp())
        camera.publish(message)
        return self.answer_to(nanoseconds(message.header.stamp))

    def call(self, kind: Any, name: str, **fields: Any) -> Any:
        return self.ros.call(kind, f"/detector/{name}", kind.Request(**fields), 30.0)

    def change_state(self, transition: int) -> bool:
        return bool(
            self.call(ChangeState, "change_state", transition=Transition(id=transition)).success
        )

    @property
    def state(self) -> str:
        return str(self.call(GetState, "get_state").current_state.label)

    def set_parameters(self, **values: Any) -> list[Any]:
        """Set parameters (`__` in a name stands for a dot); gives the results."""
        parameters = [
            Parameter(name.replace("__", "."), value=value).to_parameter_msg()
            for name, value in values.items()
        ]
        return list(self.call(SetParameters, "set_parameters", parameters=parameters).results)

    def tune(self, **values: Any) -> None:
        results = self.set_parameters(**values)
        assert all(result.successful for result in results), results

    def wait_for_diagnostics(self, name: str, words: str, since: int = 0) -> Any:
        """Wait until the message or a value of the entry `detector: name` holds the words."""
        found: list[Any] = []

        def told() -> bool:
            for array in list(self.diagnostics)[since:]:
                for entry in array.status:
                    text = [entry.message, *(f"{v.key}: {v.value}" for v in entry.values)]
                    if entry.name == f"detector: {name}" and any(words in line for line in text):
                        found[:] = [entry]
            return bool(found)

        self.ros.wait_until(told, 8.0, f"'{words}' in diagnostics of {name}")
        return found[0]


def values_of(entry: Any) -> dict[str, str]:
    return {pair.key: pair.value for pair in entry.values}
