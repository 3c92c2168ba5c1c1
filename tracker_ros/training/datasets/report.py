"""What a survey found: what is kept of every data set, what is dropped, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tracker_ros.errors import DataError
from tracker_ros.training.datasets.records import (
    SHOWN,
    DataSet,
    Entry,
    Faults,
    Kind,
    TrackRecord,
)

BOX_FAULTS = (Kind.WORDS, Kind.FINITE, Kind.AREA, Kind.SMALL, Kind.OUTSIDE)
PICTURE_FAULTS = (Kind.MISSING, Kind.DAMAGED, Kind.SIZE)


@dataclass
class Found:
    """What is kept of a part of a data set, and what was wrong."""

    tracks: list[TrackRecord] = field(default_factory=list)
    stills: list[Entry] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    lost_boxes: int = 0
    """Boxes that were lost with their picture."""
    seen: int = 0
    """Pictures that were looked at."""


@dataclass(frozen=True)
class SetReport:
    """What is kept of a data set, and what is not."""

    data: DataSet
    found: Found
    licences: dict[str, str]
    reach: float
    """How much its pictures show around their object, in context sides."""

    @property
    def pictures(self) -> int:
        """Frames of all tracks, and photographs, that are kept."""
        return sum(len(track.entries) for track in self.found.tracks) + len(self.found.stills)

    @property
    def boxes(self) -> int:
        """Boxes that are kept."""
        return sum(len(entry.labels) for entry in self._entries())

    @property
    def masks(self) -> int:
        """Boxes with a mask."""
        return sum(label.mask is not None for entry in self._entries() for label in entry.labels)

    @property
    def dropped_videos(self) -> int:
        """Videos and tracks that could not be read or have no box left."""
        return self.found.faults.counts[Kind.TRACK]

    @property
    def dropped_pictures(self) -> int:
        """Pictures that could not be used."""
        return sum(self.found.faults.counts[kind] for kind in PICTURE_FAULTS)

    @property
    def dropped_boxes(self) -> int:
        """Boxes that could not be used, and those on pictures that could not."""
        return self.found.lost_boxes + sum(self.found.faults.counts[kind] for kind in BOX_FAULTS)

    def _entries(self) -> Iterator[Entry]:
        for track in self.found.tracks:
            yield from track.entries
        yield from self.found.stills


@dataclass(frozen=True)
class Survey:
    """All data sets, checked."""

    sets: tuple[SetReport, ...]

    @property
    def faults(self) -> Faults:
        """Those of all sets, in their order."""
        faults = Faults()
        for report in self.sets:
            faults.merge(report.found.faults)
        return faults

    @property
    def clean(self) -> bool:
        """Whether nothing was left out."""
        return not self.faults.counts

    def require_usable(self, source: object) -> None:
        """Raise DataError, with the first fault, when nothing is left to train on."""
        if any(report.pictures for report in self.sets):
            return
        first = "".join(f"; the first: {fault.message}" for fault in self.faults.first[:1])
        raise DataError(f"{source}: none of its data can be used{first}")

    def table(self) -> str:
        """A line a set: what is kept and what is dropped."""
        heads = ("tracks", "pictures", "boxes", "masks", "videos", "pictures", "boxes")
        rows = [
            (
                report.data.name, len(report.found.tracks), report.pictures, report.boxes,
                report.masks, report.dropped_videos, report.dropped_pictures, report.dropped_boxes,
            )
            for report in self.sets
        ]  # fmt: skip
        if len(rows) > 1:
            rows.append(("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:])))
        first = max(len("set"), *(len(row[0]) for row in rows))
        widths = [max(len(head), 8) for head in heads]
        titles = "  ".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))
        lines = [
            f"{'':<{first}}  {'kept':<{sum(widths[:4]) + 6}}  dropped",
            f"{'set':<{first}}  {titles}",
        ]
        for name, *numbers in rows:
            cells = (f"{n:>{w}}" for n, w in zip(numbers, widths, strict=True))
            lines.append(f"{name:<{first}}  " + "  ".join(cells))
        return "\n".join(lines)

    def complaints(self) -> str:
        """The first faults with file and line, then how many there are of each kind."""
        faults = self.faults
        lines = [f"{fault.kind.value}: {fault.message}" for fault in faults.first]
        if sum(faults.counts.values()) > len(faults.first):
            lines.append(f"... the first {SHOWN} of {sum(faults.counts.values())}:")
            lines += [f"{count:>8}  {kind.value}" for kind, count in faults.counts.most_common()]
        return "\n".join(lines)
