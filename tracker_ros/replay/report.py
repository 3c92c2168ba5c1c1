"""The report of a replay: one HTML file that holds all it shows and loads nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tracker_ros.evaluation.report import describe_cpu, library_versions
from tracker_ros.pipeline.frames import seconds as in_seconds
from tracker_ros.replay.charts import accuracy_curves, latency_histogram, stage_rows
from tracker_ros.replay.figures import FIGURES, Check, shown
from tracker_ros.replay.moments import ImageOf, Moment, pictures
from tracker_ros.replay.outcome import Outcome, means, tracker_failure
from tracker_ros.replay.result import ReplayResult
from tracker_ros.replay.score import Score
from tracker_ros.replay.svg import clock
from tracker_ros.replay.timeline_chart import (
    event_seconds,
    frame_seconds,
    timeline_chart,
    unanswered,
)
from tracker_ros.replay.whole_file import write_whole_file

MOST_EVENTS = 60
_TILES = {
    "sot": ("auc", "precision", "sr50", "lost_when_visible", "tracking_when_absent"),
    "mot": ("hota", "idf1", "mota", "idsw"),
}
"""Figures at the top of the page, those that there are."""
_PLAIN_TILES = ("frames", "losses", "identities", "latency_p95_ms", "speed_up")


def write_report(
    path: Path,
    result: ReplayResult,
    score: Score,
    checks: Sequence[Check],
    moments: Sequence[Moment],
    image_of: ImageOf,
) -> None:
    """Write the page of one bag, whole or not at all.

    moments: what to show, in the order of time, as `worst_moments` gives them. image_of: gives the
    image of a number, as `Timeline.inputs` has them, (height, width, 3) BGR, or None where it
    cannot be had; it is asked for those of the moments, in that order. Raises DataError when the
    page cannot be written.
    """
    seconds = frame_seconds(result.timeline)
    shots = pictures(result, score, moments, image_of)
    missing = unanswered(result)
    failure = tracker_failure(result.troubles)
    page = _environment().get_template("report.html.j2")
    text = page.render(
        result=result,
        name=Path(result.bag).name or result.bag,
        score=score,
        verdict=_verdict(checks, failure),
        failure=failure,
        checks=checks,
        shown=shown,
        tiles=_tiles(score),
        figures=_figure_rows(score, checks),
        curves=accuracy_curves(score.sot) if score.sot is not None else [],
        timeline=timeline_chart(result, score),
        events=[
            {"at": clock(round(at, 1)), "stamp": _when(event.stamp), "words": event.words}
            for at, event in zip(event_seconds(result)[:MOST_EVENTS], result.events, strict=False)
        ],
        more_events=max(len(result.events) - MOST_EVENTS, 0),
        moments=[
            {
                "at": clock(round(float(seconds[moment.frame]), 1)),
                "image": int(result.timeline.inputs[moment.frame]),
                "words": moment.words,
                "frames": moment.frames,
                "picture": picture,
            }
            for moment, picture in zip(moments, shots, strict=True)
        ],
        histogram=latency_histogram(result.timeline),
        stages=stage_rows(result.timeline),
        missing=len(missing),
        troubles=[
            {"cause": cause, "count": t.count, "first": t.first, "stamp": _when(t.stamp)}
            for cause, t in result.troubles.items()
        ],
        ran=_what_ran(result, score),
        versions=library_versions(),
        cpu=describe_cpu(),
    )
    write_whole_file(path, text, "--report")


def write_index(path: Path, outcomes: Sequence[Outcome], title: str = "Replays") -> None:
    """Write the merged report over many bags: a row for each, means, and links to their pages.

    The mean of a figure is over the bags that have it; nan and inf are left out. Raises DataError
    when the page cannot be written.
    """
    names = [name for name in FIGURES if any(name in outcome.figures for outcome in outcomes)]
    done = [outcome for outcome in outcomes if not outcome.error]
    page = _environment().get_template("index.html.j2")
    text = page.render(
        title=title,
        outcomes=outcomes,
        names=names,
        about={name: FIGURES[name].about for name in names},
        shown=shown,
        means={**dict.fromkeys(names, math.nan), **means(done)},
        totals={
            name: sum(outcome.figures.get(name, 0.0) for outcome in done)
            for name in names
            if not FIGURES[name].digits
        },
        failed=[outcome for outcome in outcomes if outcome.error],
        below=[outcome for outcome in done if outcome.missed],
        broken=[outcome for outcome in done if outcome.broken],
        tracker_failure=tracker_failure,
        judged=any(outcome.checks for outcome in outcomes),
        duration=clock(round(sum(outcome.duration for outcome in outcomes))),
        wall=clock(round(sum(outcome.wall for outcome in outcomes))),
        versions=library_versions(),
        cpu=describe_cpu(),
    )
    write_whole_file(path, text, "--report")


def _environment() -> Environment:
    # Names of bags, reasons and labels are somebody else's: every value is escaped.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # A path, never a scheme such as javascript: of its own.
    environment.filters["link"] = lambda path: "./" + quote(path)
    return environment


def _verdict(checks: Sequence[Check], failure: str) -> str:
    if not (checks or failure):
        return "none"
    return "failed" if failure else "passed" if all(check.passed for check in checks) else "failed"


def _tiles(score: Score) -> list[dict[str, str]]:
    names = [*_TILES[score.kind], *_PLAIN_TILES] if score.truth else [*_PLAIN_TILES]
    there = [name for name in names if name in score.figures]
    return [
        {"name": name, "value": shown(name, score.figures[name]), "about": FIGURES[name].about}
        for name in there[:6]
    ]


def _figure_rows(score: Score, checks: Sequence[Check]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "value": shown(name, value),
            "about": FIGURES[name].about,
            "better": FIGURES[name].better,
            "checks": [check for check in checks if check.name == name],
        }
        for name, value in score.figures.items()
    ]


def _what_ran(result: ReplayResult, score: Score) -> list[tuple[str, str]]:
    timeline = result.timeline
    rows = [
        ("bag", result.bag),
        ("topic", result.topic),
        ("tracker", f"{result.tracker} ({result.kind})"),
        ("model", result.model),
        ("backend", f"{result.backend}, {result.precision}"),
        ("images", ", then ".join(f"{width}x{height}" for width, height in result.sizes)),
        ("recording", f"{result.duration:.2f} s, replayed in {result.wall:.2f} s"),
        ("truth", score.truth),
        *(
            (
                f"target {id}",
                ",".join(f"{value:g}" for value in start.box)
                + f" @ {in_seconds(start.stamp)}, image {start.number}",
            )
            for id, start in result.starts.items()
        ),
        *result.options.items(),
        ("first stamp", in_seconds(int(timeline.stamps[0])) if len(timeline) else ""),
        ("sha256 of the tracks", result.digest),
    ]
    return [(name, value) for name, value in rows if value]


def _when(ns: int) -> str:
    """A stamp, or nothing where there is none."""
    return in_seconds(ns) if ns else ""
