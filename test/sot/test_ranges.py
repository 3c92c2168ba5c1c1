"""Parameters on a card: what would track nonsense is refused before it tracks."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tracker_ros.errors import ModelError
from tracker_ros.models.card import MODELS
from tracker_ros.pipeline.sot_parameters import MONITOR_RANGES
from tracker_ros.sot import load_model
from tracker_ros.sot.model import PAPERS
from tracker_ros.sot.monitor import Thresholds
from tracker_ros.sot.ranges import RANGES, Range, checked
from tracker_ros.sot.spm import SPMParameters


def loaded_with(folder: Path, name: str, section: str, key: str, value: object) -> None:
    """Load a copy of a model whose card has another value."""
    shutil.copytree(MODELS / "weights", folder / "weights", dirs_exist_ok=True)
    content = yaml.safe_load((MODELS / f"{name}.yaml").read_text())
    content[section][key] = value
    card = folder / f"{name}.yaml"
    card.write_text(yaml.safe_dump(content))
    load_model(str(card), threads=1)


@pytest.mark.parametrize(
    ("name", "section", "key", "value", "complaint"),
    [
        ("siamrpnpp_alexnet_small", "tracking", "window_influence", 2, "is 2; possible is 0 to 1"),
        ("siamrpnpp_alexnet_small", "tracking", "lr", 0, "is 0; possible is above 0 to 1"),
        ("siamrpnpp_alexnet_small", "tracking", "instance", 200, "is 200; possible is 255, 287"),
        ("siamrpnpp_alexnet_small", "tracking", "instance", 255.0, "expected a whole number"),
        ("siamrpnpp_alexnet_small", "tracking", "penalty_k", -0.1, "possible is 0 to 10"),
        ("siamrpnpp_alexnet_small", "tracking", "lr", True, "is True; expected a number"),
        ("siamrpnpp_alexnet_small", "tracking", "lr", [0.1], "is [0.1]; expected a number"),
        ("siamfc_small", "tracking", "scales", 4, "is 4; possible is 1, 3, 5"),
        ("siamfc_small", "tracking", "scale_step", 1, "is 1; possible is above 1 to 2"),
        ("siamfc_small", "tracking", "step", 1.1, "no key 'step'; known keys are ["),
        ("siamfc_small", "monitor", "patience", 0, "is 0; possible is 1 to 1000"),
        ("siamfc_small", "monitor", "patience", 2.5, "is 2.5; expected a whole number"),
        ("siamfc_small", "monitor", "lost_score", 1.5, "is 1.5; possible is 0 to 1"),
    ],
)
def test_an_impossible_parameter_is_named_with_what_is_possible(
    tmp_path: Path, name: str, section: str, key: str, value: object, complaint: str
) -> None:
    with pytest.raises(ModelError) as refused:
        loaded_with(tmp_path, name, section, key, value)
    line = str(refused.value)
    assert line.startswith(f"model card '{name}', {section}: ")
    assert complaint in line and key in line


def test_values_at_the_ends_of_a_range_are_possible(tmp_path: Path) -> None:
    for value in (0, 1):
        loaded_with(tmp_path, "siamfc_small", "tracking", "window_influence", value)


def test_a_key_that_is_missing_is_named() -> None:
    with pytest.raises(ModelError, match="a card: the key 'penalty_k' is missing"):
        checked(PAPERS["siamrpnpp"].parameters, {"instance": 255}, "a card")


def test_every_range_is_of_a_parameter_that_there_is() -> None:
    kinds = [Thresholds, SPMParameters, *(paper.parameters for paper in PAPERS.values())]
    known = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    assert set(RANGES) - known == set()


def test_a_card_may_say_what_the_parameters_of_a_node_may() -> None:
    assert {name: RANGES[name] for name in MONITOR_RANGES} == {
        name: Range(*ends) for name, ends in MONITOR_RANGES.items()
    }


@dataclass(frozen=True)
class Several:
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if self.pair[0] > self.pair[1]:
            raise ValueError(f"pair {self.pair} is the wrong way round")


def test_lists_stand_for_tuples_and_values_that_do_not_go_together_are_refused() -> None:
    assert checked(Several, {"sizes": [3], "pair": [0, 2]}, "a card") == Several((3,), (0, 2))
    for given, complaint in (
        ({"sizes": 3}, "expected a list of numbers"),
        ({"sizes": [1.5]}, "expected a whole number"),
        ({"pair": [1]}, "expected a list of 2 numbers"),
        ({"pair": [2, 1]}, "the wrong way round"),
    ):
        with pytest.raises(ModelError, match=complaint):
            checked(Several, given, "a card")
