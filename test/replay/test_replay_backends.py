"""The parameters that say what runs the networks mean to a replay what they mean to a node."""

from __future__ import annotations

from pathlib import Path

import pytest
from recordings import follow, record, shots

from tracker_ros.engines.devices import why_not
from tracker_ros.errors import EngineError, ParameterError
from tracker_ros.replay.run import replay_bag


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """Ten images in which a vehicle drives along."""
    return record(tmp_path / "bag", shots(10))


@pytest.mark.parametrize("backend", ["onnxruntime", "auto"])
def test_what_runs_the_networks_is_in_the_result(short: Path, tmp_path: Path, backend: str) -> None:
    if backend == "auto" and not why_not():
        pytest.skip("this machine can use TensorRT, and auto takes it")
    result = replay_bag(follow(short, tmp_path / "out", settings={"backend": backend}))
    assert (result.backend, result.precision) == ("onnxruntime", "fp32")
    assert len(result.timeline) == 10


@pytest.mark.skipif(why_not() == "", reason="this machine can use TensorRT")
def test_tensorrt_that_cannot_be_used_ends_it_with_the_reason(short: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as refusal:
        replay_bag(follow(short, tmp_path / "out", settings={"backend": "tensorrt"}))
    assert str(refusal.value) == f"backend tensorrt: {why_not()}"


@pytest.mark.parametrize("name", ["backend", "precision"])
def test_a_value_that_is_none_is_refused(short: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match=f"parameter {name} is 'abacus'; choose one of auto"):
        replay_bag(follow(short, tmp_path / "out", settings={name: "abacus"}))
