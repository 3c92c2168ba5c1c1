"""A topic of the bag as truth."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from replays import stamp_of, write_arrays
from truths import NAN, annotated_bag, images, target

from tracker_ros.bags.types import DETECTIONS
from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.replay.truth import load_truth


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return annotated_bag(tmp_path)


def test_a_topic_is_matched_by_stamp_and_an_empty_array_says_not_visible(bag: Path) -> None:
    truth = target("/truth", bag)
    boxes, annotated = truth.on(images([0, 1, 2, 3]).timeline)
    assert annotated.tolist() == [True, True, False, True]
    np.testing.assert_array_equal(boxes, [[10, 20, 30, 40], NAN, NAN, [12, 20, 30, 40]])


@pytest.mark.parametrize("spec", ["/crowd#7", "/crowd#person"])
def test_one_of_several_detections_is_chosen_by_its_id_or_its_label(bag: Path, spec: str) -> None:
    boxes, annotated = target(spec, bag).on(images([0, 2]).timeline)
    assert annotated.all()
    np.testing.assert_array_equal(boxes, [[0, 0, 5, 6], NAN])


def test_several_detections_without_a_choice_are_ambiguous(bag: Path) -> None:
    with pytest.raises(DataError, match=r"holds 2 boxes \(7, b\); choose one .*'/crowd#ID'"):
        target("/crowd", bag)


def test_an_id_that_nothing_has_is_refused_with_those_there_are(bag: Path) -> None:
    with pytest.raises(DataError, match=r"/crowd#8: no detection .*; held: 7, b"):
        target("/crowd#8", bag)


def test_a_turned_box_is_scored_by_what_bounds_it_and_that_is_said(tmp_path: Path) -> None:
    box = Box.from_center(50, 50, 40, 10)
    bag = write_arrays(
        tmp_path / "turned", {"/truth": {stamp_of(0): [("1", "", box)]}}, theta=math.pi / 2
    )
    truth = target("/truth", bag)
    np.testing.assert_allclose(truth.boxes, [[45, 30, 10, 40]], atol=1e-9)
    assert "turned" in " ".join(truth.notes)


def test_a_topic_of_another_type_is_refused_with_its_type(tmp_path: Path) -> None:
    bag = write_arrays(
        tmp_path / "other", {"/truth": {}}, also=[("/odom", "nav_msgs/msg/Odometry")]
    )
    with pytest.raises(DataError, match="/odom is a topic of nav_msgs/msg/Odometry; expected vis"):
        target("/odom", bag)


@pytest.mark.parametrize("kind", ["sot", "mot"])
def test_what_else_is_on_the_topic_is_no_truth(tmp_path: Path, kind: str) -> None:
    bag = write_arrays(
        tmp_path / "two", {"/truth": {stamp_of(1): [("7", "", Box(1, 2, 3, 4))]}},
        also=[("/truth", "std_msgs/msg/String")],
        raw=[("/truth", "std_msgs/msg/String", b"\0\1\0\0\2\0\0\0a\0")],
    )  # fmt: skip
    truth = load_truth("/truth", kind, bag)
    assert truth.keys.tolist() == [stamp_of(1)]
    np.testing.assert_allclose(truth.boxes, [[1, 2, 3, 4]])


def test_what_is_neither_file_nor_topic_gets_the_topics_that_would_do(bag: Path) -> None:
    with pytest.raises(
        DataError, match=r"--gt /truht: no such file.*: /crowd, /truth|/truth, /cro"
    ):
        target("/truht", bag)


def test_a_broken_array_is_an_error_and_no_crash(tmp_path: Path) -> None:
    bag = write_arrays(
        tmp_path / "broken", {"/truth": {}}, raw=[("/truth", DETECTIONS, b"\0\1\0\0junk")]
    )
    with pytest.raises(DataError, match="--gt /truth: the array of detections is broken"):
        target("/truth", bag)
