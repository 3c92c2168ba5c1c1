"""Two engines held against each other."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from tracker_ros.engines.comparison import LEAST_COSINE, MOST_RELATIVE, Comparison, compare
from tracker_ros.engines.engine import Array, Tensor
from tracker_ros.errors import EngineError


class Answering:
    """An engine that gives what it was told to, sample by sample."""

    backend, precision = "told", "fp32"
    inputs = (Tensor("x", (1,), "float32"),)
    outputs = (Tensor("y", (None,), "float32"),)

    def __init__(self, *answers: list[float], name: str = "y") -> None:
        self._answers = [{name: np.array(answer, np.float32)} for answer in answers]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return self._answers[int(inputs["x"])]


def held(reference: Answering, candidate: Answering, count: int = 1) -> Comparison:
    return compare(reference, candidate, [{"x": np.array(i)} for i in range(count)])


def test_the_same_outputs_are_good() -> None:
    comparison = held(Answering([1, 2, -3]), Answering([1, 2, -3]))
    (output,) = comparison.outputs
    assert comparison.good
    assert (output.name, output.largest, output.relative) == ("y", 0.0, 0.0)
    assert output.cosine == pytest.approx(1)


def test_errors_are_told_largest_and_beside_the_size_of_the_output() -> None:
    (output,) = held(Answering([3, 4, 0, 0]), Answering([3, 4.5, 0, 0])).outputs
    assert output.largest == pytest.approx(0.5)
    assert output.relative == pytest.approx(0.5 / 5)
    angle = (9 + 18) / (5 * math.hypot(3, 4.5))
    assert output.cosine == pytest.approx(angle)
    assert not output.good


def test_the_worst_sample_counts_and_a_faint_one_is_not_judged_by_its_own_size() -> None:
    reference = Answering([10, 0], [10, 0], [1e-4, 0])
    bad = held(reference, Answering([10, 0], [10, 1], [1e-4, 0]), 3)
    (output,) = bad.outputs
    assert output.relative == pytest.approx(1 / math.hypot(10, 10) * math.sqrt(3))
    assert not bad.good and bad.samples == 3
    fine = held(reference, Answering([10, 0], [10, 0], [2e-4, 0]), 3)
    assert fine.outputs[0].relative < 1e-4 and fine.good


@pytest.mark.parametrize("value", [math.inf, math.nan, -math.inf])
def test_what_is_no_number_is_never_good(value: float) -> None:
    comparison = held(Answering([1, 2]), Answering([1, value]))
    assert not comparison.good
    assert "y has numbers that are not finite" in comparison.words
    assert held(Answering([1, value]), Answering([1, value])).good, "as the reference has it"


def test_outputs_of_zeros() -> None:
    assert held(Answering([0, 0]), Answering([0, 0])).good
    comparison = held(Answering([0, 0]), Answering([0, 1]))
    assert not comparison.good and comparison.outputs[0].relative == math.inf


def test_a_factor_on_everything_is_found_though_the_angle_is_none() -> None:
    (output,) = held(Answering([1, 2]), Answering([1.1, 2.2])).outputs
    assert output.cosine == pytest.approx(1, abs=1e-6) and not output.good


def test_the_words_name_the_worst_output_and_what_is_allowed() -> None:
    words = held(Answering([1, 1]), Answering([1, 1.2])).words
    assert "y is off by 14.14%" in words and "on 1 samples" in words
    assert f"{MOST_RELATIVE:.1%}" in words and str(LEAST_COSINE) in words


def test_without_samples_nothing_is_good() -> None:
    comparison = compare(Answering([1]), Answering([1]), [])
    assert not comparison.good and comparison.words == "nothing to compare on"


def test_an_engine_of_another_graph_is_told() -> None:
    with pytest.raises(
        EngineError, match=r"output 'y' is \(2,\) in told and \(1,\) in told.*build"
    ):
        held(Answering([1, 2]), Answering([1]))
    with pytest.raises(EngineError, match=r"output 'y' is \(2,\) in told and None"):
        held(Answering([1, 2]), Answering([1, 2], name="z"))
