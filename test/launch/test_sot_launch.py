"""The launch file of the single-object node, run as `ros2 launch` runs it."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest

if importlib.util.find_spec("launch_ros") is None:
    pytest.skip(
        "launch_ros is not installed: it comes with ROS 2 from apt, not from PyPI",
        allow_module_level=True,
    )
from launch_harness import PROFILE, ROOT, Launched, arguments_of, needs_install

from tracker_ros.sot import TRACKERS


def test_every_argument_is_described_and_what_can_be_chosen_is_said() -> None:
    arguments = arguments_of("sot.launch.py")
    assert list(arguments) == [
        *("namespace", "image", "detections", "click", "tracker", "model"),
        *("backend", "precision", "engine_cache", "engine_samples", "engine_wait", "build_only"),
        *("params_file", "use_sim_time", "autostart", "log_level", "respawn", "camera"),
        *("bag", "bag_rate", "bag_loop", "operator", "operator_address"),
    ]
    assert sorted(arguments["tracker"]) == sorted(TRACKERS)
    assert arguments["use_sim_time"] == ["true", "false"]


@needs_install
def test_the_node_starts_with_its_parameters_and_its_shared_memory(
    launched: list[Launched],
) -> None:
    launch = Launched(
        "image:=/front/image_raw", "namespace:=robot",
        FASTRTPS_DEFAULT_PROFILES_FILE="", FASTDDS_DEFAULT_PROFILES_FILE="",
    )  # fmt: skip
    launched.append(launch)
    launch.wait_for("waiting for images on /front/image_raw")
    assert "robot.sot" in launch.output
    environment = launch.node_environment()
    assert environment["FASTRTPS_DEFAULT_PROFILES_FILE"].endswith(PROFILE)
    assert environment["FASTDDS_DEFAULT_PROFILES_FILE"].endswith(PROFILE)
    started = time.monotonic()
    assert launch.interrupt() == 0, launch.output
    assert time.monotonic() - started < 5, "launch had to insist"
    assert "finished cleanly" in launch.output
    assert "Traceback" not in launch.output


@needs_install
def test_a_profile_that_the_user_chose_is_kept(launched: list[Launched], tmp_path: Path) -> None:
    own = tmp_path / "own.xml"
    own.write_text((ROOT / "config" / "fastdds_shm.xml").read_text())
    launch = Launched(
        FASTRTPS_DEFAULT_PROFILES_FILE=str(own), FASTDDS_DEFAULT_PROFILES_FILE=""
    )  # fmt: skip
    launched.append(launch)
    launch.wait_for("waiting for images on /image")
    environment = launch.node_environment()
    assert environment["FASTRTPS_DEFAULT_PROFILES_FILE"] == str(own)
    assert not environment["FASTDDS_DEFAULT_PROFILES_FILE"]
    assert launch.interrupt() == 0, launch.output


@needs_install
def test_an_argument_overrides_the_file_of_parameters(launched: list[Launched]) -> None:
    launch = Launched("autostart:=false", "camera:=scene", "model:=none_such")
    launched.append(launch)
    launch.wait_for("rendered scene")
    time.sleep(1)
    assert launch.interrupt() == 0, launch.output
    assert "active: waiting" not in launch.output
    assert "cannot configure" not in launch.output


@needs_install
def test_a_node_that_cannot_start_ends_with_code_1(launched: list[Launched]) -> None:
    launch = Launched("model:=none_such")
    launched.append(launch)
    launch.wait_for("exit code 1")
    assert "cannot configure" in launch.output
    launch.process.wait(timeout=20)  # nothing else runs, so launch itself ends too


@needs_install
def test_a_bag_beside_the_rendered_scene_is_refused_before_anything_starts(
    launched: list[Launched],
) -> None:
    launch = Launched("camera:=scene", "bag:=/drive.mcap")
    launched.append(launch)
    launch.wait_for("camera:=scene and bag:=/drive.mcap: both would be the camera")
    assert launch.process.wait(timeout=20) == 1
    assert launch.process.stdout is not None
    assert "process started" not in launch.output + launch.process.stdout.read()


def test_a_tracker_that_does_not_exist_is_refused_before_anything_starts(
    launched: list[Launched],
) -> None:
    launch = Launched("tracker:=magic")
    launched.append(launch)
    launch.wait_for("Valid options are: ['', 'siamrpnpp', 'siamfc'")
    assert launch.process.wait(timeout=20) == 1
