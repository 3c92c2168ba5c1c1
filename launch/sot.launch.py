"""Start the node that follows a target.

ros2 launch tracker_ros sot.launch.py image:=/camera/image_raw
ros2 launch tracker_ros sot.launch.py camera:=scene        (no camera: a rendered scene, for ever)
ros2 launch tracker_ros sot.launch.py image:=/camera/image_raw bag:=drive.mcap     (a bag, for ever)
ros2 launch tracker_ros sot.launch.py image:=/camera/image_raw operator:=true     (and a web page)
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
)
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
                "detections",
                default_value="mot/tracks",
                description="topic whose identities the service ~/follow takes over",
            ),
            DeclareLaunchArgument(
                "click",
                default_value="~/click",
                description="topic of points of the image to follow: geometry_msgs/PointStamped, "
                "in pixels",
            ),
            DeclareLaunchArgument(
                "tracker",
                default_value="",
                choices=["", "siamrpnpp", "siamfc", "atom", "spm"],
                description=f"tracker to follow with; {UNSET}",
            ),
            DeclareLaunchArgument(
                "model",
                default_value="",
                description=f"name of a model card, or the path of a .yaml; {UNSET}",
            ),
            DeclareLaunchArgument(
                "backend",
                default_value="",
                choices=["", "auto", "tensorrt", "onnxruntime", "torch"],
                description=f"what runs the networks; {UNSET}",
            ),
            DeclareLaunchArgument(
                "precision",
                default_value="",
                choices=["", "auto", "fp32", "fp16", "int8"],
                description=f"that TensorRT computes in; {UNSET}",
            ),
            DeclareLaunchArgument(
                "engine_cache",
                default_value="",
                description=f"folder that engines of TensorRT are kept in; {UNSET}",
            ),
            DeclareLaunchArgument(
                "engine_samples",
                default_value="",
                description="folder of pictures, or a bag, that engines of TensorRT are calibrated "
                f"and checked on; {UNSET}",
            ),
            DeclareLaunchArgument(
                "engine_wait",
                default_value="",
                choices=switch,
                description="wait until the engines of TensorRT are built, in place of tracking "
                f"on ONNX Runtime meanwhile; {UNSET}",
            ),
            DeclareLaunchArgument(
                "build_only",
                default_value="",
                choices=switch,
                description="true: build the engines of TensorRT and end; nothing else is started; "
                f"{UNSET}",
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([share, "config", "sot.yaml"]),
                description="YAML file of ROS parameters; the arguments here override it",
            ),
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="",
                choices=switch,
                description="take the time from /clock (bag play --clock, simulators); if empty: "
                "true with a bag, else as the params_file has it",
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
            DeclareLaunchArgument(
                "camera",
                default_value="",
                choices=["", "scene"],
                description="scene: also start a camera that films a rendered scene, for ever; not "
                "beside a bag",
            ),
            DeclareLaunchArgument(
                "bag",
                default_value="",
                description="bag to play, with its time on /clock: an .mcap or .db3, or its folder",
            ),
            DeclareLaunchArgument(
                "bag_rate", default_value="1.0", description="how many times as fast to play it"
            ),
            DeclareLaunchArgument(
                "bag_loop",
                default_value="true",
                choices=["true", "false"],
                description="begin again at its end, where time jumps back and targets end",
            ),
            DeclareLaunchArgument(
                "operator",
                default_value="false",
                choices=["true", "false"],
                description="also start the operator's page (docs/operator.md)",
            ),
            DeclareLaunchArgument(
                "operator_address",
                default_value="",
                description="that the page listens on; empty: this machine's own, 127.0.0.1",
            ),
            OpaqueFunction(function=start),
        ]
    )


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    if value("camera") and value("bag"):
        raise RuntimeError(
            f"camera:={value('camera')} and bag:={value('bag')}: both would be the camera, and "
            "their times do not go together; leave one out"
        )
    actions: list[LaunchDescriptionEntity] = []
    # Stock Fast DDS loses big images. Cameras that are started after this file profit too.
    if not any(context.environment.get(name) for name in PROFILE_VARIABLES):
        share = FindPackageShare("tracker_ros").perform(context)
        for name in PROFILE_VARIABLES:
            actions.append(SetEnvironmentVariable(name, f"{share}/config/fastdds_shm.xml"))

    overrides: dict[str, str | bool] = {}
    engine = ("backend", "precision", "engine_cache", "engine_samples")
    for name in ("tracker", "model", *engine):
        if value(name):
            overrides[name] = value(name)
    use_sim_time = value("use_sim_time") or ("true" if value("bag") else "")
    switches = {"use_sim_time": use_sim_time, "autostart": value("autostart")}
    engines = {name: value(name) for name in ("engine_wait", "build_only")}
    only_build = value("build_only") == "true"
    for name, switch in {**switches, **engines}.items():
        if switch:
            overrides[name] = switch == "true"
    shared = {
        "package": "tracker_ros",
        "namespace": value("namespace"),
        "remappings": [
            ("image", value("image")),
            ("detections", value("detections")),
            ("~/click", value("click")),
        ],
        "output": "screen",
        "ros_arguments": ["--log-level", value("log_level")],
    }
    actions.append(
        Node(
            executable="sot_node",
            name="sot",
            parameters=[value("params_file"), *([overrides] if overrides else [])],
            respawn=value("respawn") == "true" and not only_build,
            respawn_delay=2.0,
            **shared,
        )
    )
    if only_build:
        return actions
    if value("camera") == "scene":
        actions.append(
            Node(executable="camera_node", name="camera", arguments=["--loop"], **shared)
        )
    if value("bag"):
        path = FindPackageShare("tracker_ros").perform(context) + "/launch/bag.launch.py"
        arguments = [(name, value(name)) for name in ("bag", "bag_rate", "bag_loop")]
        actions.append(IncludeLaunchDescription(path, launch_arguments=arguments))
    if value("operator") == "true":
        share = FindPackageShare("tracker_ros").perform(context)
        # Every argument of it is given: one that is not would be taken from this file's.
        page = {
            **{name: value(name) for name in ("namespace", "image", "log_level", "respawn")},
            "detections": value("detections"),
            "address": value("operator_address"),
            "port": "",
            "use_sim_time": use_sim_time,
            "params_file": f"{share}/config/operator.yaml",
        }
        path = f"{share}/launch/operator.launch.py"
        # In a scope of its own: what it sets must not come back.
        actions.append(GroupAction([IncludeLaunchDescription(path, launch_arguments=page.items())]))
    return actions
