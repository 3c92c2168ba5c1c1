"""Builds the ROS 2 interfaces of this repository into a Python environment.

    python tools/build_interfaces.py relocate               # once, after installing the wheels
    python tools/build_interfaces.py build DIR --work DIR   # a package: underlay/vision_msgs or .

Run it with the environment's own Python. The package is installed into that environment
(`sys.prefix`), or into `--prefix`. Standard library only.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

BUILD_MACHINE_PYTHON = r"/opt/python/cp\d+-cp\d+t?"
"""Where the interpreter lived on the machine that built the ROS 2 wheels of PyPI."""


def relocate_wheels(prefix: Path) -> int:
    """Make the CMake files that the ROS 2 wheels installed name this interpreter's directories.

    The exported targets carry include directories of the machine that built the wheels, and
    CMake refuses a target whose include directory does not exist. Returns the number of files
    that were rewritten; a second call finds nothing left to do.
    """
    paths = sysconfig.get_paths()
    places = (
        (rf"{BUILD_MACHINE_PYTHON}/lib/python3\.\d+t?/site-packages", paths["platlib"]),
        (rf"{BUILD_MACHINE_PYTHON}/include/python3\.\d+t?", paths["include"]),
    )
    rewritten = 0
    for file in prefix.glob("share/*/cmake/*.cmake"):
        text = changed = file.read_text(encoding="utf-8")
        for pattern, place in places:
            changed = re.sub(pattern, lambda _: place, changed)  # noqa: B023
        if changed != text:
            file.write_text(changed, encoding="utf-8")
            rewritten += 1
    return rewritten


def build_package(source: Path, work: Path, prefix: Path) -> None:
    """Configure, build and install the interface package in `source`, from nothing.

    Whatever an earlier build left in `work` or installed in `prefix` goes first: an interface
    that was renamed or removed must not live on, and a build that was cut short is not trusted.
    Raises subprocess.CalledProcessError when CMake or the compiler fails.
    """
    name = re.search(r"<name>(\w+)</name>", (source / "package.xml").read_text(encoding="utf-8"))
    if name is None:
        raise SystemExit(f"error: {source / 'package.xml'} has no <name>")
    site_packages = prefix / Path(sysconfig.get_paths()["platlib"]).relative_to(sys.prefix)
    for leftover in (work, site_packages / name[1], prefix / "share" / name[1]):
        shutil.rmtree(leftover, ignore_errors=True)

    environment = dict(os.environ)
    search = [str(prefix), sys.prefix, *environment.get("AMENT_PREFIX_PATH", "").split(":")]
    environment["AMENT_PREFIX_PATH"] = ":".join(dict.fromkeys(filter(None, search)))
    environment["CMAKE_PREFIX_PATH"] = environment["AMENT_PREFIX_PATH"]
    environment["PATH"] = f"{sys.prefix}/bin:{environment.get('PATH', '')}"
    configure = [
        *("cmake", "-G", "Ninja", "-S", str(source), "-B", str(work)),
        f"-DCMAKE_INSTALL_PREFIX={prefix}",
        f"-DPython3_EXECUTABLE={sys.executable}",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DBUILD_TESTING=OFF",
        "-DTRACKER_ROS_INTERFACES_ONLY=ON",
        "-Wno-dev",
        "--no-warn-unused-cli",
    ]
    subprocess.run(configure, env=environment, check=True)
    subprocess.run(
        ["cmake", "--build", str(work), "--target", "install"], env=environment, check=True
    )


def main() -> int:
    """Run one of the two commands; the exit code is 1 when CMake or the compiler fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("relocate", help="rewrite the paths in the wheels' CMake files")
    build = commands.add_parser("build", help="build and install one interface package")
    build.add_argument("source", type=Path, help="directory of package.xml and CMakeLists.txt")
    build.add_argument("--work", type=Path, required=True, help="directory to build in")
    build.add_argument("--prefix", type=Path, default=Path(sys.prefix), help="where to install")
    args = parser.parse_args()
    if args.command == "relocate":
        print(f"{relocate_wheels(Path(sys.prefix))} CMake files of the ROS 2 wheels rewritten")
        return 0
    try:
        build_package(args.source.resolve(), args.work.resolve(), args.prefix.resolve())
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(error.cmd[:2])} of {args.source} failed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
