"""What a replay is asked to do: a value that travels to other processes and machines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path

from tracker_ros.errors import DataError
from tracker_ros.geometry import Box
from tracker_ros.replay.figures import Limit

SOT, MOT = "sot", "mot"
RATES = ("max", "real")


@dataclass(frozen=True)
class Wish:
    """A target to follow: a box of the first image stamped so, or later."""

    text: str
    """As it was given."""
    box: Box | None
    """None: all targets end."""
    stamp: int | None
    """Nanoseconds; None: the first image."""
    relative: bool
    """Whether the stamp counts from that of the first image."""
    id: str = ""
    """Of the target in the recording: while it lives, it is pointed at anew."""


@dataclass(frozen=True)
class Job:
    """A bag, and what to do with it."""

    bag: Path
    out: Path
    """Folder of the results."""
    kind: str
    """sot, or mot."""
    topic: str = ""
    """Of the images; empty: the bag's only one, or that with the most messages."""
    detections: str = ""
    """Topic of the detections, for mot."""
    params_file: Path | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    """Parameters that override those of the file."""
    wishes: tuple[Wish, ...] = ()
    again: bool = False
    """Whether the wishes are those of the bag's operator: what of them cannot be is left out."""
    begin: float = 0.0
    """Seconds of the recording to leave out."""
    end: float = math.inf
    """Seconds of the recording after which to stop."""
    rate: str = "max"
    """max: every frame, as fast as it goes; real: as it was recorded, dropping as a node does."""
    gt: str = ""
    """File or topic of the truth; empty: none."""
    keep: str = "all"
    """What the bag that is written holds: all, outputs, or none: it is not written."""
    storage: str = "mcap"
    report: bool = True
    """Whether to write the HTML page."""
    limits: tuple[Limit, ...] = ()
    """Of the figures: what breaks one fails."""


def parse_wish(text: str) -> Wish:
    """Read `x,y,w,h`, `x,y,w,h@SECONDS` or `x,y,w,h@+SECONDS`. Raises DataError."""
    box, at, when = text.partition("@")
    try:
        values = [float(word) for word in box.split(",")]
    except ValueError:
        values = []
    if len(values) != 4 or not all(map(math.isfinite, values)) or min(values[2:]) <= 0:
        raise DataError(
            f"--target {text}: '{box}' is no box; give x,y,w,h in pixels, the sides above 0"
        )
    stamp = None
    if at:
        try:
            stamp = int(Decimal(when.lstrip("+")) * 10**9)
        except (InvalidOperation, ValueError, OverflowError):
            raise DataError(
                f"--target {text}: '{when}' is no time; give the stamp of an image in seconds, "
                "or +SECONDS after the first image"
            ) from None
    return Wish(text, Box(*values), stamp, when.startswith("+"))
