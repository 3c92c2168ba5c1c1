"""ONNX Runtime as an engine."""

from pathlib import Path

import numpy as np
import pytest

from tracker_ros.engines.onnx import OnnxEngine
from tracker_ros.errors import ModelError
from tracker_ros.models.card import read_card


def test_a_graph_runs_by_names_and_gives_every_output() -> None:
    engine = OnnxEngine(read_card("siamrpnpp_alexnet_small").graph("template"), threads=1)
    outputs = engine.run({"template": np.zeros((1, 3, 127, 127), np.float32)})
    assert {name: value.shape[2:] for name, value in outputs.items()} == {
        "cls_kernel": (4, 4),
        "loc_kernel": (4, 4),
    }
    assert (engine.backend, engine.precision) == ("onnxruntime", "fp32")


def test_a_file_that_is_no_model_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=f"cannot load {path}.*damaged"):
        OnnxEngine(path)
