"""The node that follows a target: `./run sot`, or `ros2 run tracker_ros sot_node`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticStatus

from tracker_ros.nodes import diagnostics
from tracker_ros.nodes.detections_input import DetectionsInput
from tracker_ros.nodes.loading import load_with_progress
from tracker_ros.nodes.node_parameters import NodeParameters, checker
from tracker_ros.nodes.outputs import Outputs
from tracker_ros.nodes.process import add_ros_arguments, ros_arguments, run_node
from tracker_ros.nodes.services import TargetServices
from tracker_ros.nodes.watching import WatchingNode, create_node
from tracker_ros.pipeline.frames import FrameHistory
from tracker_ros.pipeline.handover import RecentArrays
from tracker_ros.pipeline.requests import Identities, TargetRequest
from tracker_ros.pipeline.sot_parameters import (
    CHOICES,
    SotParameters,
    declare_sot_parameters,
    read_sot_parameters,
)
from tracker_ros.pipeline.sot_worker import Processed, TrackingWorker
from tracker_ros.sot import LoadedModel, load_model
from tracker_ros.track import Track


class SotNode(WatchingNode[SotParameters, LoadedModel, TrackingWorker]):
    """Follows the targets set by service, or handed over from a node that gives identities."""

    def __init__(self) -> None:
        self._detections: DetectionsInput | None = None
        super().__init__("sot")

    def _declare(self) -> None:
        declare_sot_parameters(NodeParameters(self))
        self.add_on_set_parameters_callback(checker(CHOICES))

    def _read(self) -> SotParameters:
        return read_sot_parameters(NodeParameters(self))

    def _prepare(self) -> None:
        self._outputs = Outputs(self)
        self._identities = Identities()
        self._recent = RecentArrays(self.resolve_topic_name("detections"))
        self._target_services = TargetServices(self, self._active_worker, self._named)

    def _load(self, parameters: SotParameters, tell: Callable[[str], None]) -> LoadedModel:
        name = parameters.model
        loaded = load_with_progress(
            name, lambda: load_model(name, threads=parameters.threads), tell
        )
        if loaded.tracker != parameters.tracker:
            self.get_logger().info(f"model {loaded.model} is of the tracker {loaded.tracker}")
        return loaded

    def _make_worker(
        self, parameters: SotParameters, model: LoadedModel, history: FrameHistory
    ) -> TrackingWorker:
        return TrackingWorker(
            model, history, self._identities, self,
            thresholds=parameters.thresholds, max_targets=parameters.max_targets,
        )  # fmt: skip

    def _tune(self, worker: TrackingWorker, parameters: SotParameters) -> None:
        worker.tune(parameters.thresholds, parameters.max_targets)

    # --- identities of other nodes -----------------------------------------------------------

    def _open_inputs(self, p: SotParameters) -> None:
        super()._open_inputs(p)
        if self._detections is None:
            self._detections = DetectionsInput(
                self, self._recent.add, lambda cause, reason: self._rejections.add(cause, reason)
            )

    def _close_inputs(self) -> None:
        super()._close_inputs()
        if self._detections is not None:
            self._detections.close()
            self._recent.clear()
        self._detections = None

    def on_time_jump(self, reason: str) -> None:
        """A looped bag: what was is not before what comes."""
        self._recent.clear()
        super().on_time_jump(reason)

    def _named(self, id: str) -> TargetRequest:
        """What to follow for an identity of another node. Raises TargetError."""
        assert self._history is not None  # asked for after the worker, and both live together
        return self._recent.request(id, self._history)

    # --- on the worker's thread --------------------------------------------------------------

    def on_processed(self, processed: Processed) -> None:
        """The worker has tracked a frame."""
        self._counters.count("processed")
        assert self._model is not None
        with self._allowing_shutdown():
            self._outputs.publish(processed, self._model, self._counters)

    def on_ended(self, tracks: list[Track], reason: str) -> None:
        """Targets have ended, and why."""
        self._notice = f"targets ended: {reason}"
        assert self._model is not None
        with self._allowing_shutdown():
            self._outputs.publish_ended(tracks, self._model, self._counters)

    # --- once in a while ---------------------------------------------------------------------

    def _publish_alive(self, model: LoadedModel) -> None:
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
            diagnostics.targets_status(f"{name}: targets", last, self._notice, self._worker),
        ]  # fmt: skip


def create() -> SotNode | None:
    """Make the node and, with `autostart`, activate it; None when that fails."""
    return create_node(SotNode, "sot")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `sot`."""
    add_ros_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the node until it is interrupted; 0, or 1 when it cannot be configured."""
    return run_node(create, ros_arguments(args))


def main() -> None:
    """Entry point of `ros2 run tracker_ros sot_node`: all arguments are ROS's."""
    sys.exit(run_node(create, sys.argv))


if __name__ == "__main__":
    main()
