"""What is recorded of what networks are given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tracker_ros.errors import ModelError
from tracker_ros.models.card import read_card
from tracker_ros.sot.clips import Clip, clip_amid, drawn_clips
from tracker_ros.sot.samples import record_samples

CARD = read_card("siamfc_small")


def test_every_graph_of_a_model_gets_as_many_inputs_as_were_asked_for() -> None:
    samples = record_samples(CARD, count=4)
    assert {role: len(found) for role, found in samples.items()} == {
        "template": 4, "search": 4, "match": 4,
    }  # fmt: skip
    shapes = {name: value.shape for name, value in samples["match"][0].items()}
    assert shapes == {"kernel_0": (1, 128, 6, 6), "feature_0": (3, 128, 22, 22)}
    assert all(value.dtype == np.float32 for each in samples["match"] for value in each.values())


def test_of_a_graph_that_takes_batches_a_sample_is_one_row() -> None:
    shapes = {each["search"].shape for each in record_samples(CARD, count=3)["search"]}
    assert shapes == {(1, 3, 255, 255)}


def test_samples_are_copies_and_no_two_are_alike() -> None:
    search = [each["search"] for each in record_samples(CARD, count=4)["search"]]
    assert all(value.base is None for value in search)
    assert len({value.tobytes() for value in search}) == len(search)


def test_the_same_samples_every_time() -> None:
    first, second = (record_samples(CARD, count=2) for _ in range(2))
    for role, samples in first.items():
        for one, other in zip(samples, second[role], strict=True):
            assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_drawn_thing_moves_inside_the_picture_and_can_be_told_from_the_ground() -> None:
    clips = list(drawn_clips(12))
    assert len(clips) == 12
    for clip in clips:
        height, width = clip.pictures[0].shape[:2]
        assert clip.box.clipped(width, height) == clip.box
        first, second, third = (picture.astype(int) for picture in clip.pictures)
        assert first.shape == second.shape == third.shape and clip.pictures[0].dtype == np.uint8
        assert np.abs(first - second).mean() > 1 and np.abs(second - third).mean() > 1
    means = [float(clip.pictures[0].mean()) for clip in clips]
    assert max(means) - min(means) > 60, "dark and bright ones"


def test_what_is_amid_a_picture_is_followed_in_the_next_one_of_its_size() -> None:
    first, second = (np.full((90, 120, 3), grey, np.uint8) for grey in (10, 200))
    clip = clip_amid(first, second)
    assert all(a is b for a, b in zip(clip.pictures, (first, first, second), strict=True))
    assert (clip.box.cx, clip.box.cy, clip.box.w, clip.box.h) == pytest.approx((60, 45, 36, 27))
    for other in (None, second[:50]):
        assert all(picture is first for picture in clip_amid(first, other).pictures)


def test_clips_of_the_callers_own_are_recorded() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    (clip,) = drawn_clips(1)
    own = Clip((picture, picture, picture), clip.box.clipped(100, 80))
    own = own._replace(box=replace(own.box, x=40, y=30, w=50, h=40))
    samples = record_samples(CARD, clips=[own])
    assert {role: len(found) for role, found in samples.items()} == {
        "template": 1, "search": 8, "match": 4,
    }, "four more of the first picture, for the filter learnt on line"  # fmt: skip


def test_a_card_that_no_tracker_follows_one_target_with_is_refused() -> None:
    with pytest.raises(ModelError, match="asks for the tracker 'famnet'"):
        record_samples(read_card("famnet_alexnet_small"))
