"""What makes the figures of one run comparable: rounds, their order, and ratios within them."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pytest

from tracker_ros.bench import plan
from tracker_ros.bench.entrants import Choice, Entrant, choose, open_entrant
from tracker_ros.bench.films import CrowdFilm, SceneFilm, Shot
from tracker_ros.bench.machine import memory_now
from tracker_ros.bench.memory import TrackerMemory
from tracker_ros.bench.rounds import Heat, Lane, Ratio, ratio, rotated, round_sizes, run_rounds
from tracker_ros.bench.stages import FrameTimes, Outcome
from tracker_ros.geometry import Box
from tracker_ros.pipeline.frames import Frame


@pytest.fixture(scope="module")
def entrant() -> Entrant:
    return open_entrant(choose(["kcf"], ["auto"], threads=1, nanotrack=None)[0])


def lane(entrant: Entrant, wholes: list[float]) -> Lane:
    times = [FrameTimes(0, 0, 0, 0, whole, 0) for whole in wholes]
    return Lane(entrant, CrowdFilm(64, 64, "bgr8", 1), 1, times)


def test_the_warm_up_is_two_rounds_and_the_last_round_may_be_short() -> None:
    # Each with a frame before it that does not count.
    assert round_sizes(10) == [10, 10, 1 + 10]
    assert round_sizes(25) == [10, 10, 1 + 10, 1 + 10, 1 + 5]


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
    assert ratio(twice, reference) == Ratio(2, 2, 2)
    assert ratio(reference, reference) == Ratio(1, 1, 1)
    # A hiccup of some frames is none of the figure either.
    hiccup = lane(entrant, [2 * time for time in slow_then_fast[:-4]] + [50.0] * 4)
    assert ratio(hiccup, reference).median == 2


def test_the_spread_of_a_ratio_is_that_of_its_rounds(entrant: Entrant) -> None:
    # A tracker that gains from a second core, which others took in some of the rounds.
    reference = lane(entrant, [1.0] * 110)
    loaded = lane(entrant, [float(1 + number // 10) for number in range(110)])
    assert ratio(loaded, reference) == Ratio(6, 2, 10)


class Caches:
    """A tracker whose frame takes long after another one's: they have the caches in common."""

    full_of: ClassVar[list[Caches]] = []

    def __init__(self) -> None:
        self.stamps: list[int] = []

    def start(self, shot: Shot, boxes: Sequence[Box]) -> None:
        self.run(shot)

    def run(self, shot: Shot) -> Outcome:
        whole = 1.0 if self.full_of == [self] else 50.0
        self.full_of[:] = [self]
        self.stamps.append(Frame.of(shot.raw, compressed=False, received=0.0).header.ns)
        return Outcome(FrameTimes(0, 0, 0, 0, whole, 0), None, 1)


def test_a_frame_on_the_caches_of_another_tracker_does_not_count(entrant: Entrant) -> None:
    film, runners = SceneFilm(160, 120, "bgr8"), [Caches(), Caches(), Caches()]
    entrants = [replace(entrant, new_runner=lambda one=one: one) for one in runners]
    lanes = tuple(Lane(one, film, 1) for one in entrants)
    run_rounds([Heat(film, lanes)], 25, lambda words: None, lambda: None)
    for some in lanes:
        assert [times.whole for times in some.times] == [1.0] * 25
    # It is a frame of the film all the same: nobody misses one.
    film = SceneFilm(160, 120, "bgr8")
    expected = [Frame.of(s.raw, compressed=False, received=0.0).header.ns for s in film.take(49)]
    assert [one.stamps for one in runners] == [expected] * 3


def test_every_lane_runs_through_the_same_frames(entrant: Entrant) -> None:
    film = SceneFilm(320, 240, "bgr8")
    lanes = (Lane(entrant, film, 1), Lane(entrant, film, 1))
    ticks: list[None] = []
    memory = run_rounds(
        [Heat(film, lanes)], 15, lambda words: None, lambda: ticks.append(None)
    ).memory
    assert len(ticks) == 2 * 37
    assert [len(some.times) for some in lanes] == [15, 15]
    # KCF draws no lots: the same frames give the same boxes.
    assert lanes[0].overlaps == lanes[1].overlaps and len(lanes[0].overlaps) == 37
    assert memory.warm > 0 and memory.end > 0 and memory.peak >= memory.end


def test_the_memory_of_a_tracker_is_taken_on_the_frames_that_its_boxes_are_of(
    entrant: Entrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = SceneFilm(160, 120, "bgr8")
    film.take(90)  # where the rounds have left it
    seen: list[tuple[Shot, Box]] = []

    def note(choice: Choice, shots: Sequence[Shot], boxes: Sequence[Box]) -> TrackerMemory:
        seen.append((shots[0], boxes[0]))
        return TrackerMemory(0, 0, 0, 0)

    monkeypatch.setattr(plan, "measure_memory", note)
    plan.measure_memories([Heat(film, (Lane(entrant, film, 1),))], lambda words: None)
    ((shot, box),) = seen
    assert shot.truth == box


def test_memory_that_is_taken_shows() -> None:
    """Straight from the system: an allocator may have kept as much of what was freed before."""
    before = memory_now()
    with mmap.mmap(-1, 50_000_000) as block:
        block.write(b"1" * len(block))
        after = memory_now()
    assert 40 < after.now - before.now < 120 and after.peak >= after.now
    assert memory_now().peak >= after.now - 1
