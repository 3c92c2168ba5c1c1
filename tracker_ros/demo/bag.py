"""The images of a ROS 2 bag (mcap or sqlite3), as a source of frames; needs no ROS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker_ros.bags.bag import COMPRESSED_IMAGE, describe
from tracker_ros.bags.layout import unreadable
from tracker_ros.bags.reader import BagReader, open_bag
from tracker_ros.errors import DataError, ImageError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.pipeline.cdr import read_header, read_image
from tracker_ros.pipeline.images import decode_compressed, decode_image


@dataclass(frozen=True)
class BagMessage:
    """An image message as it was recorded."""

    serialized: bytes
    """The message in CDR, to be published again as it is."""
    recorded: int
    """When it was recorded, nanoseconds."""
    stamp: int
    """Of its header, nanoseconds."""
    frame_id: str
    width: int
    """Pixels; 0 in a compressed image, which does not say."""
    height: int


class BagSource:
    """The messages of one image topic of a bag, and the frames in them."""

    truth: Sequence[Box | None] | None = None

    def __init__(self, path: Path, topic: str | None = None) -> None:
        """Raises DataError when the bag cannot be read or has no (such) image topic."""
        self._path = path
        with self._reader() as reader:
            images = [t for t in reader.topics if t.is_image]
            # of those without a name, the one that has messages
            images.sort(key=lambda t: not t.count)
            self._topic = topic or (images[0].name if images else "")
            chosen = [t for t in images if t.name == self._topic]
            if not chosen:
                wanted = f"no image topic {topic}" if topic else "no image topic"
                raise DataError(f"{path} holds {wanted}; it holds {describe(reader.topics)}")
            count = sum(t.count for t in chosen)
            seconds = (reader.end - reader.start) / 1e9
        if not count:
            raise DataError(f"{path} holds no message on {self._topic}")
        self.compressed = chosen[0].type == COMPRESSED_IMAGE
        self.name = f"{path.name}, topic {self._topic}"
        self.fps = min(max((count - 1) / seconds, 1.0), 240.0) if seconds > 0 else 30.0

    @contextmanager
    def _reader(self) -> Iterator[BagReader]:
        if not self._path.exists():
            raise DataError(f"--bag {self._path}: no such file or folder")
        with open_bag(self._path) as reader:
            self._refuse_damage(reader)
            yield reader

    def _refuse_damage(self, reader: BagReader) -> None:
        """A demo shows all of a bag or says why not; `tracker_ros replay` takes what there is."""
        if reader.damage:
            raise unreadable(self._path, reader.damage)

    def messages(self) -> Iterator[BagMessage]:
        """Give the messages in the order of their recording."""
        with self._reader() as reader:
            for message in reader.messages({self._topic}):
                try:
                    header = read_header(message.data)
                    image = None if self.compressed else read_image(message.data)
                except ImageError as error:
                    raise unreadable(self._path, str(error)) from error
                yield BagMessage(
                    serialized=message.data,
                    recorded=message.recorded_ns,
                    stamp=header.ns,
                    frame_id=header.frame_id,
                    width=image.width if image else 0,
                    height=image.height if image else 0,
                )
            self._refuse_damage(reader)

    def __iter__(self) -> Iterator[UInt8Image]:
        """Decode the images; one that cannot be decoded shows the picture before it again.

        The node drops such an image and goes on: what shows the run must not stop there either.
        Images before the first that can be decoded are black.
        """
        decode = decode_compressed if self.compressed else decode_image
        shown: UInt8Image | None = None
        undecoded = 0
        for message in self.messages():
            try:
                image = decode(message.serialized)
            except ImageError:
                if shown is None:
                    undecoded += 1
                else:
                    yield shown
                continue
            if shown is None:
                yield from [np.zeros_like(image)] * undecoded
            shown = image
            yield image
