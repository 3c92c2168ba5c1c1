"""Looks at the NVIDIA driver and at the first device that it gives."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tracker_ros.doctor.facts import Gpu
from tracker_ros.doctor.isolated import ask, output_of
from tracker_ros.doctor.machine import read

ASK_DRIVER = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]


def look_at_gpu(root: Path = Path("/")) -> Gpu:
    """The device, asked for in a process of its own: a broken driver may hang."""
    answer = ask("gpu", seconds=30)
    memory, multiprocessors = map(answer.values.get, ("memory_mb", "multiprocessors"))
    return Gpu(
        name=str(answer.values.get("name", "")),
        sm=str(answer.values.get("sm", "")),
        memory_mb=None if memory is None else int(memory),
        driver=driver_of(read(root / "proc/driver/nvidia/version")) or _told_driver(),
        cuda=str(answer.values.get("cuda", "")),
        toolkit=toolkit_of(root / "usr/local/cuda"),
        trouble=answer.trouble,
        multiprocessors=None if multiprocessors is None else int(multiprocessors),
    )


def driver_of(text: str) -> str:
    """The version in the text of /proc/driver/nvidia/version, `570.133.07`."""
    found = re.search(r"Kernel Module\b.*?\s(\d+\.\d+(?:\.\d+)?)\s", text)
    return found[1] if found else ""


def toolkit_of(folder: Path) -> str:
    """Version of the CUDA toolkit, or of its run-time library, in a folder: `12.6`."""
    try:
        told = str(json.loads(read(folder / "version.json"))["cuda"]["version"])
    except (ValueError, KeyError, TypeError):
        names = [path.name for path in sorted(folder.glob("lib64/libcudart.so.*.*"))]
        told = names[-1].partition(".so.")[2] if names else ""
    return ".".join(told.split(".")[:2])


def _told_driver() -> str:
    """What nvidia-smi says: in WSL the kernel says nothing."""
    lines = output_of(ASK_DRIVER).split()
    return lines[0] if lines and re.fullmatch(r"[\d.]+", lines[0]) else ""
