"""The thread that gives identities, fed with serialized messages: no ROS, a real tracker."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

import numpy as np
import pytest
from detection_arrays import Item, array_of
from image_messages import image_bytes

from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.mot.detections import Detection
from tracker_ros.mot.sort import SortTracker
from tracker_ros.pipeline.detection_messages import DetectionArray
from tracker_ros.pipeline.frames import Frame, FrameHistory
from tracker_ros.pipeline.images import read_header
from tracker_ros.pipeline.mot_worker import MotAnswer, MotWorker, Names, Wanted
from tracker_ros.pipeline.pairing import Kind, Timing
from tracker_ros.track import Track, TrackState

PERIOD = 33_000_000
PICTURE = np.zeros((60, 80, 3), np.uint8)
BOX = Box(20, 10, 15, 30)
FOREVER = 60.0
"""Seconds that no image waits for in these tests."""


def stamp(number: int) -> int:
    return 10**9 + number * PERIOD


def frame(number: int, encoding: str = "bgr8") -> Frame:
    ns = stamp(number)
    raw = image_bytes(PICTURE, encoding=encoding, stamp=(ns // 10**9, ns % 10**9))
    return Frame(raw, read_header(raw), False, perf_counter())


def array(number: int, items: Sequence[Item] = (Item(BOX),)) -> DetectionArray:
    return array_of(items, ns=stamp(number), received=perf_counter())


class Witness(SortTracker):
    """SORT, that notes what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[bool, int, float]] = []
        self.failing = False
        self.meanwhile: Callable[[], object] = lambda: None
        """What happens while it is at an update, once."""

    def update(
        self, image: UInt8Image | None, detections: Sequence[Detection], time: float
    ) -> list[Track]:
        if self.failing:
            raise RuntimeError("out of memory")
        self.seen.append((image is not None, len(detections), round(time, 6)))
        happens, self.meanwhile = self.meanwhile, lambda: None
        happens()
        return super().update(image, detections, time)


class Rig:
    """A worker, and what it says."""

    def __init__(self, tracker: SortTracker, **timing: float) -> None:
        self.answers: list[MotAnswer] = []
        self.kinds: list[Kind] = []
        self.left_out: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.rejected: list[str] = []
        self.dropped = 0
        self.ended: list[Track] = []
        self.failures: list[str] = []
        self._news = threading.Condition()
        self.history = FrameHistory(60, 1 << 30)
        self.names = Names("m")
        self.worker = MotWorker(
            tracker, self.history, self.names, self,
            timing=Timing(**{"wait": FOREVER, **timing}), wanted=Wanted(),
        )  # fmt: skip
        self.worker.start()

    def _tell(self, change: Callable[[], object]) -> None:
        with self._news:
            change()
            self._news.notify_all()

    def on_processed(self, answer: MotAnswer) -> None:
        self._tell(lambda: self.answers.append(answer))

    def on_paired(self, kind: Kind) -> None:
        self._tell(lambda: self.kinds.append(kind))

    def on_left_out(self, left_out: Counter[str]) -> None:
        self._tell(lambda: self.left_out.update(left_out))

    def on_refused(self, cause: str, reason: str, number: int = 1) -> None:
        self._tell(lambda: self.refused.update({cause: number}))

    def on_rejected(self, cause: str, reason: str) -> None:
        self._tell(lambda: self.rejected.append(cause))

    def on_dropped(self, frames: int) -> None:
        self.dropped += frames

    def on_ended(self, tracks: list[Track], reason: str) -> None:
        assert {track.reason for track in tracks} == {reason}
        self.ended += tracks

    def on_failure(self, reason: str, trace: str) -> None:
        self._tell(lambda: self.failures.append(reason))

    def wait(self, condition: Callable[[], object]) -> None:
        with self._news:
            assert self._news.wait_for(condition, 10)

    def wait_a_moment(self, condition: Callable[[], object]) -> None:
        with self._news:
            self._news.wait_for(condition, 0.2)

    def show(self, number: int, encoding: str = "bgr8") -> None:
        self.worker.keep(frame(number, encoding))

    def see(self, number: int, items: Sequence[Item] = (Item(BOX),)) -> MotAnswer:
        """An image with its detections; gives the answer."""
        self.show(number)
        self.worker.offer_detections(array(number, items))
        self.wait(lambda: self.answers and self.answers[-1].header.ns == stamp(number))
        return self.answers[-1]


@pytest.fixture
def tracker() -> Witness:
    return Witness()


@pytest.fixture
def rig(tracker: Witness) -> Iterator[Rig]:
    rig = Rig(tracker)
    yield rig
    if rig.worker.alive:
        rig.worker.stop("the test has ended")


@pytest.fixture
def hasty(tracker: Witness) -> Iterator[Rig]:
    """One whose images do not wait."""
    rig = Rig(tracker, wait=0.0)
    yield rig
    rig.worker.stop("the test has ended")


def test_a_pair_is_given_to_the_tracker_with_the_image_and_its_time(
    rig: Rig, tracker: Witness
) -> None:
    answer = rig.see(0)
    assert tracker.seen == [(True, 1, 1.0)]
    assert [(t.id, t.box.iou(BOX) > 0.9, t.label) for t in answer.tracks] == [
        ("m1", True, "person")
    ]
    assert answer.header.frame_id == "camera"
    assert answer.image is not None and answer.image.shape == PICTURE.shape


def test_a_prediction_changes_nothing_and_a_late_array_is_applied_with_its_own_image(
    hasty: Rig, tracker: Witness
) -> None:
    hasty.show(0)
    hasty.wait(lambda: len(hasty.answers) == 1)
    assert tracker.seen == []
    hasty.worker.offer_detections(array(0))
    hasty.wait(lambda: hasty.kinds == [Kind.PREDICTED, Kind.LATE])
    assert tracker.seen == [(True, 1, 1.0)]
    assert len(hasty.answers) == 1  # no second array of that image
    hasty.show(1)
    hasty.wait(lambda: len(hasty.answers) == 2)
    assert [t.state for t in hasty.answers[1].tracks] == [TrackState.UNCERTAIN]


def test_detections_without_an_image_are_answered_under_their_own_header(
    hasty: Rig, tracker: Witness
) -> None:
    hasty.worker.offer_detections(array(0))
    hasty.wait(lambda: hasty.answers)
    assert tracker.seen == [(False, 1, 1.0)]
    assert hasty.answers[0].header.ns == stamp(0)
    assert hasty.answers[0].image is None


def test_detections_of_an_image_that_was_lost_move_the_targets_and_go_out_to_nobody(
    hasty: Rig, tracker: Witness
) -> None:
    for number in (0, 2):
        hasty.show(number)
        hasty.wait(lambda count=number // 2 + 1: len(hasty.answers) == count)
    hasty.worker.offer_detections(array(1))
    hasty.wait(lambda: hasty.kinds[-1] is Kind.ALONE)
    hasty.show(3)
    hasty.wait(lambda: len(hasty.answers) == 3)
    stamps = [answer.header.ns for answer in hasty.answers]
    assert stamps == sorted(stamps)
    assert tracker.seen == [(False, 1, 1.033)]


def test_an_image_that_cannot_be_decoded_leaves_its_detections_to_the_motion(
    rig: Rig, tracker: Witness
) -> None:
    rig.show(0, encoding="rgb565")
    rig.worker.offer_detections(array(0))
    rig.wait(lambda: rig.kinds)
    assert rig.rejected == ["encoding"]
    assert tracker.seen == [(False, 1, 1.0)]
    rig.see(1)
    assert [answer.header.ns for answer in rig.answers] == [stamp(1)]


def test_an_array_that_cannot_be_read_leaves_its_image_to_the_prediction(
    rig: Rig, tracker: Witness
) -> None:
    whole = array(0)
    rig.show(0)
    rig.worker.offer_detections(DetectionArray(whole.raw[:-8], whole.header, whole.received))
    rig.wait(lambda: rig.answers)
    assert rig.refused == {"message": 1}
    assert tracker.seen == []


def test_what_is_wrong_and_what_is_not_wanted_is_counted_by_its_reason(rig: Rig) -> None:
    items = [Item(BOX), Item(Box(0, 0, -5, 5)), Item(BOX, [("dog", 0.1)]), Item(BOX, theta=1.0)]
    assert len(rig.see(0, items).tracks) == 1
    assert rig.left_out == {"low score": 1}
    assert len(rig.refused) == 2 and all(number == 1 for number in rig.refused.values())


def test_a_class_can_have_a_lowest_score_of_its_own(rig: Rig) -> None:
    strict = Wanted(min_score={"dog": 0.8})
    rig.worker.tune(Timing(wait=FOREVER), strict, lambda: None)
    rig.worker.end_targets("").result(10)  # requests are done in their order
    answer = rig.see(0, [Item(BOX, [("dog", 0.7)]), Item(Box(50, 10, 15, 30), [("cat", 0.7)])])
    assert [track.label for track in answer.tracks] == ["cat"]


def test_a_tracker_that_fails_is_told_and_the_image_gets_its_answer(
    rig: Rig, tracker: Witness
) -> None:
    rig.see(0)
    tracker.failing = True
    answer = rig.see(1)
    assert "out of memory" in rig.failures[0]
    assert [track.state for track in answer.tracks] == [TrackState.UNCERTAIN]
    tracker.failing = False
    assert [track.id for track in rig.see(2).tracks] == ["m1"]


def test_ended_targets_are_told_and_their_ids_do_not_come_again(rig: Rig) -> None:
    rig.see(0)
    assert rig.worker.end_targets("cleared").result(10) == ["m1"]
    assert [(t.id, t.state, t.reason) for t in rig.ended] == [("m1", TrackState.LOST, "cleared")]
    assert [track.id for track in rig.see(1).tracks] == ["m2"]


def test_ids_go_on_when_a_new_tracker_begins() -> None:
    names = Names("m")
    names.begin()
    assert [names.of("1"), names.of("7"), names.of("2")] == ["m1", "m7", "m2"]
    names.begin()
    assert names.of("1") == "m8"


def test_disabled_nothing_is_kept_for_later(rig: Rig, tracker: Witness) -> None:
    rig.worker.enabled = False
    assert rig.worker.offer(frame(0)) is True
    rig.worker.offer_detections(array(0))
    rig.worker.enabled = True
    rig.see(1)
    assert len(tracker.seen) == 1


def test_after_a_jump_of_time_the_same_stamps_are_answered_again(rig: Rig) -> None:
    rig.see(5)
    rig.worker.forget_frames()
    rig.worker.end_targets("time jumped").result(10)
    assert [track.id for track in rig.see(0).tracks] == ["m2"]


def test_a_jump_of_time_while_the_tracker_is_at_an_image_of_before(
    rig: Rig, tracker: Witness
) -> None:
    def jump() -> None:
        node = threading.Thread(target=rig.worker.forget_frames)
        node.start()
        node.join(10)

    tracker.meanwhile = jump
    rig.see(5)
    assert rig.see(0).header.ns == stamp(0)  # not held back for being older than what went out


def test_detections_that_come_while_their_image_is_being_kept_are_not_late(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = rig.history.add

    def add(frame: Frame) -> None:
        keep(frame)
        thread = threading.Thread(target=lambda: rig.worker.offer_detections(array(0)))
        thread.start()
        thread.join(0.2)
        rig.wait_a_moment(lambda: rig.kinds)  # the worker would be at them now, if it could

    monkeypatch.setattr(rig.history, "add", add)
    rig.show(0)
    rig.wait(lambda: rig.kinds)
    assert rig.kinds == [Kind.EXACT]
    assert not rig.rejected


def test_a_stopped_worker_has_ended_its_targets(rig: Rig) -> None:
    rig.see(0)
    rig.worker.stop("the node was deactivated")
    assert not rig.worker.alive
    assert [(t.id, t.reason) for t in rig.ended] == [("m1", "the node was deactivated")]
