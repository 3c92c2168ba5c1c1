"""What was found on a machine: plain values, so that rules can be tried without the machine.

An empty text or None is a thing that is not there, or that nobody may read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Machine:
    """The computer and its system."""

    architecture: str = ""
    """x86_64, aarch64, ..."""
    cpu: str = ""
    cores: int = 0
    """That this process may use."""
    memory_mb: int | None = None
    available_mb: int | None = None
    system: str = ""
    """The distribution, as it calls itself."""
    kernel: str = ""
    container: bool = False
    jetson: str = ""
    """The module's name in its device tree."""
    l4t: str = ""
    """Release of Jetson Linux: 36.4.3."""
    jetpack: str = ""
    """Version of the nvidia-jetpack package; where that is not installed, what L4T stands for."""
    power_mode: str = ""
    """As nvpmodel names it."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """The system's own packages of TensorRT and JetPack, and their versions."""


@dataclass(frozen=True)
class Gpu:
    """The first CUDA device and its driver."""

    name: str = ""
    sm: str = ""
    """Compute capability: 8.7."""
    memory_mb: int | None = None
    driver: str = ""
    """Version of the kernel's driver; Jetsons of JetPack 5 have none apart from L4T's."""
    cuda: str = ""
    """The newest CUDA that the driver speaks."""
    toolkit: str = ""
    """The CUDA below /usr/local/cuda."""
    trouble: str = ""
    """Why no device can be used."""
    multiprocessors: int | None = None
    """GPUs of one name may differ in these, and an engine is built for so many."""


@dataclass(frozen=True)
class Interpreter:
    """The Python that runs this."""

    version: str = ""
    executable: str = ""
    prefix: str = ""
    venv: bool = False
    system_packages: bool = True
    """Whether it sees the packages of the system; a virtual environment may not."""
    active_venv: str = ""
    """The environment that this shell has activated."""
    of_path: str = ""
    """The `python3` that PATH finds: `ros2 run` starts our nodes with it."""
    foreign: tuple[str, ...] = ()
    """Folders that it looks for modules in and that belong to another version of Python."""


@dataclass(frozen=True)
class Library:
    """A Python module, found by its package and imported in a process of its own."""

    version: str = ""
    packages: tuple[str, ...] = ()
    """The installed packages that bring it, with versions: onnxruntime-gpu 1.18.0."""
    folders: tuple[str, ...] = ()
    """Where each of `packages` lies."""
    trouble: str = ""
    """Why importing it fails: its error, the signal that killed it, no answer in time."""
    clash: bool = False
    """What it said when it was imported: it was built for another numpy."""
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def here(self) -> bool:
        """Whether there is any of it."""
        return bool(self.version or self.packages or self.trouble)


@dataclass(frozen=True)
class Ros:
    """The ROS 2 of this shell."""

    distribution: str = ""
    python: str = ""
    """The Python that its rclpy is for: 3.10."""
    rmw: str = ""
    """The middleware in use."""
    rmw_asked: str = ""
    """RMW_IMPLEMENTATION."""
    rmws: tuple[str, ...] = ()
    """Those installed."""
    domain_id: str = ""
    """ROS_DOMAIN_ID, as it is written."""
    discovery: str = ""
    """ROS_AUTOMATIC_DISCOVERY_RANGE, or that ROS_LOCALHOST_ONLY is on."""
    profile: str = ""
    """The file of Fast DDS profiles that is named."""
    profile_here: bool = False
    cyclone: bool = False
    """Whether CYCLONEDDS_URI is set; its content may name addresses and is left out."""
    vision_msgs: str = ""
    """Version of that package."""


@dataclass(frozen=True)
class Kernel:
    """What of the kernel decides whether big messages arrive."""

    rmem_max: int | None = None
    """Bytes of the largest receive buffer."""
    ipfrag_time: int | None = None
    """Seconds that the pieces of a datagram are kept."""
    ipfrag_high_thresh: int | None = None
    """Bytes that they may take."""
    shm_mb: int | None = None
    """Size of /dev/shm."""


@dataclass(frozen=True)
class Model:
    """A model card."""

    name: str
    tracker: str = ""
    state: str = "here"
    """here, import (weights are to be imported), missing or damaged files, unreadable card."""
    user: bool = False
    """Whether it lies in the user's folder."""
    trouble: str = ""


@dataclass(frozen=True)
class CachedEngine:
    """A TensorRT engine in the cache."""

    name: str
    words: str = ""
    """TensorRT, GPU and precision that it was built for."""
    misfit: str = ""
    """Why it does not fit this machine."""


@dataclass(frozen=True)
class Cache:
    """Where built engines are kept."""

    folder: str = ""
    exists: bool = False
    unwritable: str = ""
    """Why nothing can be written there."""
    free_mb: int | None = None
    engines: tuple[CachedEngine, ...] = ()


@dataclass(frozen=True)
class Backend:
    """What runs the networks."""

    auto: str = ""
    """What `backend: auto` takes."""
    why_not: str = ""
    """Why that is not TensorRT."""


@dataclass(frozen=True)
class Facts:
    """All that the rules look at."""

    machine: Machine = field(default_factory=Machine)
    gpu: Gpu = field(default_factory=Gpu)
    python: Interpreter = field(default_factory=Interpreter)
    libraries: Mapping[str, Library] = field(default_factory=dict)
    """By module: numpy, cv2, onnxruntime, tensorrt, torch, rclpy, interfaces (ours), ..."""
    ros: Ros = field(default_factory=Ros)
    kernel: Kernel = field(default_factory=Kernel)
    models: tuple[Model, ...] = ()
    cache: Cache = field(default_factory=Cache)
    backend: Backend = field(default_factory=Backend)
    unread: tuple[str, ...] = ()
    """What could not be looked at, and why."""

    def about(self, name: str) -> Library:
        """What was found of a library; an empty one where nothing was."""
        return self.libraries.get(name, Library())

    def version(self, name: str) -> tuple[int, ...]:
        """Version of a library as numbers; () where it is not there."""
        return numbers(self.about(name).version)


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: (2, 5, 0) of `2.5.0a0+872d972e41.nv24.08`."""
    found = re.match(r"[vR]?(\d+(?:\.\d+)*)", version.strip())
    return tuple(int(part) for part in found[1].split(".")) if found else ()
