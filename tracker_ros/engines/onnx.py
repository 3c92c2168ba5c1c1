"""ONNX Runtime on the CPU: the engine that is there on every machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracker_ros.engines.engine import Array, Tensor
from tracker_ros.errors import ModelError

try:
    import onnxruntime
except ImportError:  # no distribution of ROS packages it: the user is told when it is needed
    onnxruntime = None

NUMPY_NAMES = {"float": "float32", "double": "float64"}
"""Types that ONNX Runtime calls otherwise than numpy: `tensor(float)`."""


class OnnxEngine:
    """Runs one ONNX file. Raises ModelError when ONNX Runtime cannot load it.

    `threads` 0 leaves their number to ONNX Runtime (one a physical core). Idle threads sleep
    instead of spinning: a tracker waits for its camera most of the time, and on a robot those
    cores belong to others.
    """

    backend = "onnxruntime"

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        if onnxruntime is None:
            raise ModelError(
                f"this Python ({sys.executable}) has no onnxruntime; install it beside ROS 2: "
                "pip install 'onnxruntime>=1.15' 'numpy<2'"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exception types are private to its C++ binding
            raise ModelError(
                f"ONNX Runtime {onnxruntime.__version__} cannot load {path}: {error}; "
                "the file is damaged or not an ONNX model: install it again"
            ) from error
        self.inputs = tuple(_tensor(declared) for declared in self._session.get_inputs())
        self.outputs = tuple(_tensor(declared) for declared in self._session.get_outputs())
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        """What whoever exported the file has written into it, by key."""
        self._names = [output.name for output in self.outputs]

    @property
    def precision(self) -> str:
        """fp32: weights may be stored as float16, but every product is computed in float32."""
        return "fp32"

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name."""
        values = self._session.run(self._names, dict(inputs))
        return dict(zip(self._names, values, strict=True))


def _tensor(declared: Any) -> Tensor:
    """What ONNX Runtime says of an input or output; a free side is a name or None there."""
    sides = tuple(
        side if isinstance(side, int) and side > 0 else None for side in declared.shape or ()
    )
    kind = str(declared.type).removeprefix("tensor(").removesuffix(")")
    return Tensor(str(declared.name), sides, NUMPY_NAMES.get(kind, kind))
