"""The file that declares data sets, in YAML.

    sets:
      - name: yard
        format: folder
        root: footage/yard
        licence: our own

`root` is relative to the file. The keys that every format has are in `COMMON`; others belong to
one format (formats.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tracker_ros.errors import DataError
from tracker_ros.evaluation.datasets import read_lines
from tracker_ros.training.datasets.formats import FORMATS, data_set_of
from tracker_ros.training.datasets.records import DataSet

COMMON = ("name", "format", "root", "kind", "licence", "weight", "max_gap", "names")
REQUIRED = ("name", "format", "root")
SUFFIXES = (".yaml", ".yml")


def declared_sets(path: Path) -> tuple[DataSet, ...]:
    """The data sets of a declaration, or the one that a folder is.

    Raises DataError, naming file, line and key, when it cannot be used.
    """
    if path.suffix not in SUFFIXES:
        return (data_set_of(path),)
    try:
        text = path.read_text(encoding="utf-8-sig")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        constructor = yaml.SafeLoader("")
        sets = _sets_of(root, path)
        found = tuple(_data_set(node, path, constructor) for node in sets)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not YAML: {reason}") from None
    names = [data.name for data in found]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path}: two sets have the name '{name}'; give each its own")
    return found


def _sets_of(root: yaml.Node | None, path: Path) -> list[yaml.Node]:
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            if key.value != "sets":
                raise DataError(
                    f"{path}, line {_line(key)}: unknown key '{key.value}'; a declaration has one, "
                    "sets"
                )
            if isinstance(value, yaml.SequenceNode) and value.value:
                return list(value.value)
    raise DataError(f"{path} declares no data set; expected 'sets:' and a list under it")


def _data_set(node: yaml.Node, path: Path, constructor: Any) -> DataSet:
    if not isinstance(node, yaml.MappingNode):
        raise DataError(f"{path}, line {_line(node)}: a set is a table of keys: name, format, root")
    if not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
        raise DataError(f"{path}, line {_line(node)}: a key of this set is not a word")
    lines = {key.value: _line(key) for key, _ in node.value}
    values = {key.value: constructor.construct_object(v, deep=True) for key, v in node.value}
    first = f"{path}, line {_line(node)}"
    if len(values) < len(node.value):
        raise DataError(f"{first}: a key is there twice in this set")
    for key in REQUIRED:
        if not isinstance(values.get(key), str) or not values[key]:
            raise DataError(
                f"{path}, line {lines.get(key, _line(node))}: '{key}' of the set is "
                f"{values.get(key)!r}; write {key}: and a word"
            )
    return _checked(values, lines, path)


def _checked(values: Mapping[str, Any], lines: Mapping[str, int], path: Path) -> DataSet:
    def refuse(key: str, expected: str) -> DataError:
        return DataError(
            f"{path}, line {lines[key]}: {key} of set '{values['name']}' is {values[key]!r}; "
            f"expected {expected}"
        )

    if values["format"] not in FORMATS:
        raise refuse("format", f"one of {', '.join(FORMATS)}")
    form = FORMATS[values["format"]]
    for key in values:
        if key not in COMMON and key not in form.options:
            raise DataError(
                f"{path}, line {lines[key]}: unknown key '{key}' of set '{values['name']}'; format "
                f"{values['format']} has {', '.join((*COMMON, *form.options))}"
            )
    for key, option in form.options.items():
        if key in values and not option.check(values[key]):
            raise refuse(key, option.about)
        if option.required and key not in values:
            raise DataError(
                f"{path}, line {lines['name']}: set '{values['name']}' of format "
                f"{values['format']} needs '{key}': {option.about}"
            )
    if values.get("kind", form.kind) != form.kind and form.kind != "any":
        raise refuse("kind", f"{form.kind}, as format {values['format']} has")
    weight = values.get("weight", 1.0)
    if not _is_number(weight) or weight <= 0:
        raise refuse("weight", "a number over 0; 2 draws the set twice as often")
    max_gap = values.get("max_gap")
    if "max_gap" in values and (type(max_gap) is not int or max_gap < 0):
        raise refuse("max_gap", "a whole number of frames from template to search")
    root = path.parent / values["root"]
    if not root.is_dir():
        raise refuse("root", f"a folder; {root} is none")
    if not isinstance(values.get("licence", ""), str):
        raise refuse("licence", "words")
    names = values.get("names", [])
    if isinstance(names, str):
        listed = path.parent / names
        names = [line.strip() for line in read_lines(listed, "a name a line") if line.strip()]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise refuse("names", "a list of videos, or the path of a file with one a line")
    return DataSet(
        name=values["name"],
        format=values["format"],
        root=root,
        licence=values.get("licence") or "not stated",
        weight=float(weight),
        max_gap=max_gap,
        names=tuple(names),
        options={key: values[key] for key in form.options if key in values},
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and type(value) is not bool and math.isfinite(value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
