"""The baseline, and what every multi-object tracker must do."""

from __future__ import annotations

from tracker_ros.geometry import Box
from tracker_ros.mot.detections import Detection
from tracker_ros.mot.sort import MAX_AGE, SortTracker
from tracker_ros.mot.tracker import believed
from tracker_ros.track import TrackState


def walkers(frame: int) -> list[Detection]:
    """Two people who walk towards each other, on different lines."""
    return [
        Detection(Box(100 + 4.0 * frame, 100, 40, 90), 0.9, "person"),
        Detection(Box(400 - 4.0 * frame, 220, 40, 90), 0.8, "person"),
    ]


def test_people_who_walk_keep_their_ids() -> None:
    tracker = SortTracker()
    ids = [
        [track.id for track in believed(tracker.update(None, walkers(frame), frame / 25))]
        for frame in range(40)
    ]
    assert ids[5:] == [["1", "2"]] * 35


def test_a_detection_of_another_class_is_another_target() -> None:
    tracker = SortTracker()
    for frame in range(5):
        tracker.update(None, [Detection(Box(100, 100, 40, 90), 0.9, "person")], frame / 25)
    tracks = tracker.update(None, [Detection(Box(100, 100, 40, 90), 0.9, "car")], 0.2)
    assert {(track.id, track.label, track.state.visible) for track in tracks} == {
        ("1", "person", False),
        ("2", "car", True),
    }


def test_a_target_that_is_not_detected_is_lost_and_ends() -> None:
    tracker = SortTracker()
    for frame in range(10):
        tracker.update(None, walkers(frame), frame / 25)
    tracks = tracker.update(None, [], 0.4)
    assert [track.state for track in tracks] == [TrackState.LOST] * 2
    for step in range(MAX_AGE):
        tracks = tracker.update(None, [], 0.44 + step)
    assert tracks == []


def test_ids_go_on_after_all_targets_are_forgotten() -> None:
    tracker = SortTracker()
    tracker.update(None, walkers(0), 0.0)
    tracker.forget()
    assert [track.id for track in tracker.update(None, walkers(1), 0.0)] == ["3", "4"]


def test_a_new_target_is_tentative_once_the_run_has_begun() -> None:
    tracker = SortTracker()
    for frame in range(10):
        tracker.update(None, walkers(frame)[:1], frame / 25)
    states = [tracker.update(None, walkers(f), f / 25)[1].state for f in range(10, 13)]
    assert states == [TrackState.TENTATIVE, TrackState.TENTATIVE, TrackState.TRACKING]


def test_a_prediction_says_that_it_has_no_evidence() -> None:
    tracker = SortTracker()
    for frame in range(5):
        tracker.update(None, walkers(frame), frame / 25)
    assert {track.state for track in tracker.predict(0.3)} == {TrackState.UNCERTAIN}
