"""The real single-object node in its own process, with a camera and an operator beside it.

A test module shares one node (the fixture `process`); `sot` in each test of it starts from a node
that was just activated. Both are in conftest.py; a module that needs another node has its own:

    @pytest.fixture(scope="module")
    def process(ros_environment): yield from running_node("-p", "threads:=1")

The camera films the scene of the demo, whose truth is exact, one frame after the other: `film`
publishes a frame and waits for the answer, so that no test depends on the speed of a machine.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from harness import TRACKER_ROS, Peer, RosProcess
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters, SetParameters, SetParametersAtomically
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray

from tracker_ros.demo.scene import Scene, SceneFrame
from tracker_ros.geometry import Box
from tracker_ros.msg import Track, TrackerStatus
from tracker_ros.srv import SetTarget

PERIOD = 33_333_333
"""Nanoseconds between two frames, by their stamps."""
FRAME_ID = "front_camera_optical_frame"
RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
GOOD_OVERLAP = 0.3
"""IoU with the truth of a target that is being followed."""


@functools.cache
def scene(frames: int = 75) -> Sequence[SceneFrame]:
    """The first frames of the demo's scene: the target drives in plain sight."""
    whole = Scene()
    return [whole.frame(index) for index in range(frames)]


def truth(index: int) -> Box:
    """Where the target is in frame `index` of the scene."""
    box = scene()[index].box
    assert box is not None
    return box


def image_message(
    pixels: npt.NDArray[Any], stamp: int, encoding: str = "bgr8", **fields: Any
) -> Image:
    """An Image of contiguous (H, W, ...) pixels; `fields` replace what would be right."""
    height, width = pixels.shape[:2]
    message = Image(
        header=header(stamp), height=height, width=width, encoding=encoding,
        step=pixels.nbytes // height,
    )  # fmt: skip
    message.data.frombytes(np.ascontiguousarray(pixels).tobytes())
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def compressed_message(data: bytes, form: str, stamp: int) -> CompressedImage:
    """A CompressedImage with the `format` `form`."""
    message = CompressedImage(header=header(stamp), format=form)
    message.data.frombytes(data)
    return message


def header(stamp: int) -> Header:
    """A header with a stamp in nanoseconds."""
    return Header(frame_id=FRAME_ID, stamp=time_message(stamp))


def time_message(stamp: int) -> Time:
    """Nanoseconds as a message."""
    return Time(sec=stamp // 10**9, nanosec=stamp % 10**9)


def nanoseconds(stamp: Time) -> int:
    """A message as nanoseconds."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def box_of(item: Detection2D | Track) -> Box:
    """The box of a detection or track."""
    at = item.bbox.center.position
    return Box.from_center(at.x, at.y, item.bbox.size_x, item.bbox.size_y)


@dataclass(frozen=True)
class Answer:
    """What the node published of one frame."""

    tracks: Detection2DArray
    status: TrackerStatus

    @property
    def box(self) -> Box:
        """The box of the only detection."""
        (detection,) = self.tracks.detections
        return box_of(detection)

    @property
    def track(self) -> Track:
        """The only target, which may be lost."""
        (track,) = self.status.tracks
        return track


class Sot:
    """A running node, seen through its topics and services."""

    node_name = "sot"
    _stamps = itertools.count(1_000 * 10**9 + 7, PERIOD)

    def __init__(self, process: RosProcess, peer: Peer, namespace: str = "") -> None:
        self.process, self.ros, self.namespace = process, peer, namespace
        name = self.name = f"{namespace}/{self.node_name}"
        self.tracks: list[Detection2DArray] = peer.collect(Detection2DArray, f"{name}/tracks", 100)
        self.statuses: list[TrackerStatus] = peer.collect(TrackerStatus, f"{name}/status", 100)
        self.diagnostics: list[DiagnosticArray] = peer.collect(DiagnosticArray, "/diagnostics")
        self._camera: Any = None
        self._rejected = 0

    # --- the camera ------------------------------------------------------------------------------

    @property
    def camera(self) -> Any:
        """A reliable publisher of Image, made and matched when it is first used."""
        if self._camera is None:
            self._camera = self.ros.publisher(Image, f"{self.namespace}/image", RELIABLE)
        self.ros.wait_for_subscriber(self._camera)
        return self._camera

    def forget(self) -> None:
        """Drop what the node has said so far; it has just been activated."""
        for topic in (self.tracks, self.statuses, self.diagnostics):
            topic.clear()
        self._rejected = 0

    def remove_camera(self) -> None:
        """Take the camera off the graph."""
        if self._camera is not None:
            self.ros.node.destroy_publisher(self._camera)
            self._camera = None

    def next_stamp(self) -> int:
        """A stamp one period after the last one given."""
        return next(self._stamps)

    def send(self, message: Any) -> int:
        """Publish a message on the camera's topic; gives its stamp."""
        self.camera.publish(message)
        return nanoseconds(message.header.stamp)

    def send_bad(self, publisher: Any, message: Any) -> None:
        """Publish what the node will reject, and wait until it has: else the next replaces it."""
        self._rejected += 1
        publisher.publish(message)
        self.wait_for_diagnostics("images", f"frames rejected: {self._rejected}")

    def answer_to(self, stamp: int, timeout: float = 10.0) -> Answer:
        """Wait for what the node publishes of the frame with that stamp."""
        found: list[Any] = []

        def answered() -> bool:
            found[:] = [
                next((m for m in list(topic) if nanoseconds(m.header.stamp) == stamp), None)
                for topic in (self.tracks, self.statuses)
            ]
            return None not in found

        self.ros.wait_until(answered, timeout, f"tracks and status of the frame at {stamp}")
        return Answer(*found)

    def show(self, pixels: npt.NDArray[Any], encoding: str = "bgr8") -> Answer:
        """Publish a picture as the next frame, and wait for the answer."""
        return self.answer_to(self.send(image_message(pixels, self.next_stamp(), encoding)))

    def film(self, frames: range, encoding: str = "bgr8") -> list[Answer]:
        """Publish these frames of the scene one by one; gives the answers."""
        return [self.show(scene()[index].image, encoding) for index in frames]

    # --- the operator ----------------------------------------------------------------------------

    def set_target(self, box: Box, stamp: int = 0, **fields: Any) -> SetTarget.Response:
        """Ask to follow a box; `fields` are those of the request."""
        request = SetTarget.Request(stamp=time_message(stamp), **fields)
        request.bbox.center.position.x, request.bbox.center.position.y = box.cx, box.cy
        request.bbox.size_x, request.bbox.size_y = float(box.w), float(box.h)
        return self.ros.call(SetTarget, f"{self.name}/set_target", request)

    def follow(self, index: int = 0, **fields: Any) -> str:
        """Show frame `index` of the scene and set its target; gives the identity."""
        self.film(range(index, index + 1))
        response = self.set_target(truth(index), **fields)
        assert response.success, response.message
        return str(response.id)

    def call(self, kind: Any, name: str, **fields: Any) -> Any:
        """Call a service of the node."""
        return self.ros.call(kind, f"{self.name}/{name}", kind.Request(**fields))

    def set_parameters(self, **values: Any) -> list[Any]:
        """Set parameters (`__` in a name stands for a dot); gives the results."""
        messages: list[ParameterMessage] = [
            Parameter(name.replace("__", "."), value=value).to_parameter_msg()
            for name, value in values.items()
        ]
        return list(self.call(SetParameters, "set_parameters", parameters=messages).results)

    def set_parameters_atomically(self, **values: Any) -> Any:
        """Set parameters all together or not at all; gives the result."""
        messages = [
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ]
        request = {"parameters": messages}
        return self.call(SetParametersAtomically, "set_parameters_atomically", **request).result

    def parameter(self, name: str) -> Any:
        """The value of a parameter."""
        (value,) = self.call(GetParameters, "get_parameters", names=[name]).values
        return parameter_value_to_python(value)

    def change_state(self, transition: int) -> bool:
        """Ask for a transition (a constant of lifecycle_msgs/Transition)."""
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self.ros.call(ChangeState, f"{self.name}/change_state", request, 30.0).success)

    @property
    def state(self) -> str:
        """The label of the lifecycle state."""
        return str(self.call(GetState, "get_state").current_state.label)

    def wait_for_end(self, identity: str, reason: str) -> None:
        """Wait for the status that says that a target has ended, and why."""
        self.ros.wait_until(
            lambda: any(
                (track.id, track.state, track.reason) == (identity, Track.LOST, reason)
                for status in list(self.statuses)
                for track in status.tracks
            ),
            what=f"a status that says of target {identity}: {reason}",
        )

    # --- diagnostics -----------------------------------------------------------------------------

    def wait_for_diagnostics(self, name: str, words: str, timeout: float = 8.0) -> Any:
        """Wait until the message or a value of the node's entry `name` holds the words."""
        seen: list[Any] = []

        def told() -> bool:
            for array in list(self.diagnostics):
                for entry in array.status:
                    if entry.name == f"{self.node_name}: {name}":
                        text = [entry.message, *(f"{v.key}: {v.value}" for v in entry.values)]
                        seen[:] = [entry, text]
                        if any(words in line for line in text):
                            return True
            return False

        try:
            self.ros.wait_until(told, timeout)
        except AssertionError:
            raise AssertionError(
                f"'{words}' was not said in {timeout:g} s, but last: {seen[1:]}"
            ) from None
        return seen[0]


AnySot = TypeVar("AnySot", bound=Sot)


def running_node(*ros_arguments: str) -> Iterator[Sot]:
    """A node and a peer for a whole module; ended, and its clean end checked, after it."""
    yield from running(Sot, *ros_arguments)


def running(kind: type[AnySot], *ros_arguments: str) -> Iterator[AnySot]:
    """The same for a node that is seen through another class."""
    process = RosProcess([*TRACKER_ROS, kind.node_name, "--ros-args", *ros_arguments])
    try:
        process.wait_for("active: waiting for images on /image", 60.0)
        peer = Peer("camera_and_operator")
        try:
            yield kind(process, peer)
        finally:
            peer.close()
    finally:
        process.finish()


def fresh(sot: AnySot) -> Iterator[AnySot]:
    """The node just activated: no image, no target, no count."""
    assert sot.change_state(Transition.TRANSITION_DEACTIVATE)
    sot.forget()
    assert sot.change_state(Transition.TRANSITION_ACTIVATE)
    yield sot
    assert sot.process.returncode is None, sot.process.output
    assert "Traceback" not in sot.process.output, sot.process.output
