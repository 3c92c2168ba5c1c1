"""What somebody clicked on: a detection under the point, or what the picture shows. No ROS."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tracker_ros.errors import DetectionsError, ImageError, TargetError
from tracker_ros.geometry import MIN_SIDE
from tracker_ros.pipeline.detection_messages import DetectionArray, Found
from tracker_ros.pipeline.frames import Frame, FrameHistory
from tracker_ros.pipeline.handover import RecentArrays
from tracker_ros.pipeline.requests import TargetRequest, find_frame
from tracker_ros.sot.proposal import propose

AHEAD = 1.0
"""A click stamped at most so many seconds after the newest image means that image: many viewers
stamp with the time of the click."""
REACTION = 0.5
"""Without a stamp, boxes of an image at most so many seconds older than the newest are meant: a
detector takes its time, and so does a hand."""


@dataclass(frozen=True)
class Click:
    """A point of an image."""

    x: float
    """Pixels."""
    y: float
    stamp: int = 0
    """Nanoseconds, of the image; 0 means the newest."""
    frame_id: str = ""
    """Empty, or that of the image."""


@dataclass(frozen=True)
class Clicked:
    """What is there to find out what was clicked on; `request` may be called on any thread."""

    click: Click
    frame: Frame
    """The image that it is on."""
    array: DetectionArray | None
    """The detections of that image, where some came."""
    array_frame: Frame
    """The image of these detections."""

    def request(self, usual: float) -> tuple[TargetRequest, str]:
        """What to follow, and in words what was found. Raises TargetError.

        usual: mean side of a target, in short sides of the image, where the picture says nothing.
        """
        x, y = self.click.x, self.click.y
        found = None if self.array is None else _under(self.array, x, y)
        if found is not None:
            request = TargetRequest(
                found.box, self.array_frame.header.ns, found.id, found.label,
                handed_over=bool(found.id), frame=self.array_frame,
            )  # fmt: skip
            named = found.label or "box"
            return request, f"the detected {named} {found.id}".rstrip()
        try:
            image = self.frame.decode()
        except ImageError as error:
            raise TargetError(f"that image could not be decoded: {error}") from error
        height, width = image.shape[:2]
        if not (0 <= x < width and 0 <= y < height):
            raise TargetError(
                f"the point x={x:g} y={y:g} is not on the {width}x{height} image; "
                "give it in pixels of the image that the node gets"
            )
        proposal = propose(image, x, y, usual)
        w, h = round(proposal.box.w), round(proposal.box.h)
        words = f"{w}x{h} px around the point"
        if not proposal.found:
            words += ", where nothing stands out: see click_size"
        return TargetRequest(proposal.box, self.frame.header.ns, frame=self.frame), words


def find_clicked(click: Click, history: FrameHistory, recent: RecentArrays) -> Clicked:
    """Which image a click is on, and which detections go with it. Raises TargetError."""
    if not (math.isfinite(click.x) and math.isfinite(click.y)):
        raise TargetError(f"the point x={click.x:g} y={click.y:g} is not finite; give pixels")
    newest = history.newest()
    # Before the stamp: for a point in space a better stamp would be the wrong advice.
    if newest is not None and click.frame_id not in ("", newest.header.frame_id):
        raise TargetError(
            f"the point is in the frame '{click.frame_id}', the image in "
            f"'{newest.header.frame_id}'; give it in pixels of the image, x to the right and y "
            "down, under the image's frame_id or none"
        )
    frame = _frame_of(click, history)
    tolerance = history.period() // 2
    array = recent.near(frame.header.ns, tolerance)
    if array is not None or click.stamp:
        return Clicked(click, frame, array, frame)
    # A detector's newest array is of an image a little older than the newest.
    array = recent.near(frame.header.ns, round(REACTION * 1e9))
    seen = None if array is None else history.nearest(array.header.ns, tolerance)
    return Clicked(click, frame, None if seen is None else array, seen or frame)


def _frame_of(click: Click, history: FrameHistory) -> Frame:
    try:
        return find_frame(history, click.stamp)
    except TargetError:
        newest = history.newest()
        if newest is None:
            raise
        near = history.nearest(click.stamp, history.period() // 2)
        if near is None and 0 <= click.stamp - newest.header.ns <= AHEAD * 1e9:
            near = newest
        if near is None:
            raise
        return near


def _under(array: DetectionArray, x: float, y: float) -> Found | None:
    """The smallest box under a point; of those that can be followed."""
    try:
        found = array.read()
    except DetectionsError:
        return None
    under = [item for item in found if item.theta == 0 and _holds(item, x, y)]
    return min(under, key=lambda item: item.w * item.h, default=None)


def _holds(item: Found, x: float, y: float) -> bool:
    big_enough = MIN_SIDE <= item.w < math.inf and MIN_SIDE <= item.h < math.inf  # never NaN
    return big_enough and abs(x - item.cx) <= item.w / 2 and abs(y - item.cy) <= item.h / 2
