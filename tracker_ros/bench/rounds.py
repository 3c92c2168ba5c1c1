"""Contestants in one run: in short rounds, one after the other, in a changing order.

What is compared is measured within a second or two, on the same frames: a machine that is now fast,
now slow is so for all, and nobody is always the first after a pause. It does not make up for cores
that others take, for not all trackers lose as much by that: contention.py says how many they took.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tracker_ros.bench.contention import Others, Watch
from tracker_ros.bench.entrants import Entrant
from tracker_ros.bench.films import Film, Shot
from tracker_ros.bench.machine import ProcessMemory, memory_now
from tracker_ros.bench.stages import FrameTimes, Runner

WARM_UP = 20
"""Frames before anything counts: caches, memory and the network's own buffers fill."""
ROUND = 10
"""Frames of a round that count."""
UNTIMED = 1
"""Frames before them that do not: another tracker has just left its own data in the caches, which
would be every tenth frame, and the p95 of a light tracker."""


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
    """With the truth of the first target, of every frame that shows it, those that do not count
    included; 0 where the tracker says that it is lost."""


@dataclass(frozen=True, eq=False)
class Heat:
    """Lanes that run on the same frames."""

    film: Film
    lanes: tuple[Lane, ...]


@dataclass(frozen=True)
class Surroundings:
    """How things stood while the frames that count ran."""

    memory: ProcessMemory
    others: Others | None
    """None: this system does not tell."""


def run_rounds(
    heats: Sequence[Heat], frames: int, say: Callable[[str], object], tick: Callable[[], object]
) -> Surroundings:
    """Run every lane over so many frames that count: say what runs, and that a frame is done.

    Raises TargetError where a tracker refuses its box, DataError when a frame cannot be read.
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
    warm, watch = memory_now(), Watch()
    for number, size in enumerate(sizes):
        counts = number >= WARM_UP // ROUND
        if number == WARM_UP // ROUND:
            warm, watch = memory_now(), Watch()
            say("all in rounds")
        for heat in heats:
            shots = heat.film.take(size)
            for lane in rotated(heat.lanes, number):
                _run_round(lane, runners[id(lane)], shots, counts, tick)
    others, end = watch.others(), memory_now()
    return Surroundings(ProcessMemory(loaded.now, warm.now, end.now, end.peak), others)


def round_sizes(frames: int) -> list[int]:
    """Frames of each round: those of the warm-up, then, with the untimed, `frames` that count."""
    full, rest = divmod(frames, ROUND)
    counted = [ROUND] * full + [rest] * (rest > 0)
    return [ROUND] * (WARM_UP // ROUND) + [UNTIMED + size for size in counted]


def rotated(lanes: Sequence[Lane], number: int) -> list[Lane]:
    """The lanes in the order of round `number`."""
    first = number % len(lanes)
    return [*lanes[first:], *lanes[:first]]


def _run_round(
    lane: Lane, runner: Runner, shots: Sequence[Shot], counts: bool, tick: Callable[[], object]
) -> None:
    for number, shot in enumerate(shots):
        outcome = runner.run(shot)
        if counts and number >= UNTIMED:
            lane.times.append(outcome.times)
        if shot.truth is not None:
            lane.overlaps.append(0.0 if outcome.box is None else outcome.box.iou(shot.truth))
        tick()


@dataclass(frozen=True)
class Ratio:
    """How many times as long a whole frame takes as another tracker's, over the rounds."""

    median: float
    p10: float
    p90: float


def ratio(lane: Lane, reference: Lane) -> Ratio:
    """To the reference, which ran beside it: in each round the quotient of its two medians."""
    quotients = []
    for start in range(0, len(lane.times), ROUND):
        mine, theirs = (
            np.median([times.whole for times in some.times[start : start + ROUND]])
            for some in (lane, reference)
        )
        quotients.append(mine / theirs)
    p10, median, p90 = (float(np.quantile(quotients, share)) for share in (0.1, 0.5, 0.9))
    return Ratio(median, p10, p90)
