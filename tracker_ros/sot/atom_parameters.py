"""Tracking values of an ATOM model: the `tracking` of its card."""

from __future__ import annotations

from dataclasses import dataclass

STRIDE = 16
"""Pixels of a crop per cell of the classifier."""
FIRST_SAMPLES = 30
"""Samples made of the first frame."""


@dataclass(frozen=True)
class AtomParameters:
    """The defaults are those of the paper's standard setting. Source: specs of ATOM, 3 to 5.

    sot/ranges.py says what is possible. Raises ValueError for a `sample` that is no multiple of 32.
    """

    sample: int = 288
    """Side of a crop in pixels; a multiple of 32, and the size of the exported graphs."""
    area_factor: float = 5.0
    """Side of the searched square in sides of a square target."""
    memory: int = 250
    """Samples kept, FIRST_SAMPLES of them of the first frame."""
    reduced: int = 64
    """Channels that the classifier keeps of the features."""
    newton_steps: int = 6
    newton_cg: int = 10
    """Gauss-Newton steps on the first frame, and conjugate gradient steps in each."""
    update_cg: int = 5
    update_interval: int = 10
    """Conjugate gradient steps of an update, every so many frames and after a hard negative."""
    learning_rate: float = 0.01
    hard_negative_rate: float = 0.02
    """Share of a new sample, at first."""
    initial_share: float = 0.25
    """The first frame's samples never weigh less than this together; 0 for no such limit."""
    not_found: float = 0.25
    """A peak below this is no target."""
    distractor: float = 0.8
    """A second peak above this share of the first may be the target as well."""
    hard_negative: float = 0.5
    hard_negative_score: float = 0.25
    """A second peak above this share and this value is something to learn to tell apart."""
    displacement: float = 0.8
    """A peak further from the middle than this share of half a crop has moved suspiciously far."""
    size_rate: float = 1.0
    """How far the size follows a refined box, as an exponent of the change; below 1 a network that
    judges sizes roughly cannot make them drift within a few frames."""
    window: bool = False
    """Whether scores are weighed by a Hann window."""
    seed: int = 0
    """Of the classifier's first weights, the augmentation and the boxes tried: runs repeat."""

    def __post_init__(self) -> None:
        if self.sample % (2 * STRIDE):
            raise ValueError(f"sample {self.sample} is not a multiple of {2 * STRIDE}")

    @property
    def cells(self) -> int:
        """Side of the classifier's map."""
        return self.sample // STRIDE

    @property
    def base_side(self) -> float:
        """Side, in crop pixels, of a square target."""
        return self.sample / self.area_factor
