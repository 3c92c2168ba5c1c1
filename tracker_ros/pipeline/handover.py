"""Finds what another node gave an identity: in which image, and in which box. No ROS in here."""

from __future__ import annotations

from collections import deque
from time import perf_counter

from tracker_ros.errors import DetectionsError, TargetError
from tracker_ros.pipeline.detection_messages import DetectionArray, Found
from tracker_ros.pipeline.frames import Frame, FrameHistory, seconds
from tracker_ros.pipeline.requests import TargetRequest

KEPT_SECONDS = 2.0
"""An array that came longer ago is forgotten."""
KEPT_ARRAYS = 100
KEPT_BYTES = 32 << 20
TOLD = 10
"""Identities that a refusal names at most."""


class RecentArrays:
    """The arrays of detections of the last seconds, the oldest first; bounded by bytes too."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._arrays: deque[DetectionArray] = deque(maxlen=KEPT_ARRAYS)

    def add(self, array: DetectionArray) -> None:
        """Keep the newest array."""
        self._arrays.append(array)
        size = sum(len(array.raw) for array in self._arrays)
        while len(self._arrays) > 1 and size > KEPT_BYTES:
            size -= len(self._arrays.popleft().raw)

    def clear(self) -> None:
        """Forget them all."""
        self._arrays.clear()

    def request(self, id: str, history: FrameHistory) -> TargetRequest:
        """What to follow for an identity: its newest box whose image is in the history.

        Raises TargetError where no array names the identity, or no image is there.
        """
        if not id:
            raise TargetError(f"the id is empty: give one that is named in {self._topic}")
        oldest = perf_counter() - KEPT_SECONDS
        while self._arrays and self._arrays[0].received < oldest:
            self._arrays.popleft()
        named = None
        for array in reversed(self._arrays):
            found = _find(array, id)
            if found is None:
                continue
            frame = history.at(array.header.ns)
            if frame is not None:
                return _request(found, frame)
            named = named or array
        raise TargetError(self._refusal(id) if named is None else _gone(id, named, history))

    def near(self, ns: int, tolerance: int) -> DetectionArray | None:
        """The array whose stamp is nearest, at most `tolerance` nanoseconds away, or None."""
        array = min(self._arrays, key=lambda a: abs(a.header.ns - ns), default=None)
        close = array is not None and abs(array.header.ns - ns) <= tolerance
        return array if close else None

    def _refusal(self, id: str) -> str:
        if not self._arrays:
            return (
                f"no detections came on {self._topic} within {KEPT_SECONDS:g} s; remap "
                "`detections` to a topic that names identities, such as ~/tracks of mot_node"
            )
        newest: list[str] = []
        for array in reversed(self._arrays):
            newest = sorted({item.id for item in _read(array) if item.id})
            if newest:
                break
        words = f"the newest are {', '.join(newest[:TOLD])}" if newest else "none has an id"
        if len(newest) > TOLD:
            words += f" and {len(newest) - TOLD} more"
        return (
            f"id '{id}' is in none of the {len(self._arrays)} arrays that came on {self._topic} "
            f"within {KEPT_SECONDS:g} s; {words}"
        )


def _find(array: DetectionArray, id: str) -> Found | None:
    if id.encode() not in array.raw:  # reading it takes much longer
        return None
    return next((item for item in _read(array) if item.id == id), None)


def _read(array: DetectionArray) -> list[Found]:
    try:
        return array.read()
    except DetectionsError:
        return []


def _request(found: Found, frame: Frame) -> TargetRequest:
    if found.theta != 0:  # also NaN
        raise TargetError(
            f"the box of '{found.id}' is turned by theta={found.theta:g} rad; "
            "only boxes along the image axes can be followed"
        )
    return TargetRequest(
        found.box, frame.header.ns, found.id, found.label, handed_over=True, frame=frame
    )


def _gone(id: str, array: DetectionArray, history: FrameHistory) -> str:
    newest, oldest = history.newest(), history.oldest()
    if newest is None or oldest is None:
        held = "no image has come yet; is the camera publishing?"
    else:
        held = (
            f"the history holds {seconds(oldest.header.ns)} to {seconds(newest.header.ns)}: "
            "detections and this node must see the same images; see the parameter history_frames"
        )
    return f"'{id}' was seen in the image stamped {seconds(array.header.ns)}; {held}"
