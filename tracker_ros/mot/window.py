"""The window that FAMNet solves for each new frame: targets' own past, and the detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from tracker_ros.mot.affinity import Candidates, compare_pairs, compare_triples, gate
from tracker_ros.mot.assignment import (
    Bool,
    Hypotheses,
    Int,
    enumerate_hypotheses,
    power_iteration,
    round_last,
)
from tracker_ros.mot.model import (
    FamnetModel,
    hypothesis_affinity,
    log_sigmoid,
    skip_figure,
    stacked,
)
from tracker_ros.mot.targets import Embedding, Observation, Target

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Slot:
    """The candidates of one frame of the window, and what each may be compared by."""

    candidates: Candidates
    templates: list[tuple[Embedding, ...]]
    """Of each candidate: what it is looked for by; () without a picture."""
    searches: list[Embedding | None]
    """Of each candidate: what it looks like."""
    owners: Int
    """Of each candidate (n,): row of the target; -1 for detections."""

    def __len__(self) -> int:
        return len(self.owners)


def slot_of_targets(targets: Sequence[Target], age: int, labels: dict[str, int]) -> Slot:
    """What the targets were `age` observations ago; those without so long a past are not in it."""
    chosen = [(row, t) for row, t in enumerate(targets) if len(t.observations) > age]
    seen: list[Observation] = [target.observations[-1 - age] for _, target in chosen]
    return Slot(
        _candidates(seen, [labels.setdefault(t.label, len(labels)) for _, t in chosen]),
        [_templates(target, age) for _, target in chosen],
        [observation.embedding for observation in seen],
        np.array([row for row, _ in chosen], np.intp),
    )


def slot_of_detections(
    found: Sequence[Observation], names: Sequence[str], labels: dict[str, int]
) -> Slot:
    """The detections of the new frame, and the names of their classes."""
    return Slot(
        _candidates(found, [labels.setdefault(name, len(labels)) for name in names]),
        [()] * len(found),
        [observation.embedding for observation in found],
        np.full(len(found), -1, np.intp),
    )


def _templates(target: Target, age: int) -> tuple[Embedding, ...]:
    if age == 0:
        return target.templates
    own = target.observations[-1 - age].embedding
    return () if own is None else (own,)


def _candidates(seen: Sequence[Observation], labels: Sequence[int]) -> Candidates:
    return Candidates(
        boxes=np.array([o.box for o in seen], np.float64).reshape(-1, 4),
        times=np.array([o.time for o in seen], np.float64),
        scores=np.array([o.score for o in seen], np.float64),
        velocities=np.array([o.velocity for o in seen], np.float64).reshape(-1, 2),
        moving=np.array([o.moving for o in seen], np.bool_),
        labels=np.array(labels, np.intp),
    )


def match_window(
    model: FamnetModel, targets: Sequence[Target], found: Sequence[Observation],
    names: Sequence[str], past: int,
) -> list[tuple[int, int, float]]:  # fmt: skip
    """Which target is which detection, by a window of `past` frames: (target, detection, value)."""
    labels: dict[str, int] = {}
    slots = [slot_of_targets(targets, age, labels) for age in range(past - 1, -1, -1)]
    slots.append(slot_of_detections(found, names, labels))
    pairs = round_last(*solve_values(model, slots))
    return [(int(slots[-2].owners[row]), column, value) for row, column, value in pairs]


def logits_of_own(
    model: FamnetModel, targets: Sequence[Target], found: Sequence[Observation]
) -> Float64:
    """Logits (n,) that each observation is the target beside it."""
    labels: dict[str, int] = {}
    earlier = slot_of_targets(targets, 0, labels)
    later = slot_of_detections(found, [target.label for target in targets], labels)
    rows = np.arange(len(targets), dtype=np.intp)
    return pair_logits(model, earlier, later, rows, rows)


def match_pairs(
    model: FamnetModel, targets: Sequence[Target], found: Sequence[Observation],
    names: Sequence[str],
) -> list[tuple[int, int, float]]:  # fmt: skip
    """The same by the Hungarian method on the affinities of pairs, without a window."""
    labels: dict[str, int] = {}
    earlier = slot_of_targets(targets, 0, labels)
    later = slot_of_detections(found, names, labels)
    rows, columns = np.nonzero(_gate(earlier, later))
    probability = np.zeros((len(earlier), len(later)))
    logits = pair_logits(model, earlier, later, rows, columns)
    probability[rows, columns] = np.exp(log_sigmoid(logits))
    chosen = zip(*linear_sum_assignment(probability, maximize=True), strict=True)
    return [(int(a), int(b), float(probability[a, b])) for a, b in chosen if probability[a, b] > 0]


def solve_values(model: FamnetModel, slots: Sequence[Slot]) -> tuple[Hypotheses, list[Float64]]:
    """The hypotheses of a window, and the value of every pair of every layer."""
    gates = [_gate(earlier, later) for earlier, later in pairwise(slots)]
    hypotheses = enumerate_hypotheses(gates)
    total = np.zeros(len(hypotheses))
    for k, layer in enumerate(hypotheses.layers):
        real = np.flatnonzero((layer.source > 0) & (layer.target > 0))
        rows, columns = layer.source[real] - 1, layer.target[real] - 1
        cost = np.zeros(len(layer.source))
        cost[real] = log_sigmoid(pair_logits(model, slots[k], slots[k + 1], rows, columns))
        cost[(layer.source == 0) & (layer.target > 0)] = model.birth
        cost[(layer.source > 0) & (layer.target == 0)] = model.end
        total += cost[layer.of_hypothesis]
    for k in range(len(slots) - 2):
        _add_long_term(model, slots[k : k + 3], hypotheses.nodes[:, k : k + 3], total)
    affinity = hypothesis_affinity(total, model.temperature)
    return hypotheses, power_iteration(hypotheses, affinity)


def _gate(earlier: Slot, later: Slot) -> Bool:
    """As by place and size; a target's own past is always open."""
    open_ = gate(earlier.candidates, later.candidates)
    own = (earlier.owners[:, None] == later.owners) & (later.owners >= 0)
    return np.asarray(open_ | own, np.bool_)


def _add_long_term(model: FamnetModel, slots: Sequence[Slot], nodes: Int, total: Float64) -> None:
    """Add the long-term affinity of every hypothesis that is real in all three frames."""
    real = np.flatnonzero(nodes.min(axis=1) > 0)
    if not len(real):
        return
    triples, of_triple = np.unique(nodes[real] - 1, axis=0, return_inverse=True)
    ends, of_end = np.unique(triples[:, [0, 2]], axis=0, return_inverse=True)
    skip = pair_logits(model, slots[0], slots[2], ends[:, 0], ends[:, 1])[of_end.ravel()]
    first, second, third = (slot.candidates for slot in slots)
    figures = compare_triples(first, second, third, triples, np.zeros(len(triples)))
    figures[:, -1] = skip_figure(skip)
    total[real] += log_sigmoid(model.triple_logits(figures))[of_triple.ravel()]


def pair_logits(model: FamnetModel, earlier: Slot, later: Slot, rows: Int, columns: Int) -> Float64:
    """Logits (P,) of pairs; of a target with two templates the better one counts."""
    figures = compare_pairs(earlier.candidates, later.candidates, rows, columns)
    of_pair, templates, searches = [], [], []
    nothing = np.zeros(model.embedding, np.float32)
    seen = []
    for pair, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        looks = later.searches[column]
        for template in earlier.templates[row] if looks is not None else ():
            assert looks is not None
            of_pair.append(pair)
            templates.append(template.template)
            searches.append(looks.search)
            seen.append(1.0)
        if looks is None or not earlier.templates[row]:
            of_pair.append(pair)
            templates.append(nothing)
            searches.append(nothing)
            seen.append(0.0)
    index = np.array(of_pair, np.intp)
    logits = model.pair_logits(
        stacked(templates, model.embedding),
        stacked(searches, model.embedding),
        figures[index],
        np.array(seen, np.float32),
    )
    best = np.full(len(rows), -np.inf)
    np.maximum.at(best, index, logits)
    return best
