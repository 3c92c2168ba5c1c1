"""Images of a bag by their number, for a report."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection

from tracker_ros.bags.bag import COMPRESSED_IMAGE
from tracker_ros.bags.reader import open_bag
from tracker_ros.errors import ImageError
from tracker_ros.geometry import UInt8Image
from tracker_ros.pipeline.images import decode_compressed, decode_image
from tracker_ros.replay.job import Job
from tracker_ros.replay.result import ReplayResult


def read_pictures(
    job: Job, result: ReplayResult, numbers: Collection[int]
) -> dict[int, UInt8Image]:
    """Decode the images of these numbers, as in `Timeline.inputs`; what cannot be is left out."""
    wanted, found = {number for number in numbers if number >= 0}, dict[int, UInt8Image]()
    if not wanted:
        return found
    last = max(wanted)
    with open_bag(job.bag) as bag:
        begin = bag.start + round(job.begin * 1e9)
        end = None if math.isinf(job.end) else bag.start + round(job.end * 1e9)
        images = (
            message
            for message in bag.messages({result.topic}, begin, end)
            if message.type == (result.topic_type or message.type)  # a topic may have two
        )
        for number, message in enumerate(images, result.first):
            if number in wanted:
                compressed = message.type == COMPRESSED_IMAGE
                decode = decode_compressed if compressed else decode_image
                with contextlib.suppress(ImageError):
                    found[number] = decode(message.data)
            if number >= last:
                break
    return found
