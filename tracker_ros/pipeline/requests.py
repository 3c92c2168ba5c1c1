"""What is asked of the tracking worker, its answer, and the ids that it gives out. No ROS."""

from __future__ import annotations

from dataclasses import dataclass

from tracker_ros.errors import TargetError
from tracker_ros.geometry import Box
from tracker_ros.pipeline.frames import Frame, FrameHistory, seconds


@dataclass(frozen=True)
class TargetRequest:
    """Follow what is in `box` of the image stamped `stamp`."""

    box: Box
    stamp: int = 0
    """Nanoseconds; 0 means the newest image."""
    id: str = ""
    """Empty: a new one is made. That of a live target: it is pointed at anew."""
    label: str = ""
    handed_over: bool = False
    """Whether the id is another node's: it may come again after its target has ended."""
    frame: Frame | None = None
    """That image, where it is at hand: the history may have let it go meanwhile."""


@dataclass(frozen=True)
class Accepted:
    """The answer to a request that was accepted."""

    id: str
    message: str
    late: float = 0.0
    """Seconds from the image it was set on to the newest."""


class Identities:
    """Gives out ids; one that was given is never given again.

    Ids that are handed over are their giver's: they come again as often as the giver says, but are
    never taken for an own one, nor an own one for them.
    """

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._handed_over: set[str] = set()
        self._last = 0

    def claim(self, wanted: str) -> str:
        """Take `wanted`, or a new number where it is empty. Raises TargetError when it is used."""
        if wanted in self._used:
            raise TargetError(
                f"id '{wanted}' belonged to a target that has ended; "
                "ids are not used again: give another, or none"
            )
        if wanted in self._handed_over:
            raise TargetError(
                f"id '{wanted}' was handed over from another node and its target has ended; "
                "follow it again with the service ~/follow, or give another id"
            )
        while not wanted:
            self._last += 1
            number = str(self._last)
            if number not in self._used and number not in self._handed_over:
                wanted = number
        self._used.add(wanted)
        return wanted

    def take_over(self, id: str) -> None:
        """Take another node's id. Raises TargetError when it is one of our own."""
        if id in self._used:
            raise TargetError(
                f"id '{id}' is this node's own, from ~/set_target, so it cannot be another "
                "object's too; give the identities a prefix (parameter id_prefix of mot_node)"
            )
        self._handed_over.add(id)


def image_of(request: TargetRequest, history: FrameHistory) -> Frame:
    """The image that a request is about. Raises TargetError."""
    frame = request.frame
    if frame is None:
        return find_frame(history, request.stamp)
    newest = history.newest()
    if newest is None or newest.header.ns < frame.header.ns:
        raise TargetError("time has jumped back since that image; point at a newer one")
    return frame


def find_frame(history: FrameHistory, stamp: int) -> Frame:
    """The image with exactly this stamp (nanoseconds), or the newest for 0.

    Raises TargetError, saying what the history holds, when it is not there.
    """
    newest, oldest = history.newest(), history.oldest()
    if newest is None or oldest is None:
        raise TargetError("no image has arrived yet; is the camera publishing?")
    frame = history.at(stamp) if stamp else newest
    if frame is not None:
        return frame
    first, last = oldest.header.ns, newest.header.ns
    if stamp < first:
        why = (
            f"it is {(first - stamp) / 1e9:.2f} s older; more are kept with the parameters "
            "history_frames, history_megabytes and history_seconds"
        )
    elif stamp > last:
        why = f"it is {(stamp - last) / 1e9:.2f} s later; copy the stamp of an image that came"
    else:
        why = "copy the stamp of the image, to the nanosecond"
    raise TargetError(
        f"no image is stamped {seconds(stamp)}; the history holds "
        f"{seconds(first)} to {seconds(last)}: {why}"
    )
