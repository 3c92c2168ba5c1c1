"""The parameters of a node whose networks may run on TensorRT."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tracker_ros.engines.build import BuildOptions, Tell
from tracker_ros.engines.cache import default_folder
from tracker_ros.engines.trust import PRECISIONS
from tracker_ros.errors import ModelError
from tracker_ros.pipeline.camera_parameters import CameraParameters
from tracker_ros.pipeline.footage import open_footage
from tracker_ros.pipeline.parameters import Choices, ParameterStore
from tracker_ros.sot.backends import (
    AUTO,
    BACKENDS,
    ONNXRUNTIME,
    TENSORRT,
    TENSORRT_ENGINES,
    Accelerator,
    EngineChoice,
)


def engine_choices(backends: Sequence[str] = BACKENDS) -> Choices:
    """What `backend` and `precision` may be."""
    return {"backend": (AUTO, *backends), "precision": PRECISIONS}


@dataclass(frozen=True)
class EngineParameters:
    """Their values."""

    backend: str
    precision: str
    cache: str
    """Folder of the built engines; empty: the usual one."""
    wait: bool
    build_only: bool
    samples: str
    """Folder of pictures, or a bag, to choose a precision by; empty: drawn ones."""

    def choice(
        self, threads: int, tell: Tell, accelerator: Accelerator = TENSORRT_ENGINES
    ) -> EngineChoice:
        """What they ask for."""
        cache = Path(self.cache).expanduser() if self.cache else None
        build = BuildOptions(precision=self.precision, cache=cache)
        footage = partial(open_footage, self.samples) if self.samples else None
        return EngineChoice(self.backend, threads, build, self.wait, tell, accelerator, footage)


@dataclass(frozen=True)
class NetworkParameters(CameraParameters):
    """Of a node whose networks run on engines."""

    threads: int
    """CPU threads of each network; 0: all cores."""
    engines: EngineParameters


def require_keeping(engines: EngineParameters) -> Path:
    """The folder that engines are kept in. Raises ModelError where none can be."""
    folder = Path(engines.cache).expanduser() if engines.cache else default_folder()
    hint = "name one that can be written with engine_cache"
    if folder is None:
        raise ModelError(f"there is no folder to keep engines in; {hint}")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(f"engines cannot be kept in {folder}: {reason}; {hint}") from error
    return folder


def declare_engine_parameters(store: ParameterStore, backends: Sequence[str] = BACKENDS) -> None:
    """Declare them; they are read when the node is configured."""
    declare = store.declare
    declare("backend", AUTO, f"what runs the networks: {', '.join(backends)}; {AUTO}: {TENSORRT} "
            f"where it can be used, {ONNXRUNTIME} until its engines are built, and where they "
            "cannot be", read_only=True)  # fmt: skip
    declare("precision", AUTO, f"of {TENSORRT}: {', '.join(PRECISIONS)}; {AUTO}: fp16 where the "
            "network stands it", read_only=True)  # fmt: skip
    declare("engine_cache", "", "folder that engines are kept in; empty: "
            "$XDG_CACHE_HOME/tracker_ros/engines", read_only=True)  # fmt: skip
    declare("engine_samples", "", "pictures that engines are calibrated and checked on: a folder "
            "of them, a bag, or BAG:/TOPIC; empty: drawn ones", read_only=True)  # fmt: skip
    declare("engine_wait", False, f"configure waits for the engines of {TENSORRT}, in place of "
            f"tracking on {ONNXRUNTIME} meanwhile", read_only=True)  # fmt: skip
    declare("build_only", False, f"build the engines of {TENSORRT}, and end: 0, or 1 where that "
            "fails", read_only=True)  # fmt: skip


def read_engine_parameters(store: ParameterStore) -> EngineParameters:
    """What is set."""
    value = store.value
    return EngineParameters(
        value("backend"), value("precision"), value("engine_cache"), value("engine_wait"),
        value("build_only"), value("engine_samples"),
    )  # fmt: skip
