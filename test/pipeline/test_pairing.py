"""Which detections are of which image: every rule, with stamps and a clock that the tests give."""

from __future__ import annotations

import pytest
from pairing_rig import PERIOD, Rig


@pytest.fixture
def rig() -> Rig:
    return Rig()


# --- an image and its detections -----------------------------------------------------------------


def test_an_image_waits_for_detections_with_exactly_its_stamp(rig: Rig) -> None:
    rig.image(0)
    assert rig.steps() == []
    rig.array(0, late=50)
    assert rig.steps() == [("EXACT", 0, 0)]


def test_detections_that_came_before_their_image_wait_for_it(rig: Rig) -> None:
    rig.array(0)
    assert rig.steps() == []
    rig.image(0, late=100)
    assert rig.steps() == [("EXACT", 0, 0)]


def test_exact_stamps_come_before_nearer_ones_of_other_images(rig: Rig) -> None:
    rig.image(0)
    rig.image(8)  # 120 Hz: both lie within the tolerance of each other's detections
    rig.array(2)
    rig.array(8)
    assert rig.steps() == [("NEAR", 0, 2), ("EXACT", 8, 8)]


def test_the_nearest_within_the_tolerance_is_taken_once_no_exact_one_comes(rig: Rig) -> None:
    rig.image(PERIOD)
    rig.array(PERIOD - 15)
    assert rig.steps() == []  # an exact one may come yet
    rig.array(PERIOD + 10)
    assert rig.steps() == [("NEAR", PERIOD, PERIOD + 10)]


def test_detections_stamped_before_their_image_are_taken_when_the_wait_is_over(rig: Rig) -> None:
    rig.image(0)
    rig.array(-5)
    assert rig.steps() == []
    assert rig.wait(0.26) == [("NEAR", 0, -5)]


def test_an_exact_one_that_comes_after_a_near_one_wins(rig: Rig) -> None:
    rig.image(0)
    rig.array(-5)
    assert rig.steps() == []
    rig.array(0, late=30)
    assert rig.steps() == [("EXACT", 0, 0)]


def test_of_two_images_the_nearer_one_gets_the_detections(rig: Rig) -> None:
    rig.image(0)
    rig.image(PERIOD)
    rig.array(18)
    rig.array(66)  # nothing else comes for the two
    assert rig.steps() == [("PREDICTED", 0, None), ("NEAR", PERIOD, 18)]


def test_outside_of_the_tolerance_nothing_is_paired() -> None:
    rig = Rig(tolerance=0.001)
    rig.image(0)
    rig.array(5)
    assert rig.wait(0.3) == [("PREDICTED", 0, None), ("ALONE", None, 5)]


def test_empty_detections_pair_like_any(rig: Rig) -> None:
    for index in range(3):
        rig.image(index * PERIOD)
        rig.array(index * PERIOD)
    assert [kind for kind, _, _ in rig.steps()] == ["EXACT"] * 3


# --- an image without detections -----------------------------------------------------------------


def test_a_later_array_resolves_the_images_before_it(rig: Rig) -> None:
    for index in range(3):
        rig.image(index * PERIOD)
    rig.array(2 * PERIOD)
    assert rig.steps() == [
        ("PREDICTED", 0, None), ("PREDICTED", PERIOD, None), ("EXACT", 2 * PERIOD, 2 * PERIOD),
    ]  # fmt: skip


@pytest.mark.parametrize("off", [0, 1])
def test_an_array_of_a_later_image_ends_the_wait_also_within_the_tolerance(
    rig: Rig, off: int
) -> None:
    for stamp in (0, 15, 30):  # a camera of 66 Hz, and a detector that looks at some images
        rig.image(stamp)
    rig.array(15 + off)
    kind = "NEAR" if off else "EXACT"
    assert rig.steps() == [("PREDICTED", 0, None), (kind, 15, 15 + off)]


def test_when_the_wait_is_over_an_image_is_answered_without(rig: Rig) -> None:
    rig.image(0)
    assert rig.wait(0.24) == []
    assert rig.wait(0.02) == [("PREDICTED", 0, None)]


def test_the_deadline_is_that_of_the_image_or_array_that_waits_longest(rig: Rig) -> None:
    assert rig.pairing.deadline() is None
    rig.array(0)
    assert rig.pairing.deadline() == pytest.approx(0.25)
    rig.image(PERIOD)
    rig.steps()  # the array has no image
    assert rig.pairing.deadline() == pytest.approx(0.283)


def test_without_a_wait_every_image_is_answered_at_once() -> None:
    rig = Rig(wait=0.0)
    rig.image(0)
    assert rig.steps() == [("PREDICTED", 0, None)]
    rig.array(0, late=20)
    assert rig.steps() == [("LATE", 0, 0)]


# --- a late detector -----------------------------------------------------------------------------


def test_late_detections_are_applied_to_their_own_image(rig: Rig) -> None:
    done = []
    for index in range(12):
        rig.image(index * PERIOD)
        done += rig.steps()
    assert [kind for kind, _, _ in done] == ["PREDICTED"] * 4
    rig.array(2 * PERIOD, late=300)
    assert rig.steps()[0] == ("LATE", 2 * PERIOD, 2 * PERIOD)


def test_late_detections_within_the_tolerance_get_the_nearest_image(rig: Rig) -> None:
    for index in range(3):
        rig.image(index * PERIOD)
    rig.wait(0.3)
    rig.array(PERIOD + 9)
    assert rig.steps() == [("LATE", PERIOD, PERIOD + 9)]


def test_a_detector_that_is_always_late_is_caught_up_array_by_array(rig: Rig) -> None:
    done = []
    for index in range(40):
        rig.image(index * PERIOD)
        if index >= 12:
            rig.array((index - 12) * PERIOD)
        done += rig.steps()
    late = [of_image for kind, of_image, _ in done if kind == "LATE"]
    assert late == [index * PERIOD for index in range(28)]
    assert {kind for kind, _, _ in done} == {"LATE", "PREDICTED"}
    assert not rig.refused


def test_late_detections_are_not_those_of_a_later_image_that_is_farther_away() -> None:
    rig = Rig(wait=0.1)
    for index in range(8):
        rig.image(index * 16)  # 62 Hz: the next image is within the tolerance as well
    assert rig.steps()[-1] == ("PREDICTED", 0, None)
    rig.array(1)  # stamped a little after its image
    assert rig.steps() == [("LATE", 0, 1)]
    assert rig.wait(0.01)[0] == ("PREDICTED", 16, None)


def test_a_detector_that_begins_late_and_is_late_is_caught_up_all_the_same() -> None:
    rig = Rig(max_gap=1.0)
    done = []
    for index in range(120):
        rig.image(index * PERIOD)
        if index >= 60 and index % 15 == 0:  # from 2 s on, twice a second, 0.6 s late
            rig.array((index - 18) * PERIOD)
        done += rig.steps()
    assert ("EMPTY", 50 * PERIOD, None) in done
    late = [of_image for kind, of_image, _ in done if kind == "LATE"]
    assert late == [index * PERIOD for index in (57, 72, 87)]
    assert rig.refused == ["reordered"]  # the first alone: nothing counted as detected by then
    after = done.index(("LATE", 57 * PERIOD, 57 * PERIOD))
    assert {kind for kind, _, _ in done[after:]} == {"LATE", "PREDICTED"}


def test_a_detector_that_repeats_itself_does_not_end_the_gap() -> None:
    rig = Rig(max_gap=0.2, wait=0.0)
    rig.array(0)
    kinds = []
    for index in range(10):
        rig.image(index * PERIOD)
        rig.array(0)
        kinds += [kind for kind, _, _ in rig.steps()]
    assert kinds == ["EXACT"] + ["PREDICTED"] * 6 + ["EMPTY"] * 3


def test_late_detections_whose_image_left_the_history_count_as_without_image() -> None:
    rig = Rig(history=3)
    for index in range(10):
        rig.image(index * PERIOD)
    rig.wait(0.3)
    rig.array(PERIOD)
    assert rig.steps() == [("ALONE", None, PERIOD)]


# --- detections without an image -----------------------------------------------------------------


def test_without_any_image_detections_are_applied_when_the_wait_is_over(rig: Rig) -> None:
    rig.array(0)
    assert rig.wait(0.24) == []
    assert rig.wait(0.02) == [("ALONE", None, 0)]


def test_once_a_newer_image_came_detections_without_one_wait_no_longer(rig: Rig) -> None:
    rig.image(0)
    rig.array(0)
    rig.steps()
    rig.array(PERIOD)  # that image was lost on the way
    assert rig.steps() == []
    rig.image(2 * PERIOD)
    assert rig.steps() == [("ALONE", None, PERIOD)]


def test_an_image_that_comes_after_later_detections_were_applied_is_rejected(rig: Rig) -> None:
    rig.array(PERIOD)
    assert rig.wait(0.3) == [("ALONE", None, PERIOD)]
    rig.image(0)
    assert rig.rejected == ["late image"]
    assert rig.steps() == []


# --- images without detections for long ----------------------------------------------------------


def test_after_the_gap_an_image_counts_as_one_in_which_nothing_was_detected() -> None:
    rig = Rig(max_gap=0.1, wait=0.0)
    kinds = []
    for index in range(6):
        rig.image(index * PERIOD)
        kinds += [kind for kind, _, _ in rig.steps()]
    assert kinds == ["PREDICTED"] * 4 + ["EMPTY"] * 2  # 132 ms and more after the first


def test_detections_end_the_gap_and_those_of_within_it_are_refused() -> None:
    rig = Rig(max_gap=0.1, wait=0.0)
    for index in range(6):
        rig.image(index * PERIOD)
        rig.steps()
    rig.array(2 * PERIOD)
    assert rig.steps() == []
    assert rig.refused == ["reordered"]
    rig.array(6 * PERIOD)
    rig.image(6 * PERIOD)
    assert rig.steps() == [("EXACT", 6 * PERIOD, 6 * PERIOD)]
    rig.image(7 * PERIOD)
    assert [kind for kind, _, _ in rig.steps()] == ["PREDICTED"]
