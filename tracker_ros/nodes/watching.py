"""What the nodes that watch a camera share: life cycle, images in, diagnostics out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from tracker_ros.errors import ModelError, TargetError
from tracker_ros.nodes import diagnostics
from tracker_ros.nodes.camera_input import CameraInput
from tracker_ros.nodes.diagnostics import Problems
from tracker_ros.nodes.lifecycle import ManagedNode, transition
from tracker_ros.nodes.process import RCLError
from tracker_ros.pipeline.answer import About, Counters
from tracker_ros.pipeline.camera_parameters import CameraParameters
from tracker_ros.pipeline.frames import Frame, FrameHistory
from tracker_ros.pipeline.intake import TIME_JUMP, Intake
from tracker_ros.pipeline.thread import WorkerThread

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

P = TypeVar("P", bound=CameraParameters)
M = TypeVar("M", bound=About)
W = TypeVar("W", bound=WorkerThread)


class WatchingNode(ManagedNode, ABC, Generic[P, M, W]):
    """Subscribed to a camera while active; a worker thread does what there is to do.

    The executor's thread only stores images and answers. P: the parameters; M: what is loaded when
    the node is configured; W: the worker.
    """

    image_depth = 1
    """Images that may wait for the executor; 1 where only the newest is of use."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._declare()
        self._settings = self._read()
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._rejections = Problems(self.get_logger())
        self._failures = Problems(self.get_logger())
        self._counters = Counters()
        self._model: M | None = None
        self._camera: CameraInput | None = None
        self._worker: W | None = None
        self._history: FrameHistory | None = None
        self._intake: Intake[W] | None = None
        self._processed_before = -1
        self._phase, self._notice = "unconfigured", ""
        self._prepare()
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still
        self.create_timer(1.0, self._on_second, clock=steady)
        self._jump = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None, min_backward=Duration(seconds=-TIME_JUMP), on_clock_change=False
            ),
            post_callback=lambda jump: self._on_clock_jump(),
        )
        if hasattr(self, "add_post_set_parameters_callback"):  # not on Humble
            self.add_post_set_parameters_callback(self._on_parameters)

    # --- what each node says for itself ------------------------------------------------------

    @abstractmethod
    def _declare(self) -> None:
        """Declare the parameters, and have bad values refused."""

    @abstractmethod
    def _read(self) -> P:
        """Read them. Raises ParameterError."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make publishers and services; the last thing that a node does before it is there."""

    @abstractmethod
    def _load(self, parameters: P, tell: Callable[[str], None]) -> M:
        """Load the model, saying meanwhile how that goes. Raises ModelError."""

    @abstractmethod
    def _make_worker(self, parameters: P, model: M, history: FrameHistory) -> W:
        """The worker, not started yet."""

    def only_build(self) -> int | None:
        """Do what is done instead of tracking, and give the exit code; None where there is none."""
        return None

    def _make_intake(self, worker: W) -> Intake[W]:
        """What gives the worker its images."""
        return Intake(worker, self)

    @abstractmethod
    def _tune(self, worker: W, parameters: P) -> None:
        """Let changed parameters take effect while active."""

    @abstractmethod
    def _publish_alive(self, model: M) -> None:
        """Say, in a second without a processed frame, that the node lives."""

    @abstractmethod
    def _statuses(self, name: str) -> list[DiagnosticStatus]:
        """For `/diagnostics`, once a second."""

    # --- lifecycle ---------------------------------------------------------------------------

    @transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, on a thread of its own, telling how long it takes."""
        self._settings = parameters = self._read()

        def tell(progress: str) -> None:
            self._phase = progress
            self.get_logger().info(progress, throttle_duration_sec=5.0)
            self._publish_diagnostics()

        try:
            self._model = model = self._load(parameters, tell)
        except ModelError as error:
            self._phase, self.failure = "unconfigured", str(error)
            self._publish_diagnostics()
            self.get_logger().error(f"cannot configure: {error}")
            return FAILURE
        self._phase, self.failure = "inactive", ""
        told = not model.backend or model.backend in model.model
        engine = "" if told else f" on {model.backend} {model.precision}"
        self.get_logger().info(f"configured: {model.tracker} ({model.model}){engine}")
        return SUCCESS

    @transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the worker and subscribe."""
        assert self._model is not None
        self._settings = p = self._read()
        self._counters, self._notice = Counters(), ""
        self._rejections.clear()
        self._failures.clear()
        self._history = FrameHistory(p.history_frames, p.history_bytes, p.history_seconds)
        self._worker = self._make_worker(p, self._model, self._history)
        self._intake = self._make_intake(self._worker)
        self._worker.start()
        self._phase = "active"
        self._open_inputs(p)
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

    def _open_inputs(self, p: P) -> None:
        """Subscribe; again when a parameter of the camera has changed."""
        if self._camera is not None:
            self._camera.close()
        self._camera = CameraInput(
            self, transport=p.transport, reliability=p.reliability,
            on_frame=self._on_frame, on_unreadable=self._on_unreadable, depth=self.image_depth,
        )  # fmt: skip

    def _close_inputs(self) -> None:
        """Unsubscribe."""
        if self._camera is not None:
            self._camera.close()
        self._camera = None

    def _stop(self) -> None:
        self._close_inputs()
        if self._worker is not None:
            self._worker.stop("the node was deactivated")
        self._worker = self._intake = self._history = None

    def _active_worker(self) -> W:
        """The worker. Raises TargetError while the node is not active."""
        if self._worker is None:
            raise TargetError(f"the node is {self._phase}, not active; activate it first")
        return self._worker

    # --- images ------------------------------------------------------------------------------

    def _on_frame(self, frame: Frame) -> None:
        if self._intake is not None:
            self._intake.add_image(frame)

    def _on_unreadable(self, cause: str, reason: str) -> None:
        self.on_received()
        self.on_rejected(cause, reason)

    def _on_clock_jump(self) -> None:
        if self._intake is not None:
            self._intake.jump_back("the clock jumped back")

    def on_received(self) -> None:
        """An image has come."""
        self._counters.count("received")

    def on_dropped(self, frames: int) -> None:
        """Images are dropped (on either thread)."""
        self._counters.count("dropped", frames)

    def on_time_jump(self, reason: str) -> None:
        """A looped bag: what was is not before what comes."""
        self.get_logger().warning(f"{reason}; history and targets are cleared")

    # --- on the worker's thread --------------------------------------------------------------

    def on_rejected(self, cause: str, reason: str) -> None:
        """A frame is of no use (on either thread)."""
        self._counters.count("rejected")
        self._rejections.add(cause, reason)

    def on_failure(self, reason: str, trace: str) -> None:
        """A tracker failed (on the worker's thread)."""
        self._failures.add("tracker", reason)
        self.get_logger().error(trace, throttle_duration_sec=60.0)

    @contextmanager
    def _allowing_shutdown(self) -> Iterator[None]:
        """A signal shuts ROS down at any moment; what then cannot be published is no failure."""
        try:
            yield
        except RCLError:
            if self.context.ok():
                raise

    # --- once in a while ---------------------------------------------------------------------

    def _on_parameters(self, changed: list[Parameter]) -> None:
        """What can be tuned live takes effect at once."""
        before, self._settings = self._settings, self._read()
        p = self._settings
        if self._worker is None or self._history is None:
            return
        self._tune(self._worker, p)
        self._history.resize(p.history_frames, p.history_bytes, p.history_seconds)
        if (p.transport, p.reliability) != (before.transport, before.reliability):
            self._open_inputs(p)

    def _on_second(self) -> None:
        if self._read() != self._settings:  # Humble has no callback after a change
            self._on_parameters([])
        processed = self._counters.processed
        if self._model is not None and processed == self._processed_before:
            self._publish_alive(self._model)
        self._processed_before = processed
        self._publish_diagnostics()

    def _publish_diagnostics(self) -> None:
        stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(diagnostics.array(stamp, self._statuses(self.get_name())))
