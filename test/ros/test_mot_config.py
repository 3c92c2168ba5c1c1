"""config/mot.yaml and the parameters of the multi-object node: the same, and all of them read."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import rclpy
import yaml
from harness import Peer

from tracker_ros.errors import ModelError
from tracker_ros.mot.settings import Settings
from tracker_ros.nodes.node_parameters import NodeParameters
from tracker_ros.pipeline.mot_parameters import (
    MANAGEMENT,
    OF_CLASS,
    MotParameters,
    declare_mot_parameters,
    open_tracker,
    read_mot_parameters,
)
from tracker_ros.pipeline.mot_worker import Wanted
from tracker_ros.pipeline.pairing import Timing
from tracker_ros.sot.backends import EngineChoice

FILE = Path(__file__).parents[2] / "config" / "mot.yaml"


def read(ros: Peer, *arguments: str) -> tuple[MotParameters, dict[str, Any]]:
    """The parameters of a node started with these ROS arguments: as read, and as declared."""
    node = rclpy.create_node("configured", context=ros.context, cli_args=["--ros-args", *arguments])
    try:
        before = set(node.get_parameters_by_prefix(""))
        declare_mot_parameters(NodeParameters(node))
        declared = node.get_parameters_by_prefix("")
        values = {name: p.value for name, p in declared.items() if name not in before}
        return read_mot_parameters(NodeParameters(node)), values
    finally:
        node.destroy_node()


def test_the_file_sets_every_parameter_to_its_default(ros: Peer) -> None:
    document = yaml.safe_load(FILE.read_text())
    assert list(document) == ["/**"]
    in_file = document["/**"]["ros__parameters"]
    _, declared = read(ros)
    assert in_file == declared
    assert {n: type(v) for n, v in in_file.items()} == {n: type(v) for n, v in declared.items()}, (
        "ROS refuses an integer where a float is declared"
    )


def test_the_file_is_one_that_ros_reads(ros: Peer) -> None:
    assert read(ros, "--params-file", str(FILE))[0] == read(ros)[0]


def test_the_defaults_are_those_of_the_tracker_and_of_the_pairing(ros: Peer) -> None:
    parameters, _ = read(ros)
    assert parameters.settings == Settings()
    assert parameters.timing == Timing()
    assert parameters.wanted == Wanted()


def test_every_setting_of_the_trackers_is_a_parameter_with_words_and_a_range_of_its_own() -> None:
    settings = {field.name for field in dataclasses.fields(Settings)} - {"classes"}
    assert settings == set(MANAGEMENT)
    assert set(OF_CLASS) <= settings
    for name, (_, (low, high)) in MANAGEMENT.items():
        assert low <= getattr(Settings(), name) <= high


def test_a_class_can_have_settings_of_its_own(ros: Peer, tmp_path: Path) -> None:
    file = tmp_path / "classes.yaml"
    file.write_text(
        """
        /**:
          ros__parameters:
            lost_seconds: 3.0
            classes: [traffic light, person]
            class:
              traffic light:
                lost_seconds: 5.0
                confirm_hits: 2
              person:
                min_score: 0.6
        """
    )
    parameters, _ = read(ros, "--params-file", str(file))
    assert dict(parameters.wanted.min_score) == {"person": 0.6}
    light, person = (parameters.settings.of(label) for label in ("traffic light", "person"))
    assert (light.lost_seconds, light.confirm_hits) == (5.0, 2)
    assert (person.lost_seconds, person.confirm_hits) == (3.0, Settings().confirm_hits)
    assert isinstance(light.confirm_hits, int)


def test_a_tracker_that_does_not_exist_is_refused_naming_those_that_do(ros: Peer) -> None:
    parameters, _ = read(ros, "-p", "tracker:=magic")
    with pytest.raises(ModelError, match="no multi-object tracker 'magic'; there are famnet"):
        open_tracker(parameters, EngineChoice())


def test_a_model_for_a_tracker_that_has_none_is_refused(ros: Peer) -> None:
    parameters, _ = read(ros, "-p", "tracker:=sort", "-p", "model:=mine.yaml")
    with pytest.raises(ModelError, match="'sort' takes none"):
        open_tracker(parameters, EngineChoice())
