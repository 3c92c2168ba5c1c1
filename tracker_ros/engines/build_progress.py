"""How far a build is: told every second, and every step where TensorRT says so."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from types import TracebackType

USUAL_SECONDS = 60.0
"""Of a build that nothing is known of."""


class Phases:
    """The phases that TensorRT 10 and later report, one within the other, as one share.

    Called from threads of TensorRT's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._parents: dict[str, str | None] = {}
        self._finished = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of so many steps begins, as a part of one step of its parent."""
        with self._lock:
            self._steps[name], self._done[name], self._parents[name] = max(steps, 1), 0, parent

    def step(self, name: str, number: int) -> None:
        """Step `number` of a phase, from 0, is done."""
        with self._lock:
            if name in self._steps:
                self._done[name] = number + 1

    def finish(self, name: str) -> None:
        """A phase has ended."""
        with self._lock:
            if self._parents.pop(name, "") is None:
                self._finished = 1.0
            self._steps.pop(name, None)
            self._done.pop(name, None)

    @property
    def share(self) -> float | None:
        """How much of the build is done, 0 to 1; None before the first phase."""
        with self._lock:
            roots = [name for name, parent in self._parents.items() if parent is None]
            if not roots:
                return self._finished or None
            return self._share(roots[0])

    def _share(self, name: str) -> float:
        inner = [self._share(child) for child, parent in self._parents.items() if parent == name]
        done = self._done[name] + (sum(inner) / len(inner) if inner else 0.0)
        return min(done / self._steps[name], 1.0)


class Telling:
    """While it is entered, tells every second what is being done, for how long, and how far.

    `tell` is given words and a share of 0 to 1. What it raises is kept, `ended` from then on, and
    raised where the work ends: TensorRT can be asked to stop only between two steps of a build.
    """

    def __init__(
        self, words: str, tell: Callable[[str, float], object], *,
        phases: Phases | None = None, usual: float | None = None, every: float = 1.0,
    ) -> None:  # fmt: skip
        """usual: seconds that it took last time; phases: what knows better."""
        self._words, self._tell, self._phases, self._every = words, tell, phases, every
        self._usual = usual or USUAL_SECONDS
        self._error: BaseException | None = None
        self._over = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._go_on, name="engine build", daemon=True)

    @property
    def ended(self) -> bool:
        """Whether nobody wants it any more."""
        return self._error is not None

    @property
    def seconds(self) -> float:
        """Since it was entered."""
        return time.monotonic() - self._began

    def __enter__(self) -> Telling:
        self._began = time.monotonic()
        self._say()
        self.require_wanted()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._over.set()
        self._thread.join()
        self.require_wanted()

    def require_wanted(self) -> None:
        """Raise what `tell` has raised."""
        if self._error is not None:
            raise self._error

    def _go_on(self) -> None:
        while not self.ended and not self._over.wait(self._every):
            self._say()

    def _say(self) -> None:
        seconds = self.seconds
        share = self._phases.share if self._phases else None
        if share is None:  # never quite done: nobody knows
            share = 1 - math.exp(-seconds / self._usual)
        try:
            self._tell(f"{self._words}, {seconds:.0f} s" if seconds >= 1 else self._words, share)
        except BaseException as error:  # of another thread: raised where the work is waited for
            self._error = error
