"""The page of a replay: what is in it, also after a very long one."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pages import HERE, crowd, lost_in_the_middle, report
from replays import (
    event,
    following,
    replay_of,
    timeline_of,
    track,
    trouble,
)

from tracker_ros.geometry import Box
from tracker_ros.replay.result import Trouble
from tracker_ros.replay.svg import clock, merged, thinned, ticks
from tracker_ros.replay.timeline_chart import unanswered
from tracker_ros.track import TrackState

TRACKING, LOST = TrackState.TRACKING, TrackState.LOST

# --- what is in it -------------------------------------------------------------------------------


def test_it_says_whether_the_limits_were_kept(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    assert "✔ Passed" in report(tmp_path, result, score, "auc=0.1").text
    failed = report(tmp_path, result, score, "auc=0.9,sr50=0.1").text
    assert "✖ Failed" in failed and f"auc {score.figures['auc']:.3f}, limit ≥ 0.9" in failed
    assert "Not judged" in report(tmp_path, result, score).text


def test_it_holds_every_figure_every_stage_and_what_ran(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    result = replace(result, options={"--rate": "max", "sot.patience": "12"})
    text = report(tmp_path, result, score).text
    for name in score.figures:
        assert name in text
    for words in (
        "decode", "preprocess", "inference", "postprocess", "publish", "siamfc_small", "float32",
        "sot.patience", result.digest, "onnxruntime", "A note.", "10,10,20,20 @ 1700000000.0",
    ):  # fmt: skip
        assert words in text


def test_with_a_truth_there_are_three_curves_a_timeline_and_a_histogram(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    page = report(tmp_path, result, score)
    assert len(page.drawings) == 5
    for drawing in page.drawings:
        root = ET.fromstring(drawing)  # well formed on its own
        assert root.get("role") == "img" and len(root.get("aria-label", "")) > 20
    assert f"AUC {score.figures['auc']:.3f}" in page.text


def test_without_a_truth_there_are_none_but_the_moments_are_shown(tmp_path: Path) -> None:
    page = report(tmp_path, following([TRACKING] * 12 + [LOST] * 6 + [TRACKING] * 12))
    assert len(page.drawings) == 2
    assert "Moments to look at" in page.text and "LOST" in page.text


def test_every_state_has_a_lane_with_its_name(tmp_path: Path) -> None:
    page = report(tmp_path, following([TRACKING] * 5 + [LOST] * 5))
    timeline = ET.fromstring(page.drawings[0])
    words = {element.text for element in timeline.iter("text")}
    assert {state.name for state in TrackState} <= words
    drawn = {str(element.get("class")) for element in timeline.iter("path")}
    assert {"state tracking", "state lost"} <= drawn
    assert "state uncertain" not in drawn


def test_events_are_numbered_in_the_drawing_and_told_below_it(tmp_path: Path) -> None:
    result = replace(
        following([TRACKING] * 60),
        events=[event(1, "target 1 set"), event(31, "time jumped back 9 s")],
    )
    page = report(tmp_path, result)
    numbers = [
        element.text
        for element in ET.fromstring(page.drawings[0]).iter("text")
        if element.get("class") == "event-number"
    ]
    assert numbers == ["1", "2"]
    assert "1 s" in page.text and "time jumped back 9 s" in page.text


def test_a_thousand_events_are_not_all_told(tmp_path: Path) -> None:
    result = replace(
        following([TRACKING] * 60), events=[event(i % 60, f"event {i}!") for i in range(1000)]
    )
    text = report(tmp_path, result).text
    assert "event 59!" in text and "event 60!" not in text
    assert "and 940 more events" in text


def test_troubles_damage_and_images_without_an_answer_are_told(tmp_path: Path) -> None:
    timeline = timeline_of(lambda i: [track("1", Box(*HERE))], [0, 1, 2, 6, 7])
    result = replay_of(
        timeline, received=8, rejected=2, dropped=1, damage="it ends in message 512",
        troubles={"encoding": trouble(2, "yuv999 is not known")},
    )  # fmt: skip
    page = report(tmp_path, result)
    for words in ("it ends in message 512", "3 of 8 images got no answer", "yuv999 is not known"):
        assert words in page.text
    assert "NO ANSWER" in page.text
    assert "Troubles" not in report(tmp_path, following([TRACKING] * 5)).text


def test_a_trouble_that_is_only_counted_has_no_time(tmp_path: Path) -> None:
    result = replay_of(
        timeline_of(lambda i: [], range(4)),
        troubles={"gaps": Trouble(3, "in the images", 0), "image: size": trouble(1, "too small")},
    )
    times = re.findall(r"\d+\.\d{9}", report(tmp_path, result).text.partition("Over time")[0])
    assert times == ["1700000000.099999999"]


def test_a_tracker_that_failed_has_not_passed_whatever_the_limits(tmp_path: Path) -> None:
    result, score = lost_in_the_middle()
    failed = replace(result, troubles={"tracker": trouble(7, "ValueError: odd\nTraceback ...")})
    for below in ("", "auc=0.1"):
        text = report(tmp_path, failed, score, below).text
        assert "✖ Failed" in text
        assert "the tracker failed 7 times, first: ValueError: odd" in text


def test_images_outside_of_the_replayed_part_are_not_missed(tmp_path: Path) -> None:
    part = replay_of(timeline_of(lambda i: [], [40, 42]), first=40, received=3, images=90)
    assert unanswered(part).tolist() == [41]
    assert "1 of 3 images got no answer" in report(tmp_path, part).text


def test_a_replay_in_which_nothing_was_answered_has_a_report(tmp_path: Path) -> None:
    result = replay_of(timeline_of(lambda i: [], []), received=3, rejected=3)
    assert "No image was answered." in report(tmp_path, result).text


def test_a_single_frame_has_a_report(tmp_path: Path) -> None:
    assert "1 of 1 images" in report(tmp_path, replay_of(timeline_of(lambda i: [], [0]))).text


def test_many_targets_have_a_row_for_every_identity(tmp_path: Path) -> None:
    page = report(tmp_path, crowd())
    words = {element.text for element in ET.fromstring(page.drawings[0]).iter("text")}
    assert {"p0", "p1", "p2"} <= words


def test_of_very_many_the_longest_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    lives = {f"id{n}": n + 1 for n in range(100)}  # id99 lives longest
    timeline = timeline_of(
        lambda i: [track(id, Box(*HERE)) for id, life in lives.items() if i < life], range(100)
    )
    page = report(tmp_path, replay_of(timeline, kind="mot"))
    words = {element.text for element in ET.fromstring(page.drawings[0]).iter("text")}
    assert {"id99", "id60"} <= words and "id59" not in words
    assert "and 60 more identities, none longer than these" in words


# --- long replays --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sot", "mot"])
def test_a_hundred_thousand_frames_make_a_page_of_a_few_megabytes(
    tmp_path: Path, kind: str
) -> None:
    random = np.random.default_rng(5)
    states = [[TrackState(n) for n in row] for row in random.integers(0, 5, (100_000, 3)).tolist()]
    scores = random.random((100_000, 3)).tolist()
    timeline = timeline_of(
        lambda i: [
            track(str(n if kind == "sot" else n + 3 * (i // 500)), Box(*HERE), states[i][n], score)
            for n, score in enumerate(scores[i])
        ],
        range(100_000),
    )
    report(tmp_path, replay_of(timeline, kind=kind))
    assert (tmp_path / "report.html").stat().st_size < 2e6


def test_a_thinned_curve_keeps_every_peak() -> None:
    x = np.linspace(0, 100, 10_000)
    y = np.zeros(10_000)
    y[5_432] = 1
    (part,) = thinned(x, y)
    assert len(part) <= 210
    assert part[:, 1].max() == 1
    assert part[part[:, 1].argmax(), 0] == 54


def test_a_curve_is_broken_where_nothing_is_known() -> None:
    parts = thinned(np.arange(6.0), np.array([1, np.nan, np.nan, 2, 3, np.nan]))
    assert [part.tolist() for part in parts] == [[[0, 1]], [[3, 2], [4, 3]]]


def test_stretches_that_one_cannot_tell_apart_are_joined() -> None:
    starts, ends = np.array([0, 1, 5.0]), np.array([0.9, 2, 6.0])
    assert merged(starts, ends) == [(0, 2), (5, 6)]


def test_axes_have_round_numbers() -> None:
    assert ticks(0, 6.2, 10) == pytest.approx([0, 1, 2, 3, 4, 5, 6])
    assert ticks(0, 0.5, 5) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert [clock(t) for t in (0, 4.5, 119, 125)] == ["0 s", "4.5 s", "119 s", "2:05"]
    assert [clock(t, 3725) for t in (0, 30, 3725)] == ["0:00", "0:30", "1:02:05"]
