"""What readers give: pictures, their boxes, the line that says so, and what is wrong with them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from tracker_ros.training.datasets.sources import Source

SHOWN = 20
"""Faults that are shown in full; of the others there is a count."""


class Kind(str, Enum):
    """What can be wrong with a data set."""

    MISSING = "picture missing"
    DAMAGED = "picture damaged"
    SIZE = "picture of another size than stated"
    WORDS = "entry not understood"
    FINITE = "box not finite"
    AREA = "box without area"
    SMALL = "box under 2 px"
    OUTSIDE = "box outside the picture"
    MASK = "mask not usable"
    TRACK = "video not usable"
    EMPTY = "set with nothing usable"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, and in which file and line."""

    kind: Kind
    message: str


@dataclass
class Faults:
    """The first faults in full, and counts of all."""

    first: list[Fault] = field(default_factory=list)
    counts: Counter[Kind] = field(default_factory=Counter)

    def add(self, kind: Kind, message: str) -> None:
        """Count a fault. The message names file and line."""
        self.counts[kind] += 1
        if len(self.first) < SHOWN:
            self.first.append(Fault(kind, message))

    def merge(self, others: Faults) -> None:
        """Take those of a part, which come after these."""
        self.counts.update(others.counts)
        self.first += others.first[: SHOWN - len(self.first)]


@dataclass(frozen=True, slots=True)
class Label:
    """A box as the file has it, unchecked; x, y 0-based."""

    values: tuple[float, ...]
    where: str
    """File and line."""
    mask: Source | None = None
    name: str = ""
    """What kind of thing it is, in the words of its data set; nothing if that is not said."""


class Cut(NamedTuple):
    """Where a prepared picture was cut out of its original."""

    original: Hashable
    """The same for all that are of one photograph, or of one frame."""
    x: float
    y: float
    """Its corner, in pixels of the original."""
    zoom_x: float = 1.0
    zoom_y: float = 1.0
    """Its pixels for each of the original."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture: a frame with at most one label (none: the target is absent), or a photograph."""

    picture: Source
    where: str
    labels: tuple[Label, ...] = ()
    stated: tuple[int, int] | None = None
    """Width and height that the annotation gives."""
    mean: tuple[float, float, float] | None = None
    """BGR, where it is known."""
    weight: float = 1.0
    cut: Cut | None = None
    """None: it is whole."""


@dataclass(frozen=True)
class TrackRecord:
    """One target through a video."""

    name: str
    entries: tuple[Entry, ...]
    weight: float = 1.0
    max_gap: int | None = None
    whole: bool = True
    """Whether pictures show the scene, or only what is around the target."""
    video: str = ""
    """What all targets of its footage share: the folder of the pictures. Nothing: it is alone."""


VideoLoader = Callable[[Faults], list[TrackRecord]]
"""Reads a video: one track for each of its targets. DataError: the video cannot be used."""
StillLoader = Callable[[Faults], list[Entry]]


@dataclass(frozen=True)
class Contents:
    """What a data set holds, found but not read yet."""

    videos: Mapping[str, VideoLoader] = field(default_factory=dict)
    stills: StillLoader | None = None
    licences: Mapping[str, str] = field(default_factory=dict)
    """Of the data sets that these were made from, where that is not the set's own."""
    reach: float = math.inf
    """How much pictures show around their object, in its context sides; whole ones: all."""


@dataclass(frozen=True)
class DataSet:
    """A declared data set."""

    name: str
    format: str
    root: Path
    licence: str = "not stated"
    weight: float = 1.0
    """How often its tracks and stills are drawn, beside those of other sets."""
    max_gap: int | None = None
    """Most frames from template to search; None: the recipe's."""
    names: tuple[str, ...] = ()
    """Videos to take; all where empty."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keys of its format alone."""
