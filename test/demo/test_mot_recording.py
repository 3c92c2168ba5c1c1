"""What a run of `demo mot` adds up to, on runs small enough to add up by hand."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from tracker_ros.demo.mot_recording import (
    NO_TRACKEVAL,
    MotRecording,
    describe,
    identity_numbers,
    summarise,
    track_rows,
    write_results,
)
from tracker_ros.evaluation.mot_datasets import MotTruth
from tracker_ros.evaluation.mot_metrics import load_trackeval
from tracker_ros.geometry import Box
from tracker_ros.track import Evidence, Track, TrackState

LEFT, RIGHT = Box(10, 20, 30, 60), Box(200, 20, 30, 60)


def track(id: str, box: Box) -> Track:
    return Track(id, box, TrackState.TRACKING, Evidence(0.75, 0.0, 1.0))


def run_of(*frames: list[Track] | None) -> MotRecording:
    recording = MotRecording("test", 10.0, "hog", "sort")
    for index, tracks in enumerate(frames):
        stamp = index * 10**8
        recording.stamps.append(stamp)
        recording.detected[stamp] = 2
        recording.frame_ages[stamp], recording.latencies[stamp] = 0.01 * (index + 1), math.nan
        if tracks is not None:
            recording.tracks[stamp] = tracks
    return recording


def truth_of(frames: int, hidden: int | None = None) -> MotTruth:
    rows = [[frame, id, *box] for frame in range(1, frames + 1)
            for id, box in ((1, LEFT), (2, RIGHT))]  # fmt: skip
    distractor = np.array([row[0] == hidden and row[1] == 2 for row in rows])
    return MotTruth(np.array(rows, float), ~distractor, distractor)


def test_what_came_is_counted() -> None:
    run = run_of([track("m1", LEFT), track("m2", RIGHT)], None, [], [track("m3", LEFT)])
    run.states[0] = {"m2": (TrackState.UNCERTAIN, "recovered")}
    del run.detected[3 * 10**8]
    run.tracks[77] = [track("m9", LEFT)]  # for no image that was published
    summary = summarise(run, None)
    assert (summary.frames_published, summary.frames_with_tracks) == (4, 3)
    assert (summary.frames_with_detections, summary.detections) == (3, 6)
    assert (summary.tracks, summary.not_detected, summary.identities) == (3, 1, 3)
    assert summary.frame_age_ms == (25.0, 38.5)
    assert summary.latency_ms is None


def test_an_image_that_comes_again_counts_again() -> None:
    """As in a bag that repeats a stamp: the film and tracks.txt have a frame for each."""
    run = run_of([track("m1", LEFT)], [track("m1", LEFT), track("m2", RIGHT)])
    run.stamps.insert(0, run.stamps[0])
    summary = summarise(run, None)
    assert summary.tracks == len(track_rows(run)) == 4
    assert summary.identities == 2


def test_states_come_from_the_status_of_the_same_image() -> None:
    run = run_of([track("m1", LEFT)], [track("m1", LEFT)])
    run.states[10**8] = {"m1": (TrackState.UNCERTAIN, "recovered")}
    states = [tracks[0].state for index in (0, 1) for tracks in [run.frame(index)] if tracks]
    assert states == [TrackState.TRACKING, TrackState.UNCERTAIN]


def test_an_identity_has_the_number_that_it_ends_in() -> None:
    assert identity_numbers(run_of([track("m12", LEFT), track("m3", RIGHT)])) == {
        "m12": 12,
        "m3": 3,
    }


@pytest.mark.parametrize("ids", [("a1", "b1"), ("left", "right"), ("x0", "x1")])
def test_else_they_are_counted_as_they_come(ids: tuple[str, str]) -> None:
    run = run_of([track(ids[0], LEFT)], [track(ids[1], RIGHT)])
    assert identity_numbers(run) == {ids[0]: 1, ids[1]: 2}


def test_tracks_are_written_1_based_as_motchallenge_has_them(tmp_path: Path) -> None:
    run = run_of([], [track("m7", LEFT)])
    write_results(tmp_path, run, summarise(run, None))
    assert (tmp_path / "tracks.txt").read_text() == (
        "2,7,11.000,21.000,30.000,60.000,0.75,-1,-1,-1\n"
    )
    assert json.loads((tmp_path / "summary.json").read_text())["identities"] == 1


def test_without_truth_nothing_is_claimed_about_it() -> None:
    summary = summarise(run_of([track("m1", LEFT)]), None)
    assert (summary.mota, summary.idf1, summary.people, summary.not_scored) == (
        None,
        None,
        None,
        "",
    )
    assert "truth" not in describe(summary)


class TestWithTrackeval:
    @pytest.fixture(autouse=True)
    def trackeval(self) -> None:
        pytest.importorskip("trackeval", reason="trackeval is not installed: ./run setup mot")

    def test_right_tracks_are_perfect(self) -> None:
        both = [track("m1", LEFT), track("m2", RIGHT)]
        summary = summarise(run_of(both, both, both), truth_of(3))
        assert (summary.mota, summary.idf1, summary.hota) == (1.0, 1.0, 1.0)
        assert (summary.idsw, summary.people, summary.identities) == (0, 2, 2)
        assert "MOTA 1.000" in describe(summary)

    def test_a_changed_identity_is_a_switch(self) -> None:
        both, changed = ([track("m1", LEFT), track(id, RIGHT)] for id in ("m2", "m3"))
        summary = summarise(run_of(both, both, changed, changed), truth_of(4))
        assert summary.idsw == 1
        assert summary.idf1 == pytest.approx(0.75)

    def test_of_a_frame_without_tracks_everybody_was_missed(self) -> None:
        both = [track("m1", LEFT), track("m2", RIGHT)]
        assert summarise(run_of(both, None), truth_of(2)).mota == pytest.approx(0.5)

    def test_whoever_is_hidden_is_neither_missed_nor_wrongly_found(self) -> None:
        both = [track("m1", LEFT), track("m2", RIGHT)]
        for middle in (both, both[:1]):
            assert summarise(run_of(both, middle, both), truth_of(3, hidden=2)).mota == 1.0

    def test_only_what_was_filmed_is_scored(self) -> None:
        both = [track("m1", LEFT), track("m2", RIGHT)]
        assert summarise(run_of(both, both), truth_of(600)).mota == 1.0

    def test_an_id_twice_in_a_frame_is_said_and_not_hidden(self) -> None:
        summary = summarise(run_of([track("m1", LEFT), track("m1", RIGHT)]), truth_of(1))
        assert summary.mota is None
        assert "id 1 is there 2 times in frame 1" in summary.not_scored


def test_without_trackeval_the_command_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load_trackeval.cache_clear()
    monkeypatch.setitem(sys.modules, "trackeval", None)
    monkeypatch.delitem(sys.modules, "trackeval.metrics", raising=False)
    summary = summarise(run_of([track("m1", LEFT)]), truth_of(1))
    assert summary.mota is None
    assert summary.not_scored == NO_TRACKEVAL
    assert "./run setup mot" in describe(summary)


def test_a_run_without_tracks_has_empty_rows() -> None:
    assert track_rows(run_of(None, [])).shape == (0, 7)
