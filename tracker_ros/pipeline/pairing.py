"""Which detections are of which image, by their stamps. No ROS, no threads and no clock in here.

An image waits for its detections; when they come later, or never, it is answered without them.
What comes late is still applied, with its own image: see docs/topics.md for the rules.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from tracker_ros.pipeline.detection_messages import DetectionArray
from tracker_ros.pipeline.frames import Frame, FrameHistory, seconds

MOST = 64
"""Images, and arrays, that wait at most: an image then waits no longer, older arrays go."""
LAG = 0.1
"""Seconds that what is ready may wait for a slow tracker; then only the newest is taken."""

AHEAD = 1.0
"""Seconds by which the stamps of detections may run ahead of those of the images."""


class Kind(Enum):
    """How an image, or an array of detections, is answered."""

    EXACT = "paired by the exact stamp"
    NEAR = "paired within the tolerance"
    LATE = "late, applied afterwards"
    ALONE = "without an image"
    PREDICTED = "image without detections, predicted"
    EMPTY = "image without detections for long"


@dataclass(frozen=True)
class Timing:
    """The times of the rules, in seconds."""

    wait: float = 0.25
    """For which an image waits for its detections, and detections for their image."""
    tolerance: float = 0.02
    """Between the stamps of an image and of its detections."""
    max_gap: float = 2.0
    """Without any detections, until an image counts as one in which nothing was detected."""


@dataclass(frozen=True)
class Step:
    """What to do next: update with the frame and the array where they are, PREDICTED: predict."""

    kind: Kind
    frame: Frame | None
    array: DetectionArray | None


class PairingListener(Protocol):
    """Hears of what is not used."""

    def on_refused(self, cause: str, reason: str, number: int = 1) -> None:
        """Arrays of detections are of no use; `cause` is a short stable key."""

    def on_rejected(self, cause: str, reason: str) -> None:
        """An image is of no use."""

    def on_dropped(self, frames: int) -> None:
        """Images are dropped for newer ones, because the tracker is slow."""


class Pairing:
    """Takes images and arrays as they come; gives what to do in the order of the stamps.

    Images must come with rising stamps. Times are those of time.perf_counter().
    """

    def __init__(self, history: FrameHistory, listener: PairingListener, timing: Timing) -> None:
        """history: all images that come are in it, added before they are given to the pairing."""
        self.timing = timing
        self._history, self._listener = history, listener
        self._images: deque[Frame] = deque()
        self._arrays: list[DetectionArray] = []
        """In the order of their stamps."""
        self.forget()

    def forget(self) -> int:
        """Begin anew: time has jumped. Gives how many images waited."""
        waited = len(self._images)
        self._images.clear()
        self._arrays.clear()
        self._frame_id = ""
        self._applied: int | None = None
        """Stamp of the newest array that was applied."""
        self._updated: int | None = None
        """Time of the tracker's newest update."""
        self._fed: int | None = None
        """Time from which the gap without detections counts: the newest image's when any came."""
        return waited

    def add_image(self, frame: Frame) -> None:
        """An image has come."""
        if self._updated is not None and frame.header.ns <= self._updated:
            words = f"the image stamped {seconds(frame.header.ns)} came after later detections"
            self._listener.on_rejected("late image", f"{words} were applied; raise detection_wait")
            return
        self._frame_id = frame.header.frame_id
        # Arrays that came before there was an image may turn out to be of no use now.
        kept = [a for a in self._arrays if not (self._of_another_camera(a) or self._is_ahead(a))]
        self._arrays[:] = kept
        self._images.append(frame)
        if len(self._images) > MOST:
            self._images.popleft()
            self._listener.on_dropped(1)

    def add_array(self, array: DetectionArray) -> None:
        """An array of detections has come."""
        if self._of_another_camera(array) or self._is_ahead(array):
            return
        stamp = array.header.ns
        index = bisect.bisect_left(self._arrays, stamp, key=_stamp)
        waits = index < len(self._arrays) and _stamp(self._arrays[index]) == stamp
        if waits or stamp == self._applied:
            self._refuse("repeated", array, "came before")
        elif self._applied is not None and stamp < self._applied:
            self._refuse("reordered", array, f"came after those of {seconds(self._applied)}")
        else:
            self._arrays.insert(index, array)
            self._end_gap(stamp)
        if len(self._arrays) > MOST:
            self._refuse("too many wait", self._arrays.pop(0), f"were more than {MOST} that wait")

    def next(self, now: float) -> Step | None:
        """What to do now; None when more must come first, or `deadline` be reached."""
        self._shed(now)
        while self._arrays:
            array, image = self._arrays[0], self._images[0] if self._images else None
            if image is not None and not self._is_before(array, image):
                break
            frame = self._history.at(_stamp(array))
            if frame is None and not self._no_image_comes(array, now):
                return None
            frame = frame or self._history.nearest(_stamp(array), self._tolerance)
            self._arrays.pop(0)
            time = array.header.ns if frame is None else frame.header.ns
            if self._updated is not None and time <= self._updated:
                words = f"came after an update at {seconds(self._updated)}"
                hint = "if the detector is so slow, raise max_gap"
                self._refuse("reordered", array, f"{words}; {hint}")
                continue
            self._note(time, array)
            return Step(Kind.ALONE if frame is None else Kind.LATE, frame, array)
        return self._answer(self._images[0], now) if self._images else None

    def deadline(self) -> float | None:
        """When `next` gives something even if nothing comes; None when it does not."""
        waiting = self._images[0] if self._images else self._arrays[0] if self._arrays else None
        return None if waiting is None else waiting.received + self.timing.wait

    # --- an image and its array --------------------------------------------------------------

    def _answer(self, image: Frame, now: float) -> Step | None:
        """What the image that waits longest is answered with, if that is known."""
        stamp = image.header.ns
        array, kind = self._array_at(stamp), Kind.EXACT
        later = bool(self._arrays) and _stamp(self._arrays[-1]) > stamp
        over = self._is_over(image, now)
        if array is None and (later or over):
            array, kind = self._nearest(image), Kind.NEAR
        if array is not None:
            self._images.popleft()
            self._arrays.remove(array)
            self._note(stamp, array)
            return Step(kind, image, array)
        if not (over or self._is_passed(image)):
            return None
        self._images.popleft()
        self._fed = stamp if self._fed is None else self._fed
        if stamp - self._fed <= self.timing.max_gap * 1e9:
            return Step(Kind.PREDICTED, image, None)
        self._updated = stamp
        return Step(Kind.EMPTY, image, None)

    def _array_at(self, stamp: int) -> DetectionArray | None:
        return next((array for array in self._arrays if _stamp(array) == stamp), None)

    def _nearest(self, image: Frame) -> DetectionArray | None:
        """The nearest array within the tolerance that is no nearer to another image."""
        stamp = image.header.ns

        def is_its(array: DetectionArray) -> bool:
            away = abs(_stamp(array) - stamp)
            return away <= self._tolerance and not self._is_of_another_image(array, image)

        candidates = [array for array in self._arrays if is_its(array)]
        return min(candidates, key=lambda array: abs(_stamp(array) - stamp), default=None)

    def _is_over(self, image: Frame, now: float) -> bool:
        """Whether an image waits no longer: its time is up, or too many wait."""
        full = len(self._images) >= MOST and image is self._images[0]
        return full or now >= image.received + self.timing.wait

    def _is_passed(self, image: Frame) -> bool:
        """Whether an array of a later image is there: detectors look at one after the other."""
        later = (array for array in self._arrays if _stamp(array) > image.header.ns)
        return any(
            _stamp(array) > image.header.ns + self._tolerance
            or self._is_of_another_image(array, image)
            for array in later
        )

    def _is_of_another_image(self, array: DetectionArray, image: Frame) -> bool:
        """Whether one has just that stamp, or is nearer and may still get detections."""
        stamp = _stamp(array)
        away = abs(stamp - image.header.ns)
        answered = self._history.nearest(stamp, away - 1)
        if answered is not None:
            time = answered.header.ns
            if time == stamp or self._updated is None or time > self._updated:
                return True
        return any(abs(stamp - other.header.ns) < away for other in self._images)

    # --- an array whose image does not wait --------------------------------------------------

    def _is_before(self, array: DetectionArray, image: Frame) -> bool:
        """Whether an array cannot be that image's, because it is of an older one."""
        ahead = image.header.ns - _stamp(array)
        if ahead <= 0:
            return False
        return ahead > self._tolerance or self._is_of_another_image(array, image)

    def _no_image_comes(self, array: DetectionArray, now: float) -> bool:
        """Whether none comes any more with just that stamp."""
        newest = self._history.newest()
        if newest is not None and newest.header.ns > _stamp(array):
            return True
        return now >= array.received + self.timing.wait

    # --- a tracker that is too slow ----------------------------------------------------------

    def _shed(self, now: float) -> None:
        """Drop what is older than the newest that is ready, when the oldest has been for long."""
        since = next((since for since, _ in self._ready(now)), now)
        if now - since <= LAG:
            return
        ready = [image for _, image in self._ready(now)]
        if len(ready) < 2:
            return
        # Not for an image without detections one with them: the tracker lives on those.
        newest = next((image for image in reversed(ready) if self._array_of(image)), ready[-1])
        dropped = 0
        while self._images[0] is not newest:
            self._images.popleft()
            dropped += 1
        if dropped:
            self._listener.on_dropped(dropped)
        array = self._array_of(newest)
        while array is not None and self._arrays[0] is not array:
            self._refuse("tracker too slow", self._arrays.pop(0), "were left out for newer ones")

    def _ready(self, now: float) -> Iterator[tuple[float, Frame]]:
        """The images that can be answered, and since when."""
        for image in self._images:
            array = self._array_of(image)
            if array is not None:
                yield max(image.received, array.received), image
            elif self._is_over(image, now):
                yield min(image.received + self.timing.wait, now), image

    def _array_of(self, image: Frame) -> DetectionArray | None:
        return self._array_at(image.header.ns) or self._nearest(image)

    # --- common ------------------------------------------------------------------------------

    @property
    def _tolerance(self) -> int:
        return int(self.timing.tolerance * 1e9)

    def _note(self, time: int, array: DetectionArray) -> None:
        """The tracker is updated with an array, at a time."""
        self._applied, self._updated = _stamp(array), time
        self._fed = max(self._fed or time, time)

    def _end_gap(self, stamp: int) -> None:
        """An array that is late ends the gap too: else all later ones would come too late."""
        newest = self._history.newest()
        if newest is not None and newest.header.ns - stamp <= self.timing.max_gap * 1e9:
            self._fed = max(self._fed or 0, newest.header.ns)

    def _of_another_camera(self, array: DetectionArray) -> bool:
        """Whether an array is of another camera than the images; then it is refused."""
        frame_id = array.header.frame_id
        if not frame_id or not self._frame_id or frame_id == self._frame_id:
            return False
        words = f"are of frame_id '{frame_id}', and the images of '{self._frame_id}'"
        self._refuse("another frame_id", array, words)
        return True

    def _is_ahead(self, array: DetectionArray) -> bool:
        """Whether an array is stamped in the images' future; then it is refused.

        Applied, it would make every image that comes one of the past.
        """
        newest = self._history.newest()
        if newest is None:
            return False
        ahead = (_stamp(array) - newest.header.ns) / 1e9 - (array.received - newest.received)
        if ahead <= AHEAD:
            return False
        self._refuse("ahead of the images", array, f"are {ahead:.1f} s ahead of the images")
        return True

    def _refuse(self, cause: str, array: DetectionArray, words: str) -> None:
        reason = f"the detections stamped {seconds(_stamp(array))} {words}"
        self._listener.on_refused(cause, reason)


def _stamp(array: DetectionArray) -> int:
    return array.header.ns
