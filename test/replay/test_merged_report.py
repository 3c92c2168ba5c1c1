"""The page over many bags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pages import EVIL, Page
from replays import (
    trouble,
)

from tracker_ros.replay.figures import check, parse_limits
from tracker_ros.replay.outcome import Outcome
from tracker_ros.replay.report import write_index
from tracker_ros.track import TrackState

TRACKING, LOST = TrackState.TRACKING, TrackState.LOST


def outcomes() -> list[Outcome]:
    limits = parse_limits("auc=0.5", None, "sot", truth=True)
    figures = ({"auc": 0.8, "losses": 1.0}, {"auc": 0.4, "losses": 2.0})
    done = [
        Outcome(f"bags/{n}.mcap", "", f, check(f, limits), f"{n}/report.html", duration=60, wall=5)
        for n, f in enumerate(figures)
    ]
    return [*done, Outcome("bags/broken.mcap", error=f"broken: {EVIL}")]


def index(folder: Path, rows: Sequence[Outcome]) -> Page:
    write_index(folder / "index.html", rows, "bags/*.mcap")
    return Page.read(folder / "index.html")


def test_the_merged_report_has_a_row_and_a_link_for_every_bag(tmp_path: Path) -> None:
    page = index(tmp_path, outcomes())
    assert [link["href"] for link in page.all("a")] == ["./0/report.html", "./1/report.html"]
    for words in ("✔ passed", "✖ failed", "✖ not replayed", "broken: <script>", "✖ 0.400", "2:00"):
        assert words in page.text
    assert not page.all("script")


def test_the_merged_report_gives_totals_and_means_of_what_was_replayed(tmp_path: Path) -> None:
    foot = index(tmp_path, outcomes()).text.rpartition("total")[2].split()
    assert foot[:5] == ["3", "mean", "0.600", "1.5", "tracker_ros"]


def test_the_merged_report_says_whether_all_passed(tmp_path: Path) -> None:
    good, bad, broken = outcomes()
    assert "limits not kept: 1 of 3 bags" in index(tmp_path, [good, bad, broken]).text
    assert "not replayed: 1 of 2 bags" in index(tmp_path, [good, broken]).text
    assert "all 1 bags kept their limits" in index(tmp_path, [good]).text
    assert "Not judged" in index(tmp_path, [Outcome("a.mcap", figures={"auc": 1.0})]).text


def test_the_merged_report_says_where_the_tracker_failed(tmp_path: Path) -> None:
    odd = replace(outcomes()[0], troubles={"tracker": trouble(2, "ValueError: odd")})
    page = index(tmp_path, [odd])
    assert "✖ Failed" in page.text and "the tracker failed: 1 of 1 bags" in page.text
    assert "✖ tracker failed" in page.text and "✔ passed" not in page.text
    assert "limits not kept" not in page.text


def test_a_link_is_never_more_than_a_path(tmp_path: Path) -> None:
    odd = Outcome("a.mcap", report="javascript:alert(1)")
    assert index(tmp_path, [odd]).all("a")[0]["href"] == "./javascript%3Aalert%281%29"
