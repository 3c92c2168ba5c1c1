"""The switches of drawing training pairs: the section `sampling` of a recipe."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from tracker_ros.errors import ModelError
from tracker_ros.training.recipe_keys import require_keys, section

EXEMPLAR = 127
"""Side, in crop pixels, of the square around a target that region "context" shows."""
REGIONS = ("context", "area")
MAX_PERSPECTIVE = 0.2
"""Beyond it the horizon comes into the crop."""
SHARES = frozenset(
    {"negative", "hard_negative", "flip", "mirror", "grey", "dark"}
    | {"blur", "motion_blur", "low_resolution", "jpeg", "noise"}
    | {"paste", "distractor", "look_alike", "occluder", "occluding_object"}
)
"""What is a probability, in 0..1. All else is a length, an angle or a strength."""
SOURCES = frozenset(
    {"search_size", "template_size", "region", "area_factor", "video", "still", "patch", "max_gap"}
)
"""What is no augmentation."""


@dataclass(frozen=True)
class Sampling:
    """How pairs are drawn: probabilities in [0, 1], lengths in pixels of the crop; 0 is off.

    Raises ModelError for a value that is out of its range.
    """

    search_size: int = 239
    template_size: int = 127
    """At "context" the scale does not depend on it: a template crop of 271 shows more."""
    region: str = "context"
    """How large targets are in both crops: "context" or "area" (`views.zoom_of`)."""
    area_factor: float = 5.0
    """Region "area": the side of a crop, in square roots of the target's area."""

    video: float = 0.5
    """Parts of the pairs from tracks, labelled stills and unlabelled patches, in proportion; what
    the data do not hold falls to the others."""
    still: float = 0.3
    patch: float = 0.2
    max_gap: int = 60
    """Frames between the two of a track; a track's own `max_gap` goes before it."""
    negative: float = 0.12
    """Pairs whose crops show two different objects."""
    hard_negative: float = 0.4
    """Part of the negative pairs whose objects have one label, or are in one video or picture."""

    template_shift: float = 6.0
    """Farthest that the target is from the middle of its crop, along x and y."""
    template_scale: float = 0.06
    """Largest change of the scale, a share of it."""
    shift: float = 56.0
    """The same in the search crop: spatial-aware sampling."""
    scale: float = 0.25
    """Largest change of the logarithm of the search crop's scale."""
    scale_spread: float = 0.0
    """Standard deviation of a further change of the logarithm (ATOM's is normally distributed)."""
    stretch: float = 0.12
    """Standard deviation of the logarithm of x to y in the search crop."""
    flip: float = 0.5
    """Both crops mirrored, left to right."""
    rotate: float = 4.0
    """Largest angle between the crops of two frames, in degrees."""
    perspective: float = 0.02
    """Largest change of scale from the target to half a crop away from it; at most 0.2."""
    still_rotate: float = 15.0
    """The same for the two views of a still or of a patch, which have no motion of their own."""
    still_perspective: float = 0.08
    mirror: float = 0.6
    """Pairs that show pictures mirrored beyond their border, not their mean colour; or another
    picture there, where the target would be mirrored, too."""

    colour: float = 1.0
    """Strength of a gain, offset and gamma that both crops share."""
    own_colour: float = 0.6
    """The same, for each crop its own."""
    dark: float = 0.08
    """Pairs at night: a large gamma, a small gain; half of them in the search crop alone."""
    blur: float = 0.12
    """Each crop: out of focus."""
    motion_blur: float = 0.12
    low_resolution: float = 0.06
    """Each crop: scaled down by 1.5 to 4, and up again."""
    jpeg: float = 0.1
    noise: float = 0.1
    grey: float = 0.15
    """Both crops without colour."""

    paste: float = 0.35
    """Targets with a mask that are cut out and pasted over another picture."""
    distractor: float = 0.2
    """Search crops with an object of another video or picture beside the target."""
    look_alike: float = 0.08
    """Search crops with a copy of the target, or an object of its label, in other colours."""
    occluder: float = 0.12
    """Search crops in which a strip of another picture covers one side of the target."""
    occluding_object: float = 0.06
    """Search crops in which a cut-out object covers a part of the target."""

    def __post_init__(self) -> None:
        if self.region not in REGIONS:
            raise ModelError(_wrong("region", self.region, " or ".join(REGIONS)))
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "region":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ModelError(_wrong(field.name, value, "a number"))
            most = 1.0 if field.name in SHARES else math.inf
            if field.name in ("perspective", "still_perspective"):
                most = MAX_PERSPECTIVE
            if not 0 <= value <= most or math.isinf(value):
                possible = "0 or more" if math.isinf(most) else f"0 to {most:g}"
                raise ModelError(_wrong(field.name, value, possible))
        for name in ("search_size", "template_size"):
            size = getattr(self, name)
            if not isinstance(size, int) or size < 16:
                raise ModelError(_wrong(name, size, "a whole number, 16 or more"))
        if not isinstance(self.max_gap, int):
            raise ModelError(_wrong("max_gap", self.max_gap, "a whole number, 0 or more"))
        if not self.area_factor >= 1:
            raise ModelError(_wrong("area_factor", self.area_factor, "1 or more"))
        if not self.video + self.still + self.patch > 0:
            raise ModelError("section sampling: video, still and patch are 0; give one a share")

    @property
    def reach(self) -> float:
        """Side of the square around a target that search crops show, in its context sides.

        Of a square target, at the farthest shift and the smallest scale, of which a deviation is
        counted where it is normally distributed.
        """
        # A square of side 1 has a context side of 2.
        sides = self.area_factor / 2 if self.region == "area" else self.search_size / EXEMPLAR
        shifted = 1 + 2 * self.shift / self.search_size
        return sides * shifted * math.exp(self.scale + self.scale_spread)


def sampling_in(values: Any, recipe: str) -> Sampling:
    """What the section of a recipe, a file, says. Raises ModelError, naming both."""

    def make() -> Sampling:
        return Sampling(**require_keys(values, Sampling, recipe, "sampling"))

    return section(recipe, "sampling", make)


def _wrong(name: str, value: object, possible: str) -> str:
    return f"section sampling: {name} is {value}; possible is {possible}"


AUGMENTATIONS = tuple(field.name for field in fields(Sampling) if field.name not in SOURCES)
"""The names of all that can be switched on and off."""
PLAIN = dict.fromkeys(AUGMENTATIONS, 0)
"""All of them off, as arguments of `Sampling` or of `dataclasses.replace`."""
