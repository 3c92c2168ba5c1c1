"""Where the targets of a replay really are: boxes that belong to its images by number or by stamp.

A file with a line for every image belongs to the images by their number, which counts from the
topic's first, whatever part of the bag is replayed; a CSV file with a column `stamp`, and a topic,
belong to them by the exact stamp. Boxes are x, y, w, h, pixels, 0-based from
the top-left corner. OTB's own files count pixels from 1: their boxes lie one pixel off here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker_ros.errors import DataError
from tracker_ros.evaluation.metrics import has_target
from tracker_ros.pipeline.frames import seconds
from tracker_ros.replay.result import FloatArray, IntArray, ReplayResult, Timeline

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TargetTruth:
    """Where one target is."""

    source: str
    """File or topic, and how it belongs to the images, in words."""
    keys: IntArray
    """Of the rows, ascending and each once: stamps in nanoseconds, or numbers of images from 0."""
    boxes: FloatArray
    """Shape (rows, 4): x, y, w, h; nan where the target is not visible."""
    by_stamp: bool
    notes: tuple[str, ...] = ()
    """What a reader of the score has to know, in sentences."""

    def on(self, timeline: Timeline) -> tuple[FloatArray, BoolArray]:
        """The boxes of a replay's frames, (frames, 4), and which frames are annotated, (frames,).

        A frame that is not annotated has a box of nan, as one in which the target is not visible.
        """
        keys = timeline.stamps if self.by_stamp else timeline.inputs
        boxes = np.full((len(keys), 4), np.nan)
        if not len(self.keys):
            return boxes, np.zeros(len(keys), np.bool_)
        rows = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        annotated = self.keys[rows] == keys
        boxes[annotated] = self.boxes[rows[annotated]]
        return boxes, np.asarray(annotated, np.bool_)

    def require_match(self, result: ReplayResult) -> None:
        """Raise DataError unless this is the truth of the images of that replay."""
        if self.by_stamp:
            _require_a_common_stamp(self.source, self.keys, result.timeline)
        elif not _fits(len(self.keys), result):
            raise DataError(
                f"{self.source} has {len(self.keys)} lines, but {_images(result)}; expected a line "
                "for every image of the topic, those that were not replayed or could not be used "
                "too"
            )

    def notes_on(self, result: ReplayResult) -> tuple[str, ...]:
        """What a reader of that replay's score has to know, in sentences."""
        return self.notes if self.by_stamp else self.notes + _cut_short(len(self.keys), result)


@dataclass(frozen=True, eq=False)
class CrowdTruth:
    """Who is where: any number of targets, by identity."""

    source: str
    """File or topic, and how it belongs to the images, in words."""
    annotated: IntArray | None
    """Stamps in nanoseconds that are annotated, ascending; None: all images are, by number."""
    keys: IntArray
    """Of the rows, ascending: stamps in nanoseconds, or numbers of images from 0."""
    ids: IntArray
    boxes: FloatArray
    """Shape (rows, 4): x, y, w, h."""
    counts: BoolArray
    """Which rows a tracker has to find."""
    distractor: BoolArray
    """On which rows a track is neither right nor wrong."""
    length: int | None = None
    """Images that the file is about, where it is known (seqinfo.ini)."""
    notes: tuple[str, ...] = ()
    """What a reader of the score has to know, in sentences."""

    @property
    def by_stamp(self) -> bool:
        """Whether rows belong to images by stamp; otherwise by number."""
        return self.annotated is not None

    def on(self, timeline: Timeline) -> tuple[IntArray, IntArray, BoolArray]:
        """The rows that a replay's frames show, the frame of each, and which frames are annotated.

        Shapes (shown,), (shown,), (frames,); in the order of the frames.
        """
        keys = timeline.stamps if self.annotated is not None else timeline.inputs
        annotated = keys >= 0 if self.annotated is None else np.isin(keys, self.annotated)
        first = np.searchsorted(self.keys, keys)
        counts = np.searchsorted(self.keys, keys, "right") - first
        counts[~annotated] = 0
        frames = np.repeat(np.arange(len(keys)), counts)
        within = np.arange(len(frames)) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(first, counts) + within, frames, np.asarray(annotated, np.bool_)

    def require_match(self, result: ReplayResult) -> None:
        """Raise DataError unless this is the truth of the images of that replay."""
        if self.annotated is not None:
            _require_a_common_stamp(self.source, self.annotated, result.timeline)
            return
        if self.length is not None:
            if not _fits(self.length, result):
                raise DataError(
                    f"{self.source} is the truth of {self.length} images (seqLength in "
                    f"seqinfo.ini), but {_images(result)}; give the truth of all images of the "
                    "topic"
                )
            return
        if self._last > result.images and not result.damage:
            raise DataError(
                f"{self.source} reaches to frame {self._last}, but {_images(result)}; give the "
                "truth of these images: frame 1 is the first of the topic"
            )
        if result.first and self._last == result.received:
            raise DataError(
                f"{self.source} reaches to frame {self._last}, as if it were the truth of the part "
                f"alone, but {_images(result)}; frame 1 is the first of the topic, also with "
                f"--from. Where it is the truth of all, seqinfo.ini with seqLength={result.images} "
                "beside gt/gt.txt says so"
            )

    def notes_on(self, result: ReplayResult) -> tuple[str, ...]:
        """What a reader of that replay's score has to know, in sentences."""
        if self.by_stamp:
            return self.notes
        return self.notes + _cut_short(self.length or self._last, result)

    @property
    def _last(self) -> int:
        """The last frame that has a row, from 1."""
        return int(self.keys[-1]) + 1 if len(self.keys) else 0


def target_truth(
    source: str, stamps: IntArray, boxes: FloatArray, notes: tuple[str, ...] = ()
) -> TargetTruth:
    """A truth by stamp, from rows in any order. Raises DataError where a stamp has two boxes."""
    order = np.argsort(stamps, kind="stable")
    stamps, boxes = stamps[order], np.where(has_target(boxes)[:, None], boxes, np.nan)[order]
    again = stamps[1:] == stamps[:-1]
    differs = again & ~np.isclose(boxes[1:], boxes[:-1], 0, 0, equal_nan=True).all(axis=1)
    if differs.any():
        raise DataError(
            f"{source}: the stamp {seconds(int(stamps[1:][differs][0]))} is there twice, with "
            "two boxes; a stamp has one truth"
        )
    kept = np.concatenate([np.ones(min(len(stamps), 1), np.bool_), ~again])
    return TargetTruth(source, stamps[kept], boxes[kept], True, notes)


def _require_a_common_stamp(source: str, stamps: IntArray, timeline: Timeline) -> None:
    if not len(stamps):
        raise DataError(f"{source} holds nothing; there is no truth to score against")
    images = timeline.stamps
    if len(images) and not np.isin(images, stamps).any():
        ours, theirs = (
            f"{seconds(int(of.min()))} to {seconds(int(of.max()))}" for of in (images, stamps)
        )
        raise DataError(
            f"{source}: none of its {len(stamps)} stamps ({theirs}) is that of one of the "
            f"{len(images)} images ({ours}); a truth needs the exact stamps of the images"
        )


def _fits(length: int, result: ReplayResult) -> bool:
    """Whether a truth by number is as long as the topic; a damaged bag has lost some images."""
    return length == result.images or (bool(result.damage) and length > result.images)


def _cut_short(length: int, result: ReplayResult) -> tuple[str, ...]:
    """What to say where a damaged bag holds less than its truth."""
    if length <= result.images:
        return ()
    return (
        f"The bag is damaged, and holds {result.images} of the {length} images that the truth is "
        f"of: they were compared with the first {result.images} of it. Where images are missing "
        "before the last, only a truth with stamps fits.",
    )


def _images(result: ReplayResult) -> str:
    """How many images there are, for an error."""
    words = f"{result.bag} holds {result.images} images on {result.topic}"
    if result.received != result.images:
        words += f", of which {result.received} were replayed"
    return f"{words} (the bag is damaged: {result.damage})" if result.damage else words
