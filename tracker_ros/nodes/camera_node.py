"""Publishes frames as a camera does: `./run camera`."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from tracker_ros.bags.writer import SUFFIXES, BagWriter
from tracker_ros.demo.bag import BagMessage, BagSource
from tracker_ros.demo.film import FilmWriter
from tracker_ros.demo.sources import (
    CameraSource,
    Source,
    add_source_arguments,
    open_source,
)
from tracker_ros.errors import DataError, TrackerRosError
from tracker_ros.geometry import Box, UInt8Image
from tracker_ros.nodes.camera_bag import CameraBag
from tracker_ros.nodes.camera_truth import TruthOutput
from tracker_ros.nodes.names import camera_info_topic, compressed_topic
from tracker_ros.nodes.process import RCLError, add_ros_arguments, prepare_process, start_ros
from tracker_ros.nodes.qos import CAMERA_INFO

DESCRIPTION = """\
Publish a video as a camera does: sensor_msgs/Image (bgr8) on `image`, at a steady rate, and
sensor_msgs/CameraInfo (uncalibrated) with the same header on `camera_info` beside it. Where the
target is known, its box too: vision_msgs/Detection2DArray on `truth`, same header.

A bag's messages are published as they were recorded, header and encoding included, at the pace
of their recording; compressed ones on `image/compressed`.

  ./run camera                                        the rendered scene, 640x480 at 30 Hz
  ./run camera --size 1920x1080 --reliability reliable
  ./run camera --video drive.mp4 --loop --ros-args -r image:=/front/image_raw
"""
SETTLE = 0.3
"""Seconds from the first sight of a subscriber until it surely receives."""
LAST_WORDS = 0.5
"""Seconds that a best-effort camera stays after its last frame, which nobody acknowledges."""


@dataclass(frozen=True)
class Shot:
    """One frame to publish."""

    image: UInt8Image | None
    message: BagMessage | None
    due: float
    """Seconds after the first frame."""


class FramePublisher:
    """Publishes frames, and for each its header on `camera_info`, beside the image's topic."""

    def __init__(
        self, node: Any, *, reliable: bool, compressed: bool, frame_id: str,
        bag: BagWriter | None = None, truth: Sequence[Box | None] | None = None,
    ) -> None:  # fmt: skip
        """bag: gets all of it, too. truth: where the target is in each image, if that is known."""
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=5, reliability=reliability,
            durability=DurabilityPolicy.VOLATILE,
        )  # fmt: skip
        image = node.resolve_topic_name("image")
        self._node = node
        self._reliable = reliable
        if compressed:
            self._images = node.create_publisher(CompressedImage, compressed_topic(image), qos)
        else:
            self._images = node.create_publisher(Image, image, qos)
        self._infos = node.create_publisher(CameraInfo, camera_info_topic(image), CAMERA_INFO)
        self._truth = TruthOutput(node, truth) if truth else None
        self._bag: CameraBag | None = None
        if bag is not None:
            self._bag = CameraBag(
                bag, node.get_clock(), image=self.topic, info=self._infos.topic_name,
                truth=self._truth.topic if self._truth else "",
                reliable=reliable, compressed=compressed,
            )  # fmt: skip
        self._message = Image()
        self._message.header.frame_id = frame_id
        self._message.encoding = "bgr8"

    @property
    def topic(self) -> str:
        """Full name of the image topic."""
        return str(self._images.topic_name)

    def is_heard(self, images: int, infos: int) -> bool:
        """Whether at least so many receive the images, and so many `camera_info`."""
        heard = self._images.get_subscription_count() >= images
        return heard and self._infos.get_subscription_count() >= infos

    def publish_image(self, image: UInt8Image) -> None:
        """Publish an image, stamped now. The message and its memory are used again each time."""
        message = self._message
        message.header.stamp = self._node.get_clock().now().to_msg()
        pixels = np.ascontiguousarray(image)
        if (message.height, message.width) != pixels.shape[:2]:
            message.height, message.width = pixels.shape[:2]
            message.step = pixels.strides[0]
            del message.data[:]
            message.data.frombytes(pixels)
        else:
            np.frombuffer(message.data, np.uint8)[:] = pixels.reshape(-1)
        self._images.publish(message)
        self._publish_info(message.header, message.width, message.height)
        truth = self._truth.publish(message.header) if self._truth else None
        if self._bag is not None:
            self._bag.add_image(serialize_message(message), truth)

    def publish_message(self, message: BagMessage) -> None:
        """Publish a recorded message as it is."""
        self._images.publish(message.serialized)
        info = CameraInfo()
        info.header.stamp = Time(sec=message.stamp // 10**9, nanosec=message.stamp % 10**9)
        info.header.frame_id = message.frame_id
        self._publish_info(info.header, message.width, message.height)
        if self._bag is not None:
            self._bag.add_image(message.serialized)

    def _publish_info(self, header: Any, width: int, height: int) -> None:
        info = CameraInfo(width=width, height=height)  # K all zero: not calibrated
        info.header = header
        self._infos.publish(info)
        if self._bag is not None:
            self._bag.add_info(info)

    def wait_until_received(self) -> None:
        """Give the last frame the time to arrive."""
        patience = Duration(seconds=5.0)
        if self._reliable:
            self._images.wait_for_all_acked(patience)
        else:
            time.sleep(LAST_WORDS)
        self._infos.wait_for_all_acked(patience)


def shots(source: Source, *, loop: bool) -> Iterator[Shot]:
    """Give the frames of a source, each with the time it is due; over and over with `loop`."""
    offset, due = 0.0, 0.0
    while True:
        if isinstance(source, BagSource):
            first: int | None = None
            for message in source.messages():
                first = message.recorded if first is None else first
                due = offset + (message.recorded - first) / 1e9
                yield Shot(None, message, due)
        else:
            for index, image in enumerate(source):
                due = offset + index / source.fps
                yield Shot(image, None, due)
        if not loop:
            return
        offset = due + 1.0 / source.fps


def play(
    source: Source, publisher: FramePublisher, args: argparse.Namespace, log: Any
) -> tuple[int, float]:
    """Publish the frames at their times, until they end or ROS shuts down.

    Gives back how many there were, and the seconds from the first to the last.
    """
    live = isinstance(source, CameraSource)
    told = False
    count, first, last = 0, 0.0, 0.0
    start: float | None = None
    filmed = args.record is not None and not is_bag(args.record)
    with FilmWriter(args.record, source.fps) if filmed else nullcontext() as film:
        for shot in islice(shots(source, loop=args.loop), args.limit):
            now = time.monotonic()
            if start is None or live:
                start = now - shot.due
            late = now - (start + shot.due)
            if late > 1.0 / source.fps:
                start += late  # the schedule moves: no burst of late frames follows
                if not told:
                    told = True
                    log.warning(f"{source.name}: frames take longer than 1/{source.fps:g} s to get")
            if not _sleep_until(start + shot.due):
                break
            if shot.message is not None:
                publisher.publish_message(shot.message)
            elif shot.image is not None:
                publisher.publish_image(shot.image)
                if film is not None:
                    film.add(shot.image)
            last = time.monotonic()
            first = first or last
            count += 1
    return count, last - first


def is_bag(path: Path | None) -> bool:
    """Whether what is recorded there becomes a bag, and no film."""
    return path is not None and path.suffix in SUFFIXES.values()


def _sleep_until(deadline: float) -> bool:
    """Sleep until a time of time.monotonic; False when ROS shut down meanwhile."""
    while rclpy.ok():
        left = deadline - time.monotonic()
        if left <= 0:
            return True
        time.sleep(min(left, 0.1))
    return False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `camera`."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_source_arguments(parser)
    parser.add_argument(
        "--reliability",
        choices=("best_effort", "reliable"),
        default="best_effort",
        help="of the image topic (default: %(default)s, as real cameras are)",
    )
    parser.add_argument("--frame-id", default="camera_optical_frame", help="default: %(default)s")
    parser.add_argument("--loop", action="store_true", help="start again at the end, for ever")
    parser.add_argument(
        "--wait-for-subscriber",
        action="store_true",
        help="start when somebody has subscribed to the images",
    )
    parser.add_argument(
        "--image-subscribers",
        type=int,
        default=1,
        metavar="N",
        help="with it: when so many have subscribed (default: %(default)s)",
    )
    parser.add_argument(
        "--info-subscribers",
        type=int,
        default=0,
        metavar="N",
        help="and when so many have subscribed to camera_info (default: %(default)s)",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write what is published, too: a film (.mp4), or a bag (.mcap, .db3)",
    )
    add_ros_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Publish until the source ends or the process is interrupted; 0 either way.

    `args.ros_args` goes to ROS. Raises DataError and ParameterError: what cannot be read.
    """
    if args.record is not None and not (is_bag(args.record) or args.record.suffix == ".mp4"):
        raise DataError(f"--record {args.record}: name it .mcap or .db3 (a bag), or .mp4 (a film)")
    source = open_source(args)
    prepare_process()
    start_ros(["--ros-args", *args.ros_args])
    node = rclpy.create_node("camera")
    log = node.get_logger()
    stack = ExitStack()
    try:
        bag = stack.enter_context(BagWriter(args.record)) if is_bag(args.record) else None
        publisher = FramePublisher(
            node,
            reliable=args.reliability == "reliable",
            compressed=isinstance(source, BagSource) and source.compressed,
            frame_id=args.frame_id,
            bag=bag,
            truth=source.truth,
        )
        log.info(f"{source.name} at {source.fps:g} Hz on {publisher.topic}, {args.reliability}")
        if args.wait_for_subscriber:
            log.info("waiting for a subscriber")
            while rclpy.ok() and not publisher.is_heard(
                args.image_subscribers, args.info_subscribers
            ):
                time.sleep(0.02)
            _sleep_until(time.monotonic() + SETTLE)
        count, seconds = play(source, publisher, args, log)
        rate = (count - 1) / seconds if count > 1 else 0.0
        log.info(f"published {count} frames, {rate:.1f} a second")
        if args.record is not None:
            log.info(f"recorded in {args.record}")
        if rclpy.ok():
            publisher.wait_until_received()
        return 0
    except TrackerRosError as error:
        log.error(str(error))
        return 1
    except KeyboardInterrupt:
        return 0
    except RCLError:
        if rclpy.ok():
            raise
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stack.close()  # a recording that was interrupted is a bag, too
        node.destroy_node()
        rclpy.try_shutdown()
