"""The figures that a replay is judged by, and the limits that are set for them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tracker_ros.errors import DataError


@dataclass(frozen=True)
class Figure:
    """One number that a replay comes down to."""

    name: str
    kinds: tuple[str, ...]
    """Of sot and mot."""
    better: str
    """higher, lower, or empty where neither is."""
    needs_truth: bool
    digits: int
    """After the decimal point, in tables."""
    about: str


_SOT, _MOT, _BOTH = ("sot",), ("mot",), ("sot", "mot")
# fmt: off
FIGURES: Mapping[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure("auc", _SOT, "higher", True, 3,
               "success: area under the curve over overlaps; 20/21 at best"),
        Figure("precision", _SOT, "higher", True, 3,
               "share of frames with the centre at most 20 px off"),
        Figure("norm_precision", _SOT, "higher", True, 3,
               "share of frames with the centre at most 0.2 of the true sides off"),
        Figure("ao", _SOT, "higher", True, 3, "mean overlap"),
        Figure("sr50", _SOT, "higher", True, 3, "share of frames that overlap more than 0.5"),
        Figure("sr75", _SOT, "higher", True, 3, "share of frames that overlap more than 0.75"),
        Figure("lost_when_visible", _SOT, "lower", True, 3,
               "share of frames with the target visible but called LOST or ended"),
        Figure("tracking_when_absent", _SOT, "lower", True, 3,
               "share of frames without the target but published as TRACKING or REACQUIRED"),
        Figure("reacquired", _SOT, "higher", True, 0,
               "times that it was found again after LOST, on the target"),
        Figure("false_reacquired", _SOT, "lower", True, 0,
               "times that something else was taken for it after LOST"),
        Figure("first_lost_s", _SOT, "higher", True, 1,
               "seconds until it was first called LOST, or had ended, while visible; inf: never"),
        Figure("hota", _MOT, "higher", True, 3, "higher order tracking accuracy"),
        Figure("idf1", _MOT, "higher", True, 3, "share of boxes with the right identity"),
        Figure("mota", _MOT, "higher", True, 3, "1 - (missed + false + switches) / true boxes"),
        Figure("motp", _MOT, "higher", True, 3, "mean overlap of the boxes found"),
        Figure("deta", _MOT, "higher", True, 3, "the detection half of HOTA"),
        Figure("assa", _MOT, "higher", True, 3, "the association half of HOTA"),
        Figure("idsw", _MOT, "lower", True, 0, "identity switches"),
        Figure("frag", _MOT, "lower", True, 0,
               "times that a true target was found again after a miss"),
        Figure("mt", _MOT, "higher", True, 0,
               "true targets found in more than 80 % of their frames"),
        Figure("ml", _MOT, "lower", True, 0,
               "true targets found in less than 20 % of their frames"),
        Figure("fp", _MOT, "lower", True, 0, "boxes on nothing"),
        Figure("fn", _MOT, "lower", True, 0, "boxes missed"),
        Figure("scored", _BOTH, "", True, 0, "frames that these figures are of"),
        Figure("losses", _SOT, "lower", False, 0,
               "times that a target went LOST, or ended by itself, as where time jumps"),
        Figure("identities", _MOT, "", False, 0, "identities that were published"),
        Figure("frames", _BOTH, "", False, 0, "images answered with tracks"),
        Figure("answered", _BOTH, "higher", False, 3,
               "share of the images that were answered: not rejected, not dropped"),
        Figure("damaged", _BOTH, "lower", False, 0,
               "1 where the bag is damaged, and only what can be read of it was replayed"),
        Figure("latency_median_ms", _BOTH, "lower", False, 1,
               "median of message to publication, milliseconds"),
        Figure("latency_p95_ms", _BOTH, "lower", False, 1,
               "95th percentile of message to publication, milliseconds"),
        Figure("speed_up", _BOTH, "higher", False, 2,
               "seconds of recording replayed in one second"),
    )
}
# fmt: on
"""By name, in the order in which they are shown."""


def names_for(kind: str, *, truth: bool) -> list[str]:
    """The figures that a replay of `kind` has, with or without a truth."""
    return [
        figure.name
        for figure in FIGURES.values()
        if kind in figure.kinds and (truth or not figure.needs_truth)
    ]


def shown(name: str, value: float) -> str:
    """A figure as people read it."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never" if value > 0 else "-inf"
    # A count has no decimals, but the mean of counts has.
    return f"{value:.{FIGURES[name].digits or int(value % 1 > 0)}f}"


@dataclass(frozen=True)
class Limit:
    """What a figure must keep."""

    name: str
    value: float
    least: bool
    """The figure must not be below; otherwise, not above."""

    def __str__(self) -> str:
        return f"{self.name} {'>=' if self.least else '<='} {self.value:g}"


@dataclass(frozen=True)
class Check:
    """Whether a figure kept its limit."""

    limit: Limit
    value: float
    passed: bool

    @property
    def name(self) -> str:
        """Of the figure."""
        return self.limit.name

    def __str__(self) -> str:
        verdict = "kept" if self.passed else "not kept"
        value = "not a number" if math.isnan(self.value) else f"{self.value:.6g}"
        return f"{self.limit}: {value}, {verdict}"


def parse_limits(
    below: str | None, above: str | None, kind: str, *, truth: bool
) -> tuple[Limit, ...]:
    """Read `--fail-below auc=0.6,sr50=0.7` and `--fail-above latency_p95_ms=50`.

    kind: sot or mot; truth: whether there is one. Raises DataError naming what is not known and
    what is.
    """
    limits: dict[tuple[str, bool], Limit] = {}
    for option, text, least in (("--fail-below", below, True), ("--fail-above", above, False)):
        for part in (text or "").split(",") if text else ():
            limit = _parse(option, part.strip(), least)
            _require_sensible(option, limit, kind, truth=truth)
            if (limit.name, least) in limits:
                raise DataError(f"{option} {text}: {limit.name} is there twice; give one limit")
            limits[limit.name, least] = limit
    return tuple(limits.values())


def check(figures: Mapping[str, float], limits: Sequence[Limit]) -> tuple[Check, ...]:
    """Judge the figures. What is not a number, or is not there, keeps no limit."""
    checks = []
    for limit in limits:
        value = figures.get(limit.name, math.nan)
        passed = value >= limit.value if limit.least else value <= limit.value
        checks.append(Check(limit, value, passed))
    return tuple(checks)


def _parse(option: str, part: str, least: bool) -> Limit:
    name, _, number = part.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{option} {part}: expected FIGURE=NUMBER, as in auc=0.6,sr50=0.7")
    return Limit(name.strip(), value, least)


def _require_sensible(option: str, limit: Limit, kind: str, *, truth: bool) -> None:
    known = names_for(kind, truth=True)
    if limit.name not in known:
        other = "; it is a figure of the other kind" if limit.name in FIGURES else ""
        raise DataError(
            f"{option} {limit.name}: no such figure of {kind}{other}; there are {', '.join(known)}"
        )
    if limit.name not in names_for(kind, truth=truth):
        raise DataError(f"{option} {limit.name} needs a truth to compare with: --gt FILE|TOPIC")
    better, wanted = FIGURES[limit.name].better, "higher" if limit.least else "lower"
    if better and better != wanted:
        opposite = "--fail-above" if limit.least else "--fail-below"
        raise DataError(
            f"{option} {limit.name}: it is better when it is {better}; write "
            f"{opposite} {limit.name}={limit.value:g}"
        )
