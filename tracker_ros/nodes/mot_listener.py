"""The listener of `demo mot`: keeps what the multi-object node says, and makes the film of it."""

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
from rclpy.executors import ExternalShutdownException
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from vision_msgs.msg import Detection2DArray

from tracker_ros.demo.film import write_panels
from tracker_ros.demo.live_line import LiveLine
from tracker_ros.demo.mot_film import write_film
from tracker_ros.demo.mot_recording import MotRecording, describe, summarise, write_results
from tracker_ros.demo.mot_sources import CrowdSource, MotFolderSource
from tracker_ros.demo.sources import (
    DEFAULT_FPS,
    Source,
    VideoSource,
    add_source_arguments,
    open_source,
)
from tracker_ros.errors import TrackerRosError
from tracker_ros.geometry import Box
from tracker_ros.msg import TrackerStatus
from tracker_ros.nodes.names import camera_info_topic
from tracker_ros.nodes.process import (
    InvalidHandle,
    RCLError,
    interrupt_between_callbacks,
    ros_arguments,
    start_ros,
)
from tracker_ros.nodes.qos import CAMERA_INFO
from tracker_ros.track import Evidence, Track, TrackState

PATIENCE = 180.0
"""Seconds to wait for the first picture: the node may be loading its model."""
EXIT_INTERRUPTED = 130
QUIET = 1.5
"""Seconds without news, after the camera ended, from which on nothing more is awaited."""


class Listener:
    """Records what the camera, the detector and the node publish."""

    def __init__(
        self, node: Any, recording: MotRecording, *, tracker_node: str, detector_node: str,
        on_ready: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """on_ready: called once when detector and node are there and hear each other."""
        self._node, self._recording = node, recording
        self._on_ready = on_ready
        self._line = LiveLine()
        self._recent: deque[float] = deque(maxlen=30)
        self._ids: set[str] = set()
        self._frame_age = 0.0
        self._last_news = self._begin = time.monotonic()
        self.problem = ""
        """Why it ended early; empty when it did not."""
        self.done = False
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.RELIABLE
        )
        self._camera_info = camera_info_topic(node.resolve_topic_name("image"))
        self._detections = f"{detector_node}/detections"
        self._status = f"{tracker_node}/status"
        node.create_subscription(CameraInfo, self._camera_info, self._on_camera_info, CAMERA_INFO)
        node.create_subscription(Detection2DArray, self._detections, self._on_detections, qos)
        node.create_subscription(Detection2DArray, f"{tracker_node}/tracks", self._on_tracks, qos)
        node.create_subscription(TrackerStatus, self._status, self._on_status, qos)
        node.create_timer(0.1, self._tick)

    def _on_camera_info(self, info: CameraInfo) -> None:
        self._recording.stamps.append(_nanoseconds(info.header.stamp))
        self._last_news = time.monotonic()

    def _on_detections(self, array: Detection2DArray) -> None:
        self._recording.detected[_nanoseconds(array.header.stamp)] = len(array.detections)
        self._last_news = time.monotonic()

    def _on_tracks(self, array: Detection2DArray) -> None:
        now = self._last_news = time.monotonic()
        tracks = [track_of(detection) for detection in array.detections]
        stamp = _nanoseconds(array.header.stamp)
        self._recording.tracks[stamp] = tracks
        self._ids.update(track.id for track in tracks)
        self._recent.append(now)
        # Topics have no common order: the detections may still be on the way to us.
        found = self._recording.detected.get(stamp, "-")
        self._line.rewrite(
            f"{len(tracks):2d} tracked   {found:>2} detected   "
            f"{len(self._ids):2d} ids so far   {self._rate():4.1f} fps   "
            f"age {self._frame_age * 1e3:3.0f} ms   dropped {self._recording.frames_dropped}"
        )

    def _on_status(self, status: TrackerStatus) -> None:
        recording = self._recording
        recording.tracker, recording.model = status.tracker, status.model
        recording.backend = f"{status.backend} {status.precision}".strip()
        recording.frames_received = status.frames_received
        recording.frames_processed = status.frames_processed
        recording.frames_dropped = status.frames_dropped
        recording.frames_rejected = status.frames_rejected
        if not status.header.frame_id:  # said once a second when no images come
            return
        stamp = _nanoseconds(status.header.stamp)
        recording.states[stamp] = {t.id: (TrackState(t.state), t.reason) for t in status.tracks}
        recording.frame_ages[stamp] = self._frame_age = status.frame_age
        recording.latencies[stamp] = status.image_latency

    def _rate(self) -> float:
        if len(self._recent) < 2:
            return 0.0
        return (len(self._recent) - 1) / (self._recent[-1] - self._recent[0])

    def _tick(self) -> None:
        now, node = time.monotonic(), self._node
        if self._on_ready is not None and self._is_ready():
            self._on_ready()
            self._on_ready = None
        if not self._recording.stamps:
            if now - self._begin > PATIENCE:
                what = self._camera_info if self._on_ready is None else self._status
                self._end(f"nothing on {what} for {PATIENCE:.0f} s")
            return
        if node.count_publishers(self._camera_info) == 0 and now - self._last_news > QUIET:
            self._end("")

    def _is_ready(self) -> bool:
        """Whether the detector is heard by the node, not only by us, and the node publishes."""
        node = self._node
        heard = node.count_publishers(self._detections) and node.count_publishers(self._status)
        return bool(heard and node.count_subscribers(self._detections) >= 2)

    def _end(self, problem: str) -> None:
        self.problem = problem
        self.done = True
        self._line.end()


def track_of(detection: Any) -> Track:
    """A track as it stands in an array; whether it was seen is told elsewhere."""
    centre = detection.bbox.center.position
    box = Box.from_center(centre.x, centre.y, detection.bbox.size_x, detection.bbox.size_y)
    best = max((r.hypothesis for r in detection.results), key=lambda h: h.score, default=None)
    score, label = (best.score, best.class_id) if best is not None else (0.0, "")
    return Track(detection.id, box, TrackState.TRACKING, Evidence(score, 0.0, 1.0), label=label)


def _nanoseconds(stamp: Any) -> int:
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def write_everything(args: argparse.Namespace, source: Source, recording: MotRecording) -> None:
    """Write what a run leaves behind, and print the summary."""
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    people = source.people() if isinstance(source, (CrowdSource, MotFolderSource)) else None
    summary = summarise(recording, people)
    write_results(out, recording, summary)
    print(describe(summary), flush=True)
    panels = write_film(out / "annotated.mp4", source, recording, _film_rate(args, source))
    picture = args.picture or out / "picture.jpg"
    write_panels(picture, panels)
    print(f"written     {out}/annotated.mp4, {picture}, {out}/tracks.txt, {out}/summary.json")


def _film_rate(args: argparse.Namespace, source: Source) -> float:
    """A recording is shown at its own rate, however slowly it was played."""
    if args.sequence is None and args.video is None:
        return source.fps
    own = argparse.Namespace(**{**vars(args), "fps": None})
    return open_source(own).fps


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line of the listener process."""
    parser = argparse.ArgumentParser(prog="mot_listener", description=__doc__)
    add_source_arguments(parser)
    parser.add_argument("--node", default="mot", help="name of the tracker node (%(default)s)")
    parser.add_argument("--detector", default="detector", help="name of the detector's node")
    parser.add_argument("--detections", default="hog", help="where they come from, for people")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for the results")
    parser.add_argument("--picture", type=Path, help="sheet of key moments (default: in --out)")
    parser.add_argument("--record", type=Path, help="film of a camera, made by its process")
    parser.add_argument("--ready", type=Path, help="make this file when everybody listens")
    parser.add_argument("--ros-args", nargs=argparse.REMAINDER, default=[])
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Listen until the video ends; 0 when tracks came."""
    args = parse_arguments(words)
    try:
        # The camera process has the camera; what it filmed is read afterwards.
        source = open_source(args) if args.camera is None else None
    except TrackerRosError as error:
        print(f"listener: {error}", file=sys.stderr)
        return 2
    name = source.name if source is not None else f"camera {args.camera}"
    fps = source.fps if source is not None else args.fps or DEFAULT_FPS
    recording = MotRecording(name, fps, args.detections)
    start_ros(ros_arguments(args))
    node = rclpy.create_node("listener")
    interrupted = False
    try:
        on_ready = args.ready.touch if args.ready is not None else None
        listener = Listener(
            node, recording, tracker_node=f"/{args.node}", detector_node=f"/{args.detector}",
            on_ready=on_ready,
        )  # fmt: skip
        interrupt_between_callbacks()
        while rclpy.ok() and not listener.done:
            rclpy.spin_once(node, timeout_sec=0.2)
        interrupted = not listener.done
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
    return _conclude(args, source, recording, listener.problem)


def _conclude(
    args: argparse.Namespace, source: Source | None, recording: MotRecording, problem: str
) -> int:
    if recording.stamps and recording.tracks:
        try:
            write_everything(args, source or VideoSource(args.record), recording)
        except (TrackerRosError, OSError) as error:
            problem = problem or str(error)
    if not problem and not any(recording.tracks.values()):
        problem = "the node published no track"
    if problem:
        print(f"listener: {problem}", file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
