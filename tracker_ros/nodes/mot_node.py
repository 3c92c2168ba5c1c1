"""The node that gives what is in view identities: `./run mot`, `ros2 run tracker_ros mot_node`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticStatus

from tracker_ros.engines.build import Tell
from tracker_ros.mot.tracker import MultiTracker
from tracker_ros.nodes import diagnostics
from tracker_ros.nodes.detections_input import DetectionsInput
from tracker_ros.nodes.diagnostics import Problems
from tracker_ros.nodes.loading import load_with_progress
from tracker_ros.nodes.mot_outputs import (
    DetectionCounters,
    MotOutputs,
    detections_status,
    identities_status,
)
from tracker_ros.nodes.node_parameters import NodeParameters, checker
from tracker_ros.nodes.process import add_ros_arguments, ros_arguments, run_node
from tracker_ros.nodes.services import WorkerServices
from tracker_ros.nodes.starting import create_node
from tracker_ros.nodes.upgrading import UpgradingNode
from tracker_ros.pipeline.detection_messages import DetectionArray
from tracker_ros.pipeline.frames import FrameHistory
from tracker_ros.pipeline.intake import MotIntake
from tracker_ros.pipeline.mot_parameters import (
    CHOICES,
    MotParameters,
    declare_mot_parameters,
    manage,
    open_tracker,
    read_mot_parameters,
)
from tracker_ros.pipeline.mot_tracker import RunningTracker
from tracker_ros.pipeline.mot_worker import MotAnswer, MotWorker, Names
from tracker_ros.pipeline.pairing import Kind
from tracker_ros.sot.backends import TENSORRT_ENGINES, Accelerator
from tracker_ros.track import Track


class MotNode(UpgradingNode[MotParameters, RunningTracker, MotWorker]):
    """Publishes a detector's boxes under lasting identities, recovered where it missed."""

    image_depth = 5  # every image is answered, not the newest alone

    def __init__(self, accelerator: Accelerator = TENSORRT_ENGINES) -> None:
        """accelerator: what builds engines; what the backend `tensorrt` stands for."""
        self._detections: DetectionsInput | None = None
        super().__init__("mot", accelerator)

    def _declare(self) -> None:
        declare_mot_parameters(NodeParameters(self))
        self.add_on_set_parameters_callback(checker(CHOICES))

    def _read(self) -> MotParameters:
        return read_mot_parameters(NodeParameters(self))

    def _prepare(self) -> None:
        super()._prepare()
        self._outputs = MotOutputs(self)
        self._names = Names(self._settings.id_prefix)
        self._refusals = Problems(self.get_logger())
        self._detection_counters = DetectionCounters()
        self._services_of_worker = WorkerServices(self, self._active_worker)

    def _load(self, parameters: MotParameters, tell: Callable[[str], None]) -> RunningTracker:
        name = parameters.model or parameters.tracker

        def load(told: Tell) -> MultiTracker:
            return open_tracker(parameters, self._choice(parameters, told))

        tracker = load_with_progress(name, load, tell, self.context.ok)
        self._names.begin()
        return RunningTracker(tracker)

    def _make_worker(
        self, parameters: MotParameters, model: RunningTracker, history: FrameHistory
    ) -> MotWorker:
        self._refusals.clear()
        self._detection_counters = DetectionCounters()
        manage(model.runs, parameters.settings)
        return MotWorker(
            model.runs, history, self._names, self,
            timing=parameters.timing, wanted=parameters.wanted,
        )  # fmt: skip

    def _make_intake(self, worker: MotWorker) -> MotIntake:
        return MotIntake(worker, self)

    def _tune(self, worker: MotWorker, parameters: MotParameters) -> None:
        model = self._model
        assert model is not None
        worker.tune(
            parameters.timing, parameters.wanted, lambda: manage(model.runs, parameters.settings)
        )

    # --- detections --------------------------------------------------------------------------

    def _open_inputs(self, p: MotParameters) -> None:
        super()._open_inputs(p)
        if self._detections is None:
            self._detections = DetectionsInput(self, self._on_array, self.on_refused)

    def _close_inputs(self) -> None:
        super()._close_inputs()
        if self._detections is not None:
            self._detections.close()
        self._detections = None

    def _on_array(self, array: DetectionArray) -> None:
        if self._intake is not None:
            assert isinstance(self._intake, MotIntake)
            self._intake.add_array(array)

    # --- told by the worker and by the pairing, on either thread -----------------------------

    def on_processed(self, answer: MotAnswer) -> None:
        """An image is answered, or detections without one."""
        if answer.frame is not None:
            self._counters.count("processed")
        assert self._model is not None
        with self._allowing_shutdown():
            self._outputs.publish(answer, self._model, self._counters)

    def on_paired(self, kind: Kind) -> None:
        """An array was applied, or an image answered without."""
        self._detection_counters.paired(kind)

    def on_left_out(self, left_out: Counter[str]) -> None:
        """Detections that were not wanted."""
        self._detection_counters.left_out(left_out)

    def on_refused(self, cause: str, reason: str, number: int = 1) -> None:
        """Detections are of no use."""
        self._refusals.add(cause, reason, number)

    def on_ended(self, tracks: list[Track], reason: str) -> None:
        """All targets have ended."""
        self._notice = f"targets ended: {reason}"
        assert self._model is not None
        with self._allowing_shutdown():
            self._outputs.publish_ended(tracks, self._model, self._counters)

    # --- once in a while ---------------------------------------------------------------------

    def _publish_alive(self, model: RunningTracker) -> None:
        self._outputs.publish_alive(model, self._counters)

    def _statuses(self, name: str) -> list[DiagnosticStatus]:
        last = self._outputs.last
        return [
            diagnostics.node_status(
                f"{name}: node", self._phase, self.failure, self._model, self._worker,
                self._failures,
            ),
            diagnostics.camera_status(
                f"{name}: images", self._camera, self._counters, self._rejections,
                self._settings.camera_rate, last,
            ),
            self._engines_status(name),
            detections_status(
                f"{name}: detections", self._detections, self._detection_counters, self._refusals
            ),
            identities_status(f"{name}: targets", last, self._notice),
        ]  # fmt: skip


def create() -> MotNode | int | None:
    """Make the node and, with `autostart`, activate it; see `create_node`."""
    return create_node(MotNode, "mot")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `mot`."""
    add_ros_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the node until it is interrupted; 0, or 1 when it cannot be configured."""
    return run_node(create, ros_arguments(args))


def main() -> None:
    """Entry point of `ros2 run tracker_ros mot_node`: all arguments are ROS's."""
    sys.exit(run_node(create, sys.argv))


if __name__ == "__main__":
    main()
