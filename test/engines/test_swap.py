"""Engines that take over from others: they must fit, and where they fail others go on."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
import pytest

from tracker_ros.engines.build import Progress, Tell
from tracker_ros.engines.engine import Array, Engine, Tensor
from tracker_ros.engines.network import Network, Networks
from tracker_ros.engines.upgrade import GivenUpError, Part, Upgrade, joined, paced
from tracker_ros.errors import EngineError, ModelError

FREE = Tensor("x", (None, 2), "float32")


class Times:
    """An engine that multiplies: y = factor x."""

    def __init__(
        self, factor: float, *, backend: str = "slow", precision: str = "fp32",
        given: Tensor = FREE, found: str = "y",
    ) -> None:  # fmt: skip
        self.factor, self.backend, self.precision = factor, backend, precision
        self.inputs = (given,)
        self.outputs = (Tensor(found, given.shape, given.dtype),)
        self.failure = ""
        self.rows: list[int] = []

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if self.failure:
            raise EngineError(self.failure)
        self.rows.append(len(inputs["x"]))
        return {self.outputs[0].name: self.factor * inputs["x"]}


def x(value: float = 1.0) -> dict[str, Array]:
    return {"x": np.full((1, 2), value, np.float32)}


def answer(network: Network) -> float:
    return float(network.run(x())["y"][0, 0])


@pytest.fixture
def networks() -> Networks:
    return Networks.of({"a": Times(2), "b": Times(3)})


def fast(**changes: Engine) -> dict[str, Engine]:
    return {"a": Times(20, backend="fast"), "b": Times(30, backend="fast"), **changes}


# --- to take over --------------------------------------------------------------------------------


def test_all_engines_of_a_model_change_together_and_who_holds_a_network_goes_on(
    networks: Networks,
) -> None:
    held = networks["a"]
    assert (answer(held), networks.backend) == (2, "slow")
    networks.take_over(fast())
    assert (answer(held), answer(networks["b"]), networks.backend) == (20, 30, "fast")


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (Times(1, given=Tensor("image", (None, 2), "float32")), "the inputs image, expected x"),
        (Times(1, given=Tensor("x", (None, 3), "float32")), "x float32 (?, 3), expected x float"),
        (Times(1, given=Tensor("x", (None, 2), "float16")), "x float16 (?, 2), expected x float32"),
        (Times(1, given=Tensor("x", (None, 2, 1), "float32")), "x float32 (?, 2, 1), expected"),
        (Times(1, found="z"), "the outputs z, expected y"),
    ],
)
def test_an_engine_of_another_graph_is_refused_and_nothing_changes(
    networks: Networks, engine: Engine, words: str
) -> None:
    with pytest.raises(EngineError, match="engine of 'b'") as refusal:
        networks.take_over(fast(b=engine))
    assert words in str(refusal.value)
    assert (answer(networks["a"]), networks.backend) == (2, "slow")


def test_an_engine_for_one_row_can_take_over_from_one_for_many(networks: Networks) -> None:
    alone = Times(20, given=Tensor("x", (1, 2), "float32"))
    networks.take_over(fast(a=alone))
    answers = networks["a"].run_many([x(1), x(2), x(3)])
    assert [float(found["y"][0, 0]) for found in answers] == [20, 40, 60]
    assert alone.rows == [1, 1, 1]


@pytest.mark.parametrize(
    ("precisions", "words"),
    [
        (("fp32", "fp32"), "fp32"),
        (("fp16", "fp32"), "fp16, b fp32"),
        (("fp16 (2 of 30 layers fp32)", "fp16"), "fp16"),
        (("fp16 (2 of 30 layers fp32)",) * 2, "fp16 (2 of 30 layers fp32)"),
    ],
)
def test_the_precision_is_what_the_engines_say(precisions: tuple[str, str], words: str) -> None:
    a, b = precisions
    networks = Networks.of({"a": Times(1, precision=a), "b": Times(1, precision=b)})
    assert networks.precision == words


def test_a_model_without_networks_has_no_backend() -> None:
    assert (Networks({}).backend, Networks({}).precision) == ("", "")


# --- to fail while it runs -----------------------------------------------------------------------


def test_where_an_engine_fails_the_standby_answers_the_same_call(networks: Networks) -> None:
    told: list[str] = []
    networks.on_trouble = told.append
    engines = fast()
    networks.take_over(engines, standby=lambda: {"a": Times(2), "b": Times(3)})
    assert answer(networks["b"]) == 30
    broken = engines["b"]
    assert isinstance(broken, Times)
    broken.failure = "the device was reset"
    assert answer(networks["b"]) == 3
    assert (answer(networks["a"]), networks.backend) == (2, "slow")  # all of them
    assert told == [networks.trouble]
    assert "fast has failed, slow goes on: the device was reset" in networks.trouble


def test_a_batch_that_fails_is_answered_whole(networks: Networks) -> None:
    engines = fast()
    networks.take_over(engines, standby=lambda: {"a": Times(2), "b": Times(3)})
    assert isinstance(engines["a"], Times)
    engines["a"].failure = "no memory"
    found = networks["a"].run_many([x(1), x(2)])
    assert [float(one["y"][0, 0]) for one in found] == [2, 4]


def test_without_a_standby_the_failure_is_the_caller_s(networks: Networks) -> None:
    engines = fast()
    networks.take_over(engines)
    assert isinstance(engines["a"], Times)
    engines["a"].failure = "no memory"
    for _ in range(2):
        with pytest.raises(EngineError, match="no memory"):
            networks["a"].run(x())
    assert (networks.backend, networks.trouble) == ("fast", "")
    engines["a"].failure = ""
    assert answer(networks["a"]) == 20


def test_where_the_standby_is_missing_as_well_both_reasons_are_told(networks: Networks) -> None:
    def gone() -> dict[str, Engine]:
        raise ModelError("a.onnx is missing")

    engines = fast()
    networks.take_over(engines, standby=gone)
    assert isinstance(engines["a"], Times)
    engines["a"].failure = "no memory"
    with pytest.raises(EngineError, match=r"no memory; and nothing can take over: a.onnx is miss"):
        networks["a"].run(x())


def test_what_is_wrong_with_the_inputs_is_no_failure_of_the_device(networks: Networks) -> None:
    networks.take_over(fast(), standby=dict)
    with pytest.raises(KeyError):
        networks["a"].run({})
    assert (networks.backend, networks.trouble) == ("fast", "")


# --- to be built meanwhile -----------------------------------------------------------------------


def of(networks: Networks, *steps: tuple[str, float], failure: str = "") -> Part:
    """A part whose build tells these steps."""

    def build(tell: Tell) -> dict[str, Engine]:
        for words, done in steps:
            tell(Progress(words, done))
        if failure:
            raise EngineError(failure)
        return fast()

    return Part(networks, build, lambda: {"a": Times(2), "b": Times(3)})


def test_what_runs_goes_on_until_the_built_engines_take_over(networks: Networks) -> None:
    upgrade = Upgrade("Fast engines of m", [of(networks, ("a", 0.5), ("b", 1.0))])
    told: list[Progress] = []
    upgrade.build(told.append)
    assert told == [Progress("a", 0.5), Progress("b", 1.0)]
    assert (upgrade.ready, networks.backend) == (True, "slow")
    upgrade.take_over()
    assert (upgrade.ready, networks.backend, networks.trouble) == (False, "fast", "")


def test_it_says_what_is_built_since_when_and_how_far(networks: Networks) -> None:
    upgrade = Upgrade("Fast engines of m", [of(networks, ("search: 3 of 7", 0.4))])
    said: list[str] = []
    upgrade.build(lambda progress: said.append(upgrade.words))
    assert said == ["building Fast engines of m for 0 s, 40%: search: 3 of 7"]


def test_a_build_that_fails_says_why_and_what_runs_goes_on(networks: Networks) -> None:
    upgrade = Upgrade("Fast engines of m", [of(networks, failure="no operator Foo; export again")])
    with pytest.raises(EngineError, match="no operator Foo"):
        upgrade.build()
    assert (upgrade.ready, answer(networks["a"])) == (False, 2)
    assert networks.trouble == ("no Fast engines of m, slow goes on: no operator Foo; export again")


def test_engines_that_do_not_fit_are_a_build_that_failed(networks: Networks) -> None:
    part = Part(networks, lambda tell: fast(a=Times(1, found="z")), dict)
    with pytest.raises(EngineError, match="not of this model's graph"):
        Upgrade("Fast engines", [part]).build()
    assert "the outputs z, expected y" in networks.trouble


def test_given_up_it_ends_at_the_next_progress_and_nothing_is_wrong(networks: Networks) -> None:
    reached: list[str] = []

    def build(tell: Tell) -> dict[str, Engine]:
        for step in ("first", "second", "third"):
            reached.append(step)
            tell(Progress(step, 0.1))
            upgrade.give_up()
        return fast()

    upgrade = Upgrade("Fast engines", [Part(networks, build, dict)])
    with pytest.raises(GivenUpError):
        upgrade.build()
    assert reached == ["first", "second"]
    assert (upgrade.ready, networks.trouble, networks.backend) == (False, "", "slow")


def test_given_up_at_its_very_end_it_is_not_ready_either(networks: Networks) -> None:
    def build(tell: Tell) -> dict[str, Engine]:
        upgrade.give_up()
        return fast()

    upgrade = Upgrade("Fast engines", [Part(networks, build, dict)])
    with pytest.raises(GivenUpError):
        upgrade.build()
    assert not upgrade.ready


def test_another_thread_may_give_it_up(networks: Networks) -> None:
    waiting, go_on = threading.Event(), threading.Event()

    def build(tell: Tell) -> dict[str, Engine]:
        waiting.set()
        assert go_on.wait(10)
        tell(Progress("goes on", 0.5))
        return fast()

    upgrade = Upgrade("Fast engines", [Part(networks, build, dict)])
    ended: list[Exception] = []

    def run() -> None:
        try:
            upgrade.build()
        except EngineError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert waiting.wait(10)
    upgrade.give_up()
    go_on.set()
    thread.join(10)
    assert [type(error) for error in ended] == [GivenUpError]


def test_two_models_of_a_node_change_together_or_not_at_all(networks: Networks) -> None:
    other = Networks.of({"a": Times(4), "b": Times(5)})
    first = Upgrade("engines of m", [of(networks, ("m", 1.0))])
    second = Upgrade("engines of n", [of(other, ("n", 0.5), failure="no memory")])
    both = joined([first, None, second])
    assert both is not None and both.name == "engines of m and engines of n"
    told: list[Progress] = []
    with pytest.raises(EngineError):
        both.build(told.append)
    assert told == [Progress("m", 0.5), Progress("n", 0.75)]
    assert networks.backend == other.backend == "slow"
    assert "no memory" in networks.trouble and "no memory" in other.trouble
    good = joined([first, Upgrade("engines of n", [of(other)])])
    assert good is not None
    good.build()
    good.take_over()
    assert networks.backend == other.backend == "fast"


def test_of_none_nothing_is_joined(networks: Networks) -> None:
    alone = Upgrade("engines", [of(networks)])
    assert joined([None, None]) is None
    assert joined([None, alone]) is alone


def test_progress_is_said_now_and_then_and_its_end_always() -> None:
    said: list[str] = []
    tell = paced(said.append, 3600.0)
    for done in (0.0, 0.3, 0.6, 1.0):
        tell(Progress(f"at {done:g}", done))
    assert said == ["at 0 (0%)", "at 1"]
