"""TensorRT's Python module: found, its version judged, what it says kept.

Nothing here imports it before it is asked for. One code path serves TensorRT 8.5 to 11; where the
versions differ, the module is asked what it has, not which number it bears.
"""

from __future__ import annotations

import importlib
import logging
import re
import sys
import threading
import types
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracker_ros.errors import EngineError

KNOWN = "8.5, 8.6, 10 and 11"
"""Versions whose Python API this code is written for."""
OLDEST_8 = 5
MAJORS = (8, 10, 11)
ELSEWHERE = "or run on another backend: onnxruntime"

_log = logging.getLogger("tracker_ros.tensorrt")


@dataclass(frozen=True)
class Surface:
    """Where the API of this version is other than that of another."""

    precision_flags: bool
    """FP16 and INT8 are permissions that the builder is given. Else the graph's own types decide:
    TensorRT 11 has no such flags, and an engine that is asked for nothing is silently fp32."""
    strongly_typed: bool
    """A network whose types decide is a kind of its own, to be asked for."""
    explicit_batch: bool
    """So is a network with a batch axis, up to TensorRT 8."""
    progress: bool
    """A build can be watched and ended, from TensorRT 10 on."""


def surface_of(module: Any) -> Surface:
    """What the given tensorrt module has."""
    kinds = getattr(module, "NetworkDefinitionCreationFlag", None)
    return Surface(
        precision_flags=hasattr(module.BuilderFlag, "FP16"),
        strongly_typed=hasattr(kinds, "STRONGLY_TYPED"),
        explicit_batch=hasattr(kinds, "EXPLICIT_BATCH"),
        progress=hasattr(module, "IProgressMonitor"),
    )


def require_known(version: str) -> None:
    """Raise EngineError unless this code is written for that version of TensorRT."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        raise EngineError(
            f"TensorRT calls its version '{version}', which is none; install one of {KNOWN}, "
            f"{ELSEWHERE}"
        )
    major, minor = int(numbers[1]), int(numbers[2])
    if major in MAJORS and (major, minor) >= (MAJORS[0], OLDEST_8):
        return
    if (major, minor) < (MAJORS[0], OLDEST_8):
        fix = "it is too old: update it (on a Jetson: JetPack 5.1 or later)"
    elif major > MAJORS[-1]:
        fix = (
            "it is newer than this release of tracker_ros: update tracker_ros, or install an "
            f"earlier one (pip install 'tensorrt-cu12=={MAJORS[-1]}.*')"
        )
    else:
        fix = "it was made for a few servers: install a later one"
    raise EngineError(
        f"TensorRT {version} is not one that this code knows ({KNOWN}); {fix}, {ELSEWHERE}"
    )


def load_tensorrt() -> Any:
    """The tensorrt module. Raises EngineError, with the fix, where none of a known version is."""
    try:
        module = importlib.import_module("tensorrt")
    except ImportError as error:
        if getattr(error, "name", None) == "tensorrt":
            raise EngineError(
                f"this Python ({sys.executable}) has no tensorrt; on a Jetson it comes with "
                "JetPack (apt install python3-libnvinfer; an environment needs "
                "--system-site-packages), elsewhere: pip install 'tensorrt-cu12==10.*'"
            ) from error
        raise EngineError(
            f"tensorrt is installed for this Python ({sys.executable}) and cannot be loaded: "
            f"{error}; its libraries are missing or of another version: install it again"
        ) from error
    except Exception as error:  # 8.x fails in its own code where numpy is too new for it
        raise EngineError(
            f"tensorrt is installed for this Python ({sys.executable}) and fails while it is "
            f"loaded: {error!r}; install numpy below 2 beside it, or a later TensorRT"
        ) from error
    version = getattr(module, "__version__", None)
    if version is None or not hasattr(module, "Builder"):
        raise EngineError(
            f"the module tensorrt that this Python finds ({getattr(module, '__path__', '?')}) is "
            "not NVIDIA's, or only its runtime; install the whole of it: "
            "pip install 'tensorrt-cu12==10.*'"
        )
    require_known(str(version))
    return module


class Words:
    """What TensorRT said lately. It returns nothing where it fails, and says why in its log."""

    def __init__(self, most: int = 40) -> None:
        self._heard: deque[tuple[int, bool, str]] = deque(maxlen=most)
        self._count = 0
        self._lock = threading.Lock()  # its own threads speak as well

    def hear(self, text: str, *, error: bool = True) -> None:
        """Keep an error, or a warning."""
        with self._lock:
            self._count += 1
            self._heard.append((self._count, error, " ".join(text.split())))

    def mark(self) -> int:
        """A point in time, for `since`."""
        return self._count

    def since(self, mark: int) -> str:
        """The errors after a mark in one line, the same one once.

        Where there were none the warnings: that CUDA does not start is but a warning to TensorRT.
        """
        with self._lock:
            heard = [(error, text) for number, error, text in self._heard if number > mark]
        errors = [text for error, text in heard if error]
        return "; ".join(dict.fromkeys(errors or [text for _, text in heard]))


WORDS = Words()
_loggers: dict[int, Any] = {}


def logger_of(module: Any) -> Any:
    """The one logger of the process: TensorRT keeps the first that it is given."""
    if id(module) not in _loggers:
        severity = module.ILogger.Severity
        levels = {
            severity.INTERNAL_ERROR: logging.ERROR,
            severity.ERROR: logging.ERROR,
            severity.WARNING: logging.INFO,
            severity.INFO: logging.DEBUG,
        }

        def log(self: Any, severity: Any, msg: str) -> None:
            level = levels.get(severity)
            if level is None:
                return  # VERBOSE: thousands of lines a build
            if level != logging.DEBUG:
                WORDS.hear(msg, error=level == logging.ERROR)
            # An error becomes an EngineError, which somebody is told: twice would be once too much.
            _log.log(min(level, logging.INFO), "%s", msg)

        _loggers[id(module)] = subclass(module.ILogger, {"log": log})()
    return _loggers[id(module)]


def subclass(base: Any, methods: Mapping[str, Any]) -> Any:
    """A class of ours below one of TensorRT's, which is there only once its module is loaded."""

    def made(self: Any) -> None:
        base.__init__(self)  # of the C++ half, which does without super()

    return types.new_class(
        f"Our{base.__name__}",
        (base,),
        exec_body=lambda body: body.update(methods, __init__=made, __module__=__name__),
    )
