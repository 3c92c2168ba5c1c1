"""Tracking values: tracks are followed both ways, and one footage counts as much as another."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tracker_ros.evaluation.metrics import success_auc
from tracker_ros.geometry import Box
from tracker_ros.sot.model import PAPERS, load_model
from tracker_ros.training.pictures import Frame, FrameTrack
from tracker_ros.training.tracking_values import (
    GRIDS,
    LEAST_GAIN,
    LONGEST,
    Passage,
    choose_tracking,
    follow,
    footage_auc,
    passages,
)

SIZE = (48, 40)


def texture(width: int, height: int, grain: int, seed: int) -> np.ndarray:
    cells = (height // grain + 2, width // grain + 2, 3)
    small = np.random.default_rng(seed).integers(0, 256, cells, np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def moving(name: str, seed: int, pace: int, frames: int = 10, video: str = "") -> FrameTrack:
    """A textured thing that jumps `pace` pixels to the right and back in turns."""
    shown = []
    for index in range(frames):
        x, y = 100 + (index % 2) * pace, 90
        image = texture(320, 240, 40, seed)
        image[y : y + SIZE[1], x : x + SIZE[0]] = texture(*SIZE, 8, seed + 100)
        shown.append(Frame(image, Box(x, y, *SIZE)))
    return FrameTrack(name, tuple(shown), video=video)


def test_tracks_are_followed_both_ways_from_frames_in_which_the_target_is_there() -> None:
    image = texture(32, 32, 8, 0)
    there, gone = Frame(image, Box(1, 1, 9, 9)), Frame(image, None)
    first, last = Frame(image, Box(2, 2, 9, 9)), Frame(image, Box(3, 3, 9, 9))
    track = FrameTrack("a", (gone, first, gone, there, last, gone, gone), video="film")
    forwards, backwards = passages([track])
    assert forwards == Passage("film", (first, gone, there, last))
    assert backwards == Passage("film", (last, there, gone, first))
    long = FrameTrack("b", (first, *(LONGEST * 2 * [there]), last))
    for passage, start in zip(passages([long]), (first, last), strict=True):
        assert len(passage.frames) == LONGEST
        assert passage.frames[0] is start
    assert passages([FrameTrack("once", (gone, first, gone))]) == [], "nothing to follow"


def test_many_tracks_of_one_footage_count_as_much_as_one_of_another() -> None:
    model = load_model("siamrpnpp", threads=1)
    crowd = [moving(f"person {i}", seed, 90, 4, "street") for i, seed in enumerate((1, 2, 3))]
    alone = moving("dog", 4, 2, 4)
    of = {
        passage.footage: success_auc(follow(model, passage.frames))
        for passage in passages([alone])[:1]
    }
    assert set(of) == {"dog"}, "a track without a named video is a footage of its own"
    street, dog = footage_auc(model, passages(crowd)), footage_auc(model, passages([alone]))
    assert abs(street - dog) > 0.1, "else the test shows nothing"
    assert footage_auc(model, passages([*crowd, alone])) == pytest.approx((street + dog) / 2)


def test_a_value_that_loses_the_target_is_replaced_and_the_measure_is_that_of_the_result() -> None:
    shipped = load_model("siamrpnpp", threads=1)
    bound = shipped.with_tracking({**shipped.card.tracking, "window_influence": 1.0})
    tracks = [moving("one", 1, 40), moving("two", 2, 40)]
    chosen, auc = choose_tracking(bound, tracks)
    assert chosen["window_influence"] in GRIDS["siamrpnpp"]["window_influence"]
    before = footage_auc(bound, passages(tracks))
    assert auc >= before + LEAST_GAIN
    assert auc == pytest.approx(
        footage_auc(shipped.with_tracking(chosen), passages(tracks)), abs=1e-4
    )
    kept = {k: v for k, v in shipped.card.tracking.items() if k not in GRIDS["siamrpnpp"]}
    assert kept.items() <= chosen.items(), "what is not tried stays"


@pytest.mark.parametrize("tracker", PAPERS)
def test_what_is_tried_are_values_of_that_tracker(tracker: str) -> None:
    model = load_model(tracker, threads=1)
    for name, values in GRIDS[tracker].items():
        assert len(values) > 1
        for value in values:
            model.with_tracking({**model.card.tracking, name: value})
