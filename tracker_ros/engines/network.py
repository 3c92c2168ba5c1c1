"""An engine that several callers share: what they ask for together goes through it as a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tracker_ros.engines.engine import Array, Engine

MOST_ROWS = 32
"""Rows of the largest batch; a longer one takes several passes."""


class Network:
    """A graph that runs alone or, where its file leaves the first axis free, in batches.

    The buffers that a batch is put together in are kept. Not thread-safe.
    """

    def __init__(self, engine: Engine, *, most_rows: int = MOST_ROWS) -> None:
        self.engine = engine
        self.batches = all(t.shape and t.shape[0] is None for t in engine.inputs)
        """Whether several callers can share a pass."""
        self._most = most_rows
        self._buffers: dict[str, Array] = {}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name."""
        return self.engine.run(inputs)

    def run_many(self, calls: Sequence[Mapping[str, Array]]) -> list[Mapping[str, Array]]:
        """The outputs of every call, as if each had been run alone."""
        if len(calls) == 1 or not self.batches:
            return [self.run(call) for call in calls]
        answers: list[Mapping[str, Array]] = []
        first = 0
        while first < len(calls):
            chunk = list(calls[first : first + self._fitting(calls[first:])])
            answers += self._pass(chunk)
            first += len(chunk)
        return answers

    def _fitting(self, calls: Sequence[Mapping[str, Array]]) -> int:
        """How many calls, at least one, the next pass takes."""
        rows = 0
        for number, call in enumerate(calls):
            rows += _rows(call)
            if rows > self._most:
                return max(number, 1)
        return len(calls)

    def _pass(self, calls: Sequence[Mapping[str, Array]]) -> list[Mapping[str, Array]]:
        if len(calls) == 1:
            return [self.run(calls[0])]
        ends = np.cumsum([_rows(call) for call in calls]).tolist()
        outputs = self.run({name: self._joined(name, calls, ends) for name in calls[0]})
        begins = [0, *ends[:-1]]
        return [
            {name: value[begin:end] for name, value in outputs.items()}
            for begin, end in zip(begins, ends, strict=True)
        ]

    def _joined(
        self, name: str, calls: Sequence[Mapping[str, Array]], ends: Sequence[int]
    ) -> Array:
        part = calls[0][name]
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < ends[-1] or buffer.shape[1:] != part.shape[1:]:
            buffer = self._buffers[name] = np.empty((ends[-1], *part.shape[1:]), part.dtype)
        begin = 0
        for call, end in zip(calls, ends, strict=True):
            np.copyto(buffer[begin:end], call[name])
            begin = end
        return buffer[: ends[-1]]


def _rows(call: Mapping[str, Array]) -> int:
    return len(next(iter(call.values())))
