"""Parameters from a file and a command line mean what they mean to a node."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracker_ros.errors import ParameterError
from tracker_ros.pipeline.mot_parameters import declare_mot_parameters, read_mot_parameters
from tracker_ros.pipeline.parameters import GivenParameters, read_params_file
from tracker_ros.pipeline.sot_parameters import declare_sot_parameters, read_sot_parameters
from tracker_ros.sot import DEFAULT_TRACKER

CONFIG = Path(__file__).parents[2] / "config"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return path


def test_the_shipped_files_hold_what_is_declared_and_nothing_else() -> None:
    sot = GivenParameters(read_params_file(CONFIG / "sot.yaml", "sot"))
    declare_sot_parameters(sot)
    assert read_sot_parameters(sot).tracker == DEFAULT_TRACKER
    mot = GivenParameters(read_params_file(CONFIG / "mot.yaml", "mot"))
    declare_mot_parameters(mot)
    assert read_mot_parameters(mot).tracker == "famnet"
    assert sot.unknown() == mot.unknown() == []


def test_nested_names_are_joined_and_a_node_s_own_values_come_last(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "/robot/sot: {ros__parameters: {monitor: {patience: 9}}}\n"
        "/**: {ros__parameters: {monitor.patience: 5, threads: 2}}\n"
        "mot: {ros__parameters: {threads: 7}}\n",
    )
    assert read_params_file(path, "sot") == {"monitor.patience": 9, "threads": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no parameters"),
        ("{", "cannot be read"),
        ("sot: {threads: 1}", "has no ros__parameters"),
        ("other: {ros__parameters: {threads: 1}}", "is for other; expected"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=words):
        read_params_file(write(tmp_path, text), "sot")


def test_what_nothing_asks_for_is_known() -> None:
    given = GivenParameters({"threads": 1, "use_sim_time": True})
    given.declare("threads", 0, "CPU threads", (0, 8))
    assert given.unknown() == ["use_sim_time"]


def test_classes_have_parameters_of_their_own() -> None:
    given = GivenParameters({"classes": ["car"], "class.car.min_score": 0.7})
    declare_mot_parameters(given)
    assert read_mot_parameters(given).wanted.min_score == {"car": 0.7}
    with pytest.raises(ParameterError, match="list of texts"):
        declare_mot_parameters(GivenParameters({"classes": [1]}))
