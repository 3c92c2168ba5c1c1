"""What a page says to the server, checked: a browser on the robot's network may send anything.

Stamps are nanoseconds as decimal strings, which a number in JavaScript could not hold. Boxes are
[x, y, w, h] in pixels of the camera's image, whatever the size of the picture that was sent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from tracker_ros.errors import TrackerRosError
from tracker_ros.geometry import Box

VERSION = 1
MOST_BYTES = 4096
"""Of a message from a page."""
MOST_CHARACTERS = 256
"""Of a name in it."""
FARTHEST = 1e6
"""Pixels: no image is larger."""


class MessageError(TrackerRosError):
    """A page has sent what is no message: its connection is closed."""


@dataclass(frozen=True)
class Done:
    """What came of a request that was granted."""

    words: str
    target: str = ""
    """The identity of what is followed from now on, where that was asked for."""


@dataclass(frozen=True)
class Hello:
    """The first message."""

    version: int
    token: str


@dataclass(frozen=True)
class Watch:
    """Send pictures of this topic; empty: none."""

    topic: str


@dataclass(frozen=True)
class Shown:
    """A picture is on the screen."""

    stamp: int


@dataclass(frozen=True)
class Ping:
    """Answered at once."""

    at: float


@dataclass(frozen=True)
class Request:
    """Something to be done; `request` is repeated in the answer."""

    request: int


@dataclass(frozen=True)
class SetTarget(Request):
    """Follow a box of the image of `topic` with this stamp."""

    topic: str
    stamp: int
    box: Box
    id: str = ""
    label: str = ""


@dataclass(frozen=True)
class Follow(Request):
    """Take over an identity that another node has given."""

    id: str


@dataclass(frozen=True)
class Click(Request):
    """Follow what is at a place of an image."""

    topic: str
    stamp: int
    x: float
    y: float


@dataclass(frozen=True)
class Clear(Request):
    """End all targets."""


@dataclass(frozen=True)
class Enable(Request):
    """Pause tracking, or go on."""

    on: bool


@dataclass(frozen=True)
class ChooseTracker(Request):
    """Track with another tracker."""

    name: str


@dataclass(frozen=True)
class Record(Request):
    """Begin or end a recording."""

    on: bool


Message = Hello | Watch | Shown | Ping | Request


def read_message(text: str) -> Message:
    """What a page has sent. Raises MessageError naming what is wrong."""
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"no JSON: {error}") from None
    if not isinstance(values, dict):
        raise MessageError("expected an object with a type")
    kind = values.pop("type", None)
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise MessageError(f"type {_shown(kind)} is not known; known are {', '.join(_KINDS)}")
    make, fields = known
    strange = sorted(values.keys() - fields.keys())
    if strange:
        raise MessageError(f"{kind}: {_shown(strange[0])} is not known; known are {list(fields)}")
    given = {}
    for name, (read, needed) in fields.items():
        if name in values:
            try:
                given[name] = read(values[name])
            except ValueError as error:
                raise MessageError(f"{kind}: {name} is {_shown(values[name])}; {error}") from None
        elif needed:
            raise MessageError(f"{kind}: {name} is missing")
    return make(**given)


def words(message: Mapping[str, Any]) -> str:
    """A message to pages as text. What is no number becomes null: JSON has no NaN."""
    return json.dumps(_finite(message), separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        raise ValueError(f"expected text of at most {MOST_CHARACTERS} characters")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("expected text that a ROS message can hold")
    return value


def _text_or_null(value: Any) -> str:
    return "" if value is None else _text(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > FARTHEST:
        raise ValueError(f"expected a number of at most {FARTHEST:g}")
    return float(value)


def _moment(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e15:
        raise ValueError("expected a number")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError("expected a whole number of 0 or more")
    return value


def _stamp(value: Any) -> int:
    if not isinstance(value, str) or not (value.isascii() and value.isdigit() and len(value) < 20):
        raise ValueError("expected nanoseconds as text")
    return int(value)


def _box(value: Any) -> Box:
    if not isinstance(value, list) or len(value) != 4:
        raise ValueError("expected [x, y, w, h]")
    return Box(*map(_number, value))


_Fields = Mapping[str, tuple[Callable[[Any], Any], bool]]
"""Name -> what reads it, and whether it has to be there."""
_REQUEST: _Fields = {"request": (_count, True)}
_PLACE: _Fields = {**_REQUEST, "topic": (_text, True), "stamp": (_stamp, True)}
_KINDS: Mapping[str, tuple[Callable[..., Message], _Fields]] = {
    "hello": (Hello, {"version": (_count, True), "token": (_text, True)}),
    "watch": (Watch, {"topic": (_text_or_null, True)}),
    "shown": (Shown, {"stamp": (_stamp, True)}),
    "ping": (Ping, {"at": (_moment, True)}),
    "set_target": (
        SetTarget, {**_PLACE, "box": (_box, True), "id": (_text, False), "label": (_text, False)},
    ),
    "follow": (Follow, {**_REQUEST, "id": (_text, True)}),
    "click": (Click, {**_PLACE, "x": (_number, True), "y": (_number, True)}),
    "clear": (Clear, _REQUEST),
    "enable": (Enable, {**_REQUEST, "on": (_flag, True)}),
    "tracker": (ChooseTracker, {**_REQUEST, "name": (_text, True)}),
    "record": (Record, {**_REQUEST, "on": (_flag, True)}),
}  # fmt: skip
