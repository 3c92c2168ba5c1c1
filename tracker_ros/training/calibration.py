"""The monitor's thresholds of a model, chosen by what is said of targets it was not trained on.

The real tracker, target and monitor run on held-out films and on the absences that are made of
them (tracker_ros.evaluation.absences). No network is trained, and none needs torch.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tracker_ros.errors import DataError
from tracker_ros.evaluation.absences import Episode, Film, episodes, pairs
from tracker_ros.evaluation.honesty import Honesty, judge, total, watch
from tracker_ros.sot.model import LoadedModel
from tracker_ros.sot.monitor import Thresholds
from tracker_ros.sot.target import Target
from tracker_ros.training.pictures import FrameTrack

ABSENT_TRACKING = 0.01
"""No more than this share of the absent frames should be said to be TRACKING."""
EXCESS, DOUBTED = 10.0, 0.2
"""Weights of what exceeds it, and of doubt about visible targets, against a wrong LOST: 1."""
KINDS = ("filmed", "cut", "covered", "departure")
"""A black picture is told by its contrast, which is not the model's."""
UNLIKE = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Shares of strays that the values tried for `verify_likeness` refuse; and 0: it refuses none."""
FORGIVING = 0.6
"""A `lost_score` so many times as high is tried, too: it calls fewer visible targets LOST."""
HIT, MISS = 0.5, 0.1
"""A box that overlaps the target more than the first is on it; less than the second: is not."""
CLOSE = 2
"""A `verify_every` that is tried, too."""
GONE = (0.7, 0.8, 0.9)
"""Values tried for `lost_likeness`, in shares of `verify_likeness`; and 0: never."""
EASY_DRIFT = 0.6
"""A `max_drift` that is tried with an `uncertain_score` no higher than `lost_score`: then the
comparisons with the first frame tell alone."""
STRICT_SCORE, STRICT_DRIFT = 0.2, 0.3
"""Tried where too many absent frames are TRACKING: an `uncertain_score` that so many of the hits
lie under, and a `max_drift`."""
CALIBRATED = (
    "lost_score", "uncertain_score", "recover_score", "verify_likeness", "lost_likeness",
    "verify_every", "max_drift",
)  # fmt: skip
"""The thresholds that are the model's own."""

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """Thresholds, and what was said with them: counts by film."""

    thresholds: Thresholds
    films: Mapping[str, Honesty]

    @property
    def honesty(self) -> Honesty:
        """Of all films."""
        return total(self.films.values())

    def without(self, film: str) -> Honesty:
        """Of all films but one."""
        return total(counts for name, counts in self.films.items() if name != film)


@dataclass(frozen=True)
class Calibration:
    """What was tried and what came out."""

    trials: tuple[Trial, ...]
    chosen: Trial
    validated: Honesty
    """Of every film with the trial that the other films choose: no film judges its own choice."""

    @property
    def monitor(self) -> dict[str, float]:
        """The section `monitor` of the card."""
        return {name: getattr(self.chosen.thresholds, name) for name in CALIBRATED}


@dataclass(frozen=True)
class Recorded:
    """Scores and likeness, a row (score, likeness) for every box."""

    hits: Float64
    """Of following, where the box is on the target."""
    misses: Float64
    """Of following, where the target is elsewhere in the picture."""
    strays: Float64
    """Of searches in pictures of other films."""


def calibrate(
    model: LoadedModel,
    films: Sequence[Film],
    *,
    kinds: Sequence[str] = KINDS,
    new_target: Callable[[Thresholds], Target] | None = None,
    say: Callable[[str], object] = lambda text: None,
    tick: Callable[[], object] = lambda: None,
) -> Calibration:
    """Choose the thresholds of a model on films that it was not trained on.

    The scores at which doubt begins are read off the recorded ones (`doubts`). Then other values
    of `CALIBRATED` are tried one after the other through the whole of it, and those with the
    lowest `cost` are kept. say: hears what runs. tick: called at most `frames_of` times. Raises
    DataError where the films cannot tell: two must show unlike targets, and one be away.
    """
    played = _played(films, kinds)
    say("recording")
    recorded = record(model, films, tick)
    if not len(recorded.hits) or not len(recorded.strays):
        raise DataError(
            f"{len(recorded.hits)} frames in which the tracker was on its target and "
            f"{len(recorded.strays)} searches without one: too few to choose thresholds by; name "
            "more held-out tracks, of unlike targets"
        )
    usual = Thresholds()
    start = _with(model.thresholds, {
        **doubts(recorded), "verify_likeness": 0.0, "lost_likeness": usual.lost_likeness,
        "verify_every": usual.verify_every, "max_drift": usual.max_drift,
    })  # fmt: skip
    make = new_target or (lambda thresholds: model.new_target("1", thresholds=thresholds))
    trials: list[Trial] = []

    def best() -> Trial:
        return min(trials, key=lambda trial: cost(trial.honesty))

    def attempt(**values: float) -> None:
        thresholds = _with(best().thresholds if trials else start, values)
        say(", ".join(f"{name} {value:g}" for name, value in values.items()))
        if any(trial.thresholds == thresholds for trial in trials):
            return
        films: dict[str, Honesty] = {}
        for episode in played:
            counts = judge(watch(make(thresholds), episode, lambda track: tick()))
            films[episode.film] = films.get(episode.film, Honesty()) + counts
        trials.append(Trial(thresholds, films))

    unlike = np.quantile(recorded.strays[:, 1], UNLIKE).round(3).tolist()
    attempt(verify_likeness=0.0)
    if not trials[0].honesty.absent:
        raise DataError(
            f"the target is never absent in {', '.join(kinds)} of these tracks, so nothing tells "
            "when one is LOST; add kinds of absence"
        )
    for value in unlike:
        attempt(verify_likeness=value)
    attempt(verify_every=CLOSE)
    like = best().thresholds.verify_likeness
    for share in GONE:
        attempt(lost_likeness=round(share * like, 3))
    attempt(uncertain_score=start.lost_score, max_drift=EASY_DRIFT)
    if excess(best().honesty):
        strict = round(float(np.quantile(recorded.hits[:, 0], STRICT_SCORE)), 3)
        attempt(uncertain_score=strict, recover_score=max(strict, start.recover_score))
        attempt(max_drift=STRICT_DRIFT)
    attempt(lost_score=round(FORGIVING * start.lost_score, 3))
    attempt(recover_score=start.uncertain_score)
    attempt(recover_score=start.lost_score)
    chosen = best()
    validated = total(_chosen_without(trials, name).films[name] for name in chosen.films)
    return Calibration(tuple(trials), chosen, validated)


def _chosen_without(trials: Sequence[Trial], film: str) -> Trial:
    """The trial that the other films choose."""
    return min(trials, key=lambda trial: cost(trial.without(film)))


def frames_of(films: Sequence[Film], kinds: Sequence[str] = KINDS) -> int:
    """An upper bound of how often `calibrate` ticks."""
    trials = len(UNLIKE) + len(GONE) + 8
    recorded = sum(len(film.boxes) for film in films)
    return recorded + trials * sum(episode.length for episode in _played(films, kinds))


def cost(honesty: Honesty) -> float:
    """What is wrong with what was said; less is better.

    The share of visible frames LOST, that of absent frames not LOST, a fifth of the visible frames
    in doubt, and ten times what the share of absent frames TRACKING exceeds `ABSENT_TRACKING` by.
    """
    figures = _counted(honesty)
    wrong = figures["visible_lost"] + figures["absent_shown"]
    return wrong + DOUBTED * figures["visible_uncertain"] + EXCESS * excess(honesty)


def excess(honesty: Honesty) -> float:
    """What the share of absent frames TRACKING exceeds `ABSENT_TRACKING` by."""
    return max(_counted(honesty)["absent_tracking"] - ABSENT_TRACKING, 0.0)


def _counted(honesty: Honesty) -> dict[str, float]:
    """Its figures; 0 where there was nothing to count: nothing was wrong there."""
    return {name: 0.0 if math.isnan(v) else v for name, v in honesty.figures().items()}


def doubts(recorded: Recorded) -> dict[str, float]:
    """The score thresholds.

    Two scores are where doubt begins: the one that parts hits from misses, with as many hits
    under it as misses over it, and the one that one hit in twenty lies under. Under both for a
    while a target is LOST (`lost_score`), under either it is UNCERTAIN (`uncertain_score`).
    `recover_score` is the 90th percentile of what a search finds in pictures without the target.
    """
    hits, misses, strays = recorded.hits[:, 0], recorded.misses[:, 0], recorded.strays[:, 0]
    doubt = [float(np.quantile(hits, 0.05)), float(np.quantile(hits, 0.02))]
    if len(misses) >= 50:  # else there are too few to part anything
        candidates = np.unique(np.concatenate([hits, misses]))
        gap = [abs((hits < c).mean() - (misses >= c).mean()) for c in candidates]
        doubt[1] = float(candidates[int(np.argmin(gap))])
    return {
        "lost_score": round(min(doubt), 3),
        "uncertain_score": round(max(doubt), 3),
        "recover_score": round(float(np.quantile(strays, 0.9)), 3),
    }


def record(
    model: LoadedModel, films: Sequence[Film], tick: Callable[[], object] = lambda: None
) -> Recorded:
    """Follow every target, and look for it in every third picture of another film."""
    rows: dict[str, list[tuple[float, float]]] = {"hits": [], "misses": [], "strays": []}
    for film, other in pairs(films):
        for overlap, score, likeness in _followed(model, film, tick):
            if overlap > HIT or overlap < MISS:
                rows["hits" if overlap > HIT else "misses"].append((score, likeness))
        if other is not None:
            rows["strays"] += _strays(model, film, other)
    return Recorded(**{name: np.array(r, np.float64).reshape(-1, 2) for name, r in rows.items()})


def _followed(
    model: LoadedModel, film: Film, tick: Callable[[], object]
) -> Iterator[tuple[float, float, float]]:
    tracker = model.new_tracker()
    first = film.boxes[film.start]
    assert first is not None
    tracker.init(film.read(film.start), first)
    for index in range(film.start + 1, len(film.boxes)):
        image, box = film.read(index), film.boxes[index]
        estimate = tracker.track(image)
        tick()
        if box is not None and estimate.is_finite:
            likeness = tracker.likeness(image, estimate.box)
            yield estimate.box.iou(box), estimate.evidence.score, likeness


def _strays(model: LoadedModel, film: Film, other: Film) -> Iterator[tuple[float, float]]:
    tracker = model.new_tracker()
    first = film.boxes[film.start]
    assert first is not None
    tracker.init(film.read(film.start), first)
    for index in range(0, len(other.boxes), 3):
        image = other.read(index)
        height, width = image.shape[:2]
        estimate = tracker.look_at(image, width / 2, height / 2)
        if estimate.is_finite:
            yield estimate.evidence.score, tracker.likeness(image, estimate.box)


def film_of_track(track: FrameTrack) -> Film:
    """A track of a collection as a film."""
    return Film(
        track.name,
        tuple(frame.box for frame in track.frames),
        lambda index: track.frames[index].image,
    )


def _with(thresholds: Thresholds, values: Mapping[str, Any]) -> Thresholds:
    return dataclasses.replace(thresholds, **values)


def _played(films: Sequence[Film], kinds: Sequence[str]) -> list[Episode]:
    return [episode for film, other in pairs(films) for episode in episodes(film, other, kinds)]
