"""The gate and the figures that compare candidates, and the motion that they rest on."""

from __future__ import annotations

import numpy as np
import pytest

from tracker_ros.mot.affinity import (
    FAR,
    GATE_SPEED,
    GATE_START,
    Candidates,
    compare_pairs,
    compare_triples,
    gate,
)
from tracker_ros.mot.motion import COAST, Motion

PERSON = (100.0, 200.0, 40.0, 90.0)


def candidates(
    *boxes: tuple[float, ...], time: float, velocity: tuple[float, float] | None = None,
    labels: list[int] | None = None,
) -> Candidates:  # fmt: skip
    count = len(boxes)
    return Candidates(
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        times=np.full(count, time),
        scores=np.full(count, 0.9),
        velocities=np.tile(velocity or (0.0, 0.0), (count, 1)),
        moving=np.full(count, velocity is not None),
        labels=np.array(labels or [0] * count, np.intp),
    )


def moved(dx: float, dy: float = 0.0, grow: float = 1.0) -> tuple[float, ...]:
    x, y, w, h = PERSON
    return (x + dx, y + dy, w * grow, h * grow)


# --- gate ----------------------------------------------------------------------------------------


def test_the_gate_opens_farther_the_longer_a_target_was_not_seen() -> None:
    size = 60.0  # square root of 40 x 90
    near = GATE_START * size + GATE_SPEED * size * 0.1
    earlier = candidates(PERSON, time=0.0)
    later = candidates(moved(near - 1), moved(near + 1), time=0.1)
    assert gate(earlier, later).tolist() == [[True, False]]
    assert gate(earlier, candidates(moved(near + 1), time=0.5)).all()


def test_the_gate_is_open_where_a_moving_target_is_expected() -> None:
    earlier = candidates(PERSON, time=0.0, velocity=(400.0, 0.0))
    assert gate(earlier, candidates(moved(400.0), time=1.0)).all()
    still = candidates(PERSON, time=0.0)
    assert not gate(still, candidates(moved(400.0), time=1.0)).any()


def test_the_gate_is_shut_for_another_size_another_class_and_an_earlier_time() -> None:
    earlier = candidates(PERSON, time=1.0)
    assert not gate(earlier, candidates(moved(0, grow=2.1), time=1.1)).any()
    assert not gate(earlier, candidates(PERSON, time=1.1, labels=[1])).any()
    assert not gate(earlier, candidates(PERSON, time=0.9)).any()


def test_a_candidate_has_no_more_partners_than_allowed_and_they_are_the_nearest() -> None:
    crowd = candidates(*(moved(2.0 * i) for i in range(20)), time=0.1)
    open_ = gate(candidates(PERSON, time=0.0), crowd, partners=5)
    assert np.flatnonzero(open_[0]).tolist() == [0, 1, 2, 3, 4]


def test_empty_frames_have_empty_gates() -> None:
    nobody = candidates(time=0.0)
    assert gate(nobody, candidates(PERSON, time=0.1)).shape == (0, 1)
    assert gate(candidates(PERSON, time=0.0), nobody).shape == (1, 0)


# --- figures -------------------------------------------------------------------------------------


def test_the_figures_of_a_pair_are_those_of_their_definition() -> None:
    earlier = candidates(PERSON, time=0.0, velocity=(200.0, 0.0))
    later = candidates(moved(20.0, 9.0, grow=1.1), time=0.1)
    first = np.zeros(1, np.intp)
    figures = compare_pairs(earlier, later, first, first)[0]
    growth = np.log(1.1)
    assert figures[[0, 1, 2, 3]] == pytest.approx([0.5, 0.1, growth, growth], rel=1e-5)
    assert figures[5] > figures[4]  # it overlaps the expected place more
    assert figures[[6, 7, 8]] == pytest.approx([0.0, 0.1, 0.1], abs=1e-6)
    assert figures[[9, 10, 11]] == pytest.approx([0.9, 0.9, 1.0])


def test_figures_do_not_change_with_the_scale_of_the_picture() -> None:
    index = np.zeros(1, np.intp)

    def at_scale(scale: float) -> np.ndarray:
        def scaled(*box: float) -> tuple[float, ...]:
            return tuple(scale * value for value in box)

        a = candidates(scaled(*PERSON), time=0.0, velocity=(scale * 90, 0))
        b = candidates(scaled(*moved(9)), time=0.1, velocity=(scale * 90, 0))
        c = candidates(scaled(*moved(20)), time=0.2)
        nodes, skip = np.zeros((1, 3), np.intp), np.zeros(1)
        return np.concatenate(
            (compare_pairs(a, b, index, index)[0], compare_triples(a, b, c, nodes, skip)[0])
        )

    assert at_scale(3.0) == pytest.approx(at_scale(1.0), abs=1e-5)


def test_a_steady_walk_has_no_turn_whatever_the_gaps() -> None:
    a, b, c = (candidates(moved(100.0 * time), time=time) for time in (0.0, 0.04, 0.2))
    steady = compare_triples(a, b, c, np.zeros((1, 3), np.intp), np.zeros(1))[0]
    assert steady[:4] == pytest.approx([0, 0, 0, 0], abs=1e-6)
    back = candidates(moved(-20.0), time=0.2)
    assert abs(compare_triples(a, b, back, np.zeros((1, 3), np.intp), np.zeros(1))[0, 0]) > 0.3


def test_figures_of_impossible_pairs_are_limited() -> None:
    index = np.zeros(1, np.intp)
    figures = compare_pairs(
        candidates(PERSON, time=0.0), candidates((1e5, 1e5, 2.0, 9e4), time=1e4), index, index
    )
    assert np.abs(figures).max() <= FAR
    assert np.isfinite(figures).all()


# --- motion --------------------------------------------------------------------------------------


def test_the_velocity_of_a_steady_walk_is_found() -> None:
    motion = Motion(np.array(PERSON), 0.0)
    for step in range(1, 25):
        motion.observe(np.array(moved(4.0 * step)), 0.04 * step)
    assert motion.velocity == pytest.approx((100.0, 0.0), abs=3.0)
    assert motion.at(1.0)[0] == pytest.approx(200.0, abs=3.0)


def test_a_detector_that_jitters_moves_the_published_box_less() -> None:
    rng = np.random.default_rng(3)
    motion = Motion(np.array(PERSON), 0.0)
    raw, smooth = [], []
    for step in range(1, 100):
        noise = rng.normal(0, [4.0, 4.0, 0.2, 0.1])
        box = np.array([100 + noise[0], 200 + noise[1], 40 * np.exp(noise[2]), 90.0])
        motion.observe(box, 0.04 * step)
        raw.append(box[:3])
        smooth.append(motion.box[:3])
    assert (np.std(smooth[20:], axis=0) < 0.7 * np.std(raw[20:], axis=0)).all()


def test_a_target_that_is_not_seen_comes_to_rest() -> None:
    motion = Motion(np.array(PERSON), 0.0)
    for step in range(1, 25):
        motion.observe(np.array(moved(4.0 * step)), 0.04 * step)
    assert motion.at(100.0) == pytest.approx(motion.at(0.96 + COAST))
