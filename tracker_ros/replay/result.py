"""What a replay leaves behind: every frame and track in columns, and what happened on the way."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tracker_ros.track import StageTimes, Track

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

STAGES = ("decode", "preprocess", "inference", "postprocess", "publish")
"""Columns of `Timeline.seconds`: message to array, crop, network, response to box, message out."""


class Timeline:
    """Every answered frame and every track in it: about 100 bytes a frame and 60 a track.

    Frames are counted from 0 in the order in which they were answered. Tracks of all states are
    in it, the lost ones too; which of them were published, `published` says.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        """Of the targets, in the order of their first track."""
        self.labels: list[str] = []
        """Of the targets: the first that each had."""
        self._index: dict[str, int] = {}
        self._stamps, self._received, self._inputs = array("q"), array("q"), array("q")
        self._seconds, self._ages = array("d"), array("d")
        self._frames, self._targets = array("q"), array("q")
        self._states, self._published = array("b"), array("b")
        self._boxes, self._scores = array("d"), array("d")

    def add(
        self, stamp: int, received: int, number: int, times: StageTimes, *, decode: float,
        publish: float, age: float, tracks: Sequence[Track], published: Sequence[Track],
    ) -> None:  # fmt: skip
        """Add a frame.

        stamp: of the image; received: when it was recorded; both nanoseconds. number: of the image
        among those of the topic, from 0, also where a part of the bag is replayed. decode,
        publish, age: seconds of wall clock; age is from the message to the publication of its
        tracks.
        """
        frame = len(self._stamps)
        self._stamps.append(stamp)
        self._received.append(received)
        self._inputs.append(number)
        self._ages.append(age)
        self._seconds.extend(
            (decode, times.preprocess, times.inference, times.postprocess, publish)
        )
        shown = {track.id for track in published}
        for track in tracks:
            self._frames.append(frame)
            self._targets.append(self._target(track))
            self._states.append(int(track.state))
            self._published.append(track.id in shown)
            self._boxes.extend(track.box)
            self._scores.append(track.evidence.score)

    def __len__(self) -> int:
        return len(self._stamps)

    @property
    def stamps(self) -> IntArray:
        """Of the images, nanoseconds, shape (frames,)."""
        return np.array(self._stamps, np.int64)

    @property
    def received(self) -> IntArray:
        """When the images were recorded, nanoseconds, shape (frames,)."""
        return np.array(self._received, np.int64)

    @property
    def inputs(self) -> IntArray:
        """The image's number among those of the topic, from 0, shape (frames,); -1: no image."""
        return np.array(self._inputs, np.int64)

    @property
    def seconds(self) -> FloatArray:
        """Wall clock of each of `STAGES`, shape (frames, 5)."""
        return np.array(self._seconds, np.float64).reshape(-1, len(STAGES))

    @property
    def ages(self) -> FloatArray:
        """Seconds from message to publication, shape (frames,)."""
        return np.array(self._ages, np.float64)

    @property
    def frames(self) -> IntArray:
        """The frame of each track, shape (tracks,)."""
        return np.array(self._frames, np.int64)

    @property
    def targets(self) -> IntArray:
        """The target of each track, as index into `ids`, shape (tracks,)."""
        return np.array(self._targets, np.int64)

    @property
    def states(self) -> IntArray:
        """The TrackState of each track, shape (tracks,)."""
        return np.array(self._states, np.int64)

    @property
    def published(self) -> npt.NDArray[np.bool_]:
        """Whether each track went out on the topic of tracks, shape (tracks,)."""
        return np.array(self._published, np.bool_)

    @property
    def boxes(self) -> FloatArray:
        """The box of each track, x, y, w, h, pixels, shape (tracks, 4)."""
        return np.array(self._boxes, np.float64).reshape(-1, 4)

    @property
    def scores(self) -> FloatArray:
        """The score of each track, shape (tracks,)."""
        return np.array(self._scores, np.float64)

    def _target(self, track: Track) -> int:
        index = self._index.get(track.id)
        if index is None:
            index = self._index[track.id] = len(self.ids)
            self.ids.append(track.id)
            self.labels.append(track.label)
        return index


@dataclass(frozen=True)
class Event:
    """Something that happened between two frames."""

    stamp: int
    """Of the last image before it, nanoseconds; 0 before the first."""
    frame: int
    """Frames that had been answered."""
    words: str


@dataclass(frozen=True)
class Start:
    """Where a target was set."""

    stamp: int
    """Of the image, nanoseconds; several images may have it."""
    number: int
    """Of the image, as in `Timeline.inputs`."""
    box: tuple[float, float, float, float]
    """x, y, w, h, pixels."""


@dataclass
class Trouble:
    """Messages that were of no use for one cause."""

    count: int
    first: str
    """The reason, as the first of them had it."""
    stamp: int
    """When that was, nanoseconds of the recording."""


@dataclass(frozen=True)
class ReplayResult:
    """One bag, replayed."""

    bag: str
    """Path as it was given."""
    topic: str
    kind: str
    """sot or mot."""
    tracker: str
    model: str
    """What exactly ran, in words."""
    backend: str
    precision: str
    timeline: Timeline
    events: Sequence[Event]
    troubles: Mapping[str, Trouble]
    """By cause: images and detections that were rejected or refused, and why."""
    received: int
    """Images that came; rejected and dropped ones too."""
    rejected: int
    dropped: int
    """Images that were replaced by newer ones, as on a slow robot, or waited when time jumped."""
    sizes: Sequence[tuple[int, int]]
    """Width and height of the images, as they followed each other."""
    damage: str
    """Where a truncated bag ended, in words; empty for a whole one."""
    duration: float
    """Seconds of recording that were replayed."""
    wall: float
    """Seconds that it took, without loading the model."""
    digest: str
    """sha256 of the serialized messages of the topic of tracks, in order: equal on every run."""
    first: int = 0
    """Number of the first image that was replayed, among those of the topic from 0."""
    images: int = 0
    """Images of the topic in the whole bag; of a damaged one, as far as it can be read."""
    starts: Mapping[str, Start] = field(default_factory=dict)
    """sot: where the targets were set, by id."""
    target: str = ""
    """sot: id of the target that the truth is of: the first that was asked for."""
    ended: Sequence[tuple[int, str]] = ()
    """Targets that ended by no wish of anybody: before which frame, and their id."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What was asked for, in words, for reports."""
    topic_type: str = ""
    """Message type of the images."""
