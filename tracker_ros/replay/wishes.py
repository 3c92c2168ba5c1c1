"""Sets the targets of a replay: those that were asked for, or the one that the truth shows."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np

from tracker_ros.errors import DataError, TargetError
from tracker_ros.geometry import Box
from tracker_ros.pipeline.frames import seconds
from tracker_ros.pipeline.requests import Accepted
from tracker_ros.replay.annotations import TargetTruth
from tracker_ros.replay.job import Job, Wish
from tracker_ros.replay.sot_session import SotSession
from tracker_ros.replay.truth import Truth

LONG_AGO = 10 * 10**9
"""Nanoseconds before the first image: an earlier stamp is taken for a mistake."""


class Wishes:
    """Sets the targets that were asked for, each when its image has come."""

    def __init__(self, job: Job, session: SotSession, truth: Truth | None) -> None:
        self._job, self._session = job, session
        self._left = list(job.wishes)
        self._truth = truth if isinstance(truth, TargetTruth) and not job.wishes else None
        self._from_truth = self._truth
        self._matched = False
        """Whether a stamp of the truth is that of an image."""
        self._first: int | None = None
        self._answers: dict[str, Future[Accepted]] = {}
        """By the words of the wish."""

    def look(self) -> None:
        """An image has come: start on it what is to start there.

        Raises DataError where a target was refused.
        """
        frame = self._session.newest
        if frame is None:
            return
        stamp = frame.header.ns
        if self._first is None:
            self._first = stamp
            if self._job.again:
                self._leave_out_before(stamp)
            else:
                self._require_not_long_ago(stamp)
        for wish in [wish for wish in self._left if self._is_due(wish, stamp)]:
            self._left.remove(wish)
            if wish.box is None:
                self._session.end_targets()
            else:
                self._answers[_words(wish)] = self._session.set_target(wish.box, frame, wish.id)
        if self._truth is not None:
            self._matched |= not self._truth.by_stamp or stamp in self._truth.keys
            box = box_at(self._truth, frame.number, stamp)
            if box is not None:
                self._truth = None
                self._answers[f"the box of {self._job.gt}"] = self._session.set_target(box, frame)
        self._require_accepted()

    @property
    def first(self) -> str:
        """The id of the target that was asked for first, or that the truth has started."""
        asked = [_words(wish) for wish in self._job.wishes if wish.box is not None]
        first = asked[0] if asked else f"the box of {self._job.gt}"
        answer = self._answers.get(first)
        return answer.result().id if answer is not None and not answer.exception() else ""

    def require_met(self) -> None:
        """Raise DataError where a target was refused, or its image never came."""
        self._require_accepted()
        if self._left and not self._job.again:
            raise DataError(
                f"--target {self._left[0].text}: no image with that stamp, or a later one, came"
            )
        if self._from_truth and not self._answers:
            raise DataError(
                f"--gt {self._job.gt} shows the target in none of the images{self._hint()}"
            )

    def _hint(self) -> str:
        """What to do about it."""
        truth = self._from_truth
        if truth is None or not truth.by_stamp or not len(truth.keys) or self._matched:
            return "; name one to follow with --target"
        return (
            f": none of its {len(truth.keys)} stamps is that of an image; its first is "
            f"{seconds(int(truth.keys[0]))}, that of the images {seconds(self._first or 0)}"
        )

    def _leave_out_before(self, first: int) -> None:
        """The image of such a wish is not replayed."""
        gone = [wish for wish in self._left if wish.stamp is not None and wish.stamp < first]
        for wish in gone:
            self._left.remove(wish)
            self._session.leave_out(f"{wish.text}: the first image is stamped {seconds(first)}")

    def _require_not_long_ago(self, first: int) -> None:
        """Raise DataError for a time that was meant to count from the first image."""
        for wish in self._left:
            if wish.stamp is not None and not wish.relative and wish.stamp < first - LONG_AGO:
                when = wish.text.partition("@")[2]
                raise DataError(
                    f"--target {wish.text}: the first image is stamped {seconds(first)}, so {when} "
                    f"is long before it; @+{when} means {when} s after it"
                )

    def _is_due(self, wish: Wish, stamp: int) -> bool:
        assert self._first is not None
        base = self._first if wish.relative else 0
        return wish.stamp is None or stamp >= base + wish.stamp

    def _require_accepted(self) -> None:
        for words, answer in self._answers.items():
            error = answer.exception() if answer.done() else None
            if isinstance(error, TargetError) and self._job.again:
                continue  # it is among the troubles
            if isinstance(error, TargetError):
                raise DataError(f"{words}: {error}") from None
            if error is not None:
                raise error


def _words(wish: Wish) -> str:
    return f"--target {wish.text}"


def box_at(truth: TargetTruth, number: int, stamp: int) -> Box | None:
    """Where the target is in an image; None where it is not visible or not annotated."""
    key = stamp if truth.by_stamp else number
    row = int(np.searchsorted(truth.keys, key))
    if row == len(truth.keys) or truth.keys[row] != key or np.isnan(truth.boxes[row]).any():
        return None
    return Box(*truth.boxes[row].tolist())
