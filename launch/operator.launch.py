"""Start the operator's page beside nodes that track.

ros2 launch tracker_ros operator.launch.py image:=/camera/image_raw
ros2 launch tracker_ros operator.launch.py image:=/camera/image_raw address:=0.0.0.0
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
    share = FindPackageShare("tracker_ros")
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "namespace",
                default_value="",
                description="namespace of the node, and of the trackers",
            ),
            DeclareLaunchArgument(
                "image", default_value="image", description="image topic that is tracked on"
            ),
            DeclareLaunchArgument(
                "detections",
                default_value="detector/detections",
                description="topic of boxes to show and click on: vision_msgs/Detection2DArray",
            ),
            DeclareLaunchArgument(
                "address",
                default_value="",
                description="to listen on; 0.0.0.0: every network, with a token that the log "
                f"shows; {UNSET}",
            ),
            DeclareLaunchArgument(
                "port", default_value="", description=f"to listen on; 0: a free one; {UNSET}"
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([share, "config", "operator.yaml"]),
                description="YAML file of ROS parameters; the arguments here override it",
            ),
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="",
                choices=["", "true", "false"],
                description=f"take the time from /clock (bag play --clock, simulators); {UNSET}",
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

    overrides: dict[str, str | bool | int] = {}
    if value("address"):
        overrides["address"] = value("address")
    if value("port"):
        overrides["port"] = int(value("port"))
    if value("use_sim_time"):
        overrides["use_sim_time"] = value("use_sim_time") == "true"
    actions.append(
        Node(
            package="tracker_ros",
            executable="operator_node",
            name="operator",
            namespace=value("namespace"),
            remappings=[("image", value("image")), ("detections", value("detections"))],
            parameters=[value("params_file"), *([overrides] if overrides else [])],
            output="screen",
            ros_arguments=["--log-level", value("log_level")],
            respawn=value("respawn") == "true",
            respawn_delay=2.0,
        )
    )
    return actions
