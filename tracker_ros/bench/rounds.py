"""Contestants in one run: in short rounds, one after the other, in a changing order.

A machine that others use is now fast, now slow. What is compared is measured within a second or
two, on the same frames, so that this hits all alike; and nobody is always the first after a pause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tracker_ros.bench.entrants import Entrant
from tracker_ros.bench.films import Film, Shot
from tracker_ros.bench.machine import ProcessMemory, memory_now
from tracker_ros.bench.stages import FrameTimes, Runner

WARM_UP = 20
"""Frames before anything counts: caches, memory and the network's own buffers fill."""
ROUND = 10
"""Frames of a round."""


@dataclass(eq=False)
class Lane:
    """One tracker on one film with so many targets, and its figures."""

    entrant: Entrant
    film: Film
    targets: int
    """Objects, where a detector finds them."""
    times: list[FrameTimes] = field(default_factory=list)
    """Of every frame that counts."""
    overlaps: list[float] = field(default_factory=list)
    """With the truth of the first target, of every frame that shows it, warm-up included; 0 where
    the tracker says that it is lost."""


@dataclass(frozen=True, eq=False)
class Heat:
    """Lanes that run on the same frames."""

    film: Film
    lanes: tuple[Lane, ...]


def run_rounds(
    heats: Sequence[Heat], frames: int, say: Callable[[str], object], tick: Callable[[], object]
) -> ProcessMemory:
    """Run every lane over so many frames that count: say what runs, and that a frame is done.

    Gives the memory of this process. Raises TargetError where a tracker refuses its box,
    DataError when a frame cannot be read.
    """
    loaded = memory_now()
    say("warm-up")
    runners: dict[int, Runner] = {}
    for heat in heats:
        shot = heat.film.take(1)[0]
        for lane in heat.lanes:
            runner = runners[id(lane)] = lane.entrant.new_runner()
            runner.start(shot, heat.film.boxes(lane.targets))
    sizes = round_sizes(frames)
    warm = memory_now()
    for number, size in enumerate(sizes):
        counts = number >= WARM_UP // ROUND
        if number == WARM_UP // ROUND:
            warm = memory_now()
            say("all in rounds")
        for heat in heats:
            shots = heat.film.take(size)
            for lane in rotated(heat.lanes, number):
                _run_round(lane, runners[id(lane)], shots, counts, tick)
    return ProcessMemory(loaded.now, warm.now, memory_now().now, memory_now().peak)


def round_sizes(frames: int) -> list[int]:
    """Frames of each round: those of the warm-up, then `frames` in all."""
    full, rest = divmod(frames, ROUND)
    return [ROUND] * (WARM_UP // ROUND + full) + [rest] * (rest > 0)


def rotated(lanes: Sequence[Lane], number: int) -> list[Lane]:
    """The lanes in the order of round `number`."""
    first = number % len(lanes)
    return [*lanes[first:], *lanes[:first]]


def _run_round(
    lane: Lane, runner: Runner, shots: Sequence[Shot], counts: bool, tick: Callable[[], object]
) -> None:
    for shot in shots:
        outcome = runner.run(shot)
        if counts:
            lane.times.append(outcome.times)
        if shot.truth is not None:
            lane.overlaps.append(0.0 if outcome.box is None else outcome.box.iou(shot.truth))
        tick()


def ratio(lane: Lane, reference: Lane) -> float:
    """How many times as long a whole frame takes as the reference's, which ran beside it.

    The median, over the rounds, of the quotient of the medians of a round.
    """
    quotients = []
    for start in range(0, len(lane.times), ROUND):
        mine, theirs = (
            np.median([times.whole for times in some.times[start : start + ROUND]])
            for some in (lane, reference)
        )
        quotients.append(mine / theirs)
    return float(np.median(quotients))
