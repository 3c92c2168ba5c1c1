"""The node that follows a target: `./run sot`, or `ros2 run tracker_ros sot_node`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.parameter import Parameter

from tracker_ros.errors import ModelError, TargetError, TrackerRosError
from tracker_ros.nodes import diagnostics
from tracker_ros.nodes.camera_input import CameraInput
from tracker_ros.nodes.diagnostics import Problems
from tracker_ros.nodes.frames import Frame, FrameHistory
from tracker_ros.nodes.lifecycle import ManagedNode, transition
from tracker_ros.nodes.loading import load_with_progress
from tracker_ros.nodes.outputs import Counters, Outputs
from tracker_ros.nodes.parameters import (
    Parameters,
    check,
    declare_parameters,
    read_parameters,
)
from tracker_ros.nodes.process import RCLError, add_ros_arguments, ros_arguments, run_node
from tracker_ros.nodes.requests import Identities
from tracker_ros.nodes.services import TargetServices
from tracker_ros.nodes.worker import Processed, TrackingWorker
from tracker_ros.sot import LoadedModel
from tracker_ros.track import Track

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
TIME_JUMP = 0.5
"""Seconds that a stamp must lie before the last one to be a jump of time, not a late image."""


class SotNode(ManagedNode):
    """Subscribed to a camera while active; follows the targets set by service.

    The executor's thread only stores images and answers; one worker thread tracks.
    """

    def __init__(self) -> None:
        super().__init__("sot")
        declare_parameters(self)
        self._settings = read_parameters(self)
        self._outputs = Outputs(self)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._rejections = Problems(self.get_logger())
        self._failures = Problems(self.get_logger())
        self._counters = Counters()
        self._identities = Identities()
        self._model: LoadedModel | None = None
        self._camera: CameraInput | None = None
        self._worker: TrackingWorker | None = None
        self._history: FrameHistory | None = None
        self._last_stamp: int | None = None
        self._processed_before = -1
        self._phase, self._notice = "unconfigured", ""
        self._target_services = TargetServices(self, self._active_worker)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still
        self.create_timer(1.0, self._on_second, clock=steady)
        self._jump = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None, min_backward=Duration(seconds=-TIME_JUMP), on_clock_change=False
            ),
            post_callback=lambda jump: self._on_time_jump("the clock jumped back"),
        )
        self.add_on_set_parameters_callback(check)
        if hasattr(self, "add_post_set_parameters_callback"):  # not on Humble
            self.add_post_set_parameters_callback(self._on_parameters)

    # --- lifecycle ---------------------------------------------------------------------------

    @transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, on a thread of its own, telling how long it takes."""
        self._settings = parameters = read_parameters(self)

        def tell(progress: str) -> None:
            self._phase = progress
            self.get_logger().info(progress)
            self._publish_diagnostics()

        try:
            loaded = load_with_progress(parameters.model, parameters.threads, tell)
        except ModelError as error:
            self._phase, self.failure = "unconfigured", str(error)
            self._publish_diagnostics()
            self.get_logger().error(f"cannot configure: {error}")
            return FAILURE
        if loaded.tracker != parameters.tracker:
            self.get_logger().info(f"model {loaded.model} is of the tracker {loaded.tracker}")
        self._model, self._phase, self.failure = loaded, "inactive", ""
        self.get_logger().info(
            f"configured: {loaded.tracker} ({loaded.model}) on {loaded.backend} {loaded.precision}"
        )
        return SUCCESS

    @transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the worker and subscribe."""
        assert self._model is not None
        self._settings = p = read_parameters(self)
        self._counters, self._last_stamp, self._notice = Counters(), None, ""
        self._rejections.clear()
        self._failures.clear()
        self._history = FrameHistory(p.history_frames, p.history_bytes)
        self._worker = TrackingWorker(
            self._model, self._history, self._identities, self,
            thresholds=p.thresholds, max_targets=p.max_targets,
        )  # fmt: skip
        self._worker.start()
        self._phase = "active"
        self._open_camera(p)
        assert self._camera is not None
        self.get_logger().info(f"active: waiting for images on {self._camera.topic}")
        return SUCCESS

    @transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and end the targets; the model stays loaded."""
        self._stop()
        self._phase = "inactive"
        return SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unload the model."""
        self._model, self._phase = None, "unconfigured"
        return SUCCESS

    @transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End whatever runs."""
        self._stop()
        self._model, self._phase = None, "finalized"
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that failed: unconfigured, and able to be configured again."""
        self._stop()
        self._model, self._phase = None, "unconfigured"
        return SUCCESS

    def destroy_node(self) -> None:
        """End the worker, then leave the graph."""
        self._stop()
        self._jump.unregister()
        super().destroy_node()

    def _open_camera(self, p: Parameters) -> None:
        if self._camera is not None:
            self._camera.close()
        self._camera = CameraInput(
            self, transport=p.transport, reliability=p.reliability,
            on_frame=self._on_frame, on_unreadable=self._on_unreadable,
        )  # fmt: skip

    def _stop(self) -> None:
        if self._camera is not None:
            self._camera.close()
        if self._worker is not None:
            self._worker.stop("the node was deactivated")
        self._worker = self._camera = self._history = None

    # --- images ------------------------------------------------------------------------------

    def _on_frame(self, frame: Frame) -> None:
        self._counters.count("received")
        worker, history = self._worker, self._history
        if worker is None or history is None:
            return
        last, stamp = self._last_stamp, frame.header.ns
        if last is not None and stamp < last:
            back = (last - stamp) / 1e9
            if back < TIME_JUMP:
                self.on_rejected("stamp", f"an image is stamped {back:.3f} s before the last one")
                return
            self._on_time_jump(f"image stamps jumped back by {back:.1f} s")
        self._last_stamp = stamp
        history.add(frame)
        if worker.offer(frame):
            self._counters.count("dropped")

    def _on_unreadable(self, cause: str, reason: str) -> None:
        self._counters.count("received")
        self.on_rejected(cause, reason)

    def _on_time_jump(self, reason: str) -> None:
        """A looped bag: what was is not before what comes."""
        worker = self._worker
        if worker is None or self._last_stamp is None:
            return
        self._last_stamp = None
        if worker.forget_frames():
            self._counters.count("dropped")
        worker.end_targets(reason)
        self.get_logger().warning(f"{reason}; history and targets are cleared")

    def _active_worker(self) -> TrackingWorker:
        if self._worker is None:
            raise TargetError(f"the node is {self._phase}, not active; activate it first")
        return self._worker

    def on_processed(self, processed: Processed) -> None:
        """The worker has tracked a frame (on its thread)."""
        self._counters.count("processed")
        assert self._model is not None
        with self._allowing_shutdown():
            self._outputs.publish(processed, self._model, self._counters)

    def on_ended(self, tracks: list[Track], reason: str) -> None:
        """Targets have ended, and why (on the worker's thread)."""
        self._notice = f"targets ended: {reason}"
        assert self._model is not None
        with self._allowing_shutdown():
            self._outputs.publish_ended(tracks, self._model, self._counters)

    @contextmanager
    def _allowing_shutdown(self) -> Iterator[None]:
        """A signal shuts ROS down at any moment; what then cannot be published is no failure."""
        try:
            yield
        except RCLError:
            if self.context.ok():
                raise

    def on_rejected(self, cause: str, reason: str) -> None:
        """A frame is of no use (on either thread)."""
        self._counters.count("rejected")
        self._rejections.add(cause, reason)

    def on_failure(self, reason: str, trace: str) -> None:
        """A tracker failed (on the worker's thread)."""
        self._failures.add("tracker", reason)
        self.get_logger().error(trace, throttle_duration_sec=60.0)

    # --- once in a while ---------------------------------------------------------------------

    def _on_parameters(self, changed: list[Parameter]) -> None:
        """What can be tuned live takes effect at once."""
        before, self._settings = self._settings, read_parameters(self)
        p = self._settings
        if self._worker is None or self._history is None:
            return
        self._worker.tune(p.thresholds, p.max_targets)
        self._history.resize(p.history_frames, p.history_bytes)
        if (p.transport, p.reliability) != (before.transport, before.reliability):
            self._open_camera(p)

    def _on_second(self) -> None:
        if read_parameters(self) != self._settings:  # Humble has no callback after a change
            self._on_parameters([])
        processed = self._counters.processed
        if self._model is not None and processed == self._processed_before:
            self._outputs.publish_alive(self._model, self._counters)
        self._processed_before = processed
        self._publish_diagnostics()

    def _publish_diagnostics(self) -> None:
        name, last = self.get_name(), self._outputs.last
        statuses = [
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
        stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(diagnostics.array(stamp, statuses))


def create() -> SotNode | None:
    """Make the node and, with `autostart`, activate it; None when that fails."""
    try:
        node = SotNode()
    except (
        TrackerRosError, InvalidParameterTypeException, InvalidParameterValueException,
    ) as error:  # fmt: skip
        get_logger("sot").error(f"cannot start: {error}")
        return None
    if not read_parameters(node).autostart:
        return node
    if node.trigger_configure() == SUCCESS and node.trigger_activate() == SUCCESS:
        return node
    node.destroy_node()
    return None


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
