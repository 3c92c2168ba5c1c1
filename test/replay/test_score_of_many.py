"""What a replay of many targets is worth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from replays import replay_of, timeline_of, track

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.replay.annotations import CrowdTruth
from tracker_ros.replay.figures import names_for
from tracker_ros.replay.result import ReplayResult
from tracker_ros.replay.score import score_replay
from tracker_ros.track import TrackState

TRACKING, LOST, REACQUIRED, UNCERTAIN = (
    TrackState.TRACKING, TrackState.LOST, TrackState.REACQUIRED, TrackState.UNCERTAIN,
)  # fmt: skip

HERE = (10.0, 10.0, 20.0, 20.0)
AWAY = (math.nan,) * 4
ELSEWHERE = (200.0, 200.0, 20.0, 20.0)


def golden() -> tuple[ReplayResult, CrowdTruth]:
    """Two people pass each other; one changes its id, one is missed once, one box is on nothing."""
    truth, answers = [], {}
    for t in range(10):
        a, b = Box(10.0 * t + 10, 50, 20, 40), Box(290.0 - 10 * t, 150, 20, 40)
        truth += [(t, 7, *a), (t, 3, *b)]
        shifted = Box(a.x + 2, a.y, a.w, a.h)
        answers[t] = [track("first" if t < 5 else "second", shifted)]
        if t != 3:
            answers[t].append(track("other", b))
        if t == 1:
            answers[t].append(track("ghost", Box(500, 300, 20, 40)))
    rows = np.array(truth, np.float64)
    return replay_of(timeline_of(answers.__getitem__, range(10)), kind="mot"), crowd_of(rows)


def crowd_of(rows: np.ndarray) -> CrowdTruth:
    return CrowdTruth(
        "gt.txt", None, rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64), rows[:, 2:6],
        np.ones(len(rows), np.bool_), np.zeros(len(rows), np.bool_),
    )  # fmt: skip


@pytest.fixture
def trackeval() -> None:
    pytest.importorskip("trackeval", reason="trackeval is not installed: ./run setup mot")


@pytest.mark.usefixtures("trackeval")
def test_ten_frames_of_two_people_score_what_the_specification_says() -> None:
    figures = score_replay(*golden()).figures
    assert figures["mota"] == pytest.approx(0.85)
    assert figures["motp"] == pytest.approx(0.904306, abs=1e-6)
    assert figures["idf1"] == pytest.approx(0.70)
    assert figures["hota"] == pytest.approx(0.745819, abs=1e-6)
    assert [figures[name] for name in ("idsw", "frag", "mt", "ml", "fp", "fn")] == [
        1,
        1,
        2,
        0,
        1,
        1,
    ]
    assert (figures["scored"], figures["identities"]) == (10, 4)
    assert list(figures) == names_for("mot", truth=True)


@pytest.mark.usefixtures("trackeval")
def test_the_frames_that_went_wrong_add_up_to_the_figures() -> None:
    score = score_replay(*golden())
    assert score.mot is not None
    assert np.flatnonzero(score.mot.misses).tolist() == [3]
    assert np.flatnonzero(score.mot.false).tolist() == [1]
    assert np.flatnonzero(score.mot.switches).tolist() == [5]
    np.testing.assert_array_equal(score.mot.missed(3), [[260, 150, 20, 40]])


@pytest.mark.usefixtures("trackeval")
def test_in_a_crowd_at_random_they_add_up_too() -> None:
    random = np.random.default_rng(11)
    places = random.uniform(0, 100, (6, 2))
    truth, answers = [], {}
    for t in range(60):
        places += random.normal(0, 3, places.shape)
        truth += [(t, id, *place, 30, 30) for id, place in enumerate(places)]
        seen = [i for i in range(6) if random.random() < 0.8]
        answers[t] = [
            track(
                str((i + t // 20) % 6),
                Box(
                    float(places[i, 0]) + 4 * random.normal(),
                    float(places[i, 1]) + 4 * random.normal(),
                    30,
                    30,
                ),
            )
            for i in seen
        ]
    result = replay_of(timeline_of(answers.__getitem__, range(60)), kind="mot")
    score = score_replay(result, crowd_of(np.array(truth)))
    assert score.mot is not None
    for name, values in (
        ("fn", score.mot.misses), ("fp", score.mot.false), ("idsw", score.mot.switches),
    ):  # fmt: skip
        assert score.figures[name] == values.sum() > 0


@pytest.mark.usefixtures("trackeval")
def test_nobody_is_missed_in_frames_that_were_not_replayed() -> None:
    box = Box(*HERE)
    timeline = timeline_of(lambda i: [track("1", box)], range(40, 60))
    result = replay_of(timeline, kind="mot", first=40, images=100)
    figures = score_replay(result, crowd_of(np.array([(t, 1, *box) for t in range(100)]))).figures
    assert (figures["fn"], figures["mota"], figures["mt"], figures["scored"]) == (0, 1, 1, 20)


@pytest.mark.usefixtures("trackeval")
def test_only_what_was_published_is_scored() -> None:
    box = Box(*HERE)
    timeline = timeline_of(lambda i: [track("1", box, TRACKING if i % 2 else LOST)], range(10))
    rows = np.array([(t, 1, *box) for t in range(10)], np.float64)
    figures = score_replay(replay_of(timeline, kind="mot"), crowd_of(rows)).figures
    assert (figures["fn"], figures["fp"]) == (5, 0)


@pytest.mark.usefixtures("trackeval")
def test_a_track_on_a_distractor_is_neither_right_nor_wrong() -> None:
    result, truth = golden()
    other = truth.ids == 3
    counted = CrowdTruth(
        truth.source, None, truth.keys, truth.ids, truth.boxes, ~other, other.copy()
    )
    figures = score_replay(result, counted).figures
    assert (figures["fn"], figures["fp"]) == (0, 1)


@pytest.mark.usefixtures("trackeval")
def test_a_crowd_with_nothing_to_find_is_an_error() -> None:
    result, truth = golden()
    nobody = np.zeros(len(truth.ids), np.bool_)
    empty = CrowdTruth(truth.source, None, truth.keys, truth.ids, truth.boxes, nobody, nobody)
    with pytest.raises(DataError, match="nothing to find"):
        score_replay(result, empty)
