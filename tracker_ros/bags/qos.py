"""Quality of service of recorded publishers, as the files of every rosbag2 version have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import yaml

METADATA_VERSION = 8
"""Of the files that we write: the last that ROS 2 Humble reads. 9, which Jazzy writes, names the
values instead of numbering them."""

# Their numbers in files before ROS 2 Jazzy, by place.
_HISTORY = ("system_default", "keep_last", "keep_all", "unknown")
_RELIABILITY = ("system_default", "reliable", "best_effort", "unknown", "best_available")
_DURABILITY = ("system_default", "transient_local", "volatile", "unknown", "best_available")
_LIVELINESS = (
    "system_default", "automatic", "manual_by_node", "manual_by_topic", "unknown", "best_available",
)  # fmt: skip


@dataclass(frozen=True)
class Time:
    """A duration."""

    sec: int = 0
    nsec: int = 0


@dataclass(frozen=True)
class Qos:
    """One publisher's quality of service; the names are those of rosbag2's files."""

    history: str = "keep_last"
    depth: int = 10
    reliability: str = "reliable"
    durability: str = "volatile"
    deadline: Time = Time()
    """All zero: none, as in what follows."""
    lifespan: Time = Time()
    liveliness: str = "system_default"
    liveliness_lease_duration: Time = Time()
    avoid_ros_namespace_conventions: bool = False


def parse(value: object) -> tuple[Qos, ...]:
    """Read what a file has for `offered_qos_profiles`: a YAML text, or its list.

    What cannot be read is left out: a bag is worth reading without it.
    """
    if isinstance(value, str):
        try:
            value = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError):
            return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        return ()
    return tuple(_qos(item) for item in value if isinstance(item, dict))


def dump(profiles: Iterable[Qos]) -> str:
    """Write them as a file of `METADATA_VERSION` has them; without any, nothing."""
    listed = [
        asdict(qos)
        | {
            "history": _HISTORY.index(qos.history),
            "reliability": _RELIABILITY.index(qos.reliability),
            "durability": _DURABILITY.index(qos.durability),
            "liveliness": _LIVELINESS.index(qos.liveliness),
        }
        for qos in profiles
    ]
    return yaml.safe_dump(listed, sort_keys=False).strip() if listed else ""


def _qos(item: dict[str, Any]) -> Qos:
    return Qos(
        history=_name(item.get("history"), _HISTORY),
        depth=_number(item.get("depth")),
        reliability=_name(item.get("reliability"), _RELIABILITY),
        durability=_name(item.get("durability"), _DURABILITY),
        deadline=_time(item.get("deadline")),
        lifespan=_time(item.get("lifespan")),
        liveliness=_name(item.get("liveliness"), _LIVELINESS),
        liveliness_lease_duration=_time(item.get("liveliness_lease_duration")),
        avoid_ros_namespace_conventions=bool(item.get("avoid_ros_namespace_conventions")),
    )


def _name(value: object, names: Sequence[str]) -> str:
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    name = str(value).lower()
    return name if name in names else "unknown"


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _time(value: object) -> Time:
    if not isinstance(value, dict):
        return Time()
    return Time(_number(value.get("sec")), _number(value.get("nsec")))
