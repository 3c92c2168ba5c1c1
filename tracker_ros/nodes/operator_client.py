"""The operator of the demo: points at the target, listens to the node, and keeps what it says."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import ExternalShutdownException
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from vision_msgs.msg import Detection2DArray

from tracker_ros.demo.film import write_film, write_sheet
from tracker_ros.demo.live_line import LiveLine
from tracker_ros.demo.recording import (
    FrameRecord,
    Recording,
    describe,
    summarise,
    write_summary,
    write_tracks,
)
from tracker_ros.demo.sources import (
    Source,
    VideoSource,
    add_source_arguments,
    box_argument,
    first_target,
    open_source,
)
from tracker_ros.errors import TrackerRosError
from tracker_ros.geometry import Box
from tracker_ros.msg import TrackerStatus
from tracker_ros.nodes.names import camera_info_topic
from tracker_ros.nodes.operator_messages import bounding_box, nanoseconds
from tracker_ros.nodes.process import (
    InvalidHandle,
    RCLError,
    interrupt_between_callbacks,
    ros_arguments,
    start_ros,
)
from tracker_ros.nodes.qos import CAMERA_INFO
from tracker_ros.srv import SetTarget
from tracker_ros.track import TrackState

PATIENCE = 180.0
"""Seconds to wait for the node (it may be loading its model) and for the first picture."""
REFUSALS = 20
"""How often the operator points again when the node refuses the target."""
UNANSWERED = 12.0
"""Seconds after which a request counts as lost."""
EXIT_INTERRUPTED = 130
QUIET = 1.0
"""Seconds without news, after the camera ended, from which on nothing more is awaited."""


class Operator:
    """Waits for the first picture, sets the target, and records what the node publishes."""

    def __init__(
        self, node: Any, tracker_node: str, recording: Recording,
        truth: Sequence[Box | None] | None, first: tuple[int, Box],
        on_ready: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self._node = node
        self._recording = recording
        self._truth = truth
        self._first_index, self._first_box = first
        self._index_of: dict[int, int] = {}
        self._early: dict[int, TrackerStatus] = {}
        self._recent: deque[float] = deque(maxlen=30)
        self._line = LiveLine()
        self._answer: Any = None
        self._refusals = 0
        self._first_refusal = ""
        """The reason that counts: later the picture has gone from the node's history."""
        self._ask_at = self._ask_again_at = 0.0
        self._last_news = self._begin = time.monotonic()
        self.target_set = False
        self.tracks_received = 0
        """Detection2DArrays that held the target."""
        self.problem = ""
        """Why it ended early; empty when it did not."""
        self.done = False
        self._on_ready: Callable[[], None] | None = on_ready

        reliable = ReliabilityPolicy.RELIABLE
        results_qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=100, reliability=reliable)
        self._camera_info = camera_info_topic(node.resolve_topic_name("image"))
        node.create_subscription(CameraInfo, self._camera_info, self._on_camera_info, CAMERA_INFO)
        node.create_subscription(
            Detection2DArray, f"{tracker_node}/tracks", self._on_tracks, results_qos
        )
        node.create_subscription(
            TrackerStatus, f"{tracker_node}/status", self._on_status, results_qos
        )
        self._set_target = node.create_client(SetTarget, f"{tracker_node}/set_target")
        node.create_timer(0.1, self._tick)

    def _on_camera_info(self, info: CameraInfo) -> None:
        stamp = nanoseconds(info.header.stamp)
        self._index_of[stamp] = len(self._recording.stamps)
        self._recording.stamps.append(stamp)
        self._last_news = time.monotonic()
        early = self._early.pop(stamp, None)
        if early is not None:
            self._record(early, stamp)
        if len(self._recording.stamps) == self._first_index + 1:
            self._point_at_target()

    def _point_at_target(self) -> None:
        """Ask the node to follow the target, on the picture where the operator sees it."""
        now = time.monotonic()
        if not self._set_target.service_is_ready():
            self._ask_at = now + 0.05  # what is asked before the node is found is never heard
            return
        self._ask_again_at = now + UNANSWERED
        index, box = self._first_index, self._first_box
        if self._refusals and self._truth is not None and box == self._truth[index]:
            # That picture did not arrive or is gone: point at the target where it is by now.
            # (A box that the user chose is refused for what it is, and no other is tried.)
            known = enumerate(self._truth[: len(self._recording.stamps)])
            index, box = [(i, b) for i, b in known if b is not None][-1]
        stamp = self._recording.stamps[index]
        request = SetTarget.Request(bbox=bounding_box(box))
        request.stamp = Time(sec=stamp // 10**9, nanosec=stamp % 10**9)
        request.label = "target"
        self._answer = self._set_target.call_async(request)

    def _on_status(self, status: TrackerStatus) -> None:
        recording = self._recording
        recording.tracker = f"{status.tracker} ({status.model})"
        recording.backend = f"{status.backend} {status.precision}"
        recording.frames_received = status.frames_received
        recording.frames_processed = status.frames_processed
        recording.frames_dropped = status.frames_dropped
        recording.frames_rejected = status.frames_rejected
        stamp = nanoseconds(status.header.stamp)
        if stamp in self._index_of:
            self._record(status, stamp)
        elif status.header.frame_id:  # else: said once a second when no images come
            # The camera_info of its frame is still on the way: two topics have no common order.
            self._early[stamp] = status
            if len(self._early) > 30:  # it will not come any more
                del self._early[next(iter(self._early))]

    def _record(self, status: TrackerStatus, stamp: int) -> None:
        """Keep what the node says of a frame."""
        if not status.tracks:
            return
        recording = self._recording
        now = self._last_news = time.monotonic()
        track = status.tracks[0]
        centre = track.bbox.center.position
        record = FrameRecord(
            index=self._index_of[stamp],
            stamp=stamp,
            state=TrackState(track.state),
            box=Box.from_center(centre.x, centre.y, track.bbox.size_x, track.bbox.size_y),
            score=track.score,
            reason=track.reason,
            frame_age=status.frame_age,
            latency=status.image_latency,
        )
        recording.records.append(record)
        self._recent.append(now)
        truth = self._truth[record.index] if self._truth is not None else None
        self._line.show(record, self._rate(), recording.frames_dropped, truth)

    def _on_tracks(self, tracks: Detection2DArray) -> None:
        self.tracks_received += bool(tracks.detections)

    def _rate(self) -> float:
        if len(self._recent) < 2:
            return 0.0
        return (len(self._recent) - 1) / (self._recent[-1] - self._recent[0])

    def _tick(self) -> None:
        now = time.monotonic()
        if self._on_ready is not None and self._set_target.service_is_ready():
            self._on_ready()
            self._on_ready = None
        if self._answer is not None and self._answer.done():
            self._read_answer(now)
        elif self._answer is not None and now > self._ask_again_at:
            self._line.say(f"no answer in {UNANSWERED:g} s, pointing again")
            self._answer, self._ask_at = None, now
        if not self.target_set and self._answer is None and 0 < self._ask_at <= now:
            self._point_at_target()
        if not self._recording.stamps:
            if now - self._begin > PATIENCE:
                self._end(
                    f"no picture on {self._node.resolve_topic_name('image')} for {PATIENCE:.0f} s"
                )
            return
        camera_there = self._node.count_publishers(self._camera_info) > 0
        if not camera_there and now - self._last_news > QUIET:
            if not self.target_set and not self.problem:
                self.problem = "the video ended before the node had accepted the target"
            self._end(self.problem)

    def _read_answer(self, now: float) -> None:
        reply, self._answer = self._answer.result(), None
        if reply.success:
            self.target_set = True
            self._line.say(f"target {reply.id}: {reply.message}")
            return
        self._refusals += 1
        if self._refusals >= REFUSALS:
            self._end(f"the node refuses the target: {self._first_refusal}")
            return
        if self._refusals == 1:
            self._first_refusal = reply.message
            self._line.say(f"refused, pointing again: {reply.message}")
        self._ask_at = now + 0.2

    def _end(self, problem: str) -> None:
        self.problem = problem
        self.done = True
        self._line.end()


def write_results(
    args: argparse.Namespace, source: Source, recording: Recording,
    truth: Sequence[Box | None] | None,
) -> None:  # fmt: skip
    """Write everything that a run leaves behind, and print the summary."""
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    summary = summarise(recording, truth)
    write_tracks(out / "tracks.csv", recording, truth)
    write_summary(out / "summary.json", summary)
    print(describe(summary), flush=True)
    kept = write_film(out / "annotated.mp4", source, recording, truth)
    picture = args.picture or out / "picture.jpg"
    write_sheet(picture, source, recording, kept)
    print(f"written   {out}/annotated.mp4, {picture}, {out}/tracks.csv, {out}/summary.json")


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line of the operator process."""
    parser = argparse.ArgumentParser(prog="operator_client", description=__doc__)
    add_source_arguments(parser)
    parser.add_argument("--box", type=box_argument, metavar="X,Y,W,H", help="in the first picture")
    parser.add_argument("--node", default="sot", help="name of the tracker node (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for the results")
    parser.add_argument("--picture", type=Path, help="sheet of key moments (default: in --out)")
    parser.add_argument("--record", type=Path, help="film of a camera, made by its process")
    parser.add_argument("--ready", type=Path, help="make this file when the node listens")
    parser.add_argument("--ros-args", nargs=argparse.REMAINDER, default=[])
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Follow one target until its video ends; 0 when it was set and tracks came back."""
    args = parse_arguments(words)
    try:
        # The camera process has the camera; what it filmed is read afterwards.
        source = open_source(args) if args.camera is None else None
        truth = source.truth if source is not None else None
        first = first_target(truth, args.box)
    except TrackerRosError as error:
        print(f"operator: {error}", file=sys.stderr)
        return 2
    recording = Recording(source.name if source is not None else f"camera {args.camera}")
    start_ros(ros_arguments(args))
    node = rclpy.create_node("operator")
    interrupted = False
    try:
        on_ready = args.ready.touch if args.ready is not None else None
        operator = Operator(node, args.node, recording, truth, first, on_ready)
        interrupt_between_callbacks()
        while rclpy.ok() and not operator.done:
            rclpy.spin_once(node, timeout_sec=0.2)
        interrupted = not operator.done
    except (KeyboardInterrupt, ExternalShutdownException):
        interrupted = True
    except (RCLError, InvalidHandle):
        if rclpy.ok():
            raise
        interrupted = True  # a signal came between two checks of the shutdown
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        node.destroy_node()
        rclpy.try_shutdown()
    if interrupted:
        return EXIT_INTERRUPTED
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if recording.records:
        try:
            write_results(args, source or VideoSource(args.record), recording, truth)
        except (TrackerRosError, OSError) as error:
            operator.problem = operator.problem or str(error)
    if not operator.problem and not operator.tracks_received:
        operator.problem = "the node published no track"
    if operator.problem:
        print(f"operator: {operator.problem}", file=sys.stderr)
    return 0 if operator.target_set and not operator.problem else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
