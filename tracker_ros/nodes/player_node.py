"""Plays a bag as `ros2 bag play` does, where ROS has no rosbag2: `./run play`."""

from __future__ import annotations

import argparse
import math
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rclpy
from rclpy.duration import Duration

from tracker_ros.bags.bag import Topic
from tracker_ros.bags.reader import BagReader, open_bag
from tracker_ros.errors import DataError
from tracker_ros.nodes.camera_node import LAST_WORDS, SETTLE
from tracker_ros.nodes.playback import (
    CLOCK_TOPIC,
    Playback,
    can_be_told,
    create_publishers,
    is_reliable,
    select_topics,
)
from tracker_ros.nodes.process import (
    InvalidHandle,
    RCLError,
    add_ros_arguments,
    prepare_process,
    ros_arguments,
    start_ros,
)

DESCRIPTION = """\
Publish the messages of a bag as they were recorded: their bytes, quality of service and pace.

On the wire it does what `ros2 bag play` does, for machines without rosbag2: --clock is the time
of the recording for nodes with use_sim_time, --loop begins again at the end, where this time jumps
back. Messages whose type this ROS does not have are named in a warning and left out.

  ./run play drive.mcap --clock --loop
  ./run play drive.mcap --clock --rate 0.5 --ros-args -r /front/image_raw:=/image
  ./run play drive.mcap --topics /front/image_raw --wait-for-subscriber /front/image_raw
"""
CLOCK_RATE = 40.0
"""Hz of --clock without a number, as of `ros2 bag play`."""
PROGRESS = 10.0
"""Seconds between two lines about how far it is."""
TOO_LATE = 0.5
"""Seconds behind the schedule that are worth a warning."""
SHORTEST_ROUND = 1 / 30
"""Seconds that a round of --loop takes at least: one message alone would go out without pause."""
RATES, CLOCK_RATES = (1e-3, 1e3), (1e-3, 1e4)
"""Smallest and largest --rate; and --clock, Hz."""
ACK_PATIENCE = Duration(seconds=5.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `play`; those that `ros2 bag play` has too are called the same."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("bag", type=Path, help="an .mcap or .db3 file, or the folder of a bag")
    parser.add_argument(
        "--topics", nargs="+", default=[], metavar="TOPIC", help="only these (default: all)"
    )
    parser.add_argument(
        "--exclude-topics", nargs="+", default=[], metavar="TOPIC", help="all but these"
    )
    parser.add_argument(
        "-r", "--rate", type=_rate, default=1.0, help="how many times as fast (default: 1)"
    )
    parser.add_argument(
        "-l", "--loop", action="store_true", help="begin again at the end, for ever"
    )
    parser.add_argument(
        "--clock",
        type=_clock_rate,
        nargs="?",
        const=CLOCK_RATE,
        metavar="HZ",
        help=f"publish the time of the recording on {CLOCK_TOPIC}, so many times a second "
        f"(without a number: {CLOCK_RATE:g}); a recorded {CLOCK_TOPIC} is left out",
    )
    parser.add_argument(
        "--start-offset",
        type=_not_negative,
        default=0.0,
        metavar="S",
        help="begin so many seconds into the recording, every time",
    )
    parser.add_argument(
        "-d",
        "--delay",
        type=_not_negative,
        default=0.0,
        metavar="S",
        help="seconds to wait before playing, every time",
    )
    parser.add_argument(
        "--wait-for-subscriber",
        action="append",
        default=[],
        metavar="TOPIC",
        help="begin when somebody has subscribed to this topic of the bag; repeat it for more",
    )
    add_ros_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Play until the end, or until interrupted; 0 either way.

    `args.ros_args` goes to ROS. Raises DataError when the bag cannot be read or played,
    ParameterError for wrong ROS arguments.
    """
    with open_bag(args.bag) as reader:
        topics = select_topics(reader, args.topics, args.exclude_topics, clock=bool(args.clock))
        _check(reader, topics, args)
        prepare_process()
        start_ros(ros_arguments(args))
        node = None
        try:
            # Without the services of parameters: nobody spins this node to answer them.
            node = rclpy.create_node("player", start_parameter_services=False)
            return Player(node, reader, topics, args).play()
        except KeyboardInterrupt:
            return 0
        except (RCLError, InvalidHandle):
            if rclpy.ok():
                raise
            return 0
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            if node is not None:
                node.destroy_node()
            rclpy.try_shutdown()


def _check(reader: BagReader, topics: tuple[Topic, ...], args: argparse.Namespace) -> None:
    """Raise DataError for options that do not fit the bag."""
    seconds = (reader.end - reader.start) / 1e9
    if args.start_offset > seconds:
        raise DataError(
            f"--start-offset {args.start_offset}: {args.bag} is {seconds:.3f} s long; give less"
        )
    if args.clock is not None:
        for when, recorded in (("first", reader.start), ("last", reader.end)):
            if not can_be_told(recorded):
                raise DataError(
                    f"--clock: the {when} message of {args.bag} was recorded at "
                    f"{recorded / 1e9:.0f} s, which {CLOCK_TOPIC} cannot tell (32 bits of "
                    "seconds); play it without --clock"
                )
    for name in args.wait_for_subscriber:
        if name not in [topic.name for topic in topics]:
            raise DataError(
                f"--wait-for-subscriber {name}: not among the topics to play: "
                + ", ".join(topic.name for topic in topics)
            )


class Player:
    """Plays the topics of an open bag by means of a node."""

    def __init__(
        self, node: Any, reader: BagReader, topics: tuple[Topic, ...], args: argparse.Namespace
    ) -> None:
        """Raises DataError when this ROS knows the type of none of them."""
        self._log = node.get_logger()
        self._reader, self._args = reader, args
        self._start = reader.start + round(args.start_offset * 1e9)
        self._publishers: Mapping[tuple[str, str], Any] = create_publishers(node, topics)
        self._playback = Playback(node, self._start, rate=args.rate, clock_rate=args.clock)
        self._names = tuple(dict.fromkeys(name for name, _ in self._publishers))
        self._rounds, self._count, self._latest, self._worst = 0, 0, self._start, 0.0
        self._next_report = time.monotonic() + PROGRESS
        self._is_told: set[str] = set()

    def play(self) -> int:
        """Play once, or round after round with --loop; gives the exit code."""
        args = self._args
        seconds = (self._reader.end - self._start) / 1e9
        self._log.info(
            f"{args.bag}: {seconds:.1f} s of {', '.join(self._names)}"
            + (f", at {args.rate:g} times the pace" if args.rate != 1 else "")
            + (f", with {CLOCK_TOPIC} at {args.clock:g} Hz" if args.clock else "")
            + (", over and over" if args.loop else "")
        )
        if args.wait_for_subscriber:
            self._wait_for_subscribers()
        going = True
        while going:
            going = self._playback.hold(args.delay) and self._round() and args.loop
        self._log.info(f"messages published: {self._count}; rounds: {self._rounds}")
        if rclpy.ok():
            self._wait_until_received()
        return 0

    def _round(self) -> bool:
        """Play from the start to the end; False when ROS shut down meanwhile."""
        self._rounds += 1
        before, begun = self._count, time.monotonic()
        self._playback.jump(self._start)
        for message in self._reader.messages(topics=self._names, start=self._start):
            publisher = self._publishers.get((message.topic, message.type))
            if publisher is None:
                continue  # another type under the same name
            if not self._playback.sleep_until(message.recorded_ns):
                return False
            publisher.publish(message.data)
            self._count += 1
            self._latest = message.recorded_ns
            self._report()
        if self._reader.damage:
            self._tell_once(f"{self._args.bag}: {self._reader.damage}")
        if self._count == before:
            raise DataError(
                f"{self._args.bag}: no message on {', '.join(self._names)}"
                + (f" from {self._args.start_offset:g} s on" if self._args.start_offset else "")
            )
        return not self._args.loop or self._last_long_enough(begun)

    def _last_long_enough(self, begun: float) -> bool:
        """Wait where the next round would come too soon; False when ROS shut down meanwhile."""
        left = begun + SHORTEST_ROUND - self._args.delay - time.monotonic()
        if left <= 0:
            return True
        self._tell_once(
            f"{self._args.bag}: a round is over in less than {SHORTEST_ROUND:.3f} s; it is made to "
            "last that long, or it would go out without pause"
        )
        return self._playback.hold(left)

    def _report(self) -> None:
        """Say now and then how far it is, and once when the schedule cannot be kept."""
        late = self._playback.late(self._latest)
        self._worst = max(self._worst, late)
        if late > TOO_LATE:
            self._tell_once(
                "this machine cannot read and publish the bag that fast, messages go out late: "
                "play fewer --topics or at a lower --rate"
            )
        now = time.monotonic()
        if now < self._next_report:
            return
        self._next_report = now + PROGRESS
        done, whole = self._latest - self._start, self._reader.end - self._start
        self._log.info(
            f"round {self._rounds}: {done / 1e9:.1f} of {whole / 1e9:.1f} s, {self._count} "
            f"messages, at most {self._worst:.2f} s late"
        )

    def _tell_once(self, words: str) -> None:
        if words not in self._is_told:
            self._is_told.add(words)
            self._log.warning(words)

    def _wait_for_subscribers(self) -> None:
        awaited = self._args.wait_for_subscriber
        waiting = [p for (name, _), p in self._publishers.items() if name in awaited]
        self._log.info(f"waiting for a subscriber of {', '.join(p.topic_name for p in waiting)}")
        while any(publisher.get_subscription_count() == 0 for publisher in waiting):
            if not self._playback.hold(0.02):
                return
        self._playback.hold(SETTLE)

    def _wait_until_received(self) -> None:
        """Give the last messages the time to arrive."""
        publishers = self._publishers.values()
        if any(not is_reliable(publisher) for publisher in publishers):
            time.sleep(LAST_WORDS)
        for publisher in publishers:
            if is_reliable(publisher):
                publisher.wait_for_all_acked(ACK_PATIENCE)


def _rate(text: str) -> float:
    return _within(text, RATES, "a rate")


def _clock_rate(text: str) -> float:
    return _within(text, CLOCK_RATES, "a rate of the clock in hertz")


def _within(text: str, limits: tuple[float, float], what: str) -> float:
    low, high = limits
    value = _number(text)
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"'{text}' is not {what}: a number, {low:g} to {high:g}")
    return value


def _not_negative(text: str) -> float:
    value = _number(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds of 0 or more")
    return value


def _number(text: str) -> float:
    """A finite number; nan, which is within no limits, for anything else."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
