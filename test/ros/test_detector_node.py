"""The detector node: an array for every image it looks at, whatever the camera sends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from detector_harness import BLACK, Detector, values_of
from harness import TRACKER_ROS, Peer, RosProcess
from lifecycle_msgs.msg import Transition
from sensor_msgs.msg import CompressedImage
from sot_harness import (
    BEST_EFFORT,
    RELIABLE,
    box_of,
    compressed_message,
    image_message,
    nanoseconds,
)
from test_config_file import keys

from tracker_ros.nodes.detector_parameters import declare_detector_parameters
from tracker_ros.nodes.node_parameters import NodeParameters

ROOT = Path(__file__).parents[2]
CAMPUS = ROOT.parent / "shared/data/mot/TUD-Campus/img1"
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


@pytest.fixture(scope="module")
def process(ros_environment: int) -> Iterator[Detector]:
    """The node with the detector that is built in, for the whole module."""
    node = RosProcess([*TRACKER_ROS, "detector", "--ros-args"])
    try:
        node.wait_for("active: waiting for images on /image", 60.0)
        peer = Peer("camera")
        try:
            yield Detector(node, peer)
        finally:
            peer.close()
    finally:
        node.finish()


@pytest.fixture
def hog(process: Detector) -> Iterator[Detector]:
    """That node just activated."""
    assert process.change_state(DEACTIVATE)
    process.tune(min_score=0.25, max_rate=0.0, only=[""], hog__resize_to=960)
    process.arrays.clear()
    process.diagnostics.clear()
    assert process.change_state(ACTIVATE)
    yield process
    process.remove_cameras()
    assert process.process.returncode is None, process.process.output
    assert "Traceback" not in process.process.output, process.process.output


# --- an array for every image --------------------------------------------------------------------


def test_black_images_give_empty_arrays_with_the_header_of_the_image(hog: Detector) -> None:
    camera = hog.camera()
    for _ in range(5):
        message = image_message(BLACK, hog.next_stamp())
        camera.publish(message)
        array = hog.answer_to(nanoseconds(message.header.stamp))
        assert array.header == message.header
        assert array.detections == []
    assert len(hog.arrays) == 5
    entry = hog.wait_for_diagnostics("images", "frames processed: 5")
    assert entry.level == b"\x00"
    assert values_of(entry)["frames dropped"] == "0"


def test_people_are_published_with_class_score_and_box_and_without_an_identity(
    hog: Detector,
) -> None:
    if not CAMPUS.is_dir():
        pytest.skip("no ../shared/data/mot/TUD-Campus beside this checkout")
    array = hog.show(hog.camera(), np.asarray(cv2.imread(str(CAMPUS / "000001.jpg")), np.uint8))
    assert len(array.detections) >= 2
    for detection in array.detections:
        assert detection.header == array.header
        assert detection.id == ""
        (hypothesis,) = detection.results
        assert hypothesis.hypothesis.class_id == "person"
        assert 0.25 <= hypothesis.hypothesis.score <= 1.0
        box = box_of(detection)
        assert box.x >= 0 and box.y >= 0 and box.x + box.w <= 640 and box.y + box.h <= 480
        assert box.h > 1.5 * box.w


@pytest.mark.parametrize("qos", [RELIABLE, BEST_EFFORT], ids=["reliable", "best effort"])
def test_compressed_images_are_taken_when_only_they_are_published(hog: Detector, qos: Any) -> None:
    camera = hog.camera(CompressedImage, "image/compressed", qos)
    stamp = hog.next_stamp()
    camera.publish(compressed_message(cv2.imencode(".jpg", BLACK)[1].tobytes(), "jpeg", stamp))
    assert hog.answer_to(stamp).detections == []


def test_of_images_that_come_faster_than_it_looks_the_newest_is_looked_at(hog: Detector) -> None:
    camera = hog.camera()
    messages = [image_message(BLACK, hog.next_stamp()) for _ in range(20)]
    for message in messages:
        camera.publish(message)
    hog.answer_to(nanoseconds(messages[-1].header.stamp))
    stamps = [nanoseconds(array.header.stamp) for array in hog.arrays]
    assert stamps == sorted(stamps) and len(stamps) < 20
    values = values_of(hog.wait_for_diagnostics("images", f"frames processed: {len(stamps)}"))
    assert int(values["frames dropped"]) == int(values["frames received"]) - len(stamps)


def test_a_looped_bag_is_looked_at_again(hog: Detector) -> None:
    camera = hog.camera()
    hog.show(camera, BLACK)
    early = image_message(BLACK, 1_000 * 10**9)
    camera.publish(early)
    assert hog.answer_to(1_000 * 10**9).header == early.header
    hog.show(camera, BLACK)


# --- what cameras should not send ----------------------------------------------------------------


def test_bad_images_are_counted_and_named_and_the_next_is_looked_at(hog: Detector) -> None:
    camera = hog.camera()
    bad = [
        image_message(BLACK, hog.next_stamp(), encoding="rgb565"),
        image_message(BLACK, hog.next_stamp(), step=1000),
        image_message(BLACK, hog.next_stamp(), height=600),
        b"\x00\x01\x00\x00" + b"\xff" * 40,  # bytes go out as they are
    ]
    for count, message in enumerate(bad, 1):
        camera.publish(message)
        hog.wait_for_diagnostics("images", f"frames rejected: {count}")
    assert hog.show(camera, BLACK).detections == []
    assert len(hog.arrays) == 1
    entry = hog.wait_for_diagnostics("images", "frames processed: 1")
    values = values_of(entry)
    assert entry.level == b"\x01"
    assert "'rgb565'" in values["rejected: encoding"]
    assert "step 1000" in values["rejected: step"]
    assert {"rejected: data", "rejected: message"} <= values.keys()


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2160, 3840)])
def test_tiny_and_huge_images_are_looked_at(hog: Detector, size: tuple[int, int]) -> None:
    assert hog.show(hog.camera(), np.full((*size, 3), 30, np.uint8)).detections == []


# --- parameters ----------------------------------------------------------------------------------


def test_the_file_sets_every_parameter_to_its_default(ros: Peer) -> None:
    before = set(ros.node.get_parameters_by_prefix(""))
    declare_detector_parameters(NodeParameters(ros.node))
    declared = ros.node.get_parameters_by_prefix("")
    expected = {name: p.value for name, p in declared.items() if name not in before}
    values = keys((ROOT / "config/detector.yaml").read_text())
    assert values == expected
    assert {n: type(v) for n, v in values.items()} == {n: type(v) for n, v in expected.items()}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("min_score", 1.5, "min_score"),
        ("transport", "pigeon", "'pigeon'"),
        ("hog__stride", 12, "multiple of 8"),
        ("model", "/other.onnx", "clean it up first"),
        ("autostart", False, "autostart"),
    ],
)
def test_a_bad_value_is_refused_with_the_reason(
    hog: Detector, name: str, value: Any, words: str
) -> None:
    (result,) = hog.set_parameters(**{name: value})
    assert not result.successful and words in result.reason


def test_classes_that_the_model_has_not_are_named_in_diagnostics(hog: Detector) -> None:
    hog.tune(only=["person", "unicorn"])
    entry = hog.wait_for_diagnostics("detections", "only names unicorn")
    assert entry.level == b"\x01" and "it has person" in entry.message


def test_a_rate_is_not_exceeded(hog: Detector) -> None:
    hog.tune(max_rate=4.0)
    camera = hog.camera()
    begin = time.monotonic()
    for _ in range(4):
        hog.show(camera, BLACK)
    assert time.monotonic() - begin >= 3 / 4.0
