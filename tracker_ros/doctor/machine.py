"""Looks at the computer, its system and its kernel, through files and small programs."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

from tracker_ros.doctor.facts import Kernel, Machine
from tracker_ros.doctor.isolated import output_of
from tracker_ros.doctor.jetson import l4t_of, release_of

LIST_PACKAGES = ("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n")
PACKAGES = ("nvidia-jetpack", "nvidia-l4t-core", "libnvinfer[0-9]*", "python3-libnvinfer*")
"""Of the system, as dpkg-query takes them."""


def look_at_machine(root: Path = Path("/")) -> Machine:
    """The computer. `root` is where its files are."""
    memory = _meminfo(root)
    packages = system_packages(
        output_of(
            ["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n", *PACKAGES]
        )
    )
    l4t = l4t_of(read(root / "etc/nv_tegra_release"))
    if not l4t:
        l4t = packages.get("nvidia-l4t-core", "").partition("-")[0]
    release = release_of(l4t)
    model = read(root / "proc/device-tree/model").strip("\0")
    jetson = model if "jetson" in model.lower() else ""
    return Machine(
        architecture=platform.machine(),
        cpu=_cpu(root),
        cores=len(os.sched_getaffinity(0)),
        memory_mb=memory.get("MemTotal"),
        available_mb=memory.get("MemAvailable"),
        system=_system(root),
        kernel=f"{platform.system()} {platform.release()}",
        container=(root / ".dockerenv").exists() or (root / "run/.containerenv").exists(),
        jetson=jetson or ("a Jetson" if l4t else ""),
        l4t=l4t,
        jetpack=packages.get("nvidia-jetpack", "") or (release.jetpack if release else ""),
        power_mode=power_mode(output_of(["nvpmodel", "-q"])) if jetson or l4t else "",
        packages=packages,
    )


def look_at_kernel(root: Path = Path("/")) -> Kernel:
    """What decides whether big messages arrive."""
    values = root / "proc/sys/net"
    try:
        shared = os.statvfs(root / "dev/shm")
        shm_mb: int | None = shared.f_frsize * shared.f_blocks // 2**20
    except OSError:
        shm_mb = None
    return Kernel(
        rmem_max=_number(values / "core/rmem_max"),
        ipfrag_time=_number(values / "ipv4/ipfrag_time"),
        ipfrag_high_thresh=_number(values / "ipv4/ipfrag_high_thresh"),
        shm_mb=shm_mb,
    )


def system_packages(text: str) -> Mapping[str, str]:
    """The installed ones of dpkg-query's lines `package version status`."""
    rows = [line.split() for line in text.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 3 and row[2] == "installed"}


def power_mode(text: str) -> str:
    """The mode in what `nvpmodel -q` prints, `15W`; complaints may stand around it."""
    found = re.search(r"^NV Power Mode: *(\S+)", text, re.MULTILINE)
    return found[1] if found else ""


def read(path: Path) -> str:
    """The text of a file; empty where it is not there or nobody may read it."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _cpu(root: Path) -> str:
    for line in read(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return ""


def _system(root: Path) -> str:
    for line in read(root / "etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return ""


def _meminfo(root: Path) -> dict[str, int]:
    """MiB by the names of /proc/meminfo."""
    found = re.findall(r"^(\w+): *(\d+) kB", read(root / "proc/meminfo"), re.MULTILINE)
    return {name: int(kib) // 1024 for name, kib in found}


def _number(path: Path) -> int | None:
    text = read(path)
    return int(text) if text.isdecimal() else None
