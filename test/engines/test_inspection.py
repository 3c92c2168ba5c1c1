"""The precision of an engine, read from what TensorRT's inspector says of it.

Layers are written as TensorRT 8.5 to 11 write them, with the fields that matter.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tracker_ros.engines.inspection import precision_in

LINEAR = "Row major linear FP32"
PACKED = "Channel major FP16 format where channel % 8 == 0"
VECTOR = "Thirty-two wide channel vectorized row major Int8 format"


def conv(weights: str, taken: str = LINEAR) -> dict[str, Any]:
    return {
        "Name": "features.0 + relu", "LayerType": "CaskConvolution", "ParameterType": "Convolution",
        "Weights": {"Type": weights, "Count": 864},
        "Inputs": [{"Name": "in", "Format/Datatype": taken}],
        "Outputs": [{"Name": "out", "Format/Datatype": PACKED}],
    }  # fmt: skip


def other(kind: str, *taken: str, name: str = "layer") -> dict[str, Any]:
    given = [{"Name": f"in{i}", "Format/Datatype": each} for i, each in enumerate(taken)]
    return {"Name": name, "LayerType": kind, "Inputs": given}


def told(*layers: Any) -> str:
    return precision_in(json.dumps({"Layers": layers, "Bindings": ["search"]}))


@pytest.mark.parametrize(
    ("weights", "precision"),
    [("Float", "fp32"), ("Half", "fp16"), ("Int8", "int8"), ("BFloat16", "bf16"), ("FP8", "fp8")],
)
def test_a_convolution_computes_in_the_type_of_its_weights(weights: str, precision: str) -> None:
    assert told(conv(weights)) == precision


@pytest.mark.parametrize(
    ("written", "precision"),
    [(LINEAR, "fp32"), (PACKED, "fp16"), (VECTOR, "int8"), ("Half", "fp16"), ("Float", "fp32")],
)
def test_any_other_layer_in_the_type_of_what_it_takes(written: str, precision: str) -> None:
    assert told(other("PointWiseV2", written)) == precision


def test_what_only_moves_numbers_does_not_count() -> None:
    moving = ("Reformat", "NoOp", "Constant", "Shuffle", "Slice", "Cast", "signal", "wait")
    assert told(*(other(kind, LINEAR) for kind in moving), conv("Half", PACKED)) == "fp16"


def test_the_precision_of_most_layers_comes_first_and_the_others_are_counted() -> None:
    layers = [conv("Half")] * 10 + [conv("Float")] * 2 + [other("CaskGemm", VECTOR)]
    assert told(*layers) == "fp16 (1 of 13 layers int8, 2 of 13 layers fp32)"


def test_an_engine_that_quietly_stayed_in_float32_is_called_that() -> None:
    assert told(*[conv("Float")] * 5, conv("Half")) == "fp32 (1 of 6 layers fp16)"


def test_of_two_types_in_a_layer_the_shorter_is_what_it_computes_in() -> None:
    assert told(other("ElementWise", LINEAR, PACKED)) == "fp16"


def test_a_piece_that_tensorrt_does_not_look_into_is_not_guessed() -> None:
    foreign = other("Myelin", LINEAR, name="{ForeignNode[/MatMul.../Add]}")
    assert told(foreign) == "unknown"
    assert told(foreign, conv("Half")) == "fp16 (1 of 2 layers unknown)"


@pytest.mark.parametrize(
    "report",
    ["", "{", "[]", "null", '{"Layers": []}', '{"Layers": ["conv1 + relu", "pool"]}',
     '{"Layers": [{"Name": "x", "Inputs": "odd"}]}'],
)  # fmt: skip
def test_a_report_without_details_tells_nothing(report: str) -> None:
    assert precision_in(report) == "unknown"
