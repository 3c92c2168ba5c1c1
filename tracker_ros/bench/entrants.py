"""The trackers that can be measured, by name and backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tracker_ros.bench.stages import BareRunner, MotRunner, Runner, SotRunner, Words
from tracker_ros.engines.upgrade import paced, to_stderr
from tracker_ros.errors import ModelError
from tracker_ros.evaluation.contestants import open_contestant
from tracker_ros.evaluation.opencv_trackers import NANOTRACK, OPENCV_TRACKERS
from tracker_ros.models.card import MODELS, card_names, read_card
from tracker_ros.mot import open_multi_tracker
from tracker_ros.mot.open import MULTI_TRACKERS
from tracker_ros.sot import TRACKERS, load_model, trackers_with_weights
from tracker_ros.sot.backends import TORCH, EngineChoice, chosen_backend

OPENCV = "opencv"
"""The backend of OpenCV's own trackers."""


@dataclass(frozen=True)
class Choice:
    """What is to be measured; enough to open it again in another process."""

    tracker: str
    """A name, with its variants, or the path of a model card."""
    backend: str
    threads: int = 0
    nanotrack: Path | None = None

    @property
    def multi(self) -> bool:
        """Whether it is a multi-object tracker."""
        base = self.tracker.partition(":")[0]
        if base in MULTI_TRACKERS:
            return True
        is_card = base in card_names() or base.endswith((".yaml", ".yml"))
        return is_card and read_card(base).tracker == "famnet"


@dataclass(frozen=True)
class Entrant:
    """A tracker that is ready to be measured."""

    choice: Choice
    name: str
    """What tables and JSON call it."""
    about: str
    """What exactly runs: model, engine, precision."""
    backend: str
    """What runs the network; opencv for OpenCV's trackers, empty where there is no network."""
    precision: str
    new_runner: Callable[[], Runner]


def choose(
    trackers: Sequence[str], backends: Sequence[str], *, threads: int, nanotrack: Path | None
) -> list[Choice]:
    """Every tracker on every backend that it can have.

    Raises ModelError when there is no such tracker or backend, one cannot be had or is named twice.
    """
    engines: list[str] = []
    for backend in backends:
        engine, _ = chosen_backend(backend)
        if engine in engines:
            raise ModelError(f"--backend {backend}: '{engine}' is named twice")
        engines.append(engine)
    chosen: list[Choice] = []
    for tracker in trackers:
        _require_known(tracker)
        theirs = _backends_of(tracker, engines)
        for backend in theirs:
            choice = Choice(tracker, backend, threads, nanotrack)
            if choice in chosen:
                raise ModelError(f"--tracker {tracker}: it is named twice")
            chosen.append(choice)
    return chosen


def _backends_of(tracker: str, engines: Sequence[str]) -> list[str]:
    if tracker in (*OPENCV_TRACKERS, NANOTRACK):
        return [OPENCV]
    if not Choice(tracker, "").multi:
        return [*engines]
    theirs = [engine for engine in engines if engine != TORCH]
    if not theirs:
        raise ModelError(f"--tracker {tracker}: its networks do not run on {TORCH}")
    return theirs[:1] if tracker == "sort" else theirs  # which has none


def open_entrant(choice: Choice) -> Entrant:
    """Load a tracker. Raises ModelError when a file is missing, damaged or does not fit."""
    name = choice.tracker
    base, colon, variants = name.partition(":")
    shown = Path(base).stem + colon + variants if base.endswith((".yaml", ".yml")) else name
    if choice.multi:
        if base in card_names():  # which multi-object trackers take as a path only
            name = f"{MODELS / base}.yaml{colon}{variants}"
        engines = EngineChoice(choice.backend, choice.threads, tell=paced(to_stderr))
        open_one = partial(open_multi_tracker, name, engines=engines)
        tracker = open_one()
        words = Words(shown, tracker.about, tracker.backend, tracker.precision)
        runner: Callable[[], Runner] = partial(MotRunner, open_one, words)
        return Entrant(choice, shown, words.model, words.backend, words.precision, runner)
    if choice.backend == OPENCV:
        contestant = open_contestant(name, threads=choice.threads, nanotrack=choice.nanotrack)
        words = Words(shown, contestant.about, OPENCV, "")
        runner = partial(BareRunner, contestant.new_tracker, words)
        return Entrant(choice, shown, contestant.about, OPENCV, "", runner)
    model = load_model(name, threads=choice.threads, backend=choice.backend, tell=paced(to_stderr))
    about = f"{model.model}, {model.backend} {model.precision}"
    runner = partial(SotRunner, model)
    return Entrant(choice, shown, about, model.backend, model.precision, runner)


def _require_known(name: str) -> None:
    """Raise ModelError, with the choices, for what is no tracker at all."""
    base = name.partition(":")[0]
    known = dict.fromkeys((*TRACKERS, *MULTI_TRACKERS, *OPENCV_TRACKERS, NANOTRACK, *card_names()))
    if name in known or base in MULTI_TRACKERS or base.endswith((".yaml", ".yml")):
        return  # what else is wrong with it shows when it is opened
    raise ModelError(
        f"no tracker '{name}'; there are {', '.join(known)}, or the path of a card (.yaml)"
    )


def default_trackers(*, against_opencv: bool, nanotrack: Path | None, mot: bool) -> list[str]:
    """What is measured when nobody names a tracker: of ours, those whose weights are here."""
    chosen = [*trackers_with_weights()]
    if against_opencv:
        chosen += [*OPENCV_TRACKERS, *([NANOTRACK] if nanotrack is not None else [])]
    if mot:
        chosen += MULTI_TRACKERS
    return chosen
