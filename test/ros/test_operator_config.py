"""config/operator.yaml holds what the node declares: its names, its defaults, their types."""

from pathlib import Path

import pytest
import yaml
from harness import Peer

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'aiohttp>=3.8'")

from tracker_ros.nodes.node_parameters import NodeParameters
from tracker_ros.nodes.operator_parameters import (
    declare_operator_parameters,
    read_operator_parameters,
)

FILE = Path(__file__).parents[2] / "config" / "operator.yaml"


def test_the_file_sets_every_parameter_to_its_default(ros: Peer) -> None:
    before = set(ros.node.get_parameters_by_prefix(""))
    declare_operator_parameters(NodeParameters(ros.node))
    declared = {
        name: parameter.value
        for name, parameter in ros.node.get_parameters_by_prefix("").items()
        if name not in before
    }
    given = yaml.safe_load(FILE.read_text())["/**"]["ros__parameters"]
    assert given == declared
    assert {n: type(v) for n, v in given.items()} == {n: type(v) for n, v in declared.items()}
    assert read_operator_parameters(NodeParameters(ros.node)).limits.clients == 16
