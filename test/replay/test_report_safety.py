"""A page loads nothing, and nothing that a bag holds becomes a part of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from pages import EVIL, HERE, lost_in_the_middle, report
from replays import (
    event,
    following,
    image_of,
    replay_of,
    start_on,
    timeline_of,
    track,
    trouble,
)

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.replay.report import write_report
from tracker_ros.replay.result import ReplayResult
from tracker_ros.replay.score import score_plain
from tracker_ros.track import TrackState

TRACKING, LOST = TrackState.TRACKING, TrackState.LOST


def evil_result(kind: str) -> ReplayResult:
    timeline = timeline_of(
        lambda i: [track(EVIL, Box(*HERE), LOST if i == 4 else TRACKING, label=EVIL)], range(8)
    )
    return replay_of(
        timeline, kind=kind, bag=EVIL, topic=EVIL, tracker=EVIL, model=EVIL, backend=EVIL,
        precision=EVIL, damage=EVIL, events=[event(2, EVIL)], troubles={EVIL: trouble(1, EVIL)},
        starts={EVIL: start_on(0)}, options={EVIL: EVIL}, received=9, digest=EVIL,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["sot", "mot"])
def test_no_name_in_a_bag_becomes_part_of_the_page(tmp_path: Path, kind: str) -> None:
    page = report(tmp_path, evil_result(kind))
    assert not page.all("script")
    assert all(image["src"].startswith("data:image/jpeg") for image in page.all("img"))
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "alert('1')" in page.text  # shown, as words


def test_it_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    page = report(tmp_path, result, score, "auc=0.5")
    policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "srcset", "xlink:href"):
            assert attributes.get(name, "data:").startswith("data:")
    source = (tmp_path / "report.html").read_text()
    assert not re.search(r"https?://|@import|url\((?!#)", source)


def test_every_picture_and_drawing_has_words_for_who_does_not_see_it(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    page = report(tmp_path, result, score)
    assert all(image["alt"] for image in page.all("img"))
    for drawing in page.all("svg"):
        assert drawing.get("aria-label") or drawing.get("aria-hidden") == "true"
    assert page.all("html")[0]["lang"] == "en"


def test_an_odd_file_name_does_not_keep_the_report_from_being_written(tmp_path: Path) -> None:
    assert report(tmp_path, replace(following([TRACKING] * 5), bag="odd\udcff.mcap")).text


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    result = following([TRACKING] * 5)
    (tmp_path / "report.html").mkdir()
    with pytest.raises(DataError, match=r"--report .*report\.html cannot be written"):
        write_report(tmp_path / "report.html", result, score_plain(result), (), (), image_of)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
