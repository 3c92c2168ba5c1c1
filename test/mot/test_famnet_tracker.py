"""FAMNet's tracker with the weights that ship: identities that last, targets that are managed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from crossings import FPS, crossing, detections, picture

from tracker_ros.errors import ModelError
from tracker_ros.geometry import Box
from tracker_ros.mot.detections import Detection
from tracker_ros.mot.open import open_multi_tracker
from tracker_ros.mot.settings import Settings
from tracker_ros.mot.tracker import MultiTracker, believed
from tracker_ros.track import Track, TrackState

STANDING = {1: Box(100, 200, 40, 90), 2: Box(400, 220, 40, 90)}


def nearest(tracks: Sequence[Track], box: Box) -> Track:
    return max(tracks, key=lambda track: track.box.iou(box))


def watch(
    tracker: MultiTracker, seconds: float, *, start: float = 0.0, without: tuple[int, ...] = (),
    shown: dict[int, Box] | None = None,
) -> list[Track]:  # fmt: skip
    """Show the same scene for a while; gives the last tracks."""
    boxes = STANDING if shown is None else shown
    tracks: list[Track] = []
    for step in range(round(seconds * FPS)):
        time = start + (step + 1) / FPS
        tracks = tracker.update(picture(boxes), detections(boxes, without=without), time)
    return tracks


@pytest.mark.parametrize("name", ["famnet", "famnet:features=frame", "famnet:k=4", "hungarian"])
def test_two_who_pass_each_other_keep_their_ids(name: str) -> None:
    tracker = open_multi_tracker(name)
    first: dict[int, str] = {}
    for time, boxes in crossing():
        hidden = (1,) if boxes[1].iou(boxes[2]) > 0.5 else ()
        tracks = believed(tracker.update(picture(boxes), detections(boxes, without=hidden), time))
        for seed, box in boxes.items():
            if boxes[1].iou(boxes[2]) < 0.3:
                found = nearest(tracks, box)
                assert found.box.iou(box) > 0.5
                assert first.setdefault(seed, found.id) == found.id
    assert len(set(first.values())) == 2


def test_sort_does_not_keep_them_so_the_scene_is_hard() -> None:
    tracker = open_multi_tracker("sort")
    ids = set()
    for time, boxes in crossing():
        hidden = (1,) if boxes[1].iou(boxes[2]) > 0.5 else ()
        ids |= {
            t.id for t in believed(tracker.update(None, detections(boxes, without=hidden), time))
        }
    assert len(ids) > 2


def test_those_of_the_first_frame_are_believed_and_later_ones_tentative_at_first() -> None:
    tracker = open_multi_tracker("famnet")
    tracks = watch(tracker, 0.2)
    assert {track.state for track in tracks} == {TrackState.TRACKING}
    three = {**STANDING, 3: Box(550, 100, 40, 90)}
    states = [
        nearest(watch(tracker, 1 / FPS, start=0.2 + step / FPS, shown=three), three[3]).state
        for step in range(4)
    ]
    assert states == [TrackState.TENTATIVE] * 2 + [TrackState.TRACKING] * 2


def test_a_target_that_the_detector_misses_is_recovered_and_then_lost() -> None:
    tracker = open_multi_tracker("famnet")
    watch(tracker, 0.6)
    missed = nearest(watch(tracker, 0.2, start=0.6, without=(1,)), STANDING[1])
    assert (missed.id, missed.state) == ("1", TrackState.UNCERTAIN)
    assert missed.box.iou(STANDING[1]) > 0.7
    limit = Settings().recover_seconds
    later = watch(tracker, limit + 0.2, start=0.8, without=(1,))
    assert nearest(later, STANDING[1]).state is TrackState.LOST


def test_without_recovery_it_is_lost_at_once() -> None:
    tracker = open_multi_tracker("famnet:recover=off")
    watch(tracker, 0.6)
    missed = nearest(watch(tracker, 1 / FPS, start=0.6, without=(1,)), STANDING[1])
    assert missed.state is TrackState.LOST
    assert missed.id not in {track.id for track in believed([missed])}


def test_nothing_is_recovered_where_the_target_is_gone() -> None:
    tracker = open_multi_tracker("famnet")
    watch(tracker, 0.6)
    empty = {2: STANDING[2]}
    states = {
        nearest(watch(tracker, 1 / FPS, start=0.6 + step / FPS, shown=empty), STANDING[1]).state
        for step in range(1, 10)
    }
    assert states == {TrackState.LOST}


def test_an_identity_that_comes_back_is_the_same() -> None:
    tracker = open_multi_tracker("famnet")
    watch(tracker, 0.6)
    watch(tracker, 2.0, start=0.6, shown={2: STANDING[2]})
    back = nearest(watch(tracker, 1 / FPS, start=2.6), STANDING[1])
    assert (back.id, back.state) == ("1", TrackState.REACQUIRED)
    after = nearest(watch(tracker, 1 / FPS, start=2.64), STANDING[1])
    assert (after.id, after.state) == ("1", TrackState.TRACKING)


def test_a_lost_target_ends_and_its_id_is_never_used_again() -> None:
    tracker = open_multi_tracker("famnet")
    watch(tracker, 0.6)
    only = {2: STANDING[2]}
    gone = watch(tracker, Settings().lost_seconds + 0.2, start=0.6, shown=only)
    assert [track.id for track in gone] == ["2"]
    ids = {track.id for track in watch(tracker, 0.2, start=6.0)}
    assert ids == {"2", "3"}
    tracker.forget()
    assert {track.id for track in watch(tracker, 0.2, start=0.0)} == {"4", "5"}


def test_a_box_seen_once_now_and_then_never_becomes_a_target() -> None:
    tracker = open_multi_tracker("famnet")
    watch(tracker, 0.4)
    noise = Detection(Box(300, 60, 30, 60), 0.9, "person")
    for step in range(50):
        found = detections(STANDING) + [noise] * (step % 4 == 0)
        tracks = tracker.update(picture(STANDING), found, 0.5 + step / FPS)
        assert {track.id for track in believed(tracks)} == {"1", "2"}


def test_noise_that_is_always_there_but_weak_is_not_believed() -> None:
    tracker = open_multi_tracker("famnet")
    watch(tracker, 0.4)
    weak = Detection(Box(300, 60, 30, 60), 0.6, "person")
    for step in range(50):
        tracks = tracker.update(picture(STANDING), [*detections(STANDING), weak], 0.5 + step / FPS)
        assert {track.id for track in believed(tracks)} == {"1", "2"}


def test_a_target_keeps_to_its_class() -> None:
    tracker = open_multi_tracker("famnet")
    watch(tracker, 0.4)
    cars = [dataclasses.replace(d, label="car") for d in detections(STANDING)]
    tracks = tracker.update(picture(STANDING), cars, 0.5)
    assert {(t.label, t.id) for t in tracks if t.frames_since_seen == 0 and t.label == "car"} == {
        ("car", "3"), ("car", "4"),
    }  # fmt: skip


def test_without_images_boxes_and_motion_decide() -> None:
    tracker = open_multi_tracker("famnet")
    ids = set()
    for step in range(50):
        boxes = {1: Box(100 + 5.0 * step, 200, 40, 90), 2: Box(400 - 3.0 * step, 330, 40, 90)}
        tracks = believed(tracker.update(None, detections(boxes), step / FPS))
        ids.add(tuple(nearest(tracks, box).id for box in boxes.values()))
    assert ids == {("1", "2")}


def test_a_prediction_moves_on_and_changes_nothing() -> None:
    tracker = open_multi_tracker("famnet")
    for step in range(30):
        tracker.update(None, detections({1: Box(100 + 5.0 * step, 200, 40, 90)}), step / FPS)
    predicted = [tracker.predict(29 / FPS + gap)[0] for gap in (0.04, 0.2, 0.2)]
    assert [track.state for track in predicted] == [TrackState.UNCERTAIN] * 3
    assert predicted[1].box.x == pytest.approx(245 + 125 * 0.2, abs=6)
    assert predicted[1] == predicted[2]


@pytest.mark.parametrize("image", [None, np.zeros((480, 640, 3), np.uint8)])
def test_empty_frames_first_and_last_are_fine(image: np.ndarray | None) -> None:
    tracker = open_multi_tracker("famnet")
    for step in range(5):
        assert tracker.update(image, [], step / FPS) == []
    assert len(tracker.update(image, detections(STANDING), 0.3)) == 2
    for step in range(10):
        assert len(tracker.update(image, [], 0.4 + step / FPS)) == 2


def test_boxes_at_the_border_and_larger_than_the_image_do_no_harm() -> None:
    tracker = open_multi_tracker("famnet")
    odd = [
        Box(-20, -30, 40, 90),
        Box(620, 460, 40, 90),
        Box(-500, -500, 2000, 2000),
        Box(5, 5, 2, 2),
    ]
    for step in range(10):
        found = [Detection(box, 0.9, "person") for box in odd[: 1 + step % 4]]
        for track in tracker.update(picture(STANDING), found, step / FPS):
            assert all(math.isfinite(value) for value in track.box)


def test_more_targets_than_a_graph_holds_are_several_runs_of_it() -> None:
    crowd = {
        seed: Box(10 + 62.0 * (seed % 10), 5 + 66.0 * (seed // 10), 20, 40) for seed in range(70)
    }
    tracker = open_multi_tracker("famnet:recover=off")
    image = picture({})
    for step in range(4):
        tracks = believed(tracker.update(image, detections(crowd), step / FPS))
        assert sorted(int(track.id) for track in tracks) == list(range(1, 71))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("deepsort", "famnet, hungarian, sort"),
        ("sort:k=3", "no variants"),
        ("famnet:k=5", "give 1 to 4"),
        ("hungarian:k=2", "give 1"),
        ("famnet:window=3", "no variant 'window'"),
        ("famnet:features=both", "auto, frame, crop"),
        ("missing.yaml", "does not exist"),
    ],
)
def test_what_cannot_be_opened_is_refused_with_what_there_is(name: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        open_multi_tracker(name)


def test_a_model_of_a_single_object_tracker_is_refused(tmp_path: object) -> None:
    from tracker_ros.models.card import MODELS

    with pytest.raises(ModelError, match="follows one target"):
        open_multi_tracker(str(MODELS / "siamfc_small.yaml"))


def test_a_class_can_have_rules_of_its_own() -> None:
    settings = Settings(classes={"car": {"confirm_hits": 1, "lost_seconds": 0.1}})
    assert settings.of("car") == dataclasses.replace(settings, confirm_hits=1, lost_seconds=0.1)
    assert settings.of("person") is settings
    tracker = open_multi_tracker("famnet", settings=settings)
    watch(tracker, 0.2)
    car = Detection(Box(500, 350, 90, 50), 0.9, "car")
    steps: list[Callable[[], list[Track]]] = [
        lambda: tracker.update(None, [*detections(STANDING), car], 0.3),
        lambda: tracker.update(None, [*detections(STANDING), car], 0.34),
        lambda: tracker.update(None, detections(STANDING), 0.5),
    ]
    seen = [{(t.label, t.state) for t in step()} for step in steps]
    assert ("car", TrackState.TRACKING) in seen[1]
    assert "car" not in {label for label, _ in seen[2]}
