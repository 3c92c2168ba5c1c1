"""config/sot.yaml holds what the node declares: no key too many, none forgotten, its defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import Peer

from tracker_ros.nodes.node_parameters import NodeParameters
from tracker_ros.pipeline.sot_parameters import declare_sot_parameters

TEXT = (Path(__file__).parents[2] / "config" / "sot.yaml").read_text()


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{prefix}{name}.")
        else:
            result[prefix + name] = value
    return result


def keys(text: str) -> dict[str, Any]:
    document = yaml.safe_load(text)
    assert list(document) == ["/**"]
    assert list(document["/**"]) == ["ros__parameters"]
    return flat(document["/**"]["ros__parameters"])


@pytest.fixture
def declared(ros: Peer) -> dict[str, Any]:
    before = set(ros.node.get_parameters_by_prefix(""))
    declare_sot_parameters(NodeParameters(ros.node))
    parameters = ros.node.get_parameters_by_prefix("")
    return {name: p.value for name, p in parameters.items() if name not in before}


def test_the_file_sets_every_parameter_to_its_default(declared: dict[str, Any]) -> None:
    expected = {name: v for name, v in declared.items() if not name.startswith("monitor.")}
    assert keys(TEXT) == expected
    assert {n: type(v) for n, v in keys(TEXT).items()} == {
        n: type(v) for n, v in expected.items()
    }, "ROS refuses an integer where a float is declared"


def test_what_is_commented_out_are_the_thresholds_that_the_model_card_sets(
    declared: dict[str, Any],
) -> None:
    uncommented = re.sub(r"^    # (monitor:|  \w+: .*)", r"    \1", TEXT, flags=re.MULTILINE)
    values = keys(uncommented)
    assert values.keys() == declared.keys()
    assert {n: type(v) for n, v in values.items()} == {n: type(v) for n, v in declared.items()}
