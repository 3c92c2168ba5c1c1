"""Looks at the folder where built engines are kept: can it be written, and what is in it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tracker_ros.doctor.facts import Cache, CachedEngine, Gpu
from tracker_ros.engines.cache import default_folder


def look_at_cache(gpu: Gpu, tensorrt: str, folder: Path | None = None) -> Cache:
    """The folder that nodes take unless they are told another, and which engines fit.

    tensorrt: the version here; empty where there is none.
    """
    folder = folder or default_folder()
    if folder is None:
        return Cache(unwritable="neither $HOME nor $XDG_CACHE_HOME is set")
    there = next(path for path in (folder, *folder.parents) if os.path.exists(path))
    return Cache(
        folder=str(folder),
        exists=there == folder,
        unwritable=why_unwritable(there),
        free_mb=shutil.disk_usage(there).free // 2**20,
        engines=tuple(engines_in(folder, gpu, tensorrt)),
    )


def why_unwritable(folder: Path) -> str:
    """Why no file can be made in a folder that is there; empty where one can."""
    if not folder.is_dir():
        return f"{folder} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder}: {error.strerror or error}"


def engines_in(folder: Path, gpu: Gpu, tensorrt: str) -> Iterator[CachedEngine]:
    """The engines of a folder, by the notes beside them."""
    here = {
        "tensorrt": tensorrt, "gpu": gpu.name, "sm": gpu.sm, "multiprocessors": gpu.multiprocessors,
    }  # fmt: skip
    for path in sorted(folder.glob("*.json")):
        key = _key_of(path)
        if not key or not os.path.isfile(path.with_suffix(".plan")):
            yield CachedEngine(path.stem, misfit="it is damaged")
            continue
        words = (
            f"TensorRT {key.get('tensorrt')}, {key.get('gpu')} "
            f"({key.get('multiprocessors')} multiprocessors), SM {key.get('sm')}"
        )
        differing = [name for name, value in here.items() if key.get(name) != value]
        misfit = "" if not differing else f"it was built for {words}"
        yield CachedEngine(path.stem, f"{words}, {key.get('precision')}", misfit)


def _key_of(path: Path) -> dict[str, object]:
    """What the engine of a note was built for; empty where it says nothing that can be read."""
    with contextlib.suppress(OSError, ValueError):
        note = json.loads(path.read_bytes())
        if isinstance(note, dict) and isinstance(note.get("key"), dict):
            return {str(name): value for name, value in note["key"].items()}
    return {}
