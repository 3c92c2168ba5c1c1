"""PyTorch as an engine: the network itself, eager, for comparison and for machines that have it.

torch is imported when an engine is made: a tracker that runs on ONNX Runtime needs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tracker_ros.engines.engine import Array, Tensor


class TorchEngine:
    """Runs a module on the GPU if torch has one, else on the CPU.

    module: takes the inputs in the order in which they are declared and gives a tuple of tensors,
    named `outputs`. It is run once when it is loaded, which tells their shapes. `threads` 0 leaves
    their number to torch; it counts for the whole process.
    """

    backend = "torch"

    def __init__(
        self, module: Any, inputs: Sequence[Tensor], outputs: Sequence[str], *, threads: int = 0
    ) -> None:
        import torch

        self._torch, self._threads = torch, threads
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._module = module.eval().to(self._device)
        self.inputs, self._names = tuple(inputs), tuple(outputs)
        batches = all(t.shape and t.shape[0] is None for t in self.inputs)
        shapes = {t.name: [side or 1 for side in t.shape] for t in self.inputs}
        found = self.run({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
        self.outputs = tuple(
            Tensor(name, (None, *value.shape[1:]) if batches else value.shape, str(value.dtype))
            for name, value in found.items()
        )

    @property
    def precision(self) -> str:
        """What its weights are in, and, on a GPU, the arithmetic of its convolutions."""
        torch = self._torch
        weights = next(self._module.parameters(), torch.empty(0)).dtype
        name = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}.get(
            weights, str(weights).removeprefix("torch.")
        )
        if self._device.type == "cpu":
            return name
        if weights is torch.float32 and torch.backends.cudnn.allow_tf32:
            name = "tf32" if torch.cuda.get_device_capability(self._device)[0] >= 8 else name
        return f"{name} {self._device.type}"

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name."""
        torch = self._torch
        if self._threads and torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        with torch.inference_mode():
            given = [
                torch.from_numpy(np.ascontiguousarray(inputs[tensor.name])).to(self._device)
                for tensor in self.inputs
            ]
            values = self._module(*given)
        return {name: value.cpu().numpy() for name, value in zip(self._names, values, strict=True)}
