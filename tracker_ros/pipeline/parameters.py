"""Parameters, wherever they come from: a live node declares them, a replay reads them from a file.

The same functions declare and read them for both, so a params_file means the same to both.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

from tracker_ros.errors import ParameterError

Choices = Mapping[str, Sequence[str]]
_TYPES = {bool: "true or false", int: "a whole number", float: "a real number", str: "a text"}


class ParameterStore(Protocol):
    """Where parameters are declared, and where their values are."""

    def declare(
        self, name: str, default: Any, description: str,
        limits: tuple[float, float] | None = None, read_only: bool = False,
    ) -> None:  # fmt: skip
        """Declare a parameter; `limits` are of a number."""

    def value(self, name: str) -> Any:
        """The value of a parameter that was declared."""


def refuse(choices: Choices, name: str, value: object) -> str:
    """Why a value is refused; empty when it is among the choices, or the name has none."""
    if name not in choices or value in choices[name]:
        return ""
    return f"parameter {name} is '{value}'; choose one of {', '.join(choices[name])}"


class GivenParameters:
    """Values from a file and from a command line, checked as ROS checks them."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._given = dict(values)
        self._values: dict[str, Any] = {}

    def declare(
        self, name: str, default: Any, description: str,
        limits: tuple[float, float] | None = None, read_only: bool = False,
    ) -> None:  # fmt: skip
        """Declare a parameter. Raises ParameterError for a value of another type or range."""
        value: Any = self._given.get(name, default)
        if type(value) is not type(default):
            hint = ""
            if isinstance(default, float) and type(value) is int:
                hint = f": write {value}.0"
            wanted = _TYPES.get(type(default), "a list of texts")
            raise ParameterError(f"parameter {name} is {value!r}; it must be {wanted}{hint}")
        if isinstance(default, list) and not all(isinstance(item, str) for item in value):
            raise ParameterError(f"parameter {name} is {value!r}; it must be a list of texts")
        if limits is not None and not limits[0] <= value <= limits[1]:
            low, high = (type(default)(limit) for limit in limits)
            raise ParameterError(f"parameter {name} is {value}; it must be {low} to {high}")
        self._values[name] = value

    def value(self, name: str) -> Any:
        """The value of a parameter that was declared."""
        return self._values[name]

    def require_all_known(self, names: Sequence[str]) -> None:
        """Raise ParameterError when one of these was never declared."""
        for name in names:
            if name not in self._values:
                near = difflib.get_close_matches(name, self._values, 3, 0.4)
                hint = f"did you mean {' or '.join(near)}?" if near else "see config/"
                raise ParameterError(f"there is no parameter {name}; {hint}")

    def unknown(self) -> list[str]:
        """Values that were given and that nothing asked for: ROS ignores them too."""
        return [name for name in self._given if name not in self._values]


def read_params_file(path: Path, node: str) -> dict[str, object]:
    """What a YAML file of ROS parameters says for a node of that name, in any namespace.

    Names of nested values are joined with dots. Raises ParameterError when it cannot be read.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"--params-file {path} cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise ParameterError(f"--params-file {path} holds no parameters; see config/{node}.yaml")
    values: dict[str, object] = {}
    meant = [key for key in document if str(key).rsplit("/", 1)[-1] in ("*", "**", node)]
    for key in sorted(meant, key=lambda key: str(key).endswith(node)):  # the node's own last
        below = document[key]
        if not isinstance(below, dict) or not isinstance(below.get("ros__parameters"), dict):
            raise ParameterError(f"--params-file {path}: {key} has no ros__parameters below it")
        values |= _flat(below["ros__parameters"])
    if not meant:
        named = ", ".join(map(str, document))
        raise ParameterError(f"--params-file {path} is for {named}; expected /** or {node}")
    return values


def _flat(tree: Mapping[Any, object], prefix: str = "") -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            values |= _flat(value, f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = value
    return values
