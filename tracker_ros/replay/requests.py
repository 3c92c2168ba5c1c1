"""What an operator asked for while a bag was recorded: a replay asks for it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracker_ros.bags.reader import open_bag
from tracker_ros.bags.types import STATUS, store
from tracker_ros.geometry import Box
from tracker_ros.pipeline.frames import seconds
from tracker_ros.replay.job import Wish

REQUEST = "tracker_ros/msg/OperatorRequest"


@dataclass
class Requests:
    """In the order in which they were made."""

    wishes: list[Wish] = field(default_factory=list)
    most_targets: int = 1
    """That were followed at a time."""


def read_requests(bag: Path) -> Requests:
    """The requests in a bag that were granted. Raises DataError where it cannot be read.

    A box was drawn on the image that its stamp names. What was followed by its identity, or by a
    click, begins where the recorded status first has it. An end of all targets comes with the
    image after it. A pause and a change of the tracker are not repeated.
    """
    found = Requests()
    wanted: list[str] = []
    """For each that is not in the status yet, its identity; empty: not known."""
    seen: set[str] = set()
    last = 0
    with open_bag(bag) as reader:
        names = {topic.name for topic in reader.topics if topic.type in (REQUEST, STATUS)}
        if not any(topic.type == REQUEST for topic in reader.topics):
            return found
        for message in reader.messages(names):
            if message.type not in (REQUEST, STATUS):
                continue
            told: Any = store().deserialize_cdr(message.data, message.type)
            stamp = told.header.stamp.sec * 10**9 + told.header.stamp.nanosec
            if message.type == STATUS:
                found.most_targets = max(found.most_targets, len(told.tracks))
                if told.header.frame_id:  # else it stands between two images
                    last = stamp
                    wanted = _begin(found.wishes, wanted, seen, told.tracks, stamp)
                seen |= {track.id for track in told.tracks}
            elif told.success and told.kind == told.SET_TARGET:
                found.wishes.append(_wish(_box(told.bbox), stamp))
            elif told.success and told.kind in (told.FOLLOW, told.CLICK):
                wanted.append(told.id)
                seen.discard(told.id)
            elif told.success and told.kind == told.CLEAR:
                found.wishes.append(Wish("clear", None, last + 1, False))
    return found


def _begin(
    wishes: list[Wish], wanted: Sequence[str], seen: set[str], tracks: Sequence[Any], stamp: int
) -> list[str]:
    """Add a wish for each target that is new in a status; gives what is still wanted."""
    left = list(wanted)
    for track in tracks:
        for id in left:
            if track.id == id or (not id and track.id not in seen):
                left.remove(id)
                wishes.append(_wish(_box(track.bbox), stamp))
                break
    return left


def _wish(box: Box, stamp: int) -> Wish:
    text = ",".join(f"{value:g}" for value in box)
    return Wish(f"{text}@{seconds(stamp)}", box, stamp, False)


def _box(bbox: Any) -> Box:
    at = bbox.center.position
    return Box.from_center(at.x, at.y, bbox.size_x, bbox.size_y)
