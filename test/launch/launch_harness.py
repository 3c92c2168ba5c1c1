"""Runs a launch file as `ros2 launch` runs it: in a launch service of its own process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ament_index_python.packages import PackageNotFoundError, get_package_prefix

ROOT = Path(__file__).parents[2]
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


def arguments_of(file: str) -> dict[str, list[str]]:
    """The arguments of a launch file, all described, with their choices."""
    path = str(ROOT / "launch" / file)
    shown = subprocess.run([sys.executable, "-c", SHOW, path], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    return {line.split()[0]: line.split()[1:] for line in shown.stdout.splitlines()}


class Launched:
    """A launch service in a session of its own."""

    def __init__(self, *arguments: str, file: str = "sot.launch.py", **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(ROOT / "launch" / file), *arguments],
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

    def wait_for(self, *words: str) -> None:
        """Read until all of them have come; fails when the output ends."""
        assert self.process.stdout is not None
        missing = {word for word in words if word not in self.output}
        while missing:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"{missing} are not in\n{self.output}")
            self.output += line
            missing = {word for word in missing if word not in line}

    def process_of(self, executable: str) -> Path:
        """The directory in /proc of the process that runs a node."""
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if f"lib/tracker_ros/{executable}" in (path / "cmdline").read_text() and (
                    os.getsid(int(path.name)) == self.process.pid
                ):
                    return path
            except (OSError, ProcessLookupError):
                continue  # it ended while we looked
        raise AssertionError(f"no {executable} is running:\n{self.output}")

    def node_environment(self) -> dict[str, str]:
        """The environment that the single-object node's process was started with."""
        words = (self.process_of("sot_node") / "environ").read_text().split("\0")
        return dict(word.split("=", 1) for word in words if "=" in word)

    def interrupt(self) -> int:
        """Press Ctrl-C: the whole foreground group gets it, as from a terminal."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.output += self.process.communicate(timeout=20)[0]
        return self.process.returncode
