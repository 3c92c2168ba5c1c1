"""ONNX Runtime on the CPU: the engine that is there on every machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tracker_ros.engines.engine import Float32
from tracker_ros.errors import ModelError

try:
    import onnxruntime
except ImportError:  # no distribution of ROS packages it: the user is told when it is needed
    onnxruntime = None


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
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def precision(self) -> str:
        """fp32: weights may be stored as float16, but every product is computed in float32."""
        return "fp32"

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        """Every output by name."""
        values = self._session.run(self._outputs, dict(inputs))
        return dict(zip(self._outputs, values, strict=True))
