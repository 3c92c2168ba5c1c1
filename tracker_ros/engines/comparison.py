"""How far the outputs of one engine are from those of another, and whether that is near enough.

An engine in half precision or int8 is held against the same graph in float32, on what its network
was given while it tracked, before it is trusted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tracker_ros.engines.engine import Array, Engine
from tracker_ros.errors import EngineError

MOST_RELATIVE = 0.005
"""Root mean square of the error of an output, over that of the output.

Noise of that size on every output leaves the boxes of a frame at an IoU of 0.99 with those of
float32; of four times that size, 8 in 100 frames differ visibly. See docs/tensorrt.md.
"""
LEAST_COSINE = 0.999
"""Between the outputs of a sample, as vectors."""


@dataclass(frozen=True)
class Difference:
    """Of one output, over all samples."""

    name: str
    largest: float
    """Largest error of a number; infinite where one is no number and should be."""
    relative: float
    """Root mean square of the errors of the worst sample, over that of the reference's numbers."""
    cosine: float
    """Of the angle between the outputs of the worst sample; 1 where both are nothing but zeros."""

    @property
    def good(self) -> bool:
        """Whether a tracker does with this output what it does with the reference's."""
        return self.relative <= MOST_RELATIVE and self.cosine >= LEAST_COSINE

    def __str__(self) -> str:
        if not math.isfinite(self.largest):
            return f"{self.name} has numbers that are not finite"
        return f"{self.name} is off by {self.relative:.2%} (cosine {self.cosine:.5f})"


@dataclass(frozen=True)
class Comparison:
    """Of all outputs."""

    outputs: tuple[Difference, ...]
    samples: int

    @property
    def good(self) -> bool:
        """Whether the candidate may take the place of the reference."""
        return self.samples > 0 and all(output.good for output in self.outputs)

    @property
    def words(self) -> str:
        """For a log: the worst output and what is allowed."""
        if not self.outputs:
            return "nothing to compare on"
        worst = max(self.outputs, key=lambda output: (not output.good, output.relative))
        limits = f"allowed: {MOST_RELATIVE:.1%}, {LEAST_COSINE}"
        return f"{worst} on {self.samples} samples; {limits}"


def compare(
    reference: Engine, candidate: Engine, samples: Sequence[Mapping[str, Array]]
) -> Comparison:
    """Run both engines over the samples.

    Raises EngineError when the candidate has not the reference's outputs, or they have other
    shapes.
    """
    pairs = ((reference.run(sample), candidate.run(sample)) for sample in samples)
    return compare_outputs(pairs, reference.backend, candidate.backend)


def compare_outputs(
    pairs: Iterable[tuple[Mapping[str, Array], Mapping[str, Array]]],
    reference: str,
    candidate: str,
) -> Comparison:
    """Hold what was found against what was expected, sample by sample: (expected, found) by name.

    reference, candidate: where they are from. Raises EngineError as `compare` does.
    """
    sums: dict[str, _Sum] = {}
    samples = 0
    for expected, found in pairs:
        samples += 1
        for name, value in expected.items():
            shape = found[name].shape if name in found else None
            if shape != value.shape:
                raise EngineError(
                    f"output '{name}' is {value.shape} in {reference} and {shape} in "
                    f"{candidate}: the engine is of another graph; build it again"
                )
            sums.setdefault(name, _Sum()).add(value, found[name])
    return Comparison(tuple(each.difference(name) for name, each in sums.items()), samples=samples)


class _Sum:
    """What is remembered of one output, sample by sample."""

    def __init__(self) -> None:
        self._largest, self._power, self._numbers = 0.0, 0.0, 0
        self._worst, self._cosine = 0.0, 1.0

    def add(self, expected: Array, found: Array) -> None:
        a, b = expected.astype(np.float64).ravel(), found.astype(np.float64).ravel()
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        a, b = np.where(same & ~np.isfinite(a), 0.0, a), np.where(same & ~np.isfinite(b), 0.0, b)
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(a - b)
            largest = float(error.max(initial=0.0))
            mean, of_a, of_b = (float(np.mean(x * x)) if a.size else 0.0 for x in (error, a, b))
            lengths = math.sqrt(of_a) * math.sqrt(of_b)
            cosine = float(np.mean(a * b)) / lengths if lengths else float(of_a == of_b)
        if not math.isfinite(largest):
            largest, mean, cosine = math.inf, math.inf, 0.0
        self._largest, self._worst = max(self._largest, largest), max(self._worst, mean)
        self._cosine = min(self._cosine, cosine)
        self._power, self._numbers = self._power + float(np.sum(a * a)), self._numbers + a.size

    def difference(self, name: str) -> Difference:
        power = self._power / max(self._numbers, 1)
        relative = 0.0
        if self._worst:
            relative = math.sqrt(self._worst / power) if power else math.inf
        return Difference(name, self._largest, relative, min(self._cosine, 1.0))
