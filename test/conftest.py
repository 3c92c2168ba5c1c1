"""What every test shares: the report of what it runs on.

The test directories are no packages: a test imports a module beside it by its bare name, and the
file names of tests are unique over all directories.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os

LIBRARIES = (
    "mcap",
    "numpy",
    "onnxruntime",
    "opencv-contrib-python-headless",
    "rosbags",
    "torch",
    "trackeval",
    "vot-trax",
)


def pytest_report_header() -> list[str]:
    """Say which versions are being tested: the first question of every bug report."""
    versions = []
    for library in LIBRARIES:
        try:
            versions.append(f"{library} {importlib.metadata.version(library)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {library}")
    ros = os.environ.get("ROS_DISTRO", "of unknown distribution")
    if importlib.util.find_spec("rclpy") is None:
        ros = "not importable"
    return [f"ROS 2: {ros}", "libraries: " + ", ".join(versions)]
