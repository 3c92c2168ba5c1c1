"""Looks at the Python that runs this, and at those that it could be mistaken for."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tracker_ros.doctor.facts import Interpreter
from tracker_ros.doctor.machine import read

VERSIONED = re.compile(r"/python(\d+\.\d+)/(?:site|dist)-packages(?:/|$)")


def look_at_python(environment: Mapping[str, str]) -> Interpreter:
    """The Python of this process, and what `environment` says of others."""
    venv = sys.prefix != sys.base_prefix
    return Interpreter(
        version=platform.python_version(),
        executable=sys.executable,
        prefix=sys.prefix,
        venv=venv,
        system_packages=not venv or sees_system(read(Path(sys.prefix) / "pyvenv.cfg")),
        active_venv=environment.get("VIRTUAL_ENV", ""),
        of_path=shutil.which("python3", path=environment.get("PATH", "")) or "",
        foreign=foreign(sys.path, "{}.{}".format(*sys.version_info[:2])),
    )


def sees_system(configuration: str) -> bool:
    """Whether an environment with this pyvenv.cfg sees the packages of the system."""
    found = re.search(r"^include-system-site-packages *= *(\w+)", configuration, re.MULTILINE)
    return found is not None and found[1].lower() == "true"


def foreign(folders: Iterable[str], version: str) -> tuple[str, ...]:
    """Those that hold the packages of a Python other than `version` (`3.10`)."""
    found = []
    for folder in folders:
        of = VERSIONED.search(folder)
        if of is not None and of[1] != version:
            found.append(folder)
    return tuple(found)
