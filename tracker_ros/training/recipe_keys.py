"""The keys of a recipe: an unknown one is named with its file and section, and with one like it."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

from tracker_ros.errors import ModelError

T = TypeVar("T")


def read_sections(path: Path, kind: type[Any]) -> dict[str, Any]:
    """The keys of a recipe, which are the fields of the dataclass `kind`. Raises ModelError."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(
            f"the recipe {path} is not valid: {' '.join(str(error).split())}"
        ) from None
    return require_keys(values, kind, str(path), "")


def require_keys(
    values: Any, kind: type[Any], recipe: str, section: str, *, without: Iterable[str] = ()
) -> dict[str, Any]:
    """The keys of a section that become a dataclass; `without`: fields that are not its own.

    recipe: its file. section: empty for the recipe's own keys. Raises ModelError for what is no
    table, a key that there is not, and one that is missing.
    """
    place = f"in section '{section}'" if section else "of the recipe"
    if not isinstance(values, Mapping):
        raise ModelError(f"{recipe}: {values!r} {place}; expected a table of keys")
    fields = [
        part
        for part in dataclasses.fields(cast(Any, kind))
        if part.init and part.name not in without and not part.metadata.get("told")
    ]
    known = [part.name for part in fields]
    for key in values:
        if key not in known:
            like = difflib.get_close_matches(str(key), known, 1)
            meant = f"did you mean '{like[0]}'? " if like else ""
            raise ModelError(
                f"{recipe}: unknown key '{key}' {place}; {meant}there are {', '.join(known)}"
            )
    for part in fields:
        needed = part.default is part.default_factory is dataclasses.MISSING
        if needed and part.name not in values:
            raise ModelError(f"{recipe}: the key '{part.name}' {place} is missing")
    return dict(values)


def section(recipe: str, name: str, make: Callable[[], T]) -> T:
    """What `make` makes of a section of a recipe, a file.

    Raises ModelError, naming file and section, for what it cannot take.
    """
    try:
        return make()
    except ModelError as error:
        # What a section says of itself is not said twice.
        words = str(error).removeprefix(f"section {name}: ")
        if words.startswith(f"{recipe}: ") or words.startswith(f"{recipe}, section "):
            raise
        raise ModelError(f"{recipe}, section {name}: {words}") from error
    except (TypeError, LookupError, ValueError, AttributeError, RuntimeError) as error:
        raise ModelError(f"{recipe}, section {name}: {error}") from error
