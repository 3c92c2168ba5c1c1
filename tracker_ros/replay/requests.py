"""What an operator asked for while a bag was recorded: a replay asks for it again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tracker_ros.bags.reader import BagReader, open_bag
from tracker_ros.bags.types import STATUS, store
from tracker_ros.errors import ImageError
from tracker_ros.geometry import Box
from tracker_ros.pipeline.cdr import Reader
from tracker_ros.pipeline.frames import seconds
from tracker_ros.replay.job import Job, Wish
from tracker_ros.replay.run import image_topic, part_of
from tracker_ros.track import TrackState

REQUEST = "tracker_ros/msg/OperatorRequest"


@dataclass
class Requests:
    """In the order in which they were made."""

    wishes: list[Wish] = field(default_factory=list)
    most_targets: int = 1
    """That were followed at a time."""


def read_requests(job: Job) -> Requests:
    """What was asked for, and granted, in what a job replays of its bag; nothing where nobody did.

    A box begins on the image that it was drawn on. All else that was followed, by a click, by its
    identity or from before the first image, begins where the recorded status first has it. An end
    of all targets comes with the image after it. A pause and a change of the tracker are not
    repeated. Raises DataError where the bag cannot be read.
    """
    with open_bag(job.bag) as bag:
        names = {topic.name for topic in bag.topics if topic.type == REQUEST}
        if not names:
            return Requests()
        statuses = [topic.name for topic in bag.topics if topic.type == STATUS]
        # Where other nodes' were recorded too, or those of a replay: that of sot_node.
        statuses.sort(key=lambda name: (not name.endswith("/sot/status"), len(name)))
        names.update(statuses[:1])
        begin, end = part_of(job, bag)
        told = _Told(_first_stamp(bag, image_topic(job, bag).name, begin))
        for message in bag.messages(names, begin, end):
            if message.type == STATUS:
                told.add_status(store().deserialize_cdr(message.data, STATUS))
            elif message.type == REQUEST:
                told.add_request(store().deserialize_cdr(message.data, REQUEST))
    return told.requests


def _first_stamp(bag: BagReader, topic: str, begin: int) -> int:
    """Of the first image that is replayed, nanoseconds; 0 where there is none."""
    for message in bag.messages({topic}, begin):
        with suppress(ImageError):
            return Reader(message.data).header().ns
    return 0


class _Told:
    """Makes wishes of what was recorded; for messages in the order of the recording."""

    def __init__(self, first: int) -> None:
        self.requests = Requests()
        self._oldest = first
        """Stamp of the first image on which a box can be set that is drawn now."""
        self._last = 0
        """Of the newest image that is known of."""
        self._begun: set[str] = set()
        """Targets that have their wish."""
        self._ended: set[str] = set()
        """Targets that have ended since that image, or are LOST."""

    def add_status(self, status: Any) -> None:
        """Begin what it has and nothing has begun yet."""
        tracks = {track.id: track for track in status.tracks}
        self.requests.most_targets = max(self.requests.most_targets, len(tracks))
        seen = {id: track for id, track in tracks.items() if track.state != TrackState.LOST}
        if not status.header.frame_id:  # it stands between two images
            self._ended |= tracks.keys() - seen.keys()
            return
        stamp = _stamp(status)
        if not self._last and stamp < self._oldest:
            return  # its image is not replayed
        self._last = stamp
        self._begun -= self._ended - tracks.keys()  # an identity may come again
        self._ended.clear()
        for id, track in seen.items():
            if id not in self._begun:
                self._set(id, _box(track.bbox), stamp)

    def add_request(self, request: Any) -> None:
        """Repeat it, or leave it to the status."""
        if not request.success:
            return
        if request.kind == request.SET_TARGET:
            id, stamp = request.target, _stamp(request)
            if stamp and stamp >= self._oldest:
                self._set(id, _box(request.bbox), stamp)
                self._last = max(self._last, stamp)
            else:  # of the newest image, whichever that was, or of one that is gone by now
                self._begun.discard(id)
        elif request.kind == request.FOLLOW:
            self._begun.discard(request.id)
        elif request.kind == request.CLEAR and self._last:
            self._oldest = self._last + 1
            self.requests.wishes.append(Wish("clear", None, self._oldest, False))

    def _set(self, id: str, box: Box, stamp: int) -> None:
        """Wish for a target, in place of what would set it on a later image: that was asked before.

        Or, where the status with it was recorded before the answer, it was taken for unasked.
        """
        self._begun.add(id)
        text = ",".join(f"{value:g}" for value in box)
        wish = Wish(f"{text}@{seconds(stamp)}", box, stamp, False, id)
        before = self.requests.wishes
        kept = [w for w in before if not id or w.id != id or (w.stamp or 0) <= stamp]
        self.requests.wishes = [*kept, wish]


def _stamp(message: Any) -> int:
    stamp = message.header.stamp
    return int(stamp.sec * 10**9 + stamp.nanosec)


def _box(bbox: Any) -> Box:
    at = bbox.center.position
    return Box.from_center(at.x, at.y, bbox.size_x, bbox.size_y)
