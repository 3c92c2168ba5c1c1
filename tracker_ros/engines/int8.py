"""A graph with explicit quantisation to int8: what TensorRT of every version runs as it is written.

The products with weights take inputs that are rounded to 8 bits, with a scale found on samples, and
weights with a scale for each channel. All scales are symmetric, as TensorRT asks. The graph says
what is in int8, not a table of a calibrator: TensorRT 8.5 to 11 and ONNX Runtime read the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tracker_ros.engines.engine import Array
from tracker_ros.engines.folding import folded
from tracker_ros.errors import EngineError

if TYPE_CHECKING:
    import onnx

PURPOSE = "a graph in int8"
PRODUCTS = ("Conv", "Gemm", "MatMul")
"""In int8 where their second input is a weight."""
OPTIONS = {
    "ActivationSymmetric": True,
    "WeightSymmetric": True,
    "AddQDQPairToWeight": True,  # TensorRT 8 takes no weights that are int8 already
    "QuantizeBias": False,  # nor an int32 to dequantise
    "QDQDisableWeightAdjustForInt32Bias": True,
    "OpTypesToExcludeOutputQuantization": [*PRODUCTS],
}


def to_int8(graph: Path, out: Path, samples: Sequence[Mapping[str, Array]]) -> None:
    """Write the graph with its products with weights in int8, calibrated on the samples.

    Raises EngineError when there are no samples, a package is missing or too old, or the file is
    no graph.
    """
    if not samples:
        raise EngineError(
            f"{graph.name} cannot be calibrated for int8: nothing was recorded of what it is "
            "given; name pictures with things to follow with engine_samples, or take precision fp16"
        )
    model = folded(graph, PURPOSE)
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    add_pre_process_metadata(model)  # folding is what it would advise
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        onnx.save(model, str(plain))
        quantization.quantize_static(
            str(plain), str(out), _Reader(samples),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=[*PRODUCTS],
            per_channel=True,
            activation_type=quantization.QuantType.QInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=[node.name for node in model.graph.node if _stays(node, model)],
            calibrate_method=quantization.CalibrationMethod.MinMax,
            extra_options=OPTIONS,
        )  # fmt: skip
    _require_readable(out)


class _Reader:
    """Gives the samples, one after the other, to the calibration of ONNX Runtime."""

    def __init__(self, samples: Sequence[Mapping[str, Array]]) -> None:
        self._rest: Iterator[Mapping[str, Array]] = iter(samples)

    def get_next(self) -> dict[str, Array] | None:
        """The next sample; None after the last."""
        sample = next(self._rest, None)
        return None if sample is None else dict(sample)


def _stays(node: onnx.NodeProto, model: onnx.ModelProto) -> bool:
    """Whether a product is not quantised: both its inputs are known at run time only."""
    weights = {weight.name for weight in model.graph.initializer}
    return node.op_type in PRODUCTS and node.input[1] not in weights


def _require_readable(path: Path) -> None:
    """Raise EngineError where an ONNX Runtime that knows no QuantizeBias has written the graph."""
    import onnx

    graph = onnx.load(str(path)).graph
    int32 = {w.name for w in graph.initializer if w.data_type == onnx.TensorProto.INT32}
    if any(n.op_type == "DequantizeLinear" and n.input[0] in int32 for n in graph.node):
        import onnxruntime

        raise EngineError(
            f"ONNX Runtime {onnxruntime.__version__} quantises biases, which TensorRT does not "
            "read: pip install 'onnxruntime>=1.18', or take precision fp16"
        )
