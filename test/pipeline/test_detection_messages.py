"""Arrays of detections are read as another implementation writes them, and broken ones refused."""

from __future__ import annotations

import math
import struct

import pytest
from detection_arrays import Item, array_bytes

from tracker_ros.errors import DetectionsError
from tracker_ros.geometry import Box
from tracker_ros.pipeline.detection_messages import (
    TURNED,
    read_array_header,
    read_detections,
    usable,
)

BOX = Box(10.5, 20.25, 30.0, 40.0)


@pytest.mark.parametrize("little_endian", [True, False])
@pytest.mark.parametrize("frame_id", ["", "a", "cam", "front_camera_optical_frame"])
def test_every_field_is_read_whatever_the_alignment(frame_id: str, little_endian: bool) -> None:
    items = [
        Item(BOX, [("person", 0.75)], "m1"),
        Item(Box(1, 2, 3, 4), [("a", 0.5)], "seventeen"),
        Item(Box(-5, 6.5, 7, 8), [("traffic light", 0.25)], ""),
    ]
    raw = array_bytes(
        items, ns=1_700_000_000_123_456_789, frame_id=frame_id, little_endian=little_endian
    )
    header = read_array_header(raw)
    assert (header.ns, header.frame_id) == (1_700_000_000_123_456_789, frame_id)
    found = read_detections(raw)
    assert [(f.id, f.label, f.score, f.box) for f in found] == [
        (item.id, *item.guesses[0], item.box) for item in items
    ]


def test_an_empty_array_has_nothing_in_it() -> None:
    assert read_detections(array_bytes([])) == []


def test_the_hypothesis_with_the_highest_score_counts() -> None:
    (found,) = read_detections(array_bytes([Item(BOX, [("dog", 0.2), ("cat", 0.7), ("cow", 0.1)])]))
    assert (found.label, found.score) == ("cat", 0.7)


def test_without_a_hypothesis_the_label_is_empty_and_the_score_one() -> None:
    (found,) = read_detections(array_bytes([Item(BOX, [])]))
    assert (found.label, found.score) == ("", 1.0)


def test_a_score_that_is_nan_is_no_score() -> None:
    mixed, alone = read_detections(
        array_bytes([Item(BOX, [("dog", math.nan), ("cat", 0.7)]), Item(BOX, [("dog", math.nan)])])
    )
    assert (mixed.label, mixed.score) == ("cat", 0.7)
    assert not math.isfinite(alone.score)


def test_names_in_any_script_are_read() -> None:
    (found,) = read_detections(array_bytes([Item(BOX, [("человек", 0.5)], "人-1")]))
    assert (found.label, found.id) == ("человек", "人-1")


@pytest.mark.parametrize("theta", [0.1, -3.0, math.nan])
def test_a_turned_box_is_not_usable(theta: float) -> None:
    found = read_detections(array_bytes([Item(BOX), Item(BOX, theta=theta)]))
    detections, refused = usable(found)
    assert [detection.box for detection in detections] == [BOX]
    assert refused == {TURNED: 1}


def test_an_array_cut_anywhere_is_refused() -> None:
    raw = array_bytes([Item(BOX, [("dog", 0.5), ("cat", 0.4)], "m1"), Item(BOX, [], "m2")])
    for length in range(len(raw)):
        with pytest.raises(DetectionsError):
            read_detections(raw[:length])


def test_more_detections_than_there_are_bytes_for_are_refused_at_once() -> None:
    raw = bytearray(array_bytes([], frame_id="cam"))
    struct.pack_into("<I", raw, len(raw) - 4, 2**32 - 1)
    with pytest.raises(DetectionsError, match="4294967295 detections"):
        read_detections(bytes(raw))


def test_what_is_no_message_is_refused_saying_so() -> None:
    with pytest.raises(DetectionsError, match="array of detections is broken"):
        read_array_header(b"PL\x00\x00")
