"""The launch file, run as `ros2 launch` runs it: in a launch service of its own process."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

if importlib.util.find_spec("launch_ros") is None:
    pytest.skip(
        "launch_ros is not installed: it comes with ROS 2 from apt, not from PyPI",
        allow_module_level=True,
    )
from ament_index_python.packages import PackageNotFoundError, get_package_prefix

ROOT = Path(__file__).parents[2]
LAUNCH_FILE = ROOT / "launch" / "sot.launch.py"
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
arguments = [word.split(":=") for word in sys.argv[2:]]
service = LaunchService()
service.include_launch_description(LaunchDescription(
    [IncludeLaunchDescription(sys.argv[1], launch_arguments=arguments)]))
sys.exit(service.run())
"""
SHOW = """
import sys
from launch.launch_description_sources import get_launch_description_from_python_launch_file
for argument in get_launch_description_from_python_launch_file(sys.argv[1]).get_launch_arguments():
    assert argument.description != "no description given", argument.name
    print(argument.name, *(argument.choices or []))
"""
PROFILE = "share/tracker_ros/config/fastdds_shm.xml"


def is_installed() -> bool:
    """Whether colcon (or pip) has installed the executables, which `./run` alone does not."""
    try:
        return (Path(get_package_prefix("tracker_ros")) / "lib/tracker_ros/sot_node").is_file()
    except PackageNotFoundError:
        return False


needs_install = pytest.mark.skipif(
    not is_installed(), reason="lib/tracker_ros/sot_node is not installed: colcon build first"
)


class Launched:
    """A launch service in a session of its own."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(LAUNCH_FILE), *arguments],
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                "ROS_DOMAIN_ID": str(102 + os.getpid() % 100),
                "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""

    def wait_for(self, words: str) -> None:
        """Read until the words come; fails when the output ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if words in line:
                return
        raise AssertionError(f"'{words}' is not in\n{self.output}")

    def node_environment(self) -> dict[str, str]:
        """The environment that the node's process was started with."""
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if b"lib/tracker_ros/sot_node" in (path / "cmdline").read_bytes() and (
                    os.getsid(int(path.name)) == self.process.pid
                ):
                    words = (path / "environ").read_text().split("\0")
                    return dict(word.split("=", 1) for word in words if "=" in word)
            except (OSError, ProcessLookupError):
                continue  # it ended while we looked
        raise AssertionError(f"no node is running:\n{self.output}")

    def interrupt(self) -> int:
        """Press Ctrl-C: the whole foreground group gets it, as from a terminal."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.output += self.process.communicate(timeout=20)[0]
        return self.process.returncode


@pytest.fixture
def launched() -> Iterator[list[Launched]]:
    started: list[Launched] = []
    yield started
    for launch in started:
        if launch.process.poll() is None:
            os.killpg(launch.process.pid, signal.SIGKILL)
            launch.process.wait()
        assert launch.process.stdout is not None
        launch.process.stdout.close()


def test_every_argument_is_described_and_what_can_be_chosen_is_said() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", SHOW, str(LAUNCH_FILE)], capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    arguments = dict(line.split(" ", 1) if " " in line else (line, "") for line in
                     shown.stdout.splitlines())  # fmt: skip
    assert list(arguments) == [
        *("namespace", "image", "tracker", "model", "params_file", "use_sim_time"),
        *("autostart", "log_level", "respawn", "camera"),
    ]
    assert arguments["tracker"].split() == ["siamrpnpp", "siamfc"]
    assert arguments["use_sim_time"].split() == ["true", "false"]


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


def test_a_tracker_that_does_not_exist_is_refused_before_anything_starts(
    launched: list[Launched],
) -> None:
    launch = Launched("tracker:=magic")
    launched.append(launch)
    launch.wait_for("Valid options are: ['', 'siamrpnpp', 'siamfc']")
    assert launch.process.wait(timeout=20) == 1
