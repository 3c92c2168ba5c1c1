"""Start the node that detects.

ros2 launch tracker_ros detector.launch.py image:=/camera/image_raw
ros2 launch tracker_ros detector.launch.py image:=/camera/image_raw detector:=yolo model:=/my.onnx
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""Of Fast DDS 2 (Humble, Jazzy) and 3 (Kilted, Lyrical)."""
UNSET = "as the params_file has it if empty"


def generate_launch_description() -> LaunchDescription:
    switch = ["", "true", "false"]
    share = FindPackageShare("tracker_ros")
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "namespace", default_value="", description="namespace of the node"
            ),
            DeclareLaunchArgument(
                "image", default_value="image", description="image topic of the camera"
            ),
            DeclareLaunchArgument(
                "detector",
                default_value="",
                choices=["", "hog", "yolo", "ssd"],
                description=f"what detects; {UNSET}",
            ),
            DeclareLaunchArgument(
                "model",
                default_value="",
                description=f"path of an ONNX file, for yolo and ssd; {UNSET}",
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([share, "config", "detector.yaml"]),
                description="YAML file of ROS parameters; the arguments here override it",
            ),
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="",
                choices=switch,
                description=f"take the time from /clock (bag play --clock, simulators); {UNSET}",
            ),
            DeclareLaunchArgument(
                "autostart",
                default_value="",
                choices=switch,
                description="configure and activate at start; false: wait for a lifecycle "
                f"manager; {UNSET}",
            ),
            DeclareLaunchArgument(
                "log_level",
                default_value="info",
                choices=["debug", "info", "warn", "error", "fatal"],
                description="what is logged, and anything graver",
            ),
            DeclareLaunchArgument(
                "respawn",
                default_value="false",
                choices=["true", "false"],
                description="start the node again 2 s after it has ended",
            ),
            OpaqueFunction(function=start),
        ]
    )


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    actions: list[LaunchDescriptionEntity] = []
    # Stock Fast DDS loses big images. Cameras that are started after this file profit too.
    if not any(context.environment.get(name) for name in PROFILE_VARIABLES):
        share = FindPackageShare("tracker_ros").perform(context)
        for name in PROFILE_VARIABLES:
            actions.append(SetEnvironmentVariable(name, f"{share}/config/fastdds_shm.xml"))

    overrides: dict[str, str | bool] = {}
    for name in ("detector", "model"):
        if value(name):
            overrides[name] = value(name)
    for name in ("use_sim_time", "autostart"):
        if value(name):
            overrides[name] = value(name) == "true"
    actions.append(
        Node(
            package="tracker_ros",
            executable="detector_node",
            name="detector",
            namespace=value("namespace"),
            remappings=[("image", value("image"))],
            parameters=[value("params_file"), *([overrides] if overrides else [])],
            output="screen",
            ros_arguments=["--log-level", value("log_level")],
            respawn=value("respawn") == "true",
            respawn_delay=2.0,
        )
    )
    return actions
