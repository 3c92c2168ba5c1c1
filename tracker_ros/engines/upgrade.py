"""Better engines for networks that run already: built meanwhile, taken over between two frames."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tracker_ros.engines.build import Progress, Tell
from tracker_ros.engines.engine import Engine
from tracker_ros.engines.network import Networks
from tracker_ros.errors import EngineError

Build = Callable[[Tell], Mapping[str, Engine]]
"""Gives the engines of a model by role, which may take minutes. Raises EngineError."""


def paced(say: Callable[[str], object], seconds: float = 5.0) -> Tell:
    """Says how far a build is, but not more often than that; its end in any case."""
    said = [-math.inf]

    def tell(progress: Progress) -> None:
        now = time.monotonic()
        if progress.done >= 1 or now - said[0] >= seconds:
            said[0] = now
            say(f"{progress.words} ({progress.done:.0%})" if progress.done < 1 else progress.words)

    return tell


def to_stderr(words: str) -> None:
    """Say something beside what a command prints."""
    print(words, file=sys.stderr, flush=True)


class GivenUpError(EngineError):
    """Nobody waits for these engines any more."""


@dataclass(frozen=True)
class Part:
    """A model whose networks change their engines."""

    networks: Networks
    build: Build
    standby: Callable[[], Mapping[str, Engine]]
    """Gives the engines that go on where the built ones fail. Raises ModelError."""


class Upgrade:
    """Engines on their way: `build` on a thread of its own, `take_over` where networks are run."""

    def __init__(self, name: str, parts: Sequence[Part]) -> None:
        """name: of what is built, for words: `TensorRT engines of siamfc_small`."""
        self.name, self.parts = name, tuple(parts)
        self._given_up = threading.Event()
        self._ready: list[Mapping[str, Engine]] | None = None
        self._progress: Progress | None = None
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the build began."""
        return time.monotonic() - self._began

    @property
    def done(self) -> float:
        """How much of it is built, 0 to 1."""
        return 0.0 if self._progress is None else self._progress.done

    @property
    def at(self) -> str:
        """What is being done just now."""
        return "" if self._progress is None else self._progress.words

    @property
    def words(self) -> str:
        """What is being built, since when, how far."""
        return f"building {self.name} for {self.seconds:.0f} s, {self.done:.0%}: {self.at}"

    @property
    def ready(self) -> bool:
        """Whether they are built, and have not taken over yet."""
        return self._ready is not None

    def build(self, tell: Tell = lambda progress: None) -> None:
        """Build all of them, which may take minutes; then they are `ready`.

        Raises EngineError: what runs goes on, and its `trouble` says why; GivenUpError: after
        `give_up`.
        """
        self._began = time.monotonic()
        built = []
        try:
            for number, part in enumerate(self.parts):
                engines = part.build(partial(self._told, tell, number))
                part.networks.require_fit(engines)
                built.append(engines)
            self._require_wanted()
        except GivenUpError:
            raise
        except EngineError as error:
            for part in self.parts:
                stays = part.networks.backend
                part.networks.trouble = f"no {self.name}, {stays} goes on: {error}"
            raise
        self._ready = built

    def give_up(self) -> None:
        """Build no further than to the next progress: nobody waits for it."""
        self._given_up.set()
        self._ready = None

    def take_over(self) -> None:
        """Have the networks run on them: on the thread that runs them, between two frames."""
        assert self._ready is not None, "take_over() before build()"
        built, self._ready = self._ready, None
        for part, engines in zip(self.parts, built, strict=True):
            part.networks.take_over(engines, standby=part.standby)

    def _told(self, tell: Tell, number: int, progress: Progress) -> None:
        """Part `number` has come so far. Raises GivenUpError."""
        self._require_wanted()
        share = (number + min(max(progress.done, 0.0), 1.0)) / len(self.parts)
        self._progress = replace(progress, done=share)
        tell(self._progress)

    def _require_wanted(self) -> None:
        if self._given_up.is_set():
            raise GivenUpError(f"{self.name}: given up")


def joined(upgrades: Iterable[Upgrade | None]) -> Upgrade | None:
    """One that builds them all and has them take over together; None where there is none."""
    each = [upgrade for upgrade in upgrades if upgrade is not None]
    if len(each) < 2:
        return each[0] if each else None
    name = " and ".join(upgrade.name for upgrade in each)
    return Upgrade(name, [part for upgrade in each for part in upgrade.parts])
