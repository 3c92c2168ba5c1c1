"""Message types without ROS: those of ROS 2 Jazzy, vision_msgs 4 and tracker_ros's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracker_ros.bags.bag import Topic
from tracker_ros.bags.qos import Qos
from tracker_ros.errors import DataError

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

DETECTIONS = "vision_msgs/msg/Detection2DArray"
STATUS = "tracker_ros/msg/TrackerStatus"
_ROOT = Path(__file__).parents[2]
_IN_THE_SOURCE = {"vision_msgs": "underlay/vision_msgs/msg", "tracker_ros": "msg"}


@lru_cache(maxsize=1)
def store() -> Typestore:
    """The types: `store().types` has a dataclass for each name, as "std_msgs/msg/Header".

    `serialize_cdr(message, name)` and `deserialize_cdr(data, name)` go between them and bytes.
    Raises DataError when rosbags, or the definitions of vision_msgs or tracker_ros, are missing.
    """
    try:  # here: who only copies messages needs no types, and rosbags is in no ROS distribution
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError as error:
        raise DataError("messages need rosbags: pip install 'rosbags>=0.11'") from error
    types = get_typestore(Stores.ROS2_JAZZY)
    for package in _IN_THE_SOURCE:
        definitions: dict[str, Any] = {}
        for file in _definitions(package):
            name = f"{package}/msg/{file.stem}"
            definitions.update(get_types_from_msg(file.read_text(encoding="utf-8"), name))
        types.register(definitions)
    return types


def own_topic(name: str, type: str, qos: tuple[Qos, ...] = (Qos(),)) -> Topic:
    """A topic of ours, of a type in `store`, with its definition and hash.

    Raises DataError when the store has no such type.
    """
    types = store()
    if type not in types.fielddefs:
        raise DataError(f"message type {type} is not known; it must be one of ROS 2 Jazzy's")
    definition, _ = types.generate_msgdef(type, ros_version=2)
    return Topic(name, type, definition=definition, digest=types.hash_rihs01(type), qos=qos)


def _definitions(package: str) -> list[Path]:
    """The .msg files of a package: of the source tree, else of where it is installed."""
    marker = "Detection2DArray.msg" if package == "vision_msgs" else "TrackerStatus.msg"
    folders = list(_folders(package))
    for folder in folders:
        if (folder / marker).is_file():
            return sorted(folder.glob("*.msg"))
    looked = ", ".join(str(folder) for folder in folders)
    raise DataError(
        f"the definitions of {package} are missing: no {marker} in {looked}; install {package} and "
        "source its setup.bash"
    )


def _folders(package: str) -> Iterator[Path]:
    yield _ROOT / _IN_THE_SOURCE[package]
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    # <prefix>/lib/python3.x/site-packages/tracker_ros/bags/types.py, or with local/ before lib
    prefixes += Path(__file__).parents[4:8]
    for prefix in dict.fromkeys([*prefixes, Path(sys.prefix)]):
        yield prefix / "share" / package / "msg"
