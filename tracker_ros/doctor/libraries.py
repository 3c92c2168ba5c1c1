"""Looks at the libraries of this Python: their packages by metadata, then each tried by itself."""

from __future__ import annotations

import importlib.util
from importlib import metadata
from typing import NamedTuple

from tracker_ros.doctor.facts import Library
from tracker_ros.doctor.isolated import Answer, ask

PACKAGES = {
    "numpy": ("numpy",),
    "scipy": ("scipy",),
    "cv2": (
        "opencv-python",
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
    "yaml": ("pyyaml",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"),
    "tensorrt": ("tensorrt", "tensorrt-cu11", "tensorrt-cu12", "tensorrt-cu13"),
    "torch": ("torch",),
    "cuda-bindings": ("cuda-bindings", "cuda-python"),  # one package up to 12.5
    "onnx": ("onnx",),
    "rclpy": ("rclpy",),
    "cv_bridge": ("cv-bridge",),
}
"""Module -> the packages that may bring it. Some come without one: OpenCV from apt."""
ONLY_METADATA = ("cuda-bindings", "onnx")
"""Of these the version is all that we want to know."""


class Installed(NamedTuple):
    """A package that is installed."""

    name: str
    version: str
    folder: str


def look_at_library(name: str) -> Library:
    """A library: its packages, and what comes of importing it."""
    found = installed(PACKAGES[name])
    there = bool(found) or (name not in ONLY_METADATA and _has(name))
    answer = Answer({}, "", False)
    if there and name not in ONLY_METADATA:
        answer = ask("library", name)
    return library_of(found, answer)


def look_at_interfaces() -> Library:
    """The messages that rosidl generates for us."""
    return library_of([], ask("interfaces"))


def library_of(found: list[Installed], answer: Answer) -> Library:
    """What metadata and the try say, together: what was imported counts."""
    version = str(answer.values.get("version", "")) or (found[0].version if found else "")
    details = answer.values.get("details", {})
    return Library(
        version=version,
        packages=tuple(f"{package.name} {package.version}" for package in found),
        folders=tuple(package.folder for package in found),
        trouble=answer.trouble,
        clash=answer.clash,
        details={str(key): str(value) for key, value in details.items()},
    )


def installed(names: tuple[str, ...]) -> list[Installed]:
    """Those of some packages that are installed, the one that is found first foremost."""
    found: list[Installed] = []
    for name in names:
        for package in metadata.distributions(name=name):
            row = Installed(name, str(package.version or ""), str(package.locate_file("")))
            if row not in found:
                found.append(row)
    return found


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
