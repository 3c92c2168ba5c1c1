"""`pip install --no-build-isolation .` into a Python that has ROS 2: drives CMakeLists.txt.

The interfaces are built with the ROS 2 that is sourced, or with the one of the active virtual
environment (`.venv` of ./run), which build isolation would hide. Everything that CMake installs
goes into the wheel: the Python package, and under the prefix libraries, launch files and the rest.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class BuildWithCMake(build_py):
    """Build and install with CMake into a folder, and take everything from there."""

    def run(self) -> None:
        """Replaces the copying of modules: CMake copies them beside the generated ones."""
        work = ROOT / "build" / "pip"
        staged = work / "staged"
        environment = dict(os.environ)
        prefixes = environment.get("AMENT_PREFIX_PATH") or sys.prefix
        environment["AMENT_PREFIX_PATH"] = environment["CMAKE_PREFIX_PATH"] = prefixes
        environment["PATH"] = f"{sys.prefix}/bin:{environment.get('PATH', '')}"
        configure = ["cmake", "-S", str(ROOT), "-B", str(work), "-DBUILD_TESTING=OFF", "-Wno-dev"]
        configure += [f"-DCMAKE_INSTALL_PREFIX={staged}", f"-DPython3_EXECUTABLE={sys.executable}"]
        for stale in (staged, Path(self.build_lib) / "tracker_ros"):  # modules that are gone
            shutil.rmtree(stale, ignore_errors=True)
        try:
            subprocess.run(configure, env=environment, check=True)
            subprocess.run(
                # With a number: without one, make starts everything at once.
                ["cmake", "--build", str(work), f"-j{os.cpu_count() or 1}", "--target", "install"],
                env=environment,
                check=True,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(
                f"error: {error}\nNeeds ROS 2: source /opt/ros/DISTRIBUTION/setup.bash, or make "
                "and activate .venv (./run setup; . .venv/bin/activate); then "
                "pip install --no-build-isolation ."
            ) from error
        package = next(staged.rglob("tracker_ros/__init__.py")).parent
        self.copy_tree(str(package), str(Path(self.build_lib) / "tracker_ros"))
        prefix_files: dict[str, list[str]] = {}
        for file in sorted(path for path in staged.rglob("*") if path.is_file()):
            if package.parent not in file.parents:
                folder = str(file.parent.relative_to(staged))
                prefix_files.setdefault(folder, []).append(str(file.relative_to(ROOT)))
        self.distribution.data_files = sorted(prefix_files.items())


class BinaryDistribution(Distribution):
    """The wheel holds compiled interfaces, so it belongs to one platform and one Python."""

    def has_ext_modules(self) -> bool:
        """Say so."""
        return True


setup(cmdclass={"build_py": BuildWithCMake}, distclass=BinaryDistribution)
