"""What a launch file lets one choose is what there is; read from its source, without ROS."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tracker_ros.pipeline.mot_parameters import CHOICES as MOT_CHOICES
from tracker_ros.pipeline.parameters import Choices
from tracker_ros.pipeline.sot_parameters import CHOICES as SOT_CHOICES
from tracker_ros.sot import TRACKERS

LAUNCH = Path(__file__).parents[2] / "launch"


def choices_of(file: str, argument: str) -> list[str]:
    """The `choices` of an argument, as the file writes them."""
    for node in ast.walk(ast.parse((LAUNCH / file).read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "DeclareLaunchArgument":
            name = node.args[0] if node.args else None
            if isinstance(name, ast.Constant) and name.value == argument:
                found = next(k.value for k in node.keywords if k.arg == "choices")
                return [str(choice) for choice in ast.literal_eval(found)]
    raise AssertionError(f"{file} declares no {argument}")


def test_every_single_object_tracker_can_be_chosen_at_launch() -> None:
    as_the_file_has_it, *choices = choices_of("sot.launch.py", "tracker")
    assert as_the_file_has_it == ""
    assert sorted(choices) == sorted(TRACKERS)


@pytest.mark.parametrize(
    ("file", "backends"), [("sot.launch.py", SOT_CHOICES), ("mot.launch.py", MOT_CHOICES)]
)
@pytest.mark.parametrize("name", ["backend", "precision"])
def test_every_backend_and_precision_can_be_chosen_at_launch(
    file: str, backends: Choices, name: str
) -> None:
    as_the_file_has_it, *choices = choices_of(file, name)
    assert as_the_file_has_it == ""
    assert sorted(choices) == sorted(backends[name])
