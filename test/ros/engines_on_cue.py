"""A node whose engines are built on cue: `engines_on_cue.py FOLDER sot|mot --ros-args ...`.

What builds them is a parameter of the nodes: here it is ONNX Runtime under another name, and the
files of FOLDER are its cues. `go`: engines are built. `fail`: they cannot be, for the reason in the
file. `stuck`: a build says nothing more and cannot be ended, as in TensorRT 8. `break`: engines
fail while they run. `none`: there is no such device, for the reason in the file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tracker_ros.engines.build import BuildOptions, Progress, Tell
from tracker_ros.engines.engine import Array, Engine
from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.errors import EngineError
from tracker_ros.nodes.mot_node import MotNode
from tracker_ros.nodes.process import run_node
from tracker_ros.nodes.sot_node import SotNode
from tracker_ros.nodes.starting import create_node
from tracker_ros.sot.backends import Accelerator

NODES = {"sot": SotNode, "mot": MotNode}


class CuedEngine(OnnxEngine):
    """ONNX Runtime, called `cued`."""

    backend = "cued"

    def __init__(self, path: Path, cues: Path, asked: str) -> None:
        super().__init__(path, threads=1)
        self._cues, self._asked = cues, asked

    @property
    def precision(self) -> str:
        """As an inspector would tell it."""
        return "fp32" if self._asked == "fp32" else "fp16 (1 of 9 layers fp32)"

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name."""
        if (self._cues / "break").exists():
            raise EngineError("the GPU was reset: start the node again")
        return super().run(inputs)


def open_on_cue(
    cues: Path, graph: Path, options: BuildOptions, *,
    samples: Callable[[], Sequence[Mapping[str, Array]]], tell: Tell,
) -> Engine:  # fmt: skip
    """As tracker_ros.engines.build.open_tensorrt."""
    print(f"BUILDING {graph.stem} in {options.precision} for {options.cache}", flush=True)
    while not (cues / "go").exists():
        tell(Progress(f"{graph.stem}: tried 3 of 9 kernels", 0.25))
        if (cues / "fail").exists():
            raise EngineError((cues / "fail").read_text())
        while (cues / "stuck").exists():
            time.sleep(0.02)
        time.sleep(0.02)
    print(f"BUILT {graph.stem}", flush=True)
    return CuedEngine(graph, cues, options.precision)


def why_not(cues: Path) -> str:
    """As tracker_ros.engines.devices.why_not."""
    file = cues / "none"
    return file.read_text() if file.exists() else ""


if __name__ == "__main__":
    folder, kind = Path(sys.argv[1]), sys.argv[2]
    on_cue = Accelerator("Cued", partial(why_not, folder), partial(open_on_cue, folder))
    make = partial(NODES[kind], on_cue)
    sys.exit(run_node(lambda: create_node(make, kind), sys.argv))
