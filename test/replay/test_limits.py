"""Limits of figures, and how figures are shown."""

from __future__ import annotations

import math

import pytest

from tracker_ros.errors import DataError
from tracker_ros.replay.figures import FIGURES, check, parse_limits, shown
from tracker_ros.track import TrackState

TRACKING, LOST, REACQUIRED, UNCERTAIN = (
    TrackState.TRACKING, TrackState.LOST, TrackState.REACQUIRED, TrackState.UNCERTAIN,
)  # fmt: skip


def test_limits_are_kept_at_their_value_and_not_beyond() -> None:
    limits = parse_limits("auc=0.6, sr50=0.5", "latency_p95_ms=50", "sot", truth=True)
    figures = {"auc": 0.6, "sr50": 0.499, "latency_p95_ms": 50.0}
    assert [c.passed for c in check(figures, limits)] == [True, False, True]
    assert [str(c) for c in check(figures, limits)] == [
        "auc >= 0.6: 0.6, kept", "sr50 >= 0.5: 0.499, not kept", "latency_p95_ms <= 50: 50, kept",
    ]  # fmt: skip


@pytest.mark.parametrize("figures", [{"auc": math.nan, "lost_when_visible": math.nan}, {}])
def test_what_is_not_a_number_keeps_no_limit(figures: dict[str, float]) -> None:
    limits = parse_limits("auc=-1", "lost_when_visible=9", "sot", truth=True)
    assert not any(c.passed for c in check(figures, limits))


def test_a_target_that_was_never_lost_keeps_any_limit_of_time() -> None:
    limits = parse_limits("first_lost_s=1000", None, "sot", truth=True)
    assert check({"first_lost_s": math.inf}, limits)[0].passed


@pytest.mark.parametrize(
    ("below", "above", "complaint"),
    [
        ("acu=0.6", None, r"--fail-below acu: no such figure of sot; there are auc, precision"),
        ("idf1=0.6", None, "no such figure of sot; it is a figure of the other kind"),
        ("auc", None, "--fail-below auc: expected FIGURE=NUMBER"),
        ("auc=", None, "expected FIGURE=NUMBER"),
        ("auc=nan", None, "expected FIGURE=NUMBER"),
        ("auc=0.6,", None, "expected FIGURE=NUMBER"),
        ("auc=0.6,auc=0.7", None, "auc is there twice"),
        ("latency_p95_ms=5", None, "better when it is lower; write --fail-above latency_p95_ms=5"),
        (None, "auc=0.6", "better when it is higher; write --fail-below auc=0.6"),
    ],
)
def test_limits_that_mean_nothing_are_refused(
    below: str | None, above: str | None, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        parse_limits(below, above, "sot", truth=True)


def test_a_limit_that_needs_a_truth_is_refused_without_one() -> None:
    with pytest.raises(DataError, match=r"--fail-below auc needs a truth .* --gt"):
        parse_limits("auc=0.6", None, "sot", truth=False)
    assert parse_limits("answered=0.9", "losses=0", "sot", truth=False)


def test_figures_are_shown_with_the_digits_that_they_have() -> None:
    assert shown("auc", 0.61234) == "0.612"
    assert shown("idsw", 3.0) == "3"
    assert shown("idsw", 2.5) == "2.5"  # a mean
    assert shown("first_lost_s", math.inf) == "never"
    assert shown("auc", math.nan) == "-"


def test_every_figure_says_what_it_is() -> None:
    assert all(figure.about and figure.kinds for figure in FIGURES.values())
