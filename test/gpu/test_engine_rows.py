"""Rows of a batch, and the arrays that an engine gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shipped import GRAPHS, assert_near, picture

from tracker_ros.engines.build import BuildOptions, key_of
from tracker_ros.engines.cache import Plan, PlanCache
from tracker_ros.engines.devices import find_device
from tracker_ros.engines.network import Network
from tracker_ros.engines.tensorrt import TensorRTEngine
from tracker_ros.errors import EngineError

NAME = "siamrpnpp_alexnet_small.search"


@pytest.fixture(scope="module")
def engine(opened: Any) -> TensorRTEngine:
    found: TensorRTEngine = opened(NAME, precision="fp32")[0]
    return found


def pictures(engine: TensorRTEngine, rows: int, seed: int = 0) -> dict[str, Any]:
    (taken,) = engine.inputs
    sides = tuple(side or 1 for side in taken.shape[1:])
    return {taken.name: picture(np.random.default_rng(seed), (rows, *sides))}


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 31, 32])
def test_rows_that_share_a_pass_give_what_each_gives_alone(
    engine: TensorRTEngine, rows: int
) -> None:
    given = pictures(engine, rows)
    together = engine.run(given)
    alone = [engine.run({n: v[i : i + 1] for n, v in given.items()}) for i in range(rows)]
    joined = {name: np.concatenate([one[name] for one in alone]) for name in together}
    assert_near(together, joined, 2e-4)


def test_numbers_of_rows_may_change_from_call_to_call(engine: TensorRTEngine) -> None:
    """Passes are replayed as graphs of their shape: none may be replayed for another."""
    first = {rows: engine.run(pictures(engine, rows, seed=rows)) for rows in (1, 3, 8)}
    for rows in (3, 3, 3, 8, 1, 1, 3, 1, 8, 8, 8, 8, 3):
        again = engine.run(pictures(engine, rows, seed=rows))
        for name, value in again.items():
            assert np.array_equal(value, first[rows][name]), (rows, name)


def test_a_replayed_pass_gives_what_a_launched_one_gives(
    engine: TensorRTEngine, folder: Path
) -> None:
    given = [pictures(engine, 1, seed=seed) for seed in range(6)]
    replayed = [engine.run(one) for one in given]
    key = key_of(GRAPHS[NAME], BuildOptions("fp32", folder), find_device())
    plan = PlanCache(folder).load(key)
    assert isinstance(plan, Plan)
    plain = TensorRTEngine(plan.content, graphs=False)
    for one, expected in zip(given, replayed, strict=True):
        for name, value in plain.run(one).items():
            assert np.array_equal(value, expected[name])


def test_outputs_stay_what_they_are_and_cannot_be_written(engine: TensorRTEngine) -> None:
    kept = engine.run(pictures(engine, 1, seed=1))
    copies = {name: np.array(value) for name, value in kept.items()}
    for seed in range(2, 12):
        engine.run(pictures(engine, 1, seed=seed))
    for name, value in kept.items():
        assert np.array_equal(value, copies[name])
        with pytest.raises(ValueError, match="read-only"):
            value[...] = 0


def test_an_engine_that_is_gone_leaves_its_outputs(opened: Any) -> None:
    engine, _ = opened("siamfc_small.template", precision="fp32")
    found = engine.run(pictures(engine, 1))
    copies = {name: np.array(value) for name, value in found.items()}
    del engine
    assert all(np.array_equal(found[name], value) for name, value in copies.items())


def test_several_targets_share_a_pass(engine: TensorRTEngine) -> None:
    network = Network(engine)
    assert network.batches
    calls = [pictures(engine, 1, seed=seed) for seed in range(40)]
    for call, found in zip(calls, network.run_many(calls), strict=True):
        assert_near(found, engine.run(call), 2e-4)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((33, 3, 255, 255), "runs 1 or 2 to 32 rows"), ((1, 3, 127, 127), r"takes \(1, 3, 255, 255\)"),
     ((0, 3, 255, 255), "was given 0")],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_the_engine_lives_on(
    engine: TensorRTEngine, shape: tuple[int, ...], words: str
) -> None:
    with pytest.raises(EngineError, match=words):
        engine.run({"search": np.zeros(shape, np.float32)})
    with pytest.raises(EngineError, match="takes the input 'search'"):
        engine.run({"picture": np.zeros((1, 3, 255, 255), np.float32)})
    engine.run(pictures(engine, 1))


def test_most_rows_1_gives_an_engine_of_fixed_shape(opened: Any) -> None:
    engine, _ = opened(NAME, precision="fp32", most_rows=1)
    given = pictures(engine, 1)
    assert engine.run(given)["feature_0"].shape[0] == 1
    with pytest.raises(EngineError):
        engine.run(pictures(engine, 2))
