"""What a page may say, and what is said to it when it may not."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tracker_ros.geometry import Box
from tracker_ros.operator import protocol
from tracker_ros.operator.protocol import MessageError, read_message, words

STAMP = "1700000000123456789"
PLACE: dict[str, Any] = {"request": 1, "topic": "/image", "stamp": STAMP}
GOOD: dict[str, tuple[dict[str, Any], protocol.Message]] = {
    "hello": ({"version": 1, "token": "abc"}, protocol.Hello(1, "abc")),
    "watch": ({"topic": "/image"}, protocol.Watch("/image")),
    "shown": ({"stamp": STAMP}, protocol.Shown(1700000000123456789)),
    "ping": ({"at": 12.5}, protocol.Ping(12.5)),
    "set_target": (
        {**PLACE, "box": [1, 2.5, 30, 40], "id": "", "label": "dog"},
        protocol.SetTarget(1, "/image", int(STAMP), Box(1, 2.5, 30, 40), "", "dog"),
    ),
    "follow": ({"request": 2, "id": "m7"}, protocol.Follow(2, "m7")),
    "click": ({**PLACE, "x": 3, "y": 4.5}, protocol.Click(1, "/image", int(STAMP), 3.0, 4.5)),
    "clear": ({"request": 3}, protocol.Clear(3)),
    "enable": ({"request": 4, "on": False}, protocol.Enable(4, False)),
    "tracker": ({"request": 5, "name": "siamfc"}, protocol.ChooseTracker(5, "siamfc")),
    "record": ({"request": 6, "on": True}, protocol.Record(6, True)),
}  # fmt: skip


@pytest.mark.parametrize("kind", GOOD)
def test_what_pages_say_is_read(kind: str) -> None:
    values, expected = GOOD[kind]
    assert read_message(json.dumps({"type": kind, **values})) == expected


def test_no_pictures_are_asked_for_with_null() -> None:
    assert read_message('{"type": "watch", "topic": null}') == protocol.Watch("")


@pytest.mark.parametrize("kind", GOOD)
def test_what_is_missing_is_named(kind: str) -> None:
    values, _ = GOOD[kind]
    for name in values.keys() - {"id", "label"} if kind == "set_target" else values:
        rest = {key: value for key, value in values.items() if key != name}
        with pytest.raises(MessageError, match=f"{kind}: {name} is missing"):
            read_message(json.dumps({"type": kind, **rest}))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 4000, "no JSON"),
        ('{"type": "ping", "at": NaN}', "NaN is no number of JSON"),
        ('{"type": "ping", "at": 1e999}', "ping: at is inf"),
        ("[1]", "expected an object"),
        ("{}", "type None is not known; known are hello"),
        ('{"type": ["ping"]}', "type .* is not known"),
        ('{"type": "shutdown"}', "type 'shutdown' is not known"),
        ('{"type": "ping", "at": "soon"}', "ping: at is 'soon'; expected a number"),
        ('{"type": "ping", "at": true}', "ping: at is True"),
        ('{"type": "ping", "at": 1, "more": 2}', "ping: 'more' is not known"),
        ('{"type": "shown", "stamp": 17}', "shown: stamp is 17; expected nanoseconds as text"),
        ('{"type": "shown", "stamp": "-5"}', "expected nanoseconds as text"),
        ('{"type": "shown", "stamp": "99999999999999999999"}', "expected nanoseconds as text"),
        ('{"type": "shown", "stamp": "\u0663"}', "expected nanoseconds as text"),
        ('{"type": "follow", "request": -1, "id": "a"}', "request is -1"),
        ('{"type": "follow", "request": 1.5, "id": "a"}', "request is 1.5"),
        ('{"type": "follow", "request": 1, "id": 7}', "id is 7; expected text"),
        ('{"type": "enable", "request": 1, "on": 1}', "on is 1; expected true or false"),
        ('{"type": "follow", "request": 1, "id": "\\ud800"}', "that a ROS message can hold"),
        ('{"type": "follow", "request": 1, "id": "a\\u0000b"}', "that a ROS message can hold"),
        ('{"type": "hello", "version": 1, "token": "\\udfff"}', "token is"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(MessageError, match=reason):
        read_message(text)


@pytest.mark.parametrize("box", [[1, 2, 3], [1, 2, 3, "4"], [1, 2, 3, 1e9], "1,2,3,4", None])
def test_boxes_are_four_numbers_of_a_size_that_images_have(box: object) -> None:
    with pytest.raises(MessageError, match="box is"):
        read_message(json.dumps({"type": "set_target", **PLACE, "box": box}))


def test_a_long_name_is_refused_and_not_repeated_in_full() -> None:
    with pytest.raises(MessageError) as refused:
        read_message(json.dumps({"type": "tracker", "request": 1, "name": "x" * 1000}))
    assert len(str(refused.value)) < 200


def test_what_is_no_number_goes_out_as_null() -> None:
    told = {"a": math.nan, "b": [1.5, math.inf], "c": {"d": (math.nan,)}, "e": "x"}
    assert json.loads(words(told)) == {"a": None, "b": [1.5, None], "c": {"d": [None]}, "e": "x"}
