"""Reads the YAML of a model card, and holds every field of it to what it may be.

Cards are handed from machine to machine, so that a card is input like any other: what is wrong is
told with the field, its value and what is expected there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tracker_ros.errors import ModelError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,99}")
"""Names of models. They become names of files: no dot, because NAME.ROLE.onnx is cut at them."""
FILE = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,199}")
"""Names of official files."""
LARGEST = 1 << 20
"""Bytes of the largest file that is taken for a card; ours have some two thousand."""


class _Refused(Exception):
    """A field holds what it may not; the text says what is expected."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        text = repr(value)
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        super().__init__(f"{field} is {shown}; expected {expected}")


class _Loader(yaml.SafeLoader):
    """YAML without its traps: a key that comes twice, and aliases, of which bombs are made."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias (*), and a card is written out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.YAMLError("a key is a list or a mapping, and not a word")
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' comes twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


# --- what a value may be: each gives it back, or refuses it --------------------------------------


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise _Refused(field, value, "a text")
    if not all(letter.isprintable() or letter in "\n\t" for letter in value):
        raise _Refused(field, value, "a text without control characters")
    return value


def _word(pattern: re.Pattern[str], expected: str) -> Callable[[str, object], str]:
    def check(field: str, value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise _Refused(field, value, expected)
        return value

    return check


def _number(field: str, value: object) -> float | bool:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        hint = " (YAML takes 1e-3 for a text: write 0.001)" if isinstance(value, str) else ""
        raise _Refused(field, value, f"a finite number{hint}")
    return value


def _numbers(field: str, value: object) -> object:
    """A number, true or false, or a list of numbers."""
    return _list_of(_number)(field, value) if isinstance(value, list) else _number(field, value)


def _plain(field: str, value: object) -> object:
    """What a network may be told: texts, numbers, and lists of them."""
    if isinstance(value, list):
        return list(_list_of(_plain)(field, value))
    return _text(field, value) if isinstance(value, str) else _number(field, value)


def _figure(field: str, value: object) -> object:
    return _text(field, value) if isinstance(value, str) else _number(field, value)


def _list_of(check: Callable[[str, object], Any]) -> Callable[[str, object], tuple[Any, ...]]:
    def check_list(field: str, value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _Refused(field, value, "a list")
        return tuple(check(f"{field}[{number}]", item) for number, item in enumerate(value))

    return check_list


def _mapping_of(
    check: Callable[[str, object], Any], keys: str = r"[a-z][A-Za-z0-9_]*"
) -> Callable[[str, object], dict[str, Any]]:
    def check_mapping(field: str, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _Refused(field, value, "a mapping (key: value)")
        for key in value:
            if not isinstance(key, str) or not re.fullmatch(keys, key):
                raise _Refused(f"a key of {field}", key, "a word of letters, digits and _")
        return {key: check(f"{field}.{key}", item) for key, item in value.items()}

    return check_mapping


SHA256 = _word(re.compile(r"[0-9a-f]{64}"), "a sha256: 64 hex digits in lower case")
URL = _word(re.compile(r"https?://[^\s/]+/\S*"), "an address, https://... or http://...")


class _Field(NamedTuple):
    check: Callable[[str, object], Any]
    required: bool = True


FIELDS: Mapping[str, _Field] = {
    "name": _Field(_word(NAME, "a name of letters, digits, _, + and -")),
    "tracker": _Field(_word(NAME, "the name of a tracker")),
    "paper": _Field(_text),
    "backbone": _Field(_text),
    "licence": _Field(_text),
    "trained_on": _Field(_list_of(_text)),
    "files": _Field(_mapping_of(SHA256)),
    "network": _Field(_mapping_of(_plain), False),
    "tracking": _Field(_mapping_of(_numbers), False),
    "monitor": _Field(_mapping_of(_number), False),
    "training": _Field(_mapping_of(_figure), False),
    "measured": _Field(_mapping_of(_figure), False),
    "notes": _Field(_text, False),
    "origin": _Field(_text, False),
    "checkpoint": _Field(lambda field, value: _fields(field, value, CHECKPOINT), False),
}
CHECKPOINT: Mapping[str, _Field] = {
    "layout": _Field(_word(NAME, "the name of a layout")),
    "page": _Field(_text),
    "licence": _Field(_text),
    "files": _Field(_list_of(_word(FILE, "the name of a file, without its folder"))),
    "urls": _Field(_list_of(URL), False),
    "sha256": _Field(_list_of(SHA256), False),
}


def _fields(where: str, value: object, known: Mapping[str, _Field]) -> dict[str, Any]:
    """A mapping with exactly these keys, those that may be left out left out."""
    if not isinstance(value, dict):
        raise _Refused(where or "the file", value, "a mapping (key: value)")
    dot = f"{where}." if where else ""
    for key in value:
        if key not in known:
            raise _Refused(f"field {dot}{key}", value[key], f"one of {', '.join(known)}")
    missing = [key for key, field in known.items() if field.required and key not in value]
    if missing:
        raise _Refused(f"field {dot}{missing[0]}", None, "it to be there")
    return {key: known[key].check(f"{dot}{key}", item) for key, item in value.items()}


def read_fields(path: Path) -> dict[str, Any]:
    """The fields of the card at `path`, every one checked; lists are tuples.

    Raises ModelError naming the card, the field, its value and what is expected.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ModelError(f"the model card {path} is not valid: it is larger than 1 MiB")
        fields = _fields("", yaml.load(data.decode(), _Loader), FIELDS)
        if fields["name"] != path.stem:
            raise _Refused("name", fields["name"], f"{path.stem}, as the file is called")
        checkpoint = fields.get("checkpoint", {})
        files, urls = checkpoint.get("files", ()), checkpoint.get("urls", ())
        if urls and len(urls) != len(files):
            raise _Refused("checkpoint.urls", list(urls), f"one for each of {list(files)}")
        if len(checkpoint.get("sha256", ())) != len(urls):
            expected = "one for each of checkpoint.urls, because what is fetched is verified"
            raise _Refused("checkpoint.sha256", list(checkpoint.get("sha256", ())), expected)
        return fields
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        # YAML's words take several lines; a date that is none is a ValueError.
        words = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"the model card {path} is not valid: {words}") from error
    except _Refused as error:
        raise ModelError(f"the model card {path} is not valid: {error}") from error
