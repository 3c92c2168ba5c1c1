"""TensorRT as an engine: a plan that was built for this GPU, run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tracker_ros.engines.buffers import DeviceMirror, Pages
from tracker_ros.engines.cuda import Cuda, open_cuda
from tracker_ros.engines.engine import Array, Tensor
from tracker_ros.engines.execution import Execution
from tracker_ros.engines.inspection import precision_in
from tracker_ros.engines.memory import Outputs, Read, Taken
from tracker_ros.engines.tensorrt_module import WORDS, load_tensorrt, logger_of
from tracker_ros.errors import EngineError

NUMPY_NAMES = {
    "FLOAT": "float32", "HALF": "float16", "INT8": "int8", "INT32": "int32", "INT64": "int64",
    "BOOL": "bool", "UINT8": "uint8",
}  # fmt: skip
"""By TensorRT's names. Its own `nptype` fails in 8.5 where numpy is 1.24 or later."""


class PlanError(EngineError):
    """A plan is not one that TensorRT runs here: damaged, of another version or another GPU."""


class TensorRTEngine:
    """Runs one plan on GPU 0. Not thread-safe; engines of several threads run side by side.

    Outputs are the caller's, valid as long as it holds them, and cannot be written: their bytes
    stay on the device, where an engine that is given them takes them from, and those that are read
    are on the host as well (tracker_ros.engines.buffers). A profile that is for one row alone
    serves calls of one row, another one calls of several.
    """

    backend = "tensorrt"

    def __init__(self, plan: bytes, *, remark: str = "", graphs: bool = True) -> None:
        """Load a plan, which TensorRT trusts: it must be one that was built here.

        remark: what is to be told of this engine. graphs: replay passes as CUDA graphs.
        Raises PlanError when TensorRT refuses the plan, EngineError when the GPU or TensorRT is
        missing or its memory does not suffice.
        """
        self.remark = remark
        """Why it is not what was asked for; empty where it is."""
        self._trt, self._cuda = load_tensorrt(), open_cuda()
        self._engine = self._loaded(plan)
        self._pages, self._graphs = Pages(self._cuda), graphs
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        taken = self._trt.TensorIOMode.INPUT
        inputs = [name for name in names if self._engine.get_tensor_mode(name) == taken]
        self.inputs = tuple(self._tensor(name) for name in inputs)
        self.outputs = tuple(self._tensor(name) for name in names if name not in inputs)
        self._free = tuple(t.name for t in self.inputs if t.shape[:1] == (None,))
        self._rows = [self._rows_of(i) for i in range(self._engine.num_optimization_profiles)]
        self._executions: dict[int, Execution] = {}
        inspector = self._engine.create_engine_inspector()
        kind = self._trt.LayerInformationFormat.JSON
        self._precision = precision_in(inspector.get_engine_information(kind))
        self._execution(self._rows[0][0])  # what does not fit is told now, not in the first frame

    @property
    def precision(self) -> str:
        """What its layers compute in, as TensorRT's inspector says: `fp16 (2 of 30 layers fp32)`.

        fp32 is float32 throughout: TF32, which keeps ten bits, is not permitted for it.
        """
        return self._precision

    @property
    def cuda(self) -> Cuda:
        """The CUDA runtime that its memory is handled with."""
        return self._cuda

    def report(self) -> str:
        """All that TensorRT's inspector says of its layers, in JSON."""
        kind = self._trt.LayerInformationFormat.JSON
        return str(self._engine.create_engine_inspector().get_engine_information(kind))

    def run(self, inputs: Mapping[str, Taken], read: Read = None) -> Outputs:
        """The outputs by name; none can be written, and what is not read stays on the device.

        Raises EngineError when an input does not fit, or the device fails.
        """
        rows = self._checked(inputs)
        return self._execution(rows).run(inputs, rows, read)

    def staged(self, rows: int) -> Mapping[str, Array]:
        """The inputs for so many rows as pinned memory, to be written: `run` copies them once.

        They are valid until a call with other rows. Raises EngineError as `run` does.
        """
        return self._execution(rows).staged(rows)

    def mirror(self, name: str) -> DeviceMirror:
        """As Mirroring.mirror, of an input of a fixed shape. Raises EngineError."""
        (tensor,) = (tensor for tensor in self.inputs if tensor.name == name)
        shape = tuple(side for side in tensor.shape if side is not None)
        return DeviceMirror(self._cuda, shape, np.dtype(tensor.dtype))

    def _checked(self, inputs: Mapping[str, Taken]) -> int:
        """The rows of the inputs; 1 where no axis is free. Raises EngineError."""
        try:
            rows = inputs[self._free[0]].shape[0] if self._free else 1
            for tensor in self.inputs:
                shape, wanted = inputs[tensor.name].shape, tensor.shape
                if wanted[:1] == (None,):
                    wanted = (rows, *wanted[1:])
                if shape != wanted:
                    raise EngineError(f"the input {tensor} takes {wanted} here, not {shape}")
        except KeyError as error:
            given = ", ".join(inputs) or "nothing"
            raise EngineError(
                f"the engine takes the input {error}, and was given {given}"
            ) from None
        return int(rows)

    def _execution(self, rows: int) -> Execution:
        """What runs so many rows; made when it is needed first."""
        fitting = [i for i, (least, most) in enumerate(self._rows) if least <= rows <= most]
        if not fitting:
            spans = " or ".join(
                str(most) if least == most else f"{least} to {most}" for least, most in self._rows
            )
            raise EngineError(
                f"the engine runs {spans} rows, and was given {rows}: share them out over passes, "
                "or raise most_rows, which builds it anew"
            )
        profile = fitting[0]
        if profile not in self._executions:
            self._executions[profile] = Execution(
                self._engine, self._cuda, self._pages, inputs=self.inputs, outputs=self.outputs,
                profile=profile, most_rows=self._rows[profile][1], graphs=self._graphs,
            )  # fmt: skip
        return self._executions[profile]

    def _loaded(self, plan: bytes) -> Any:
        mark = WORDS.mark()
        try:
            runtime = self._trt.Runtime(logger_of(self._trt))
            engine = runtime.deserialize_cuda_engine(plan)
        except (TypeError, RuntimeError, MemoryError) as error:  # what its binding raises for null
            raise EngineError(
                f"TensorRT {self._trt.__version__} cannot start on this GPU: "
                f"{WORDS.since(mark) or error}; its CUDA needs another driver, or the GPU is not "
                "one it knows"
            ) from error
        if engine is None:
            said = WORDS.since(mark) or "it does not say why"
            self._require_memory(said)
            raise PlanError(f"TensorRT {self._trt.__version__} refuses the plan: {said}")
        self._runtime = runtime
        return engine

    def _require_memory(self, said: str) -> None:
        if "memory" in said.lower():
            self._cuda.free_memory()  # raises what the device says, if it is the device
            raise EngineError(
                f"no memory on the GPU for the engine's weights: {said}; end other programs on it, "
                "or take a smaller model"
            )

    def _tensor(self, name: str) -> Tensor:
        kind = self._engine.get_tensor_dtype(name).name
        if kind not in NUMPY_NAMES:
            raise EngineError(f"the tensor {name} is of the type {kind}, which numpy has none for")
        sides = tuple(self._engine.get_tensor_shape(name))
        shape = tuple(None if side < 0 else int(side) for side in sides)
        if None in shape[1:]:
            raise EngineError(f"only the first axis may be free, and {name} has {sides}")
        return Tensor(name, shape, NUMPY_NAMES[kind])

    def _rows_of(self, profile: int) -> tuple[int, int]:
        """The fewest and the most rows of a profile."""
        if not self._free:
            return 1, 1
        least, _, most = self._engine.get_tensor_profile_shape(self._free[0], profile)
        return int(least[0]), int(most[0])
