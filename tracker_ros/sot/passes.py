"""Trackers as generators that ask for forward passes, so that several targets can share them.

A tracker that needs a network yields a `Call` and is sent the outputs. Run alone, its calls are
done one after the other; run together, the calls that several targets make of one network at the
same point go through it as one batch. The tracker reads the same from top to bottom either way.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Generic, TypeVar

from tracker_ros.engines.crops import Inputs
from tracker_ros.engines.memory import Outputs, Read
from tracker_ros.engines.network import Network
from tracker_ros.track import StageTimes

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """A forward pass that is asked for."""

    network: Network
    inputs: Inputs
    """Arrays whose first axis is the batch, crops, or what another call has not read. They are
    taken before the tracker goes on."""
    read: Read = None
    """The outputs that the tracker reads, by name; None: all. Of the others it may be given no
    numbers: they are for networks, as `Outputs.all` has them. What it keeps from frame to frame,
    over a change of engines, it reads."""


Steps = Generator[Call, Outputs, T]
"""Yields calls, is sent their outputs by name, and returns a T."""


@dataclass(frozen=True)
class Finished(Generic[T]):
    """What became of one generator."""

    value: T | None
    error: Exception | None
    """What it raised, or a network did for it; then there is no value."""
    times: StageTimes
    """Before its first call, in networks (its share of a batch), after its first call."""

    def result(self) -> T:
        """The value. Raises the error."""
        if self.error is not None:
            raise self.error
        assert self.value is not None
        return self.value


class _Running(Generic[T]):
    """A generator, its next call and the time it has taken."""

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps
        self._seconds = [0.0, 0.0, 0.0]
        self.call: Call | None = None
        """What it waits for; its crops are cut out, where it is not the engine that does so."""
        self._value: T | None = None
        self._error: Exception | None = None
        self._advance(None, 0)

    def send(self, outputs: Outputs, seconds: float) -> None:
        """Give it what it asked for, and how long that took."""
        self._seconds[1] += seconds
        self._advance(outputs, 2)

    def fail(self, error: Exception) -> None:
        """What it asked for cannot be given."""
        self._steps.close()
        self._error, self.call = error, None

    def finished(self) -> Finished[T]:
        return Finished(self._value, self._error, StageTimes(*self._seconds))

    def _advance(self, outputs: Outputs | None, stage: int) -> None:
        start = perf_counter()
        try:
            call = next(self._steps) if outputs is None else self._steps.send(outputs)
            self.call = replace(call, inputs=call.network.prepared(call.inputs))
        except StopIteration as stop:
            self._value, self.call = stop.value, None
        except Exception as error:  # one target's failure must not end the others
            self._error, self.call = error, None
        self._seconds[stage] += perf_counter() - start


def run_together(all_steps: Sequence[Steps[T]]) -> list[Finished[T]]:
    """Run them all, each network once for all the calls that wait for it."""
    running = [_Running(steps) for steps in all_steps]
    while True:
        waiting: dict[Network, list[_Running[T]]] = {}
        for one in running:
            if one.call is not None:
                waiting.setdefault(one.call.network, []).append(one)
        if not waiting:
            return [one.finished() for one in running]
        for network, group in waiting.items():
            _serve(network, group)


def run_alone(steps: Steps[T]) -> tuple[T, StageTimes]:
    """Run one by itself. Raises what it raises."""
    (finished,) = run_together([steps])
    return finished.result(), finished.times


def _serve(network: Network, group: list[_Running[T]]) -> None:
    calls = [one.call for one in group if one.call is not None]
    start = perf_counter()
    try:
        answers = network.run_many([call.inputs for call in calls], _read_by_any(calls))
    except Exception as error:  # told as the failure of every target that waited for it
        for one in group:
            one.fail(error)
        return
    seconds = (perf_counter() - start) / len(group)
    for one, outputs in zip(group, answers, strict=True):
        one.send(outputs, seconds)


def _read_by_any(calls: Sequence[Call]) -> Read:
    read: set[str] = set()
    for call in calls:
        if call.read is None:
            return None
        read.update(call.read)
    return read
