"""Windows of K+1 frames for training: candidates, gated hypotheses and who is who in truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import block_diag

from tracker_ros.mot.affinity import Candidates, gate
from tracker_ros.mot.assignment import Hypotheses, enumerate_hypotheses
from tracker_ros.mot.motion import Motion
from tracker_ros.training.footage import Film

Float64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.intp]

HISTORY = 6
"""Strides that a target's past reaches back."""
STRIDE = 0.28
"""Longest time from one frame to the next, seconds; the shortest is one frame."""
DROP = 0.12
"""Share of detections that are left out."""
LOST = 0.25
"""Share of the targets that have not been seen for some of the last frames ..."""
GONE = 0.5
"""... and share of those that are not there in the new frame either, where others may be."""
PACE = (-0.7, 0.3)
"""Limits of the logarithm of a factor on the frame rate: the same steps in another time."""


@dataclass(frozen=True)
class Slot:
    """The candidates of one frame of a window."""

    candidates: Candidates
    rows: Int
    """(n,) of the film."""
    identities: Int
    """(n,); -1: nobody."""


@dataclass(frozen=True)
class Window:
    """One problem to solve, or several side by side."""

    slots: tuple[Slot, ...]
    films: tuple[Int, ...]
    """Of each slot and candidate (n,): number of the film its rows are of."""
    hypotheses: Hypotheses
    truth: tuple[Float64, ...]
    """Of each layer (E,): 1 where the pair is right."""


def draw_window(film: Film, length: int, rng: np.random.Generator) -> tuple[Slot, ...]:
    """The `length` slots of a window at a random time: what targets were last, then detections.

    A slot before the last holds, of each target, one of its own last observations: it may be
    older than the frame before, where the target was missed.
    """
    stride = int(rng.integers(1, max(round(STRIDE * film.fps), 1) + 1))
    latest, first = int(film.frames.max()), int(film.frames.min())
    now = int(rng.integers(min(first + 2 * stride, latest), latest + 1))
    past: dict[int, list[int]] = {}
    strangers: list[int] = []
    for back in range(1, HISTORY + 1):
        for identity, row in _seen(film, now - back * stride, rng):
            if identity >= 0:
                past.setdefault(identity, []).append(row)
            elif back == 1 and rng.random() < 0.5:
                strangers.append(row)
    lost = [who for who, rows in past.items() if len(rows) > 1 and rng.random() < LOST]
    for who in lost:
        past[who] = past[who][int(rng.integers(1, len(past[who]))) :]
    gone = {who for who in lost if rng.random() < GONE}
    histories = [*past.items(), *((-1, [row]) for row in strangers)]
    fps = film.fps * float(np.exp(rng.uniform(*PACE)))
    slots = []
    for age in range(length - 2, -1, -1):
        old = [(who, rows[age:]) for who, rows in histories if len(rows) > age]
        slots.append(_slot(film, old, fps))
    current = [(who, [row]) for who, row in _seen(film, now, rng) if who not in gone]
    return (*slots, _slot(film, current, fps))


def _seen(film: Film, frame: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Identity and row of what is detected in a frame: one row of every object, some missed."""
    rows = rng.permutation(np.flatnonzero(film.frames == frame))
    found: dict[int, int] = {}
    strangers = []
    for row in rows:
        identity = int(film.identities[row])
        if identity < 0:
            strangers.append((-1, int(row)))
        elif identity not in found:
            found[identity] = int(row)
    kept = [pair for pair in found.items() if rng.random() >= DROP]
    return [*kept, *strangers]


def _slot(film: Film, histories: Sequence[tuple[int, list[int]]], fps: float) -> Slot:
    """Candidates from rows, the newest first."""
    rows = np.array([rows[0] for _, rows in histories], np.intp)
    speeds = np.array([_velocity(film, own[::-1], fps) for _, own in histories]).reshape(-1, 2)
    candidates = Candidates(
        boxes=film.boxes[rows],
        times=film.frames[rows] / fps,
        scores=film.scores[rows],
        velocities=speeds,
        moving=np.array([len(own) > 1 for _, own in histories], np.bool_),
        labels=np.zeros(len(rows), np.intp),
    )
    return Slot(candidates, rows, np.array([who for who, _ in histories], np.intp))


def _velocity(film: Film, rows: list[int], fps: float) -> tuple[float, float]:
    """Velocity in pixels a second after the observations, as the tracker would know it."""
    times = film.frames[rows] / fps
    motion = Motion(film.boxes[rows[0]], float(times[0]))
    for row, time in zip(rows[1:], times[1:], strict=True):
        motion.observe(film.boxes[row], float(time))
    return motion.velocity


def side_by_side(drawn: Sequence[tuple[int, tuple[Slot, ...]]]) -> Window:
    """Several windows as one problem, whose gates between them are shut.

    drawn: number of the film and slots of each.
    """
    length = len(drawn[0][1])
    slots, films = [], []
    for k in range(length):
        parts = [window[k] for _, window in drawn]
        merged = Candidates(
            *(
                np.concatenate([getattr(part.candidates, name) for part in parts])
                for name in Candidates.__dataclass_fields__
            )
        )
        identities = [
            np.where(part.identities < 0, -1, part.identities + number * 100_000)
            for number, part in enumerate(parts)
        ]
        slots.append(
            Slot(merged, np.concatenate([p.rows for p in parts]), np.concatenate(identities))
        )
        films.append(np.concatenate([np.full(len(w[k].rows), film, np.intp) for film, w in drawn]))
    gates = [
        block_diag(
            *(
                gate(window[k].candidates, window[k + 1].candidates).reshape(
                    len(window[k].rows), len(window[k + 1].rows)
                )
                for _, window in drawn
            )
        ).astype(bool)
        for k in range(length - 1)
    ]
    hypotheses = enumerate_hypotheses(gates)
    truth = tuple(
        _truth(hypotheses, k, slots[k].identities, slots[k + 1].identities)
        for k in range(length - 1)
    )
    return Window(tuple(slots), tuple(films), hypotheses, truth)


def _truth(hypotheses: Hypotheses, k: int, earlier: Int, later: Int) -> Float64:
    """1 for the pairs of layer k that are right: the same identity, or nobody on the other side."""
    layer = hypotheses.layers[k]
    a = np.concatenate(([-2], earlier))[layer.source]
    b = np.concatenate(([-3], later))[layer.target]
    right = (a == b) & (a >= 0)
    matched_rows = np.unique(layer.source[right])
    matched_columns = np.unique(layer.target[right])
    ends = (layer.target == 0) & ~np.isin(layer.source, matched_rows)
    births = (layer.source == 0) & ~np.isin(layer.target, matched_columns)
    return np.asarray(right | ends | births, np.float64)
