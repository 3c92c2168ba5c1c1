"""The messages on the wire are what other packages' nodes expect."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import vision_msgs.msg
from ament_index_python.packages import get_package_share_directory
from harness import Peer
from std_msgs.msg import Header
from vision_msgs.msg import BoundingBox2D, Detection2DArray

from tracker_ros.msg import Track, TrackerStatus
from tracker_ros.srv import SetTarget
from tracker_ros.track import TrackState

# Source: the .json type descriptions of the package vision_msgs 4.1.1.
VISION_MSGS_TYPE_HASHES = {
    "BoundingBox2D": "008eacbb0cf8f26e83795547bed013eec3675485ef386ec056d80eaaf1c1ce2f",
    "BoundingBox2DArray": "2464e82838009386d371b523211c21c91d74d313fcdd6788223c531d621cf691",
    "BoundingBox3D": "bbb73a65c163d7f9bb29009c7bde9f7faa576bd2d23299c4511d19230dab4698",
    "BoundingBox3DArray": "a81938db9576b10c2eecd7c5a5da3eac496efd00221b25ed051dfbc81fb56da6",
    "Classification": "f74db28d0eaef3afb78f48bf2161cd709a1383a0309d3454383b25be11345143",
    "Detection2D": "0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea",
    "Detection2DArray": "214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968",
    "Detection3D": "ddd703be132ab0b69d33121f1bb034132bfbb3b0ac5f9fb1516005ba1c8a265b",
    "Detection3DArray": "793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018",
    "LabelInfo": "3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783",
    "ObjectHypothesis": "51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90",
    "ObjectHypothesisWithPose": "41c12344c0396c48b81df12467c192d99b2a0eb1463c5c37194e4223251c80bc",
    "Point2D": "eab0e83f44ab4de92ceaf76dd7d0e7638f2bdd1d16ffbe16c7a136c48e407247",
    "Pose2D": "b0b5d1d7b4c20dd4fcde3ed1d4b289a919290572007d67a97043814db25d3648",
    "VisionClass": "1e4a11f0fed50b5623cb8ff26ca0e37952a48a9c074d16f804b44e9164c2037a",
    "VisionInfo": "95d3116a17484ad91c9a2686e1d54890bbfc3ff6c6a2de137738c4950d45d284",
}


@pytest.mark.parametrize("name", VISION_MSGS_TYPE_HASHES)
def test_vision_msgs_have_the_type_hashes_of_the_published_package(name: str) -> None:
    share = Path(get_package_share_directory("vision_msgs"))
    description = share / "msg" / f"{name}.json"
    if not description.is_file():
        pytest.skip("ROS 2 before Iron has no type hashes")
    hashes = {
        entry["type_name"]: entry["hash_string"]
        for entry in json.loads(description.read_text())["type_hashes"]
    }
    assert hashes[f"vision_msgs/msg/{name}"] == f"RIHS01_{VISION_MSGS_TYPE_HASHES[name]}"
    assert hasattr(vision_msgs.msg, name)


def test_no_message_of_vision_msgs_is_missing() -> None:
    messages = {name for name in dir(vision_msgs.msg) if name[0].isupper()}
    assert messages >= set(VISION_MSGS_TYPE_HASHES)


def test_the_states_of_a_track_are_the_constants_of_the_message() -> None:
    for state in TrackState:
        assert getattr(Track, state.name) == state.value, state


def test_the_message_has_no_state_that_the_enum_lacks() -> None:
    definition = (Path(__file__).parents[2] / "msg" / "Track.msg").read_text()
    constants = [line.split()[1].split("=")[0] for line in definition.splitlines() if "=" in line]
    assert constants == [state.name for state in TrackState]


def test_a_status_with_a_track_arrives_as_it_was_sent(ros: Peer) -> None:
    received = ros.collect(TrackerStatus, "status")
    publisher = ros.publisher(TrackerStatus, "status")
    ros.wait_for_subscriber(publisher)
    bbox = BoundingBox2D(size_x=40.5, size_y=60.25)
    bbox.center.position.x, bbox.center.position.y = 320.125, 240.75
    header = Header(frame_id="camera_optical_frame")
    header.stamp.sec, header.stamp.nanosec = 1_700_000_000, 123_456_789
    track = Track(header=header, id="t1", label="cup", state=Track.UNCERTAIN, bbox=bbox, score=0.5)
    status = TrackerStatus(
        header=header,
        tracker="siamfc",
        precision="fp32",
        tracks=[track],
        frames_received=2**40,
        image_latency=math.inf,
    )
    publisher.publish(status)
    ros.wait_until(lambda: received, what="the status")
    assert received == [status]


def test_a_request_to_set_a_target_and_its_reply_cross_the_wire(ros: Peer) -> None:
    requests = []

    def refuse(request: SetTarget.Request, response: SetTarget.Response) -> SetTarget.Response:
        requests.append(request)
        response.success, response.message = False, f"width {request.bbox.size_x} is not finite"
        return response

    ros.node.create_service(SetTarget, "set_target", refuse)
    request = SetTarget.Request(id="a", label="b", bbox=BoundingBox2D(size_x=math.nan))
    request.stamp.nanosec = 999_999_999
    response = ros.call(SetTarget, "set_target", request)
    assert (response.success, response.message) == (False, "width nan is not finite")
    assert requests[0].stamp == request.stamp
    assert math.isnan(requests[0].bbox.size_x)


def test_an_empty_array_of_detections_is_a_message(ros: Peer) -> None:
    received = ros.collect(Detection2DArray, "tracks")
    publisher = ros.publisher(Detection2DArray, "tracks")
    ros.wait_for_subscriber(publisher)
    publisher.publish(Detection2DArray(header=Header(frame_id="camera")))
    ros.wait_until(lambda: received, what="the empty array")
    assert list(received[0].detections) == []
