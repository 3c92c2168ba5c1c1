"""Play a bag, with its time on /clock: what sot.launch.py and mot.launch.py do with bag:=PATH.

ros2 launch tracker_ros bag.launch.py bag:=drive.mcap

Where ROS has rosbag2, `ros2 bag play` plays it, else our player, which does the same on the wire.
"""

import importlib.util
import shutil

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""Of Fast DDS 2 (Humble, Jazzy) and 3 (Kilted, Lyrical)."""


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "bag", description="an .mcap or .db3 file, or the folder of a bag"
            ),
            DeclareLaunchArgument(
                "bag_rate", default_value="1.0", description="how many times as fast to play it"
            ),
            DeclareLaunchArgument(
                "bag_loop",
                default_value="true",
                choices=["true", "false"],
                description="begin again at its end, where time jumps back",
            ),
            OpaqueFunction(function=start),
        ]
    )


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    actions: list[LaunchDescriptionEntity] = []
    # Stock Fast DDS loses big images.
    if not any(context.environment.get(name) for name in PROFILE_VARIABLES):
        share = FindPackageShare("tracker_ros")
        profile = PathJoinSubstitution([share, "config", "fastdds_shm.xml"])
        actions += [SetEnvironmentVariable(name, profile) for name in PROFILE_VARIABLES]

    options = ["--clock", "--rate", value("bag_rate")]
    if value("bag_loop") == "true":
        options.append("--loop")
    if has_ros2_bag():
        command = ["ros2", "bag", "play", *options, "--read-ahead-queue-size", "1000", value("bag")]
        actions.append(ExecuteProcess(cmd=command, name="ros2_bag_play", output="screen"))
    else:
        actions.append(
            Node(
                package="tracker_ros",
                executable="player_node",
                name="player",
                arguments=[value("bag"), *options],
                output="screen",
            )
        )
    return actions


def has_ros2_bag() -> bool:
    """Whether this ROS has rosbag2 and its command."""
    return bool(shutil.which("ros2") and importlib.util.find_spec("ros2bag"))
