"""The launch file of the operator's page, run as `ros2 launch` runs it."""

from __future__ import annotations

import importlib.util

import pytest

if importlib.util.find_spec("launch_ros") is None:
    pytest.skip(
        "launch_ros is not installed: it comes with ROS 2 from apt, not from PyPI",
        allow_module_level=True,
    )
from launch_harness import Launched, arguments_of, needs_install


def test_every_argument_is_described() -> None:
    assert list(arguments_of("operator.launch.py")) == [
        *("namespace", "image", "detections", "address", "port", "params_file", "use_sim_time"),
        *("log_level", "respawn"),
    ]


@needs_install
def test_the_page_starts_where_it_is_told_to(launched: list[Launched]) -> None:
    launch = Launched("port:=0", "namespace:=robot", file="operator.launch.py")
    launched.append(launch)
    launch.wait_for(r"the operator's page: http://127.0.0.1:")
    assert "robot.operator" in launch.output
    assert launch.interrupt() == 0, launch.output
    assert "Traceback" not in launch.output


@needs_install
def test_it_comes_beside_the_tracker_when_that_is_asked_for(launched: list[Launched]) -> None:
    launch = Launched("operator:=true", "operator_address:=0.0.0.0", "camera:=scene")
    launched.append(launch)
    launch.wait_for(r"the operator's page: http://0.0.0.0:8080/#")
    launch.wait_for("waiting for images on /image")
    assert launch.interrupt() == 0, launch.output
