"""How like the first frame what was found is: the measure, and what real networks make of it."""

import numpy as np
import pytest
from patch_scene import BACKGROUND, scene

from tracker_ros.geometry import Box
from tracker_ros.sot import load_model
from tracker_ros.sot.verification import likeness

RNG = np.random.default_rng(3)
KERNEL = RNG.normal(size=(1, 8, 4, 4)).astype(np.float32)
BOX = Box(200, 150, 60, 48)


def test_the_same_is_alike_however_bright_or_strong_and_the_opposite_is_not() -> None:
    first = {"kernel_0": KERNEL}
    assert likeness(first, {"kernel_0": KERNEL}) == pytest.approx(1.0)
    assert likeness(first, {"kernel_0": 3 * KERNEL + 7}) == pytest.approx(1.0, abs=1e-5)
    assert likeness(first, {"kernel_0": -KERNEL}) == 0.0


def test_several_outputs_count_equally_and_those_not_asked_for_do_not() -> None:
    other = RNG.normal(size=KERNEL.shape).astype(np.float32)
    first = {"kernel_0": KERNEL, "kernel_2": other}
    half = likeness(first, {"kernel_0": KERNEL, "kernel_2": -other, "kernel_1": KERNEL})
    assert half == pytest.approx(0.0, abs=1e-6), "1 and -1"
    assert likeness({"kernel_0": KERNEL}, {"kernel_0": KERNEL, "kernel_2": -other}) > 0.99


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_answers_that_are_no_numbers_are_like_nothing(bad: float) -> None:
    now = KERNEL.copy()
    now[0, 0, 0, 0] = bad
    assert likeness({"kernel_0": KERNEL}, {"kernel_0": now}) == 0.0


def test_a_blank_kernel_is_like_nothing() -> None:
    assert likeness({"kernel_0": KERNEL}, {"kernel_0": np.ones_like(KERNEL)}) == 0.0


@pytest.mark.parametrize("name", ["siamrpnpp", "siamfc"])
def test_a_target_is_like_itself_elsewhere_and_unlike_the_background(name: str) -> None:
    tracker = load_model(name, threads=1).new_tracker()
    tracker.init(scene(200, 150), BOX)
    assert tracker.likeness(scene(200, 150), BOX) > 0.999
    moved = tracker.likeness(scene(420, 300), Box(420, 300, 60, 48))
    background = tracker.likeness(BACKGROUND, BOX)
    assert moved > 0.5 > background
