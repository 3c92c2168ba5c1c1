"""Bags and processes for the tests of replaying many bags."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

from tracker_ros.geometry import UInt8Image

ROOT = Path(__file__).parents[2]
TARGET = "30,40,36,30"
T = TypeVar("T")


def write_drives(folder: Path, names: Sequence[str], images: int = 24, fps: float = 10.0) -> Path:
    """Bags in which a striped box drives, each at another speed; gives back the folder."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types, kind = store.types, "sensor_msgs/msg/Image"
    for speed, name in enumerate(names):
        with Writer(folder / name, version=9) as writer:
            connection = writer.add_connection("/camera/image_raw", kind, typestore=store)
            for index in range(images):
                ns = 1_700_000_000 * 10**9 + round(index * 1e9 / fps)
                stamp = types["builtin_interfaces/msg/Time"](sec=ns // 10**9, nanosec=ns % 10**9)
                message = types[kind](
                    header=types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera"),
                    height=120, width=160, encoding="bgr8", is_bigendian=0, step=480,
                    data=_picture(index * (speed + 1)).reshape(-1),
                )  # fmt: skip
                writer.write(connection, ns, store.serialize_cdr(message, kind))
    return folder


def _picture(shift: int) -> UInt8Image:
    image = np.random.default_rng(0).integers(60, 110, (120, 160, 3), np.uint8)
    cv2.rectangle(image, (30 + shift, 40), (65 + shift, 69), (30, 30, 210), -1)
    cv2.line(image, (30 + shift, 40), (65 + shift, 69), (240, 240, 240), 4)
    return image


def command(*words: str | Path) -> list[str]:
    """That of a replay without pages and bags, for speed."""
    quick = ("--target", TARGET, "--no-report")
    return [sys.executable, "-m", "tracker_ros.cli", "replay", *map(str, words), *quick]


def replay(
    *words: str | Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `tracker_ros replay` to its end."""
    return subprocess.run(
        command(*words), cwd=ROOT, capture_output=True, text=True, timeout=120,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip


def wait_for(found: Callable[[], T], what: str, seconds: float = 60.0) -> T:
    """What is found as soon as it is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"no {what} within {seconds:g} s")


def workers_of(parent: int) -> list[int]:
    """The processes that replay a bag for a process."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [pid for pid in map(int, children) if "spawn_main" in command_of(pid)]


def command_of(pid: int) -> str:
    """The command line of a process; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def kill(pid: int) -> None:
    """As `kill -9` and the kernel, when memory is short, do."""
    os.kill(pid, signal.SIGKILL)
