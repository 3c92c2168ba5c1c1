"""The machine that figures come from: what it is, how busy it was, and memory of processes."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2

from tracker_ros.evaluation.report import describe_cpu, library_versions

_CPU = Path("/sys/devices/system/cpu/cpu0/cpufreq")
_MB = 1e6  # bytes


@dataclass(frozen=True)
class Machine:
    """What figures depend on besides the trackers. What cannot be read is empty or None."""

    cpu: str
    """Model, and how many cores this process may use."""
    cores: int
    """That this process may use."""
    governor: str
    """Of the first core: performance, powersave, ..."""
    mhz: float | None
    """Of the first core, now."""
    virtual: bool
    """Whether it is a virtual machine, whose cores others may use, too."""
    ram_gb: float | None
    ram_available_gb: float | None
    system: str
    architecture: str
    versions: Mapping[str, str]
    """Of Python and the libraries."""
    threads: int
    """Of every network, as asked for; 0: what the engine chooses."""
    opencv_threads: int
    load_before: float | None
    """Processes that ran or waited in the last minute, before the benchmark."""

    def lines(self) -> list[str]:
        """In words, for people."""
        speed = f", {self.mhz:.0f} MHz" if self.mhz is not None else ""
        governor = f", governor {self.governor}" if self.governor else ""
        virtual = ", a virtual machine" if self.virtual else ""
        ram = f"{self.ram_gb:.1f} GB of memory" if self.ram_gb is not None else "memory not known"
        load = "not known" if self.load_before is None else f"{self.load_before:.2f}"
        threads = str(self.threads) if self.threads else "as the engine chooses"
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return [
            f"{self.cpu}{speed}{governor}{virtual}; {ram}; {self.system}",
            versions,
            f"threads: {threads}, OpenCV {self.opencv_threads}; load average before: {load}",
        ]


def describe_machine(threads: int) -> Machine:
    """Look at this machine, before anything is measured."""
    memory = _meminfo()
    return Machine(
        cpu=describe_cpu(),
        cores=len(os.sched_getaffinity(0)),
        governor=_read(_CPU / "scaling_governor"),
        mhz=_mhz(),
        virtual=" hypervisor" in _read(Path("/proc/cpuinfo")),
        ram_gb=memory.get("MemTotal"),
        ram_available_gb=memory.get("MemAvailable"),
        system=_system(),
        architecture=platform.machine(),
        versions=library_versions(),
        threads=threads,
        opencv_threads=cv2.getNumThreads(),
        load_before=_load(),
    )


@dataclass(frozen=True)
class MemoryNow:
    """Resident memory of this process, MB (10^6 bytes)."""

    now: float
    peak: float
    """The most so far."""


@dataclass(frozen=True)
class ProcessMemory:
    """Resident memory of the benchmark's own process, with all its trackers and films; MB."""

    loaded: float
    """With the trackers loaded, before the first frame."""
    warm: float
    """After the warm-up."""
    end: float
    peak: float

    @property
    def growth(self) -> float:
        """Over the frames that count."""
        return self.end - self.warm


def memory_now() -> MemoryNow:
    """Look at this process. Raises OSError where there is no /proc."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    now = pages * resource.getpagesize() / _MB
    # Not getrusage's maximum: that of the process which started this one counts in it.
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return MemoryNow(now, max(now, int(peak.split()[1]) * 1024 / _MB))


def _meminfo() -> dict[str, float]:
    """GB (10^9 bytes) by the names of /proc/meminfo."""
    values = {}
    for line in _read(Path("/proc/meminfo")).splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB":
            values[name] = round(int(words[0]) * 1024 / 1e9, 2)
    return values


def _mhz() -> float | None:
    kilohertz = _read(_CPU / "scaling_cur_freq")
    if kilohertz.isdecimal():
        return int(kilohertz) / 1e3
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        if line.startswith("cpu MHz"):
            return float(line.partition(":")[2])
    return None


def _system() -> str:
    """The distribution and its kernel."""
    name = ""
    for line in _read(Path("/etc/os-release")).splitlines():
        if line.startswith("PRETTY_NAME="):
            name = line.partition("=")[2].strip('"')
    kernel = f"{platform.system()} {platform.release()}"
    return f"{name}, {kernel}" if name else kernel


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
