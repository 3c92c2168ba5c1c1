"""Measures a single-object node from outside: a camera that waits for the tracks of its images.

`tracker_ros bench --node` starts it. It publishes the rendered scene on `image`, sets the targets,
and writes as JSON how long after its stamp each image was answered.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from tracker_ros.demo.scene import Scene
from tracker_ros.errors import TrackerRosError
from tracker_ros.geometry import Box
from tracker_ros.msg import TrackerStatus
from tracker_ros.nodes.process import InvalidHandle, RCLError, prepare_process
from tracker_ros.srv import SetTarget

FILM = 30
"""Frames that are rendered before it starts; they are shown there and back again."""
WARM_UP = 30
"""Frames after the targets are set that do not count."""
PATIENCE = 60.0
"""Seconds to wait for the node."""
LAST_WORDS = 0.5
"""Seconds after the last image in which its tracks may still come."""
RESULTS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.RELIABLE
)


class ProbeError(TrackerRosError):
    """The node does not do what is measured."""


class Probe:
    """Publishes on one thread, hears on another."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._rate, self._frames, self._boxes = args.rate, args.frames, args.box
        width, height = (int(side) for side in args.size.split("x"))
        self._film = film(width, height)
        self.node = node = rclpy.create_node("latency_probe")
        reliable = args.reliability == "reliable"
        camera = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=5,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        )
        self._publisher = node.create_publisher(Image, "image", camera)
        self._arrived: dict[int, int] = {}
        """Stamp of an image -> time.time_ns() when its tracks came."""
        self._statuses: dict[int, TrackerStatus] = {}
        self._stamps: list[int] = []
        """Of the images that count."""
        self._published = 0
        node.create_subscription(Detection2DArray, "sot/tracks", self._on_tracks, RESULTS)
        node.create_subscription(TrackerStatus, "sot/status", self._on_status, RESULTS)
        self._client = node.create_client(SetTarget, "sot/set_target")

    def measure(self, pid: int) -> dict[str, Any]:
        """Set the targets, publish, and work out what was heard. Raises ProbeError."""
        self._wait(lambda: self._publisher.get_subscription_count() > 0, "the node takes no images")
        self._wait(self._client.service_is_ready, "the node offers no sot/set_target")
        self._play_until(lambda: bool(self._statuses), "the node answers no image")
        for box in self._boxes:
            self._set_target(box)
        self._play(WARM_UP)
        self._stamps.clear()
        begun, cpu = time.monotonic(), cpu_seconds(pid)
        self._play(self._frames)
        cpu, seconds = cpu_seconds(pid) - cpu, time.monotonic() - begun
        time.sleep(LAST_WORDS)
        return {
            "achieved_rate": self._frames / seconds,
            "cpu_percent": 100 * cpu / seconds,
            "memory_mb": memory_mb(pid),
            **self._figures(),
        }

    def _figures(self) -> dict[str, Any]:
        came = [stamp for stamp in self._stamps if stamp in self._arrived]
        told = {stamp: self._statuses[stamp] for stamp in came if stamp in self._statuses}
        if not told:
            raise ProbeError(f"none of {len(self._stamps)} images was answered")
        latencies = [(self._arrived[stamp] - stamp) / 1e6 for stamp in came]
        rests = [
            (self._arrived[stamp] - stamp) / 1e6 - status.inference_time * 1e3
            for stamp, status in told.items()
        ]
        statuses = [*told.values()]
        first, last = statuses[0], statuses[-1]

        def figure(name: str, share: float = 0.5) -> float:
            return float(np.quantile([getattr(s, name) * 1e3 for s in statuses], share))

        return {
            "frames": len(self._stamps),
            "lost": len(self._stamps) - len(came),
            "received": last.frames_received - first.frames_received + 1,
            "dropped": last.frames_dropped - first.frames_dropped,
            "latency_median": float(np.median(latencies)),
            "latency_p95": float(np.quantile(latencies, 0.95)),
            "latency_max": max(latencies),
            "rest_median": float(np.median(rests)),
            "rest_p95": float(np.quantile(rests, 0.95)),
            "frame_age_median": figure("frame_age"),
            "frame_age_p95": figure("frame_age", 0.95),
            "frame_age_max": figure("frame_age", 1.0),
            "decode_median": figure("decode_time"),
            "preprocess_median": figure("preprocess_time"),
            "inference_median": figure("inference_time"),
            "postprocess_median": figure("postprocess_time"),
            "publish_median": figure("publish_time"),
            "latencies": latencies,
        }

    # --- publishing ----------------------------------------------------------------------------

    def _play(self, frames: int) -> None:
        """Publish so many frames at the rate."""
        start = time.monotonic()
        order = [*range(FILM), *range(FILM - 2, 0, -1)]
        for number in range(frames):
            time.sleep(max(0.0, start + number / self._rate - time.monotonic()))
            image = self._film[order[self._published % len(order)]]
            self._published += 1
            image.header.stamp = self.node.get_clock().now().to_msg()
            self._stamps.append(_ns(image.header.stamp))
            self._publisher.publish(image)
        time.sleep(max(0.0, start + frames / self._rate - time.monotonic()))

    def _play_until(self, condition: Callable[[], bool], problem: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise ProbeError(f"{problem} within {PATIENCE:.0f} s")
            self._play(1)

    def _wait(self, condition: Callable[[], bool], problem: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise ProbeError(f"{problem} within {PATIENCE:.0f} s")
            time.sleep(0.02)

    def _set_target(self, box: Box) -> None:
        request = SetTarget.Request()
        request.bbox.center.position.x, request.bbox.center.position.y = box.cx, box.cy
        request.bbox.size_x, request.bbox.size_y = box.w, box.h
        future = self._client.call_async(request)
        self._play_until(future.done, "the node does not answer sot/set_target")
        if not future.result().success:
            raise ProbeError(f"the node refuses a target: {future.result().message}")

    # --- hearing, on the other thread ------------------------------------------------------------

    def _on_tracks(self, tracks: Detection2DArray) -> None:
        self._arrived[_ns(tracks.header.stamp)] = time.time_ns()

    def _on_status(self, status: TrackerStatus) -> None:
        if status.header.frame_id:  # else: said once a second when no images come
            self._statuses[_ns(status.header.stamp)] = status


def film(width: int, height: int) -> list[Image]:
    """The scene's first frames as messages."""
    scene = Scene(width, height)
    messages = []
    for index in range(FILM):
        message = Image(height=height, width=width, encoding="bgr8", step=3 * width)
        message.header.frame_id = "camera"
        message.data.frombytes(np.ascontiguousarray(scene.frame(index).image))
        messages.append(message)
    return messages


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has taken, all its threads. Raises OSError when it is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Resident memory of a process, MB (10^6 bytes). Raises OSError when it is gone."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _ns(stamp: Any) -> int:
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line of the probe's process."""
    parser = argparse.ArgumentParser(prog="latency_probe", description=__doc__)
    parser.add_argument("--size", required=True, metavar="WxH")
    parser.add_argument("--box", action="append", type=Box.parse, required=True, metavar="X,Y,W,H")
    parser.add_argument("--frames", type=int, required=True, metavar="N")
    parser.add_argument("--rate", type=float, required=True, metavar="HZ")
    parser.add_argument("--reliability", choices=("best_effort", "reliable"), required=True)
    parser.add_argument("--node-pid", type=int, required=True, metavar="PID")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Measure once; 0 when the figures are written."""
    args = parse_arguments(words)
    prepare_process()
    rclpy.init()
    probe = Probe(args)
    executor = SingleThreadedExecutor()
    executor.add_node(probe.node)
    hearing = threading.Thread(target=_hear, args=(executor,), daemon=True)
    hearing.start()
    try:
        args.out.write_text(json.dumps(probe.measure(args.node_pid)))
    except (ProbeError, OSError) as error:
        print(f"probe: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except RCLError:
        if rclpy.ok():
            raise
        return 130  # a signal came while it was publishing
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        executor.shutdown()
        hearing.join(5.0)
        probe.node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _hear(executor: SingleThreadedExecutor) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        return
    except (RCLError, InvalidHandle):
        if rclpy.ok():
            raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
