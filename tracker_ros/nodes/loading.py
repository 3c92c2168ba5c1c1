"""Loads a model on a thread of its own, and tells meanwhile how long it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from tracker_ros.engines.build import Progress, Tell
from tracker_ros.engines.upgrade import GivenUpError
from tracker_ros.errors import ModelError
from tracker_ros.nodes.background import in_background

T = TypeVar("T")


class Loading:
    """What is being loaded, since when and how far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._began = time.monotonic()
        self._progress: Progress | None = None
        self._given_up = threading.Event()

    @property
    def words(self) -> str:
        """For the log and for diagnostics."""
        at = self._progress
        engines = "" if at is None else f", {at.done:.0%}: {at.words}"
        return f"loading {self.name} for {time.monotonic() - self._began:.0f} s{engines}"

    def tell(self, progress: Progress) -> None:
        """It builds engines, and has come so far. Raises GivenUpError after `give_up`."""
        if self._given_up.is_set():
            raise GivenUpError(f"loading {self.name} was given up")
        self._progress = progress

    def give_up(self) -> None:
        """Nobody waits for it any more: a build goes no further than to its next progress."""
        self._given_up.set()


def load_with_progress(
    name: str, load: Callable[[Tell], T], tell: Callable[[str], None],
    wanted: Callable[[], bool] = lambda: True,
) -> T:  # fmt: skip
    """Load the model `name`, calling `tell` every second. Raises ModelError.

    load: is given what to tell how far a build of engines is. wanted: whether anybody still waits;
    where not, GivenUpError is raised at once, and the loading goes on alone.
    """
    outcome: list[T | Exception] = []
    loading = Loading(name)

    def run() -> None:
        try:
            outcome.append(load(loading.tell))
        except Exception as error:  # raised again on the caller's thread
            outcome.append(error)

    background = in_background("loading", run)
    told = time.monotonic()
    try:
        while not background.ended:
            background.wait(0.1)
            if not wanted():
                raise GivenUpError(f"loading {name} was given up")
            if not background.ended and time.monotonic() - told >= 1.0:
                told = time.monotonic()
                tell(loading.words)
    finally:
        loading.give_up()
    loaded = outcome[0]
    if isinstance(loaded, ModelError):
        raise loaded
    if isinstance(loaded, Exception):
        raise ModelError(f"model '{name}' cannot be loaded: {loaded}") from loaded
    return loaded
