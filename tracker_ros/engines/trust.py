"""Which precision a network can be trusted with: the fastest that gives what float32 gives.

What is compared are the outputs for samples of what the network is given in use. A network that
loses by a shorter type goes on in a longer one, and it is told why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from tracker_ros.engines.engine import Array, Engine
from tracker_ros.errors import ModelError, TrackerRosError

LADDERS = {
    "auto": ("fp16", "fp32"),
    "int8": ("int8", "fp16", "fp32"),
    "fp16": ("fp16", "fp32"),
    "fp32": ("fp32",),
}
"""By what is asked for, what is tried, one after the other. The last needs no trust."""
PRECISIONS = tuple(LADDERS)

Sample = Mapping[str, Array]
E = TypeVar("E", bound=Engine)


class Verdict(Protocol):
    """What a comparison of two engines has found."""

    @property
    def good(self) -> bool:
        """Whether the one can stand for the other."""

    @property
    def words(self) -> str:
        """How near it comes."""


@dataclass(frozen=True)
class Chosen(Generic[E]):
    """The engine to use."""

    engine: E
    precision: str
    """The rung of the ladder."""
    remark: str
    """Why it is not what was asked for, or was not checked; empty where all is well."""
    checked: str
    """How near it comes to float32; empty where it was not compared."""
    settled: bool
    """Nothing was missing here that may be there next time: samples, a library to convert with."""


class Trial(Generic[E]):
    """Tries the rungs of a ladder."""

    def __init__(
        self, *,
        make: Callable[[str, Sequence[Sample]], E],
        samples: Callable[[], Sequence[Sample]],
        compare: Callable[[E, Sequence[Sample]], Verdict],
        say: Callable[[str], object],
        final: Callable[[ModelError], bool] = lambda error: False,
    ) -> None:  # fmt: skip
        """Take what makes an engine in a precision, and what compares one with float32.

        make: raises ModelError where it cannot. samples: asked for once, if at all; may raise
        TrackerRosError. final: whether an error of `make` is no reason to try something else.
        """
        self._make, self._ask, self._compare, self._say = make, samples, compare, say
        self._final = final
        self._samples: Sequence[Sample] | None = None
        self._remarks: list[str] = []
        self._settled = True

    def choose(self, asked: str) -> Chosen[E]:
        """The first engine that can be trusted. Raises ModelError when none can be made."""
        for precision in LADDERS[asked]:
            if precision == "fp32":
                return self._chosen(self._make(precision, ()), precision, "")
            samples = self._sampled()
            if not samples and precision != asked:
                self._settled = False
                self._remark(f"{precision} is not tried: there is nothing to check it on")
                continue
            try:
                engine = self._make(precision, samples)
            except ModelError as error:
                if precision == asked or self._final(error):
                    raise
                self._settled = False
                self._remark(f"{precision} cannot be had: {error}")
                continue
            if not samples:
                self._remark(f"{precision} is not checked: there is nothing to check it on")
                return self._chosen(engine, precision, "")
            verdict = self._compare(engine, samples)
            if verdict.good:
                if not engine.precision.startswith(precision):
                    self._remark(f"{precision} is permitted, TensorRT chose {engine.precision}")
                return self._chosen(engine, precision, verdict.words)
            self._remark(f"{precision} is not used, it loses too much: {verdict.words}")
            del engine  # its memory, before the next is made
        raise AssertionError("every ladder ends with fp32")

    def _chosen(self, engine: E, precision: str, checked: str) -> Chosen[E]:
        return Chosen(engine, precision, "; ".join(self._remarks), checked, self._settled)

    def _sampled(self) -> Sequence[Sample]:
        if self._samples is None:
            try:
                self._samples = list(self._ask())
            except TrackerRosError as error:
                self._remark(f"no samples: {error}")
                self._samples = ()
        return self._samples

    def _remark(self, words: str) -> None:
        self._remarks.append(words)
        self._say(words)
