"""Targets that are set on an image of before: how late they are, and how they catch up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from patch_scene import scene
from sot_rig import BOX, PERIOD, Rig, frame

from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.pipeline.catch_up import SECONDS, STEPS
from tracker_ros.pipeline.frames import Frame, FrameHistory
from tracker_ros.pipeline.requests import TargetRequest, find_frame
from tracker_ros.pipeline.sot_worker import Processed
from tracker_ros.sot import LoadedModel, load_model

FIRST = 10**9
"""Stamp of image 0."""


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model("siamrpnpp", threads=1)


class Camera(Rig):
    """A worker without a thread. Whenever an image was tracked, the next one is there already."""

    def __init__(self, model: LoadedModel, max_targets: int = 1) -> None:
        self.now = 0.0
        self.coming: list[Frame] = []
        super().__init__(model, max_targets, thread=False, clock=lambda: self.now)

    def film(self, images: range) -> None:
        """Let images come one by one, and everything be done for each."""
        for number in images:
            self.worker.keep(self.image(number))
            self.worker.catch_up()

    def film_fast(self, images: range) -> None:
        """Let them come as fast as they are taken."""
        self.coming = [self.image(number) for number in images]
        self.worker.keep(self.coming.pop(0))
        self.worker.catch_up()

    def image(self, number: int) -> Frame:
        return frame(number, scene(20 + 4 * number, 150))

    def set_on(self, number: int, **fields: str) -> str:
        """Set the moving patch on image `number`; gives the words of the answer."""
        future = self.worker.set_target(
            TargetRequest(moving(number), FIRST + number * PERIOD, **fields)
        )
        self.worker.catch_up()
        return future.result(0).message

    def on_processed(self, processed: Processed) -> None:
        super().on_processed(processed)
        if self.coming:
            self.worker.keep(self.coming.pop(0))


def moving(number: int) -> Box:
    """Where the patch is in image `number`."""
    return Box(20 + 4 * number, 150, 60, 48)


def test_the_answer_says_how_late_it_was_in_words_and_exactly(model: LoadedModel) -> None:
    rig = Camera(model)
    rig.film(range(26))
    future = rig.worker.set_target(TargetRequest(moving(0), FIRST))
    rig.worker.catch_up()
    accepted = future.result(0)
    assert accepted.message == "following 1, set 0.82 s late: catches up on 25 images"
    assert accepted.late == pytest.approx(25 * PERIOD / 1e9)
    assert rig.news == ["target 1 has caught up: 25 of 25 images followed"]


def test_on_the_newest_image_a_target_is_not_late(model: LoadedModel) -> None:
    rig = Camera(model)
    rig.film(range(3))
    assert rig.set_on(2) == "following 1"
    assert rig.news == []


def test_it_is_followed_through_every_image_up_to_the_newest_once(model: LoadedModel) -> None:
    rig = Camera(model)
    rig.film(range(21))
    rig.set_on(0)
    rig.film(range(21, 22))
    (track,) = rig.processed[-1].tracks
    assert track.age == 21
    assert track.box.iou(moving(21)) > 0.4


def test_alone_it_catches_up_before_the_next_image_is_tracked(model: LoadedModel) -> None:
    rig = Camera(model)
    rig.film(range(21))
    future = rig.worker.set_target(TargetRequest(moving(0), FIRST))
    rig.film_fast(range(21, 24))
    assert future.result(0).late > 0
    assert [len(processed.tracks) for processed in rig.processed[21:]] == [1, 1, 1]


def test_meanwhile_the_targets_that_are_there_are_followed_in_every_image(
    model: LoadedModel,
) -> None:
    rig = Camera(model, max_targets=2)
    rig.film(range(1))
    there = rig.set_on(0, id="there")
    rig.film(range(1, 26))
    late = rig.worker.set_target(TargetRequest(moving(0), FIRST, id="late"))
    rig.film_fast(range(26, 100))
    assert late.result(0).id == "late" and "there" in there
    seen = [{track.id: track for track in processed.tracks} for processed in rig.processed[26:]]
    assert len(seen) == 74
    assert all("there" in tracks for tracks in seen)
    first = next(index for index, tracks in enumerate(seen) if "late" in tracks)
    assert first <= STEPS  # a step between two images, and never more steps than these
    assert all("late" in tracks for tracks in seen[first:])
    assert seen[first]["late"].box.iou(moving(26 + first)) > 0.4
    (words,) = rig.news
    assert f"{STEPS} of {25 + STEPS} images followed" in words


@dataclass(frozen=True)
class SlowFrame(Frame):
    """An image that takes a tenth of a simulated second."""

    rig: Camera | None = None

    def decode(self) -> UInt8Image:
        assert self.rig is not None
        self.rig.now += 0.1
        return super().decode()


def test_a_slow_tracker_skips_images_so_that_it_is_at_the_newest_in_time(
    model: LoadedModel,
) -> None:
    rig = Camera(model)
    for number in range(60):
        came = rig.image(number)
        rig.history.add(SlowFrame(came.raw, came.header, False, 0.0, rig=rig))
    assert "catches up on 59 images" in rig.set_on(0)
    began = 0.1  # the image it was set on was decoded too
    assert SECONDS - 0.2 < rig.now - began < SECONDS + 0.1
    (words,) = rig.news
    followed = round((rig.now - began) / 0.1)
    assert words == f"target 1 has caught up: {followed} of 59 images followed"
    rig.film(range(60, 61))
    (track,) = rig.processed[-1].tracks
    assert track.age == followed + 1
    assert track.box.iou(moving(60)) > 0.4


def test_pointed_at_anew_while_it_catches_up_a_target_starts_from_there(
    model: LoadedModel,
) -> None:
    rig = Camera(model)
    rig.film(range(26))
    first = rig.worker.set_target(TargetRequest(moving(0), FIRST, id="same"))
    second = rig.worker.set_target(TargetRequest(moving(24), FIRST + 24 * PERIOD, id="same"))
    rig.film(range(26, 27))
    assert first.result(0).id == second.result(0).id == "same"
    (track,) = rig.processed[-1].tracks
    assert track.age == 2
    assert rig.news == ["target same has caught up: 1 of 1 images followed"]


def test_a_target_that_is_ended_while_it_catches_up_stays_ended(model: LoadedModel) -> None:
    rig = Camera(model)
    rig.film(range(26))
    rig.worker.set_target(TargetRequest(moving(0), FIRST))
    rig.worker.end_targets("cleared by request")
    rig.film(range(26, 27))
    assert rig.processed[-1].tracks == []
    assert [track.reason for track in rig.ended] == ["cleared by request"]
    assert rig.news == []


def test_a_late_target_counts_as_one_of_those_that_are_followed(model: LoadedModel) -> None:
    rig = Camera(model, max_targets=2)
    rig.film(range(26))
    for name in ("a", "b"):
        rig.worker.set_target(TargetRequest(moving(0), FIRST, id=name))
    third = rig.worker.set_target(TargetRequest(BOX))
    rig.worker.catch_up()
    with pytest.raises(TargetError, match="max_targets is 2"):
        third.result(0)


def test_images_that_cannot_be_decoded_are_passed_over(model: LoadedModel) -> None:
    rig = Camera(model)
    rig.film(range(1))
    rig.film(range(2, 4))
    rig.worker.keep(frame(4, scene(36, 150), encoding="rgb565"))
    rig.worker.catch_up()
    rig.film(range(5, 6))
    rig.set_on(0)
    rig.film(range(6, 7))
    (track,) = rig.processed[-1].tracks
    assert track.age == 4  # 2, 3, 5 and 6
    assert track.box.iou(moving(6)) > 0.4


# --- which image is meant ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def history() -> FrameHistory:
    kept = FrameHistory(10, 1 << 30)
    blank = np.zeros((4, 4, 3), np.uint8)
    for number in range(20):
        kept.add(frame(number, blank))
    return kept


def test_only_the_very_image_will_do(history: FrameHistory) -> None:
    stamp = FIRST + 12 * PERIOD
    assert find_frame(history, stamp).header.ns == stamp
    with pytest.raises(TargetError, match="to the nanosecond"):
        find_frame(history, stamp + 1)


def test_no_stamp_means_the_newest(history: FrameHistory) -> None:
    assert find_frame(history, 0).header.ns == FIRST + 19 * PERIOD


def test_a_stamp_older_than_the_history_is_refused_with_what_keeps_more(
    history: FrameHistory,
) -> None:
    with pytest.raises(TargetError, match=r"holds 1\.33.* to 1\.62.*0\.33 s older.*history_sec"):
        find_frame(history, FIRST)


def test_a_stamp_of_the_future_is_refused_with_how_far_it_is(history: FrameHistory) -> None:
    with pytest.raises(TargetError, match=r"it is 2\.00 s later"):
        find_frame(history, FIRST + 19 * PERIOD + 2 * 10**9)
