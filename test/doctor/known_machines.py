"""Facts of machines on which nothing is wrong, for rules to be tried on with one thing changed."""

from __future__ import annotations

import dataclasses
from typing import Any

from tracker_ros.doctor.facts import (
    Backend,
    Cache,
    Facts,
    Gpu,
    Interpreter,
    Kernel,
    Library,
    Machine,
    Model,
    Ros,
)

SITE = "~/venv/lib/python3.12/site-packages"


def package(name: str, version: str, folder: str = SITE, **more: Any) -> Library:
    """A library that one package brings."""
    return Library(version, (f"{name} {version}",), (folder,), **more)


def several(*names: str, folder: str = SITE) -> Library:
    """One that several packages of a folder bring."""
    return Library(names[0].split()[1], names, (folder,) * len(names))


LIBRARIES = {
    "numpy": package("numpy", "1.26.4"),
    "scipy": package("scipy", "1.11.4"),
    "cv2": package("opencv-python-headless", "4.10.0", details={"gui": "headless"}),
    "yaml": package("pyyaml", "6.0.1"),
    "onnxruntime": package("onnxruntime", "1.20.0"),
    "rclpy": package("rclpy", "7.1.5", details={"rmw": "rmw_fastrtps_cpp"}),
    "interfaces": Library(details={"messages": "Track"}),
}

DESKTOP = Facts(
    machine=Machine("x86_64", "A CPU", 8, 32000, 16000, "Ubuntu 24.04.1 LTS", "Linux 6.8.0"),
    gpu=Gpu("NVIDIA GeForce RTX 3080", "8.6", 10000, "570.133.07", "12.8", "12.6"),
    python=Interpreter(
        "3.12.3", "~/venv/bin/python", "~/venv", True, True, "~/venv", "~/venv/bin/python3"
    ),
    libraries={
        **LIBRARIES,
        "tensorrt": package("tensorrt-cu12", "10.8.0.43", details={"fp16_flag": "yes"}),
        "cuda-bindings": package("cuda-bindings", "12.8.0"),
    },
    ros=Ros(
        "jazzy", "3.12", "rmw_fastrtps_cpp", rmws=("rmw_cyclonedds_cpp", "rmw_fastrtps_cpp"),
        profile="~/ws/config/fastdds_shm.xml", profile_here=True, vision_msgs="4.1.1",
    ),
    kernel=Kernel(2147483647, 3, 134217728, 16000),
    models=(Model("siamfc_small", "siamfc"), Model("spm_alexnet_otb", "spm", "import")),
    cache=Cache("~/.cache/tracker_ros/engines", True, "", 50000),
    backend=Backend("tensorrt"),
)  # fmt: skip
"""Ubuntu 24.04 with a GPU, ROS 2 Jazzy and a virtual environment."""

ORIN = dataclasses.replace(
    DESKTOP,
    machine=Machine(
        "aarch64", "", 6, 7600, 5000, "Ubuntu 22.04.5 LTS", "Linux 5.15.148-tegra",
        jetson="NVIDIA Jetson Orin Nano Developer Kit", l4t="36.4.3", jetpack="6.2+b77",
        power_mode="MAXN_SUPER", packages={"python3-libnvinfer": "10.3.0.30-1+cuda12.5"},
    ),
    gpu=Gpu("Orin", "8.7", 7600, "540.4.0", "12.6", "12.6"),
    python=Interpreter("3.10.12", "/usr/bin/python3", "/usr", of_path="/usr/bin/python3"),
    libraries={
        **LIBRARIES,
        "tensorrt": package(
            "tensorrt", "10.3.0", "/usr/lib/python3.10/dist-packages", details={"fp16_flag": "yes"}
        ),
        "cuda-bindings": package("cuda-bindings", "12.6.2"),
    },
    ros=dataclasses.replace(DESKTOP.ros, distribution="humble", python="3.10"),
)  # fmt: skip
"""A Jetson Orin Nano with JetPack 6.2 and ROS 2 Humble."""


def with_(facts: Facts, **changes: Any) -> Facts:
    """Facts with parts of them changed: `libraries={name: Library}` adds or replaces those,
    another part takes a dict of the fields that change."""
    replaced: dict[str, Any] = {}
    for part, change in changes.items():
        now = getattr(facts, part)
        if part == "libraries":
            replaced[part] = {**now, **change}
        elif isinstance(change, dict):
            replaced[part] = dataclasses.replace(now, **change)
        else:
            replaced[part] = change
    return dataclasses.replace(facts, **replaced)


def without(facts: Facts, *libraries: str) -> Facts:
    """Facts without some libraries."""
    left = {name: lib for name, lib in facts.libraries.items() if name not in libraries}
    return dataclasses.replace(facts, libraries=left)
