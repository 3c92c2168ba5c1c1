"""The parameters `tracker` and `model` while the node tracks: another model takes over."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lifecycle_msgs.msg import Transition
from sot_harness import GOOD_OVERLAP, Sot, fresh, running_node, truth

from tracker_ros.models.card import MODELS, read_card
from tracker_ros.msg import Track
from tracker_ros.sot import DEFAULT_MODELS

OWN = DEFAULT_MODELS["siamrpnpp"]


@pytest.fixture(scope="module")
def process(ros_environment: int) -> Iterator[Sot]:
    yield from running_node("-p", "threads:=1")


@pytest.fixture
def sot(process: Sot) -> Iterator[Sot]:
    """With the default model."""
    result = process.set_parameters_atomically(tracker="siamrpnpp", model="")
    assert result.successful, result.reason
    for node in fresh(process):
        wait_for_model(node, OWN)
        yield node


def wait_for_model(sot: Sot, name: str) -> None:
    """Wait until the node says that it uses a model."""
    sot.ros.wait_until(
        lambda: bool(sot.statuses) and sot.statuses[-1].model == name, what=f"model {name}"
    )


def test_another_tracker_takes_over_the_live_target(sot: Sot) -> None:
    identity = sot.follow()
    before = sot.film(range(1, 10))[-1].track
    (result,) = sot.set_parameters(tracker="siamfc")
    assert result.successful, result.reason
    meanwhile = sot.film(range(10, 16))
    wait_for_model(sot, DEFAULT_MODELS["siamfc"])
    after = sot.film(range(16, 20))
    assert {answer.track.id for answer in (*meanwhile, *after)} == {identity}
    assert after[-1].status.tracker == "siamfc"
    assert after[-1].track.age == before.age + len(meanwhile) + len(after)
    assert after[-1].track.state == Track.TRACKING
    assert after[-1].box.iou(truth(19)) > GOOD_OVERLAP
    sot.wait_for_diagnostics("node", f"model: {DEFAULT_MODELS['siamfc']}")


def test_thresholds_that_nobody_has_set_are_those_of_the_new_card(sot: Sot) -> None:
    cards = {name: read_card(DEFAULT_MODELS[name]).monitor for name in ("siamrpnpp", "siamfc")}
    name = next(key for key in cards["siamfc"] if cards["siamfc"][key] != cards["siamrpnpp"][key])
    mine = "patience" if name != "patience" else "confirm"
    assert sot.parameter(f"monitor.{name}") == cards["siamrpnpp"][name]
    before = sot.parameter(f"monitor.{mine}")
    assert sot.set_parameters(**{f"monitor__{mine}": 77})[0].successful
    try:
        assert sot.set_parameters(tracker="siamfc")[0].successful
        wait_for_model(sot, DEFAULT_MODELS["siamfc"])
        sot.ros.wait_until(
            lambda: sot.parameter(f"monitor.{name}") == cards["siamfc"][name], what=name
        )
        assert sot.parameter(f"monitor.{mine}") == 77
    finally:
        assert sot.set_parameters(**{f"monitor__{mine}": before})[0].successful


def test_a_model_of_another_tracker_brings_its_tracker_along(sot: Sot) -> None:
    assert sot.set_parameters(model=DEFAULT_MODELS["siamfc"])[0].successful
    wait_for_model(sot, DEFAULT_MODELS["siamfc"])
    sot.ros.wait_until(lambda: sot.parameter("tracker") == "siamfc", what="the parameter")
    (refused,) = sot.set_parameters(tracker="siamrpnpp")  # while model names one of siamfc
    assert not refused.successful and "set model to ''" in refused.reason


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("tracker", "goturn", "siamrpnpp, siamfc"),
        ("model", "resnet9000", "no model 'resnet9000'"),
        ("model", "famnet_alexnet_small", "famnet"),
    ],
)
def test_what_cannot_be_loaded_is_refused_and_the_old_model_goes_on(
    sot: Sot, name: str, value: str, words: str
) -> None:
    identity = sot.follow()
    (result,) = sot.set_parameters(**{name: value})
    assert not result.successful and words in result.reason
    answer = sot.film(range(1, 2))[0]
    assert (answer.track.id, answer.status.model) == (identity, OWN)


def test_weights_that_turn_out_damaged_are_told_and_the_old_model_goes_on(
    sot: Sot, tmp_path: Path
) -> None:
    (tmp_path / "weights").mkdir()
    for path in (MODELS / "weights").glob("siamfc_small.*.onnx"):
        shutil.copy(path, tmp_path / "weights")
    card = Path(shutil.copy(MODELS / "siamfc_small.yaml", tmp_path))
    graph = next(tmp_path.glob("weights/*.search.onnx"))
    graph.write_bytes(graph.read_bytes()[:5000])
    identity = sot.follow()
    assert sot.set_parameters(model=str(card))[0].successful
    entry = sot.wait_for_diagnostics("node", f"{OWN} goes on")
    assert entry.level == b"\x01" and str(graph) in entry.message
    sot.ros.wait_until(lambda: sot.parameter("model") == "", what="the parameter as it was")
    answer = sot.film(range(1, 2))[0]
    assert (answer.track.id, answer.status.model) == (identity, OWN)


def test_of_two_wishes_in_a_row_the_last_one_counts(sot: Sot, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    card = read_card(OWN)
    for role in card.files:
        shutil.copy(card.graph(role), tmp_path / "weights" / f"second.{role}.onnx")
    second = tmp_path / "second.yaml"
    second.write_text(dataclasses.replace(card, name="second").as_yaml())
    assert sot.set_parameters(model=str(second))[0].successful
    wait_for_model(sot, "second")
    identity = sot.follow()
    assert sot.set_parameters_atomically(tracker="siamfc", model="").successful
    assert sot.set_parameters(tracker="siamrpnpp")[0].successful  # the other is still being loaded
    wait_for_model(sot, OWN)
    answer = sot.film(range(1, 2))[0]
    assert (answer.track.id, answer.status.model) == (identity, OWN)
    assert sot.parameter("tracker") == "siamrpnpp"


def test_asked_for_while_inactive_it_is_there_soon_after_activation(sot: Sot) -> None:
    assert sot.change_state(Transition.TRANSITION_DEACTIVATE)
    assert sot.set_parameters(tracker="siamfc")[0].successful
    sot.forget()
    assert sot.change_state(Transition.TRANSITION_ACTIVATE)
    wait_for_model(sot, DEFAULT_MODELS["siamfc"])
    sot.follow()
    assert sot.film(range(1, 4))[-1].box.iou(truth(3)) > GOOD_OVERLAP
