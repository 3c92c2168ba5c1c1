"""Start the node that gives what a detector sees lasting identities, and a detector if need be.

ros2 launch tracker_ros mot.launch.py image:=/camera/image_raw                (with our detector)
ros2 launch tracker_ros mot.launch.py image:=/camera/image_raw detections:=/yolo/detections
ros2 launch tracker_ros mot.launch.py image:=/camera/image_raw sot:=true      (and ~/follow)
ros2 launch tracker_ros mot.launch.py image:=/camera/image_raw bag:=drive.mcap   (a bag, for ever)
"""

from pathlib import Path

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
                "namespace", default_value="", description="namespace of the nodes"
            ),
            DeclareLaunchArgument(
                "image", default_value="image", description="image topic of the camera"
            ),
            DeclareLaunchArgument(
                "detections",
                default_value="",
                description="topic of your detector (vision_msgs/Detection2DArray); empty: of the "
                "detector that is started too",
            ),
            DeclareLaunchArgument(
                "detector",
                default_value="",
                choices=["", "none", "hog", "yolo", "ssd"],
                description="detector to start too; empty: hog (people) where no detections are "
                "given, else none",
            ),
            DeclareLaunchArgument(
                "detector_model",
                default_value="",
                description="path of an ONNX file, for yolo and ssd",
            ),
            DeclareLaunchArgument(
                "tracker",
                default_value="",
                choices=["", "famnet", "hungarian", "sort"],
                description=f"what gives identities; {UNSET}",
            ),
            DeclareLaunchArgument(
                "model",
                default_value="",
                description=f"path of a model card (.yaml) for famnet; {UNSET}",
            ),
            DeclareLaunchArgument(
                "backend",
                default_value="",
                choices=["", "auto", "tensorrt", "onnxruntime"],
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
                default_value=PathJoinSubstitution([share, "config", "mot.yaml"]),
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
                description="start a node again 2 s after it has ended",
            ),
            DeclareLaunchArgument(
                "sot",
                default_value="false",
                choices=["true", "false"],
                description="also start the single-object node; its service ~/follow takes the "
                "identities of this one",
            ),
            DeclareLaunchArgument(
                "click",
                default_value="~/click",
                description="topic of points of the image that it is to follow, with sot:=true: "
                "geometry_msgs/PointStamped, in pixels",
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

    share = Path(FindPackageShare("tracker_ros").perform(context))
    actions: list[LaunchDescriptionEntity] = []
    # Stock Fast DDS loses big images. Cameras that are started after this file profit too.
    if not any(context.environment.get(name) for name in PROFILE_VARIABLES):
        for name in PROFILE_VARIABLES:
            profile = str(share / "config" / "fastdds_shm.xml")
            actions.append(SetEnvironmentVariable(name, profile))

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
    detector = value("detector") or ("none" if value("detections") else "hog")
    own = "detections" if detector == "none" else "detector/detections"
    actions.append(
        Node(
            package="tracker_ros",
            executable="mot_node",
            name="mot",
            namespace=value("namespace"),
            remappings=[("image", value("image")), ("detections", value("detections") or own)],
            parameters=[value("params_file"), *([overrides] if overrides else [])],
            output="screen",
            ros_arguments=["--log-level", value("log_level")],
            respawn=value("respawn") == "true" and not only_build,
            respawn_delay=2.0,
        )
    )
    # Every argument of theirs is given: one that is not would be taken from this file's.
    shared = ("namespace", "image", "log_level", "respawn")
    common = {**{name: value(name) for name in shared}, **switches}
    if detector != "none" and not only_build:
        others = {"detector": detector, "model": value("detector_model")}
        params = {"params_file": str(share / "config" / "detector.yaml")}
        actions.append(include(share, "detector.launch.py", {**common, **others, **params}))
    if value("sot") == "true":
        others = {"tracker": "", "model": "", "camera": "", "bag": "", "detections": "mot/tracks"}
        others |= {"click": value("click"), "operator": "false", "operator_address": ""}
        others |= {name: value(name) for name in engine}
        others |= engines
        params = {"params_file": str(share / "config" / "sot.yaml")}
        actions.append(include(share, "sot.launch.py", {**common, **others, **params}))
    if only_build:
        return actions
    if value("operator") == "true":
        page = {"detections": value("detections") or own, "port": ""}
        page |= {"address": value("operator_address"), "use_sim_time": use_sim_time}
        page["params_file"] = str(share / "config" / "operator.yaml")
        shown = {name: value(name) for name in shared}
        actions.append(include(share, "operator.launch.py", {**shown, **page}))
    if value("bag"):
        names = ("bag", "bag_rate", "bag_loop")
        actions.append(include(share, "bag.launch.py", {name: value(name) for name in names}))
    return actions


def include(share: Path, file: str, arguments: dict[str, str]) -> LaunchDescriptionEntity:
    path = str(share / "launch" / file)
    # In a scope of its own: what it sets must not come back.
    return GroupAction([IncludeLaunchDescription(path, launch_arguments=arguments.items())])
