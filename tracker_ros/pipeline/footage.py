"""Somebody's own pictures, in a folder or a bag: what engines are calibrated and checked with.

A few moments are looked at, spread over all of it, so that an hour of recording takes no longer
than a minute of it. What was looked at has a digest: other pictures are other footage, and the
same ones in another place are not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from tracker_ros.bags.bag import COMPRESSED_IMAGE, fullest_image_topic, no_image_topic
from tracker_ros.bags.layout import METADATA
from tracker_ros.bags.reader import FOREVER, BagReader, open_bag
from tracker_ros.errors import DataError, ImageError
from tracker_ros.geometry import UInt8Image
from tracker_ros.pipeline.images import decode_compressed, decode_image
from tracker_ros.sot.clips import Clip, clip_amid

ENDINGS = (".jpg", ".jpeg", ".png")
"""Of files that are pictures, in small or capital letters."""
MOMENTS = 16
"""Clips, at most."""
FEWEST = 8
"""Different pictures; by fewer, the scales of int8 would be chance."""
TRIES = 30
"""Pictures of a moment that are looked at, where some are damaged."""
LEAST_SIDE = 16
"""Pixels; in a smaller picture there is nothing to follow."""
FIX = "name others with engine_samples, or leave it empty for drawn pictures"

_WITH_TOPIC = re.compile(r"(.+?):(/[\w/]+)")
_OF_A_BAG = re.compile(r".+\.(mcap|db3)(\.zstd|\.zst)?")


@dataclass(frozen=True)
class Encoded:
    """A picture as it is stored."""

    data: bytes
    decode: Callable[[bytes], UInt8Image]
    """To (height, width, 3) BGR. Raises ImageError."""
    early: bool
    """Whether it comes before the next moment."""


class Source(Protocol):
    """Where pictures are stored."""

    name: str
    count: int
    """Of pictures, whether or not they can be decoded."""

    def moments(self) -> Iterator[Iterator[Encoded]]:
        """For each moment, the pictures from there on. Raises DataError."""


class StoredFootage:
    """Pictures that were looked through once; a tracker_ros.sot.clips.Footage."""

    def __init__(self, source: Source) -> None:
        """Raises DataError where too few of them can be decoded."""
        self._source = source
        digests = [hashlib.sha256(one.data).digest() for _, pair in self._read() for one in pair]
        different = len(set(digests))
        if different < FEWEST:
            raise DataError(
                f"{different} different pictures of the {source.count} in {source.name} can be "
                f"used, and at least {FEWEST} are needed: some tens, as the camera takes them"
            )
        digest = hashlib.sha256(b"".join(digests)).hexdigest()[:16]
        self._words = f"{source.name}: {different} of {source.count} pictures, sha256 {digest}"

    @property
    def words(self) -> str:
        """Name, number and digest."""
        return self._words

    def clips(self) -> Iterator[Clip]:
        """At most MOMENTS clips, of what is amid the pictures, read anew. Raises DataError."""
        return (clip for clip, _ in self._read())

    def _read(self) -> Iterator[tuple[Clip, list[Encoded]]]:
        """Clips, and the pictures that each is made of."""
        for moment in self._source.moments():
            found: list[tuple[UInt8Image, Encoded]] = []
            for encoded in islice(moment, TRIES):
                if not found and not encoded.early:
                    break  # the next moment begins with it
                image = _decoded(encoded)
                if image is not None:
                    found.append((image, encoded))
                if len(found) == 2:
                    break
            if found:
                images = [image for image, _ in found]
                clip = clip_amid(images[0], images[1] if len(images) > 1 else None)
                yield clip, [encoded for _, encoded in found]


def open_footage(where: str) -> StoredFootage:
    """The pictures of a folder, or of a bag: of its fullest image topic, or of that in BAG:/TOPIC.

    Raises DataError, with the fix, where there are none, or too few that can be decoded.
    """
    try:
        return StoredFootage(_source(where))
    except DataError as error:
        raise DataError(f"engine_samples '{where}': {error}; {FIX}") from error


def _source(where: str) -> Source:
    path, topic = Path(where).expanduser(), ""
    named = _WITH_TOPIC.fullmatch(where)
    if named and not path.exists():
        path, topic = Path(named[1]).expanduser(), named[2]
    if not path.is_dir():
        return BagPictures(path, topic)
    try:
        files = sorted(file for file in path.iterdir() if file.is_file())
    except OSError as error:
        raise DataError(f"{path} cannot be listed: {error.strerror or error}") from error
    pictures = [file for file in files if file.suffix.lower() in ENDINGS]
    if (path / METADATA).is_file() or (
        not pictures and any(_OF_A_BAG.fullmatch(file.name) for file in files)
    ):
        return BagPictures(path, topic)
    if topic:
        raise DataError(f"{path} is no bag: it has no topic {topic}")
    if not pictures:
        raise DataError(f"{path} holds neither pictures ({', '.join(ENDINGS)}) nor a bag")
    return FolderPictures(path, pictures)


def _decoded(encoded: Encoded) -> UInt8Image | None:
    """A picture that can be followed in; None where it is damaged or tiny."""
    try:
        image = encoded.decode(encoded.data)
    except ImageError:
        return None
    return image if min(image.shape[:2]) >= LEAST_SIDE else None


# --- a folder ------------------------------------------------------------------------------------


class FolderPictures:
    """Files of pictures, or of the frames of a film, in the order of their names."""

    def __init__(self, folder: Path, files: list[Path]) -> None:
        self.name, self.count = folder.resolve().name, len(files)
        self._files = files

    def moments(self) -> Iterator[Iterator[Encoded]]:
        """The files from each moment on; those that cannot be read are left out."""
        bounds = [self.count * moment // MOMENTS for moment in range(MOMENTS + 1)]
        for begin, end in pairwise(sorted(set(bounds))):
            yield self._from(begin, end)

    def _from(self, begin: int, end: int) -> Iterator[Encoded]:
        for number, file in enumerate(self._files[begin:], start=begin):
            try:
                yield Encoded(file.read_bytes(), _decode_file, early=number < end)
            except OSError:
                continue


def _decode_file(data: bytes) -> UInt8Image:
    # As of a camera's messages, whose orientation is the sensor's.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:  # of an empty file, or an absurd size
        raise ImageError(f"a picture cannot be decoded: {error.err}") from error
    if image is None:
        raise ImageError("a picture is damaged, or of a format that OpenCV does not read")
    return np.asarray(image, np.uint8)


# --- a bag ---------------------------------------------------------------------------------------


class BagPictures:
    """The messages of an image topic."""

    def __init__(self, path: Path, topic: str = "") -> None:
        """topic: empty: the fullest one. Raises DataError where there is none, or no bag."""
        self._path = path
        with open_bag(path) as bag:
            chosen = fullest_image_topic(bag.topics, topic)
            damage = f"; it is damaged: {bag.damage}" if bag.damage else ""
            if chosen is None:
                raise DataError(no_image_topic(path, topic or None, bag.topics) + damage)
            if not chosen.count:
                raise DataError(f"{path} holds no message on {chosen.name}{damage}")
            self._topic, self.count = chosen, chosen.count
            self._begins = self._spread(bag)
        self.name = f"{path.resolve().name} {chosen.name}"

    def moments(self) -> Iterator[Iterator[Encoded]]:
        """The messages from each moment on."""
        with open_bag(self._path) as bag:
            for begin, end in pairwise([*self._begins, FOREVER]):
                yield self._from(bag, begin, end)

    def _spread(self, bag: BagReader) -> list[int]:
        """When moments begin, nanoseconds: each has a message before the next."""
        step = (bag.end - bag.start) // MOMENTS + 1
        begins = range(bag.start, bag.end + 1, step)
        names = {self._topic.name}
        there = [b for b in begins if next(bag.messages(names, b, b + step), None) is not None]
        if len(there) >= FEWEST:
            return there
        # The camera was there for a small part of it, or took few: a look at every message.
        times = [message.recorded_ns for message in bag.messages(names)]
        return sorted(set(times[:: -(-len(times) // MOMENTS)]))

    def _from(self, bag: BagReader, begin: int, end: int) -> Iterator[Encoded]:
        decode = decode_compressed if self._topic.type == COMPRESSED_IMAGE else decode_image
        for message in bag.messages({self._topic.name}, begin):
            if message.type == self._topic.type:  # a name may have two
                yield Encoded(message.data, decode, early=message.recorded_ns < end)
