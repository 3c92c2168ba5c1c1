"""Every graph that ships, as an engine in float32 and in float16, beside ONNX Runtime."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import shipped
from shipped import GRAPHS, assert_near

from tracker_ros.engines.inspection import precision_in
from tracker_ros.engines.network import Network

FP32, FP16 = 2e-4, 2e-2
"""Root mean square of the errors that is allowed, in that of the output."""
DYNAMIC = "siamrpnpp_alexnet_small.search"


@pytest.mark.parametrize("name", GRAPHS)
def test_float32_gives_what_onnx_runtime_gives(name: str, opened: Any, expected: Any) -> None:
    engine, _ = opened(name, precision="fp32")
    inputs, outputs = expected[name]
    assert_near(engine.run(inputs), outputs, FP32)
    assert engine.backend == "tensorrt" and engine.remark == ""


@pytest.mark.parametrize("name", GRAPHS)
def test_float16_is_near_it_or_is_not_used(name: str, opened: Any, expected: Any) -> None:
    engine, told = opened(name, precision="fp16")
    inputs, outputs = expected[name]
    assert_near(engine.run(inputs), outputs, FP16)
    if not engine.precision.startswith("fp16"):
        assert engine.remark, f"{engine.precision} without a word"
    assert any("compared with fp32" in progress.words for progress in told)


@pytest.mark.parametrize("name", GRAPHS)
def test_an_engine_says_what_it_takes_and_gives_as_its_graph_does(
    name: str, opened: Any, expected: Any
) -> None:
    engine, _ = opened(name, precision="fp32")
    inputs, outputs = expected[name]
    assert {tensor.name for tensor in engine.inputs} == set(inputs)
    assert {tensor.name for tensor in engine.outputs} == set(outputs)
    for tensor in (*engine.inputs, *engine.outputs):
        value = {**inputs, **outputs}[tensor.name]
        sides = zip(tensor.shape, value.shape, strict=True)
        assert all(side in (None, there) for side, there in sides), tensor
        assert tensor.dtype == "float32"


def test_the_precision_is_read_back_from_the_engine(opened: Any) -> None:
    full, _ = opened(DYNAMIC, precision="fp32")
    half, _ = opened(DYNAMIC, precision="fp16")
    assert full.precision.split()[0] == "fp32" and "fp16" not in full.precision
    assert half.precision.split()[0] == "fp16", half.remark
    report = json.loads(half.report())
    assert any(isinstance(layer, dict) for layer in report["Layers"]), "built with details"
    assert precision_in(half.report()) == half.precision


def test_auto_takes_float16_for_a_network_that_stands_it(opened: Any, expected: Any) -> None:
    engine, told = opened(DYNAMIC)
    inputs, outputs = expected[DYNAMIC]
    assert_near(engine.run(inputs), outputs, FP16)
    assert told[0].done == 0 and told[-1].done == 1
    assert [progress.done for progress in told][-1] == 1 and all(p.words for p in told)


def test_int8_is_used_where_it_is_near_and_else_says_why_not(opened: Any, expected: Any) -> None:
    pytest.importorskip("onnx", reason="no onnx to quantise a graph with")
    pytest.importorskip("onnxruntime", reason="no onnxruntime to calibrate with")
    engine, _ = opened(DYNAMIC, precision="int8")
    inputs, outputs = expected[DYNAMIC]
    assert_near(engine.run(inputs), outputs, FP16)
    assert "int8" in engine.precision or "int8 is not used" in engine.remark


def test_a_chain_of_engines_stays_on_the_device_and_gives_the_same(
    opened: Any, expected: Any
) -> None:
    """What one engine gives, the next one takes from the device; a copy comes from the host."""
    for model in ("siamrpnpp_alexnet_small", "siamfc_small"):
        template, _ = opened(f"{model}.template", precision="fp32")
        search, _ = opened(f"{model}.search", precision="fp32")
        match, _ = opened(f"{model}.match", precision="fp32")
        kernels = template.run(expected[f"{model}.template"][0])
        found = search.run(expected[f"{model}.search"][0])
        names = [tensor.name for tensor in match.inputs]
        inputs = {name: value for name, value in {**kernels, **found}.items() if name in names}
        near = match.run(inputs)
        far = match.run({name: np.array(value) for name, value in inputs.items()})
        for name, value in near.items():
            assert np.array_equal(value, far[name])
        assert_near(near, expected[f"{model}.match"][1], 1e-3)


CHAINS = {
    "siamfc_small": ("search", "match"),
    "siamrpnpp_alexnet_small": ("search", "match"),
    "spm_small": ("search", "refine"),
    "atom_resnet18_small": ("project", "refine"),
}
"""Of each model a network, and one that takes what it gives."""


@pytest.mark.parametrize("model", CHAINS)
def test_what_nobody_reads_arrives_in_the_next_network(
    model: str, opened: Any, expected: Any
) -> None:
    names = [f"{model}.{role}" for role in CHAINS[model]]
    first, second = (opened(name, precision="fp32")[0] for name in names)
    given, others = (expected[name][0] for name in names)
    for _ in range(4):  # launched, recorded and replayed
        read, left = first.run(given), first.run(given, read=())
        assert not left and left.all.keys() == read.keys()
        shared = [tensor.name for tensor in second.inputs if tensor.name in read]
        assert shared
        near = second.run({**others, **{name: left.all[name] for name in shared}})
        far = second.run({**others, **{name: np.array(read[name]) for name in shared}})
        for name, value in near.items():
            assert np.array_equal(value, far[name])
    for name, value in read.items():
        assert np.array_equal(left.all[name].fetched(), value)
        some = first.run(given, read=(name,))
        assert some.keys() == {name} and np.array_equal(some[name], value)


@pytest.mark.parametrize("model", ["spm_small", "atom_resnet18_small"])
def test_targets_that_share_a_pass_are_given_their_own_parts_from_device_and_host(
    model: str, opened: Any, expected: Any
) -> None:
    names = [f"{model}.{role}" for role in CHAINS[model]]
    first, second = (Network(opened(name, precision="fp32")[0]) for name in names)
    given, others = (expected[name][0] for name in names)
    calls = [{name: value * (1 - 0.05 * i) for name, value in given.items()} for i in range(7)]
    left = [outputs.all for outputs in first.run_many(calls, read=())]
    read = [dict(outputs) for outputs in first.run_many(calls)]
    shared = [tensor.name for tensor in second.engine.inputs if tensor.name in read[0]]

    def answers(each: Any) -> Any:
        return second.run_many([{**others, **{n: one[n] for n in shared}} for one in each])

    wanted = answers([{name: np.array(value) for name, value in one.items()} for one in read])
    mixed = [one if i % 3 else read[i] for i, one in enumerate(left)]
    mixed[2] = {name: np.array(value) for name, value in read[2].items()}
    for found in (answers(left), answers(read), answers(mixed)):
        for one, other in zip(found, wanted, strict=True):
            assert all(np.array_equal(one[name], other[name]) for name in other)
    for one, other in zip(answers(left[::-1]), reversed(wanted), strict=True):
        assert_near(one, other, 2e-4)  # other places of a batch


def test_references_are_of_all_graphs(expected: Any) -> None:
    assert set(expected) == set(GRAPHS) == set(shipped.GRAPHS)
