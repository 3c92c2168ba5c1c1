"""The services of the single-object node: what is followed, what is refused, how it ends."""

from __future__ import annotations

import math

import pytest
from sot_harness import GOOD_OVERLAP, Sot, image_message, scene, truth
from std_srvs.srv import SetBool, Trigger

from tracker_ros.geometry import Box

# --- setting a target ----------------------------------------------------------------------------

GOOD = Box(152, 278, 78, 46)
BAD_BOXES = {
    "nan": (Box(math.nan, 278, 78, 46), "nan"),
    "infinite": (Box(152, 278, math.inf, 46), "inf"),
    "zero_width": (Box(152, 278, 0, 46), "w=0"),
    "negative_height": (Box(152, 278, 78, -46), "h=-46"),
    "right_of_the_image": (Box(700, 278, 78, 46), "x=700"),
    "above_the_image": (Box(152, -200, 78, 46), "y=-200"),
    "far_too_large": (Box.from_center(320, 240, 1e9, 1e9), "w=1e+09"),
    "larger_than_any_number": (Box.from_center(320, 240, 1e308, 1e308), "w=1e+308"),
}


@pytest.mark.parametrize(("box", "value"), BAD_BOXES.values(), ids=BAD_BOXES)
def test_a_bad_box_is_refused_naming_the_value_and_the_current_target_lives_on(
    sot: Sot, box: Box, value: str
) -> None:
    identity = sot.follow()
    response = sot.set_target(box)
    assert not response.success
    assert value in response.message
    answer = sot.film(range(1, 4))[-1]
    assert answer.track.id == identity
    assert answer.box.iou(truth(3)) > GOOD_OVERLAP


def test_before_the_first_image_a_target_is_refused(sot: Sot) -> None:
    response = sot.set_target(GOOD)
    assert not response.success
    assert "no image has arrived" in response.message


def test_a_stamp_that_no_image_has_is_refused_and_the_current_target_lives_on(sot: Sot) -> None:
    identity = sot.follow()
    response = sot.set_target(GOOD, stamp=5 * 10**9 + 1)
    assert not response.success
    assert "5.000000001" in response.message and "history" in response.message
    assert sot.film(range(1, 2))[-1].track.id == identity


def test_a_new_target_replaces_the_old_one_under_a_new_identity(sot: Sot) -> None:
    first = sot.follow()
    second = sot.set_target(truth(0))
    assert second.success and second.id != first
    assert first in second.message
    sot.wait_for_end(first, f"replaced by target {second.id}")
    assert [t.id for t in sot.film(range(1, 2))[-1].status.tracks] == [second.id]


def test_the_id_of_a_live_target_points_it_at_another_box(sot: Sot) -> None:
    sot.film(range(1))
    assert sot.set_target(Box(400, 100, 60, 60), id="same").success
    assert sot.set_target(truth(0), id="same").id == "same"
    answer = sot.film(range(1, 4))[-1]
    assert answer.track.id == "same"
    assert answer.box.iou(truth(3)) > GOOD_OVERLAP


def test_the_id_of_a_target_that_has_ended_is_never_given_again(sot: Sot) -> None:
    sot.follow(id="once")
    sot.call(Trigger, "clear")
    response = sot.set_target(truth(0), id="once")
    assert not response.success
    assert "once" in response.message


def test_two_targets_have_two_identities_and_a_third_is_refused(sot: Sot) -> None:
    assert sot.set_parameters(max_targets=2)[0].successful
    first = sot.follow(label="buggy")
    second = sot.set_target(Box(420, 120, 60, 60), label="meadow")
    assert second.success and second.id != first
    third = sot.set_target(GOOD)
    assert not third.success
    assert "max_targets is 2" in third.message
    answer = sot.film(range(1, 6))[-1]
    assert [(t.id, t.label) for t in answer.status.tracks] == [
        (first, "buggy"), (second.id, "meadow"),
    ]  # fmt: skip
    (buggy,) = (d for d in answer.tracks.detections if d.id == first)
    assert buggy.header == answer.tracks.header


# --- pausing and ending --------------------------------------------------------------------------


def test_clear_ends_the_target_and_says_so(sot: Sot) -> None:
    identity = sot.follow()
    response = sot.call(Trigger, "clear")
    assert response.success and identity in response.message
    sot.wait_for_end(identity, "cleared by request")
    answer = sot.film(range(1, 2))[0]
    assert list(answer.tracks.detections) == [] and list(answer.status.tracks) == []


def test_clear_without_a_target_is_no_error(sot: Sot) -> None:
    response = sot.call(Trigger, "clear")
    assert (response.success, response.message) == (True, "no target")


def test_while_disabled_nothing_is_tracked_and_then_the_same_target_is_followed_on(
    sot: Sot,
) -> None:
    identity = sot.follow()
    sot.film(range(1, 4))
    assert sot.call(SetBool, "enable", data=False).success
    refused = sot.set_target(truth(3))
    assert not refused.success and "disabled" in refused.message
    sot.diagnostics.clear()
    sot.wait_for_diagnostics("node", "disabled: images are not tracked")
    before = len(sot.tracks)
    for index in range(4, 8):
        sot.send(image_message(scene()[index].image, sot.next_stamp()))
    assert sot.call(SetBool, "enable", data=True).success
    answer = sot.film(range(8, 9))[0]
    assert len(sot.tracks) == before + 1
    counted = answer.status
    assert counted.frames_processed == 5
    assert counted.frames_dropped == counted.frames_received - counted.frames_processed >= 1
    assert answer.track.id == identity
    assert answer.box.iou(truth(8)) > GOOD_OVERLAP
