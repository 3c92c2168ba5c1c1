"""The launch file of the multi-object node: our detector or another, and the hand-over."""

from __future__ import annotations

import importlib.util

import pytest

if importlib.util.find_spec("launch_ros") is None:
    pytest.skip(
        "launch_ros is not installed: it comes with ROS 2 from apt, not from PyPI",
        allow_module_level=True,
    )
from launch_harness import Launched, arguments_of, needs_install

FILE = "mot.launch.py"


def test_every_argument_is_described_and_what_can_be_chosen_is_said() -> None:
    arguments = arguments_of(FILE)
    assert list(arguments) == [
        *("namespace", "image", "detections", "detector", "detector_model", "tracker", "model"),
        *("backend", "precision", "engine_cache", "engine_samples", "engine_wait", "build_only"),
        *("params_file", "use_sim_time", "autostart", "log_level", "respawn", "sot"),
        *("click", "bag", "bag_rate", "bag_loop", "operator", "operator_address"),
    ]
    assert arguments["tracker"] == ["famnet", "hungarian", "sort"]
    assert arguments["detector"] == ["none", "hog", "yolo", "ssd"]


@needs_install
def test_without_detections_a_detector_is_started_and_wired(launched: list[Launched]) -> None:
    launch = Launched("tracker:=sort", "image:=/front/image_raw", "namespace:=robot", file=FILE)
    launched.append(launch)
    launch.wait_for(
        "[robot.mot]: active: waiting for images on /front/image_raw",
        "[robot.detector]: active: waiting for images on /front/image_raw",
        "[robot.mot]: subscribed to /robot/detector/detections",
    )
    assert launch.interrupt() == 0, launch.output
    assert "Traceback" not in launch.output


@needs_install
def test_with_detections_given_no_detector_is_started(launched: list[Launched]) -> None:
    launch = Launched("tracker:=sort", "detections:=/yolo/detections", "sot:=true", file=FILE)
    launched.append(launch)
    launch.wait_for(
        "[mot]: active: waiting for images on /image",
        "[sot]: active: waiting for images on /image",
        "[sot]: subscribed to /mot/tracks",
    )
    assert launch.interrupt() == 0, launch.output
    assert "detector" not in launch.output


@needs_install
def test_each_node_reads_its_own_parameters(launched: list[Launched]) -> None:
    launch = Launched("tracker:=sort", "sot:=true", file=FILE)
    launched.append(launch)
    launch.wait_for(*(f"[{name}]: active: waiting" for name in ("mot", "detector", "sot")))
    for name in ("mot", "detector", "sot"):
        command = (launch.process_of(f"{name}_node") / "cmdline").read_text()
        assert command.count("config/") == command.count(f"config/{name}.yaml") == 1
    assert launch.interrupt() == 0, launch.output


def test_a_tracker_that_does_not_exist_is_refused_before_anything_starts(
    launched: list[Launched],
) -> None:
    launch = Launched("tracker:=magic", file=FILE)
    launched.append(launch)
    launch.wait_for("Valid options are: ['', 'famnet', 'hungarian', 'sort']")
    assert launch.process.wait(timeout=20) == 1
