"""The node that detects: `./run detector`, or `ros2 run tracker_ros detector_node`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from vision_msgs.msg import Detection2DArray

from tracker_ros.detection.detector import Detector
from tracker_ros.detection.hog import HogDetector
from tracker_ros.detection.open import open_detector
from tracker_ros.engines.build import Tell
from tracker_ros.nodes import diagnostics
from tracker_ros.nodes.detector_parameters import (
    AT_CONFIGURE,
    DetectorParameters,
    declare_detector_parameters,
    read_detector_parameters,
    refusal,
)
from tracker_ros.nodes.diagnostics import OK, WARN
from tracker_ros.nodes.loading import load_with_progress
from tracker_ros.nodes.node_parameters import NodeParameters
from tracker_ros.nodes.outputs import publisher, ros_messages
from tracker_ros.nodes.process import add_ros_arguments, ros_arguments, run_node
from tracker_ros.nodes.starting import create_node
from tracker_ros.nodes.subscription import Rate
from tracker_ros.nodes.watching import WatchingNode
from tracker_ros.pipeline.detection_worker import Detected, DetectionWorker
from tracker_ros.pipeline.frames import FrameHistory


@dataclass(frozen=True)
class LoadedDetector:
    """A detector, and what the nodes call the things they say about what they have loaded."""

    detector: Detector

    @property
    def tracker(self) -> str:
        """hog, yolo or ssd."""
        return self.detector.name

    @property
    def model(self) -> str:
        """What was learned: a file name."""
        return self.detector.model

    @property
    def backend(self) -> str:
        """What runs it."""
        return self.detector.backend

    @property
    def precision(self) -> str:
        """The precision it computes in."""
        return self.detector.precision


class DetectorNode(WatchingNode[DetectorParameters, LoadedDetector, DetectionWorker]):
    """Publishes what is in each image that it looks at: the newest one, never a queue."""

    def __init__(self) -> None:
        super().__init__("detector")

    def _declare(self) -> None:
        declare_detector_parameters(NodeParameters(self))
        self.add_on_set_parameters_callback(self._check)

    def _read(self) -> DetectorParameters:
        return read_detector_parameters(NodeParameters(self))

    def _prepare(self) -> None:
        self._messages = ros_messages()
        self._publisher = publisher(self, Detection2DArray, "~/detections")
        self._rate = Rate()
        self._last: Detected | None = None
        self._age = 0.0

    def _check(self, parameters: list[Parameter]) -> SetParametersResult:
        """Refuse what no range describes, and what a loaded model cannot take."""
        for parameter in parameters:
            reason = refusal(parameter.name, parameter.value)
            if not reason and self._model is not None and parameter.name in AT_CONFIGURE:
                reason = (
                    f"parameter {parameter.name} is read when the node is configured; "
                    "deactivate it and clean it up first"
                )
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def _load(self, p: DetectorParameters, tell: Callable[[str], None]) -> LoadedDetector:
        def load(_: Tell) -> Detector:
            return open_detector(
                p.detector, model=p.model, classes=p.classes, layout=p.layout,
                input_size=p.input_size, threads=p.threads, hog=p.hog, wanted=p.wanted,
            )  # fmt: skip

        detector = load_with_progress(p.model or p.detector, load, tell, self.context.ok)
        self.get_logger().info(f"{detector.model}: {detector.about}")
        return LoadedDetector(detector)

    def _make_worker(
        self, p: DetectorParameters, model: LoadedDetector, history: FrameHistory
    ) -> DetectionWorker:
        self._last = None
        self._rate.clear()
        worker = DetectionWorker(model.detector, history, self, max_rate=p.max_rate)
        self._tune(worker, p)
        return worker

    def _tune(self, worker: DetectionWorker, p: DetectorParameters) -> None:
        assert self._model is not None
        detector = self._model.detector
        detector.wanted = p.wanted
        if isinstance(detector, HogDetector):
            detector.settings = p.hog
        worker.tune(p.max_rate)

    def on_time_jump(self, reason: str) -> None:
        """An image is an image: only the one that waits is of before."""
        self.get_logger().warning(f"{reason}; detection goes on")

    def on_detected(self, detected: Detected) -> None:
        """The worker has looked at a frame (on its thread)."""
        new = self._messages
        header = new.header(detected.frame.header)
        # No id: a detector knows no identities.
        found = [new.detection(header, d.box, d.label, d.score, "") for d in detected.detections]
        self._counters.count("processed")
        self._rate.tick()
        self._last, self._age = detected, perf_counter() - detected.frame.received
        with self._allowing_shutdown():
            self._publisher.publish(new.detections(header, found))

    def on_failure(self, reason: str, trace: str) -> None:
        """The detector failed (on the worker's thread)."""
        self._failures.add("detector", reason)
        self.get_logger().error(trace, throttle_duration_sec=60.0)

    def _publish_alive(self, model: LoadedDetector) -> None:
        """Diagnostics say it."""

    # --- diagnostics -------------------------------------------------------------------------

    def _statuses(self, name: str) -> list[DiagnosticStatus]:
        return [
            diagnostics.node_status(
                f"{name}: node", self._phase, self.failure, self._model, self._worker,
                self._failures,
            ),
            diagnostics.camera_status(
                f"{name}: images", self._camera, self._counters, self._rejections,
                self._settings.camera_rate, None,
            ),
            self._detections_status(f"{name}: detections"),
        ]  # fmt: skip

    def _detections_status(self, name: str) -> DiagnosticStatus:
        """What is found, and how fast."""
        p, rate, last = self._settings, self._rate.read(), self._last
        values = {"detector": p.detector, "min_score": f"{p.wanted.min_score:g}"}
        if self._model is not None:
            values["model"] = self._model.detector.about
        values["rate"] = "not known yet" if rate is None else f"{rate:.1f} Hz"
        if last is not None:
            values["decoding"] = f"{last.decode * 1e3:.1f} ms"
            values["detection"] = f"{last.detection * 1e3:.1f} ms"
            values["frame age"] = f"{self._age * 1e3:.1f} ms"
        unknown = self._unknown_classes()
        if unknown:
            return diagnostics.status(name, WARN, unknown, values)
        words = "" if last is None else f"{len(last.detections)} in the last image"
        return diagnostics.status(name, OK, words or "no image yet", values)

    def _unknown_classes(self) -> str:
        """Names in `only` that the model cannot give, in words."""
        labels = () if self._model is None else self._model.detector.labels
        wrong = sorted(self._settings.wanted.only.difference(labels)) if labels else []
        if not wrong:
            return ""
        shown = ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
        return f"only names {', '.join(wrong)}, which this model has not; it has {shown}"


def create() -> DetectorNode | int | None:
    """Make the node and, with `autostart`, activate it; see `create_node`."""
    return create_node(DetectorNode, "detector")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `detector`."""
    add_ros_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the node until it is interrupted; 0, or 1 when it cannot be configured."""
    return run_node(create, ros_arguments(args))


def main() -> None:
    """Entry point of `ros2 run tracker_ros detector_node`: all arguments are ROS's."""
    sys.exit(run_node(create, sys.argv))


if __name__ == "__main__":
    main()
