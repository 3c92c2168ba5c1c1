"""Looks at the ROS 2 of this shell: its environment, and what is installed below its prefixes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tracker_ros.doctor.facts import Library, Ros
from tracker_ros.doctor.machine import read

PROFILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
"""Where Fast DDS 3 and 2 look for the name of a file."""
NO_RMW = "rmw_implementation"
"""Stands among the middlewares and only chooses one."""


def look_at_ros(environment: Mapping[str, str], rclpy: Library) -> Ros:
    """The ROS 2 that `environment` is set up for; `rclpy` says which middleware it loaded."""
    prefixes = [Path(p) for p in environment.get("AMENT_PREFIX_PATH", "").split(":") if p]
    profile = next((environment[name] for name in PROFILES if environment.get(name)), "")
    discovery = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "")
    if environment.get("ROS_LOCALHOST_ONLY", "0") not in ("", "0"):
        discovery = "this machine only (ROS_LOCALHOST_ONLY)"
    return Ros(
        distribution=environment.get("ROS_DISTRO", ""),
        python=next(_pythons(prefixes), ""),
        rmw=rclpy.details.get("rmw", ""),
        rmw_asked=environment.get("RMW_IMPLEMENTATION", ""),
        rmws=tuple(sorted(set(_rmws(prefixes)))),
        domain_id=environment.get("ROS_DOMAIN_ID", "").strip()[:40],
        discovery=discovery[:60],
        profile=profile,
        profile_here=bool(profile) and Path(profile).is_file(),
        cyclone=bool(environment.get("CYCLONEDDS_URI")),
        vision_msgs=next(_versions(prefixes, "vision_msgs"), ""),
    )


def _pythons(prefixes: list[Path]) -> Iterator[str]:
    """The Pythons that rclpy is installed for."""
    for prefix in prefixes:
        for pattern in ("lib/python3.*/site-packages/rclpy", "local/lib/python3.*/*/rclpy"):
            for folder in sorted(prefix.glob(pattern)):
                yield folder.parents[1].name.removeprefix("python")


def _rmws(prefixes: list[Path]) -> Iterator[str]:
    for prefix in prefixes:
        for entry in (prefix / "share/ament_index/resource_index/rmw_typesupport").glob("*"):
            if entry.name != NO_RMW:
                yield entry.name


def _versions(prefixes: list[Path], package: str) -> Iterator[str]:
    for prefix in prefixes:
        manifest = read(prefix / "share" / package / "package.xml")
        found = re.search(r"<version>\s*([\w.]+)\s*</version>", manifest)
        if found is not None:
            yield found[1]
