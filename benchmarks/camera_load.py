"""How the single-object node copes with a big camera: rates, latency, CPU, backlog.

A camera process and the real node talk over DDS on this machine, in a domain of their own; this
process sets the targets and listens. It ends by itself.

    ./run python benchmarks/camera_load.py                     1080p at 30 Hz, both reliabilities
    ./run python benchmarks/camera_load.py --targets 8         inference slower than the camera
    ./run python benchmarks/camera_load.py --stock             without the larger shared memory
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor

from tracker_ros.demo.processes import ChildProcesses, ros_environment
from tracker_ros.demo.scene import Scene
from tracker_ros.evaluation.report import describe_cpu
from tracker_ros.nodes.process import RCLError, find_profile, prepare_process

FILM = 60
"""Frames rendered before it starts; they are shown forth and back."""
STOCK_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<dds><profiles xmlns="http://www.eprosima.com">
<participant profile_name="stock"><rtps/></participant>
</profiles></dds>
"""
"""Changes nothing: a process that is given a profile does not look for ours."""
WARM_UP = 3.0
"""Seconds after the targets are set that are not measured."""


@dataclass(frozen=True)
class Result:
    """One run. Times in milliseconds."""

    size: str
    reliability: str
    tracker: str
    targets: int
    seconds: float
    camera_hz: float
    received_hz: float
    processed_hz: float
    dropped: int
    inference_median: float
    latency_median: float
    """From the image's stamp to the reception of its tracks in another process."""
    latency_minus_inference_median: float
    latency_minus_inference_p95: float
    frame_age_median: float
    frame_age_p95: float
    frame_age_max: float
    age_bound: float
    """Two frame periods and the longest inference."""
    node_cpu_percent: float
    """Of one core, all of the node's threads."""
    node_memory_mb: float


def film(width: int, height: int) -> list[Any]:
    """The scene's first frames, contiguous."""
    scene = Scene(width, height, 30.0)
    return [np.ascontiguousarray(scene.frame(i).image) for i in range(FILM)]


def camera(args: argparse.Namespace) -> int:
    """The camera's process: publishes the film forth and back until it is ended."""
    from tracker_ros.nodes.camera_node import FramePublisher

    width, height = (int(side) for side in args.size.split("x"))
    images = film(width, height)
    if not args.stock:
        prepare_process()
    rclpy.init()
    node = rclpy.create_node("camera")
    publisher = FramePublisher(
        node, reliable=args.reliability == "reliable", compressed=False, frame_id="camera"
    )
    order = [*range(FILM), *range(FILM - 2, 0, -1)]
    start, count = time.monotonic(), 0
    try:
        while rclpy.ok():
            due = start + count / args.rate
            time.sleep(max(0.0, due - time.monotonic()))
            publisher.publish_image(images[order[count % len(order)]])
            count += 1
    except (KeyboardInterrupt, RCLError):  # ended, perhaps while publishing
        return 0
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


class Listener:
    """Sets the targets and keeps what the node says, with the time it came."""

    def __init__(self, truth: Any, targets: int) -> None:
        from sensor_msgs.msg import CameraInfo
        from vision_msgs.msg import Detection2DArray

        from tracker_ros.msg import TrackerStatus

        self.node = rclpy.create_node("listener")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.truth, self.targets = truth, targets
        self.published = 0
        self.arrived: dict[int, float] = {}
        self.statuses: list[Any] = []
        self.node.create_subscription(CameraInfo, "camera_info", self._on_info, 100)
        self.node.create_subscription(Detection2DArray, "sot/tracks", self._on_tracks, 100)
        self.node.create_subscription(TrackerStatus, "sot/status", self._on_status, 100)

    def _on_info(self, info: Any) -> None:
        self.published += 1

    def _on_tracks(self, tracks: Any) -> None:
        self.arrived[_ns(tracks.header.stamp)] = time.time()

    def _on_status(self, status: Any) -> None:
        if status.header.frame_id:
            self.statuses.append(status)

    def spin(self, seconds: float) -> None:
        """Listen for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.05)

    def set_targets(self) -> None:
        """Point at the scene's target, and at places around it for the further ones."""
        from tracker_ros.srv import SetTarget

        client = self.node.create_client(SetTarget, "sot/set_target")
        if not client.wait_for_service(60.0):
            raise SystemExit("the node offers no service sot/set_target within 60 s")
        while not self.statuses:
            self.spin(0.2)
        for number in range(self.targets):
            request = SetTarget.Request()
            request.bbox.center.position.x = self.truth.cx + 90.0 * (number % 4)
            request.bbox.center.position.y = self.truth.cy + 90.0 * (number // 4)
            request.bbox.size_x, request.bbox.size_y = self.truth.w, self.truth.h
            future = client.call_async(request)
            while not future.done():
                self.spin(0.05)
            if not future.result().success:
                raise SystemExit(f"the node refuses: {future.result().message}")


def _ns(stamp: Any) -> int:
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    line = next(s for s in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in s)
    return int(line.split()[1]) / 1024


def measure(args: argparse.Namespace, reliability: str) -> Result:
    """One run, from starting the processes to their end."""
    environment = ros_environment(os.environ)
    os.environ.update(environment)
    width, height = (int(side) for side in args.size.split("x"))
    truth = Scene(width, height, 30.0).truth()[0]
    with (
        tempfile.TemporaryDirectory() as folder,
        ChildProcesses(environment) as processes,
    ):
        node = processes.start(
            "node", "tracker_ros.cli",
            ["sot", "--ros-args", "-p", f"tracker:={args.tracker}",
             "-p", f"max_targets:={max(args.targets, 1)}", "-p", f"threads:={args.threads}"],
            Path(folder) / "node.log",
        )  # fmt: skip
        words = [sys.executable, __file__, "--camera", "--size", args.size, "--rate",
                 str(args.rate), "--reliability", reliability]  # fmt: skip
        source = subprocess.Popen([*words, *(["--stock"] if args.stock else [])], env=environment)
        rclpy.init()
        try:
            listener = Listener(truth, args.targets)
            listener.set_targets()
            listener.spin(WARM_UP)
            listener.published = 0
            listener.arrived.clear()
            listener.statuses.clear()
            cpu, start = _cpu_seconds(node.process.pid), time.monotonic()
            listener.spin(args.seconds)
            seconds = time.monotonic() - start
            cpu = _cpu_seconds(node.process.pid) - cpu
            memory = _memory_mb(node.process.pid)
        finally:
            source.terminate()
            source.wait(10)
            rclpy.try_shutdown()
    return summarise(args, reliability, listener, seconds, cpu, memory)


def summarise(
    args: argparse.Namespace, reliability: str, listener: Listener,
    seconds: float, cpu: float, memory: float,
) -> Result:  # fmt: skip
    """The figures of a run."""
    statuses = listener.statuses
    if len(statuses) < 2:
        raise SystemExit(f"only {len(statuses)} frames were processed in {seconds:.0f} s")
    first, last = statuses[0], statuses[-1]
    latencies, overheads = [], []
    for status in statuses:
        stamp = _ns(status.header.stamp)
        if stamp in listener.arrived:
            latency = (listener.arrived[stamp] - stamp / 1e9) * 1e3
            latencies.append(latency)
            overheads.append(latency - status.inference_time * 1e3)
    ages = [status.frame_age * 1e3 for status in statuses]
    inference = [status.inference_time * 1e3 for status in statuses]
    return Result(
        size=args.size,
        reliability=reliability + (" (stock Fast DDS)" if args.stock else ""),
        tracker=args.tracker,
        targets=args.targets,
        seconds=seconds,
        camera_hz=listener.published / seconds,
        received_hz=(last.frames_received - first.frames_received) / seconds,
        processed_hz=(last.frames_processed - first.frames_processed) / seconds,
        dropped=last.frames_dropped - first.frames_dropped,
        inference_median=statistics.median(inference),
        latency_median=statistics.median(latencies),
        latency_minus_inference_median=statistics.median(overheads),
        latency_minus_inference_p95=float(np.quantile(overheads, 0.95)),
        frame_age_median=statistics.median(ages),
        frame_age_p95=float(np.quantile(ages, 0.95)),
        frame_age_max=max(ages),
        age_bound=2e3 / args.rate + max(inference),
        node_cpu_percent=100 * cpu / seconds,
        node_memory_mb=memory,
    )


def measure_all(args: argparse.Namespace, profile: str) -> list[dict[str, Any]]:
    """The asked runs, every process under the Fast DDS profile of this path."""
    os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = profile
    os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] = profile
    kinds = ["best_effort", "reliable"] if args.reliability == "both" else [args.reliability]
    return [asdict(measure(args, kind)) for kind in kinds]


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="1920x1080", metavar="WxH", help="default: %(default)s")
    parser.add_argument("--rate", type=float, default=30.0, help="Hz, default: %(default)s")
    parser.add_argument("--seconds", type=float, default=20.0, help="default: %(default)s")
    parser.add_argument(
        "--reliability", choices=("both", "best_effort", "reliable"), default="both"
    )
    parser.add_argument("--tracker", default="siamrpnpp", help="default: %(default)s")
    parser.add_argument("--targets", type=int, default=1, help="targets followed at a time")
    parser.add_argument(
        "--threads", type=int, default=1, help="of the network, default: %(default)s"
    )
    parser.add_argument("--stock", action="store_true", help="stock Fast DDS settings")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--camera", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.camera:
        return camera(args)
    if args.stock:
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as profile:
            profile.write(STOCK_PROFILE)
            profile.flush()
            results = measure_all(args, profile.name)
    else:
        results = measure_all(args, str(find_profile()))
    machine = {"cpu": describe_cpu(), "system": platform.platform()}
    for result in results:
        for name, value in result.items():
            print(f"{name:34} {value:.1f}" if isinstance(value, float) else f"{name:34} {value}")
        print()
    if args.json:
        args.json.write_text(json.dumps({"machine": machine, "runs": results}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
