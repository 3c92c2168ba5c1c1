"""The detector node's life: models of the user's own, starts that fail, ends that are clean."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from detector_harness import BLACK, Detector, values_of
from harness import TRACKER_ROS, Peer, RosProcess
from lifecycle_msgs.msg import Transition
from sot_harness import box_of, image_message

StartProcess = Callable[[Sequence[str], Mapping[str, str]], RosProcess]
ROOT = Path(__file__).parents[2]
CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE
needs_onnx = pytest.mark.skipif(
    importlib.util.find_spec("onnx") is None,
    reason="no onnx to make models with: ./run setup train",
)


def yolo_file(path: Path) -> Path:
    """A model that sees the same person and car in every picture."""
    sys.path.insert(0, str(ROOT / "test/detection"))  # where the makers of such files are
    try:
        import detector_files
    finally:
        sys.path.pop(0)
    return Path(detector_files.save(path, detector_files.yolov8()))


def start(start_process: StartProcess, peer: Peer, *parameters: str) -> Detector:
    arguments = [word for parameter in parameters for word in ("-p", parameter)]
    return Detector(start_process([*TRACKER_ROS, "detector", "--ros-args", *arguments], {}), peer)


# --- models --------------------------------------------------------------------------------------


@needs_onnx
def test_a_yolo_of_the_users_own_is_read_and_said_in_diagnostics(
    start_process: StartProcess, ros: Peer, tmp_path: Path
) -> None:
    path = yolo_file(tmp_path / "mine.onnx")
    yolo = start(start_process, ros, "detector:=yolo", f"model:={path}", "threads:=1")
    yolo.process.wait_for("mine.onnx: layout yolov8, input 320x320 float32, 80 classes")
    yolo.process.wait_for(r"configured: yolo \(mine.onnx\) on onnxruntime fp32")
    camera = yolo.camera()
    array = yolo.show(camera, BLACK)
    found = [
        (d.results[0].hypothesis.class_id, round(d.results[0].hypothesis.score, 3))
        for d in array.detections
    ]
    assert found == [("person", 0.9), ("car", 0.75)]
    assert tuple(box_of(array.detections[0])) == pytest.approx((100, 120, 60, 160), abs=1e-3)
    assert tuple(box_of(array.detections[1])) == pytest.approx((400, 200, 120, 80), abs=1e-3)
    yolo.tune(only=["car"], min_score=0.5)
    assert [d.results[0].hypothesis.class_id for d in yolo.show(camera, BLACK).detections] == [
        "car"
    ]
    values = values_of(yolo.wait_for_diagnostics("node", "backend: onnxruntime"))
    assert (values["state"], values["model"]) == ("active", "mine.onnx")
    values = values_of(yolo.wait_for_diagnostics("detections", "1 in the last image"))
    assert values["detector"] == "yolo" and "layout yolov8" in values["model"]
    assert values["detection"].endswith(" ms") and "rate" in values


@needs_onnx
def test_a_node_that_cannot_load_its_model_lives_says_why_and_takes_another(
    start_process: StartProcess, ros: Peer, tmp_path: Path
) -> None:
    path = tmp_path / "mine.onnx"
    node = start(
        start_process, ros, "autostart:=false", "detector:=yolo", f"model:={path}", "threads:=1"
    )
    assert not node.change_state(CONFIGURE)
    entry = node.wait_for_diagnostics("node", f"no model file {path}")
    assert entry.level == b"\x02"

    path.write_bytes(b"not a model")
    assert not node.change_state(CONFIGURE)
    node.wait_for_diagnostics("node", "damaged")

    node.tune(model=str(next((ROOT / "tracker_ros/models/weights").glob("*.template.onnx"))))
    assert not node.change_state(CONFIGURE)
    node.wait_for_diagnostics("node", "not usable as a detector")
    assert node.state == "unconfigured"

    yolo_file(path)
    node.tune(model=str(path))
    assert node.change_state(CONFIGURE) and node.change_state(ACTIVATE)
    assert len(node.show(node.camera(), BLACK).detections) == 2
    assert node.change_state(DEACTIVATE) and node.change_state(CLEANUP)
    node.tune(detector="hog", model="")
    assert node.change_state(CONFIGURE)
    node.process.wait_for(r"configured: hog \(OpenCV's people detector\) on opencv")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (["detector:=yolo"], "needs a model"),
        (["detector:=yolo", "model:=/nowhere/mine.onnx"], "/nowhere/mine.onnx"),
        (["detector:=faster"], "hog, yolo, ssd"),
        (["only:=person"], "only"),
        (["hog.stride:=9"], "multiple of 8"),
    ],
)
def test_with_autostart_a_node_that_cannot_start_ends_with_1_and_the_reason(
    start_process: StartProcess, ros: Peer, parameters: list[str], words: str
) -> None:
    node = start(start_process, ros, *parameters).process
    assert node.wait_exit(30.0) == 1, node.output
    assert "Traceback" not in node.output, node.output
    errors = [line for line in node.output.splitlines() if "[ERROR]" in line]
    assert errors and words in errors[-1], node.output


# --- ends that must be clean ---------------------------------------------------------------------


@pytest.mark.parametrize("interrupts", [1, 2])
def test_interrupted_while_it_looks_it_ends_with_0_and_no_traceback(
    start_process: StartProcess, ros: Peer, interrupts: int
) -> None:
    node = start(start_process, ros)
    camera = node.camera()
    for _ in range(10):
        camera.publish(image_message(BLACK, node.next_stamp()))
    ros.wait_until(lambda: node.arrays, what="an array")
    node.process.stop(interrupts=interrupts)
