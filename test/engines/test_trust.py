"""Which precision is used: what is tried, what is trusted, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tracker_ros.engines.engine import Tensor
from tracker_ros.engines.trust import LADDERS, PRECISIONS, Chosen, Trial
from tracker_ros.errors import EngineError, ModelError

SAMPLES = [{"x": np.zeros(1, np.float32)}]


@dataclass
class Entrant:
    """An engine that says in what it computes."""

    precision: str
    backend: str = "tensorrt"
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return dict(inputs)


@dataclass
class Verdict:
    good: bool
    words: str = "off by 3%"


class Course:
    """A trial with what it asked for: which engines were made, how often samples were taken."""

    def __init__(
        self, *, good: Sequence[str] = (), broken: Sequence[str] = (), quiet: Sequence[str] = (),
        samples: Sequence[Mapping[str, Any]] | None = SAMPLES, final: bool = False,
    ) -> None:  # fmt: skip
        self._good, self._broken, self._quiet, self._samples = good, broken, quiet, samples
        self.made: list[str] = []
        self.said: list[str] = []
        self.asked = 0
        self.trial = Trial(
            make=self.make, samples=self.samples, compare=self.compare, say=self.said.append,
            final=lambda error: final,
        )  # fmt: skip

    def make(self, precision: str, samples: Sequence[Mapping[str, Any]]) -> Entrant:
        self.made.append(precision)
        if precision in self._broken:
            raise EngineError(f"no {precision} today")
        return Entrant("fp32" if precision in self._quiet else precision)

    def samples(self) -> Sequence[Mapping[str, Any]]:
        self.asked += 1
        if self._samples is None:
            raise ModelError("no onnxruntime to record them with")
        return self._samples

    def compare(self, engine: Entrant, samples: Sequence[Mapping[str, Any]]) -> Verdict:
        assert samples
        return Verdict(engine.precision in self._good)

    def choose(self, asked: str) -> Chosen[Entrant]:
        return self.trial.choose(asked)


def test_every_ladder_ends_where_nothing_has_to_be_trusted() -> None:
    assert {ladder[-1] for ladder in LADDERS.values()} == {"fp32"}
    assert PRECISIONS == ("auto", "int8", "fp16", "fp32")


def test_fp16_that_gives_what_float32_gives_is_used() -> None:
    course = Course(good=["fp16"])
    chosen = course.choose("auto")
    assert (chosen.engine.precision, chosen.precision, chosen.remark) == ("fp16", "fp16", "")
    assert (chosen.checked, chosen.settled, course.made) == ("off by 3%", True, ["fp16"])
    assert course.said == []


@pytest.mark.parametrize("asked", ["auto", "fp16"])
def test_a_network_that_loses_by_fp16_stays_in_float32_and_says_so(asked: str) -> None:
    course = Course()
    chosen = course.choose(asked)
    assert (chosen.precision, chosen.settled, course.made) == ("fp32", True, ["fp16", "fp32"])
    assert chosen.remark == "fp16 is not used, it loses too much: off by 3%"
    assert course.said == [chosen.remark]


def test_int8_falls_to_fp16_before_float32() -> None:
    course = Course(good=["fp16"])
    chosen = course.choose("int8")
    assert (chosen.precision, course.made) == ("fp16", ["int8", "fp16"])
    assert "int8 is not used" in chosen.remark
    assert course.asked == 1, "samples are taken once"


def test_float32_needs_no_samples() -> None:
    course = Course()
    assert course.choose("fp32").remark == "" and course.asked == 0


def test_without_samples_nothing_shorter_than_float32_is_tried_unasked() -> None:
    course = Course(samples=None)
    chosen = course.choose("auto")
    assert (chosen.precision, course.made) == ("fp32", ["fp32"])
    assert "no onnxruntime" in chosen.remark and "nothing to check it on" in chosen.remark
    assert not chosen.settled, "next time there may be some"


def test_fp16_that_was_asked_for_is_used_unchecked_and_says_so() -> None:
    course = Course(samples=())
    chosen = course.choose("fp16")
    assert (chosen.precision, chosen.checked) == ("fp16", "")
    assert chosen.remark == "fp16 is not checked: there is nothing to check it on"


def test_a_precision_that_cannot_be_had_is_passed_over_unless_it_was_asked_for() -> None:
    course = Course(broken=["fp16"])
    chosen = course.choose("auto")
    assert chosen.precision == "fp32" and not chosen.settled
    assert chosen.remark == "fp16 cannot be had: no fp16 today"
    with pytest.raises(EngineError, match="no fp16 today"):
        Course(broken=["fp16"]).choose("fp16")
    with pytest.raises(EngineError, match="no fp32 today"):
        Course(broken=["fp32"]).choose("auto")


def test_nothing_else_is_tried_when_nobody_waits_any_more() -> None:
    course = Course(broken=["fp16"], final=True)
    with pytest.raises(EngineError, match="no fp16 today"):
        course.choose("auto")
    assert course.made == ["fp16"]


def test_a_permission_that_was_not_taken_is_told() -> None:
    course = Course(good=["fp32"], quiet=["fp16"])
    assert course.choose("auto").remark == "fp16 is permitted, TensorRT chose fp32"
