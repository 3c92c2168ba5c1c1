"""What makes the figures of one run comparable: rounds, their order, and ratios within them."""

from __future__ import annotations

import pytest

from tracker_ros.bench.entrants import Entrant, choose, open_entrant
from tracker_ros.bench.films import CrowdFilm, SceneFilm
from tracker_ros.bench.machine import memory_now
from tracker_ros.bench.rounds import Heat, Lane, ratio, rotated, round_sizes, run_rounds
from tracker_ros.bench.stages import FrameTimes


@pytest.fixture(scope="module")
def entrant() -> Entrant:
    return open_entrant(choose(["kcf"], ["auto"], threads=1, nanotrack=None)[0])


def lane(entrant: Entrant, wholes: list[float]) -> Lane:
    times = [FrameTimes(0, 0, 0, 0, whole, 0) for whole in wholes]
    return Lane(entrant, CrowdFilm(64, 64, "bgr8", 1), 1, times)


def test_the_warm_up_is_two_rounds_and_the_last_round_may_be_short() -> None:
    assert round_sizes(10) == [10, 10, 10]
    assert round_sizes(25) == [10, 10, 10, 10, 5]


def test_nobody_is_first_in_every_round(entrant: Entrant) -> None:
    lanes = [lane(entrant, []) for _ in range(3)]
    orders = [rotated(lanes, number) for number in range(6)]
    for some in lanes:
        assert [order.index(some) for order in orders] in (
            [0, 2, 1] * 2,
            [1, 0, 2] * 2,
            [2, 1, 0] * 2,
        )


def test_a_ratio_is_not_moved_by_a_time_in_which_the_machine_was_slow(entrant: Entrant) -> None:
    slow_then_fast = [10.0] * 10 + [1.0] * 20
    reference = lane(entrant, slow_then_fast)
    twice = lane(entrant, [2 * time for time in slow_then_fast])
    assert ratio(twice, reference) == 2 and ratio(reference, reference) == 1
    # A hiccup of some frames is none of the figure either.
    hiccup = lane(entrant, [2 * time for time in slow_then_fast[:-4]] + [50.0] * 4)
    assert ratio(hiccup, reference) == 2


def test_every_lane_runs_through_the_same_frames(entrant: Entrant) -> None:
    film = SceneFilm(320, 240, "bgr8")
    lanes = (Lane(entrant, film, 1), Lane(entrant, film, 1))
    ticks: list[None] = []
    memory = run_rounds([Heat(film, lanes)], 15, lambda words: None, lambda: ticks.append(None))
    assert len(ticks) == 2 * 35
    assert [len(some.times) for some in lanes] == [15, 15]
    # KCF draws no lots: the same frames give the same boxes.
    assert lanes[0].overlaps == lanes[1].overlaps and len(lanes[0].overlaps) == 35
    assert memory.warm > 0 and memory.end > 0 and memory.peak >= memory.end


def test_memory_that_is_taken_shows(entrant: Entrant) -> None:
    before = memory_now()
    block = bytearray(b"1") * 50_000_000
    after = memory_now()
    assert 40 < after.now - before.now < 80 and after.peak >= after.now
    del block
    assert memory_now().peak >= after.now - 1
