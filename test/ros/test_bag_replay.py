"""A recorded drive, replayed: what the node must say in each part of it.

The bag is written here, from frames 400 to 559 of the demo's scene, 20 images a second:

    image    0 -  45   the buggy drives ahead of the camera       TRACKING, on the target
            58 - 105   it has left the picture                    called TRACKING in no image
            80 - 105   ... for more than a second                 LOST, in no ~/tracks
           106 - 119   it comes back, a part of it at first
           by    140   it was said to be REACQUIRED
           140 - 159   it drives in plain sight                   TRACKING, on the target, same id

`tracker_ros camera --bag` plays it to the real node. Bags of both kinds, mcap with raw images and
sqlite3 with jpeg ones, must tell the same story.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from harness import TRACKER_ROS, Peer, RosProcess
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo
from sot_harness import box_of, nanoseconds, time_message
from vision_msgs.msg import Detection2DArray

from tracker_ros.demo.scene import Scene, SceneFrame
from tracker_ros.geometry import Box
from tracker_ros.msg import Track, TrackerStatus
from tracker_ros.srv import SetTarget

STORE = get_typestore(Stores.ROS2_JAZZY)
TOPIC = "/front/image_raw"
FRAME_ID = "front_optical_frame"
FIRST_STAMP = 1_700_000_000 * 10**9 + 123_456_789
PERIOD = 50_000_000
FRAMES = range(400, 560)
AWAY = range(58, 106)
CONFIRMED = 4
"""Frames after which a new target can be TRACKING."""
KINDS = {
    "mcap, raw images": (StoragePlugin.MCAP, "sensor_msgs/msg/Image"),
    "sqlite3, jpeg": (StoragePlugin.SQLITE3, "sensor_msgs/msg/CompressedImage"),
}


def write_bag(folder: Path, storage: StoragePlugin, kind: str, frames: list[SceneFrame]) -> None:
    types = STORE.types
    with Writer(folder, version=9, storage_plugin=storage) as writer:
        topic = TOPIC + ("/compressed" if "Compressed" in kind else "")
        connection = writer.add_connection(topic, kind, typestore=STORE)
        for index, frame in enumerate(frames):
            stamp = FIRST_STAMP + index * PERIOD
            header = types["std_msgs/msg/Header"](
                stamp=types["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9)),
                frame_id=FRAME_ID,
            )
            if "Compressed" in kind:
                jpeg = cv2.imencode(".jpg", frame.image)[1].reshape(-1)
                message = types[kind](header, "bgr8; jpeg compressed bgr8", jpeg)
            else:
                height, width, _ = frame.image.shape
                data = np.ascontiguousarray(frame.image).reshape(-1)
                message = types[kind](header, height, width, "bgr8", 0, width * 3, data)
            writer.write(connection, stamp, STORE.serialize_cdr(message, kind))


@dataclass
class Replay:
    """What was said while a bag was played, by number of the image."""

    truth: list[Box | None]
    statuses: dict[int, Track] = field(default_factory=dict)
    arrays: dict[int, Detection2DArray] = field(default_factory=dict)

    def tracks(self, images: range) -> list[tuple[int, Track]]:
        """The target in those of the images that were processed, most of them."""
        found = [(i, self.statuses[i]) for i in images if i in self.statuses]
        assert len(found) > len(images) / 3, "too few images were processed to judge"
        return found


def change(peer: Peer, transition: int) -> None:
    """Ask the node for a transition of its lifecycle."""
    request = ChangeState.Request(transition=Transition(id=transition))
    assert peer.call(ChangeState, "/sot/change_state", request, 60.0).success


@pytest.fixture(scope="module")
def frames() -> list[SceneFrame]:
    scene = Scene()
    return [scene.frame(index) for index in FRAMES]


@pytest.fixture(scope="module", params=KINDS)
def replay(
    request: pytest.FixtureRequest,
    ros_environment: int,
    tmp_path_factory: pytest.TempPathFactory,
    frames: list[SceneFrame],
) -> Iterator[Replay]:
    bag = tmp_path_factory.mktemp("replay") / "bag"
    write_bag(bag, *KINDS[request.param], frames)
    result = Replay([frame.box for frame in frames])
    remap = ("-r", f"image:={TOPIC}")
    peer = Peer("operator")
    # Activated when everybody has found everybody: the camera waits for the node's subscription.
    node = RosProcess([*TRACKER_ROS, "sot", "--ros-args", *remap, "-p", "autostart:=false"])
    started = [node]
    try:
        infos = peer.collect(CameraInfo, "/front/camera_info", 100)
        statuses = peer.collect(TrackerStatus, "/sot/status", 1000)
        arrays = peer.collect(Detection2DArray, "/sot/tracks", 1000)
        change(peer, Transition.TRANSITION_CONFIGURE)
        too_early = peer.call(SetTarget, "/sot/set_target", SetTarget.Request())
        assert not too_early.success  # and from now on a call takes no time
        camera = RosProcess(
            [*TRACKER_ROS, "camera", "--bag", str(bag), "--wait-for-subscriber",
             "--reliability", "reliable",
             "--ros-args", *remap]
        )  # fmt: skip
        started.append(camera)
        camera.wait_for("waiting for a subscriber", 60)
        peer.wait_until(lambda: peer.node.count_publishers("/front/camera_info"), 10, "the camera")
        change(peer, Transition.TRANSITION_ACTIVATE)
        peer.wait_until(lambda: infos, 60, f"the first image of {bag}")
        box = result.truth[0]
        assert box is not None
        wanted = SetTarget.Request(stamp=time_message(FIRST_STAMP))
        wanted.bbox.center.position.x, wanted.bbox.center.position.y = box.cx, box.cy
        wanted.bbox.size_x, wanted.bbox.size_y = box.w, box.h
        answer = peer.call(SetTarget, "/sot/set_target", wanted)
        assert answer.success, answer.message
        assert camera.wait_exit(60) == 0, camera.output
        last = FIRST_STAMP + (len(frames) - 1) * PERIOD
        peer.wait_until(
            lambda: any(nanoseconds(s.header.stamp) == last for s in list(statuses)),
            what="the status of the last image",
        )
        node.stop()
    finally:
        peer.close()
        for process in reversed(started):
            process.finish()
    for status in statuses:
        index, rest = divmod(nanoseconds(status.header.stamp) - FIRST_STAMP, PERIOD)
        if status.tracks and 0 <= index < len(frames):
            assert rest == 0, "a stamp that no image of the bag has"
            (result.statuses[index],) = status.tracks
    for array in arrays:
        assert array.header.frame_id == FRAME_ID
        index, rest = divmod(nanoseconds(array.header.stamp) - FIRST_STAMP, PERIOD)
        assert rest == 0, "a stamp that no image of the bag has"
        result.arrays[index] = array
    yield result


def test_the_recording_is_what_the_windows_say(frames: list[SceneFrame]) -> None:
    assert [i for i, frame in enumerate(frames) if frame.box is None] == list(AWAY)


def require_tracked(replay: Replay, images: range) -> None:
    """The target is said to be where it is, in each of these images."""
    for index, track in replay.tracks(images):
        if track.age < CONFIRMED:
            continue  # learning the target took until here, the longer the busier the machine is
        truth = replay.truth[index]
        assert truth is not None
        assert track.state == Track.TRACKING, (index, track.state, track.reason)
        assert box_of(track).iou(truth) > 0.5, index


def test_in_plain_sight_the_target_is_tracked(replay: Replay) -> None:
    require_tracked(replay, range(5, 46))


def test_nothing_is_tracked_while_it_is_away(replay: Replay) -> None:
    called = [i for i, track in replay.tracks(AWAY) if track.state == Track.TRACKING]
    # The last images before it left may still be on their way through the hysteresis.
    assert called == []


def test_after_a_second_away_it_is_lost_with_a_reason(replay: Replay) -> None:
    for index, track in replay.tracks(range(80, 106)):
        assert track.state == Track.LOST, (index, track.state)
        assert track.reason, index


def test_a_lost_target_is_in_no_array_though_every_image_has_one(replay: Replay) -> None:
    for index, track in replay.tracks(range(1, 160)):
        detections = replay.arrays[index].detections
        expected = [] if track.state == Track.LOST else [track.id]
        assert [detection.id for detection in detections] == expected, index


def test_its_return_is_said(replay: Replay) -> None:
    back = [i for i, track in replay.tracks(range(106, 140)) if track.state == Track.REACQUIRED]
    assert back, "it was never REACQUIRED"
    truth = replay.truth[back[0]]
    assert truth is not None
    # Of the truth only what the picture shows is known.
    seen = box_of(replay.statuses[back[0]]).clipped(640, 480)
    assert seen.iou(truth) > 0.2, "regained in the wrong place"


def test_after_its_return_it_is_tracked_under_the_same_name(replay: Replay) -> None:
    require_tracked(replay, range(140, 160))
    assert len({track.id for track in replay.statuses.values()}) == 1
