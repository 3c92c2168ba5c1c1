"""The message types without ROS are those of ROS: the same hashes, the same bytes."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracker_ros.bags import types
from tracker_ros.bags.types import DETECTIONS, STATUS, own_topic, store
from tracker_ros.errors import DataError

ROOT = Path(__file__).parents[2]
PUBLISHED = {
    # vision_msgs 4.1.1, as ROS 2 Jazzy has it
    "vision_msgs/msg/BoundingBox2D": (
        "008eacbb0cf8f26e83795547bed013eec3675485ef386ec056d80eaaf1c1ce2f"
    ),
    "vision_msgs/msg/Detection2D": (
        "0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea"
    ),
    DETECTIONS: "214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968",
    "vision_msgs/msg/Detection3DArray": (
        "793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018"
    ),
    "vision_msgs/msg/VisionInfo": (
        "95d3116a17484ad91c9a2686e1d54890bbfc3ff6c6a2de137738c4950d45d284"
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_hashes_are_those_of_the_published_package(name: str) -> None:
    assert store().hash_rihs01(name) == own_topic("/x", name).digest == f"RIHS01_{PUBLISHED[name]}"


def test_the_hashes_of_our_messages_are_those_that_rosidl_generates() -> None:
    for prefix in (*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix):
        path = Path(prefix, "share/tracker_ros/msg/TrackerStatus.json")
        if path.is_file():
            break
    else:
        pytest.skip("the interfaces are not built here")
    hashes = {entry["type_name"]: entry["hash_string"] for entry in
              json.loads(path.read_text())["type_hashes"]}  # fmt: skip
    assert {"tracker_ros/msg/Track", STATUS} <= set(hashes)
    assert {name: store().hash_rihs01(name) for name in hashes} == hashes


def detections(types_: Any) -> Any:
    """An array with one detection; types_: gives a class by the name of a type."""

    def new(name: str, **values: object) -> Any:
        return types_(name)(**values)

    header = new(
        "std_msgs/msg/Header",
        stamp=new("builtin_interfaces/msg/Time", sec=1_700_000_000, nanosec=5),
        frame_id="cämera",
    )
    position = new("vision_msgs/msg/Point2D", x=12.5, y=-3.25)
    box = new(
        "vision_msgs/msg/BoundingBox2D",
        center=new("vision_msgs/msg/Pose2D", position=position, theta=0.5),
        size_x=40.0,
        size_y=30.0,
    )
    pose = new(
        "geometry_msgs/msg/PoseWithCovariance",
        pose=new(
            "geometry_msgs/msg/Pose",
            position=new("geometry_msgs/msg/Point", x=0.0, y=0.0, z=0.0),
            orientation=new("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        ),
        covariance=np.zeros(36),
    )
    result = new(
        "vision_msgs/msg/ObjectHypothesisWithPose",
        hypothesis=new("vision_msgs/msg/ObjectHypothesis", class_id="person", score=0.75),
        pose=pose,
    )
    one = new("vision_msgs/msg/Detection2D", header=header, results=[result], bbox=box, id="t1")
    return new(DETECTIONS, header=header, detections=[one])


def test_a_message_survives_the_way_to_bytes_and_back() -> None:
    array = detections(store().types.__getitem__)
    data = bytes(store().serialize_cdr(array, DETECTIONS))
    again: Any = store().deserialize_cdr(data, DETECTIONS)
    (detection,) = again.detections
    assert (detection.id, detection.header.frame_id) == ("t1", "cämera")
    assert (detection.bbox.center.position.x, detection.bbox.size_y) == (12.5, 30.0)
    assert detection.results[0].hypothesis.class_id == "person"
    assert bytes(store().serialize_cdr(again, DETECTIONS)) == data


def test_ros_reads_our_bytes_and_we_read_those_of_ros() -> None:
    serialization = pytest.importorskip("rclpy.serialization", reason="no ROS 2 here")
    pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not built here")

    def ros(name: str) -> Any:
        package, _, type_ = name.split("/")
        return getattr(importlib.import_module(f"{package}.msg"), type_)

    ours = bytes(store().serialize_cdr(detections(store().types.__getitem__), DETECTIONS))
    assert serialization.deserialize_message(ours, ros(DETECTIONS)) == detections(ros)
    theirs = serialization.serialize_message(detections(ros))
    read: Any = store().deserialize_cdr(theirs, DETECTIONS)
    assert bytes(store().serialize_cdr(read, DETECTIONS)) == ours


def test_a_type_that_nobody_knows_is_refused() -> None:
    with pytest.raises(DataError, match=r"message type our_msgs/msg/Wheel is not known"):
        own_topic("/wheel", "our_msgs/msg/Wheel")


def installed(prefix: Path) -> Path:
    """The package as colcon installs it, without the source tree; gives where Python finds it."""
    site = prefix / "lib" / "python3" / "site-packages"
    for name in ("__init__.py", "errors.py", "bags"):
        source = ROOT / "tracker_ros" / name
        target = site / "tracker_ros" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    return site


def digest_in(site: Path, ament: str) -> subprocess.CompletedProcess[str]:
    code = (
        "from tracker_ros.bags import types; import sys; sys.prefix = '/nowhere'; "
        "print(types.own_topic('/x', types.STATUS).digest, types.__file__)"
    )
    env = {**os.environ, "PYTHONPATH": str(site), "AMENT_PREFIX_PATH": ament}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=site, capture_output=True, text=True
    )


def test_an_installed_package_finds_the_definitions_in_its_share_folders(tmp_path: Path) -> None:
    site = installed(tmp_path)
    shutil.copytree(ROOT / "msg", tmp_path / "share" / "tracker_ros" / "msg")
    other = tmp_path / "underlay" / "share" / "vision_msgs" / "msg"
    shutil.copytree(ROOT / "underlay" / "vision_msgs" / "msg", other)
    done = digest_in(site, str(tmp_path / "underlay"))
    assert done.returncode == 0, done.stderr
    digest, file = done.stdout.split()
    assert digest == store().hash_rihs01(STATUS)
    assert file.startswith(str(tmp_path))


def test_missing_definitions_are_named_with_what_to_do(tmp_path: Path) -> None:
    done = digest_in(installed(tmp_path), "")
    assert "DataError: the definitions of vision_msgs are missing" in done.stderr
    assert "install vision_msgs and source its setup.bash" in done.stderr


def test_the_types_are_made_once() -> None:
    assert types.store() is store()
