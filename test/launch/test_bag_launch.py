"""bag:=PATH of the launch files: a player beside the nodes, which take their time from the bag."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

if importlib.util.find_spec("launch_ros") is None:
    pytest.skip(
        "launch_ros is not installed: it comes with ROS 2 from apt, not from PyPI",
        allow_module_level=True,
    )
import numpy as np
import yaml
from launch_harness import Launched, arguments_of, needs_install

from tracker_ros.bags.types import own_topic, store
from tracker_ros.bags.writer import BagWriter

START = 1_700_000_000
IMAGE = "sensor_msgs/msg/Image"
HAS_ROS2_BAG = bool(shutil.which("ros2") and importlib.util.find_spec("ros2bag"))
without_rosbag2 = pytest.mark.skipif(
    HAS_ROS2_BAG, reason="this ROS has rosbag2, and the launch file starts that"
)
with_rosbag2 = pytest.mark.skipif(
    not HAS_ROS2_BAG, reason="this ROS has no rosbag2: our own player is started, and tested"
)


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Two seconds of small black images."""
    types = store().types
    with BagWriter(tmp_path / "drive.mcap") as writer:
        writer.add_topic(own_topic("/front/image_raw", IMAGE))
        for index in range(20):
            recorded = START * 10**9 + index * 100_000_000
            stamp = types["builtin_interfaces/msg/Time"](*divmod(recorded, 10**9))
            header = types["std_msgs/msg/Header"](stamp, "front")
            pixels = np.zeros(120 * 480, np.uint8)
            message = types[IMAGE](header, 120, 160, "bgr8", 0, 480, pixels)
            writer.write("/front/image_raw", recorded, bytes(store().serialize_cdr(message, IMAGE)))
    return tmp_path / "drive.mcap"


def simulated(launch: Launched, executable: str) -> bool:
    """Whether a node was started with use_sim_time, by the files of parameters it was given."""
    words = (launch.process_of(executable) / "cmdline").read_text().split("\0")
    files = [Path(words[i + 1]) for i, word in enumerate(words) if word == "--params-file"]
    return any(
        parameters.get("use_sim_time", False)
        for file in files
        for section in yaml.safe_load(file.read_text()).values()
        for parameters in [section.get("ros__parameters", {})]
    )


@pytest.mark.parametrize("file", ["sot.launch.py", "mot.launch.py"])
def test_the_bag_has_the_same_arguments_everywhere(file: str) -> None:
    own = arguments_of("bag.launch.py")
    assert list(own) == ["bag", "bag_rate", "bag_loop"]
    arguments = arguments_of(file)
    assert {name: arguments[name] for name in own} == own


@needs_install
@without_rosbag2
def test_without_rosbag2_our_player_plays_it_in_a_loop_with_its_clock(
    bag: Path, launched: list[Launched]
) -> None:
    launch = Launched("image:=/front/image_raw", f"bag:={bag}", "bag_rate:=2")
    launched.append(launch)
    launch.wait_for("of /front/image_raw, at 2 times the pace, with /clock at 40 Hz, over and over")
    launch.wait_for("[sot]: active: waiting for images on /front/image_raw")
    launch.wait_for("stamps jumped back")
    assert simulated(launch, "sot_node")
    assert launch.interrupt() == 0, launch.output
    assert "Traceback" not in launch.output


@needs_install
@with_rosbag2
def test_with_rosbag2_its_player_plays_it(bag: Path, launched: list[Launched]) -> None:
    launch = Launched("image:=/front/image_raw", f"bag:={bag}")
    launched.append(launch)
    launch.wait_for("rosbag2_player", "[sot]: active: waiting for images on /front/image_raw")
    assert simulated(launch, "sot_node")
    launch.interrupt()
    assert "Traceback" not in launch.output


@needs_install
@without_rosbag2
def test_every_node_of_mot_takes_its_time_from_the_bag_and_one_player_plays_it(
    bag: Path, launched: list[Launched]
) -> None:
    launch = Launched(
        "image:=/front/image_raw", "tracker:=sort", "sot:=true", f"bag:={bag}", file="mot.launch.py"
    )
    launched.append(launch)
    launch.wait_for(*(f"[{name}]: active: waiting" for name in ("mot", "detector", "sot")))
    launch.wait_for("of /front/image_raw, with /clock at 40 Hz, over and over")
    assert all(simulated(launch, f"{name}_node") for name in ("mot", "detector", "sot"))
    assert launch.interrupt() == 0, launch.output
    assert launch.output.count("over and over") == 1


@needs_install
@without_rosbag2
def test_a_bag_may_be_played_once_and_time_may_stay_the_machines(
    bag: Path, launched: list[Launched]
) -> None:
    launch = Launched(
        "image:=/front/image_raw", f"bag:={bag}", "bag_loop:=false", "use_sim_time:=false"
    )
    launched.append(launch)
    launch.wait_for("messages published: 20; rounds: 1", "[sot]: active: waiting")
    assert not simulated(launch, "sot_node")
    assert launch.interrupt() == 0, launch.output


@needs_install
@without_rosbag2
def test_a_bag_that_is_not_there_is_named(launched: list[Launched], tmp_path: Path) -> None:
    launch = Launched(f"bag:={tmp_path / 'gone.mcap'}")
    launched.append(launch)
    launch.wait_for("gone.mcap", "exit code 2")
    launch.wait_for("[sot]: active: waiting")  # the node goes on: a bag may be played by hand
    assert launch.interrupt() == 0, launch.output
