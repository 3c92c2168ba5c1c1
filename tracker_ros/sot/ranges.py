"""Which values the parameters on a card may have: what would track nonsense is refused at load."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar, cast

from tracker_ros.errors import ModelError

ParametersT = TypeVar("ParametersT")


class Range(NamedTuple):
    """From `low` to `high`, both possible; `above`: low itself is not."""

    low: float
    high: float
    above: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value lies in it; NaN lies nowhere."""
        return self.low < value <= self.high or (value == self.low and not self.above)

    def __str__(self) -> str:
        return f"{'above ' if self.above else ''}{self.low:g} to {self.high:g}"


SHARE = Range(0, 1)
POSITIVE_SHARE = Range(0, 1, above=True)
RANGES: Mapping[str, Range | tuple[int, ...]] = {
    "instance": (255, 287),
    "base_size": (0, 8),
    "lost_instance": (0, 831),
    "scales": (1, 3, 5),
    "scale_step": Range(1, 2, above=True),
    "scale_penalty": POSITIVE_SHARE,
    "scale_lr": POSITIVE_SHARE,
    "lr": POSITIVE_SHARE,
    "window_influence": SHARE,
    "windows_influence": SHARE,
    "penalty_k": Range(0, 10),
    "hold_score": SHARE,
    "confidence_low": SHARE,
    "confidence_high": SHARE,
    "fm_score_influence": SHARE,
    "fm_bbox_influence": Range(0, 100),
    "max_score_threshold": SHARE,
    "score_thresh_factor": SHARE,
    "nms_threshold": SHARE,
    "sample": Range(64, 1024),
    "area_factor": Range(1, 20, above=True),
    "memory": Range(31, 5000),
    "reduced": Range(1, 1024),
    "newton_steps": Range(1, 100),
    "newton_cg": Range(1, 100),
    "update_cg": Range(1, 100),
    "update_interval": Range(1, 1000),
    "learning_rate": Range(0, 0.5, above=True),
    "hard_negative_rate": Range(0, 0.5, above=True),
    "initial_share": Range(0, 0.9),
    "not_found": Range(-1, 1),
    "distractor": Range(0, 100),
    "hard_negative": Range(0, 100),
    "hard_negative_score": Range(-1, 1),
    "displacement": Range(0, 2),
    "size_rate": POSITIVE_SHARE,
    "seed": Range(0, 2**32 - 1),
    "online_weight": SHARE,
    "online_channels": Range(1, 1024),
    "online_regularisation": Range(0, 100, above=True),
    "online_sigma": Range(0, 2, above=True),
    "online_memory": Range(5, 250),
    "online_rate": Range(0, 0.5, above=True),
    "online_interval": Range(1, 1000),
    "online_delay": Range(0, 100),
    "online_sure": SHARE,
    "online_seen": SHARE,
    "online_look_alike": SHARE,
    "uncertain_score": SHARE,
    "lost_score": SHARE,
    "recover_score": SHARE,
    "verify_likeness": SHARE,
    "lost_likeness": SHARE,
    "look_alike": SHARE,
    "min_contrast": SHARE,
    "max_size_change": Range(1, 100),
    "max_jump": Range(0, 1000),
    "max_drift": SHARE,
    "min_inside": SHARE,
    "patience": Range(1, 1000),
    "confirm": Range(1, 1000),
    "confirm_return": Range(1, 1000),
    "verify_every": Range(1, 1000),
}
"""By the name of a parameter, which means the same in every tracker. Those not named here are held
to the type that their dataclass gives them."""


def checked(kind: type[ParametersT], values: Mapping[str, Any], where: str) -> ParametersT:
    """The dataclass `kind` of the values of a card's section; lists stand for tuples.

    `where` names card and section. Raises ModelError for a key that there is not or that is
    missing, a value of another type, and one that is impossible.
    """
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(cast(Any, kind))
    for key, value in values.items():
        if key not in hints:
            raise ModelError(f"{where}: no key '{key}'; known keys are {sorted(hints)}")
        _check_type(f"{where}: {key}", value, hints[key])
        _check_range(f"{where}: {key}", value, RANGES.get(key))
    for field in fields:
        optional = (field.default, field.default_factory) != (dataclasses.MISSING,) * 2
        if field.name not in values and not optional:
            raise ModelError(f"{where}: the key '{field.name}' is missing")
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    try:
        return kind(**given)
    except ValueError as error:  # two values that do not go together
        raise ModelError(f"{where}: {error}") from error


def _check_type(where: str, value: object, hint: Any) -> None:
    if typing.get_origin(hint) is tuple:
        items = value if isinstance(value, (list, tuple)) else None
        inner = typing.get_args(hint)
        fixed = len(inner) if inner[-1] is not Ellipsis else None
        if items is None or (fixed is not None and len(items) != fixed):
            count = f"of {fixed} " if fixed is not None else "of "
            raise ModelError(f"{where} is {_shown(value)}; expected a list {count}numbers")
        for item in items:
            _check_type(where, item, inner[0])
    elif hint is bool:
        if not isinstance(value, bool):
            raise ModelError(f"{where} is {_shown(value)}; expected true or false")
    elif hint is int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ModelError(f"{where} is {_shown(value)}; expected a whole number")
    elif hint is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(typing.cast(float, value)):
            raise ModelError(f"{where} is {_shown(value)}; expected a number")


def _check_range(where: str, value: Any, allowed: Range | tuple[int, ...] | None) -> None:
    if isinstance(allowed, Range):
        if not allowed.holds(value):
            raise ModelError(f"{where} is {_shown(value)}; possible is {allowed}")
    elif allowed is not None and value not in allowed:
        raise ModelError(f"{where} is {_shown(value)}; possible is {', '.join(map(str, allowed))}")


def _shown(value: object) -> str:
    return repr(list(value) if isinstance(value, tuple) else value)  # as the card has it
