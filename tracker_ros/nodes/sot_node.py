"""The node that follows a target: `./run sot`, or `ros2 run tracker_ros sot_node`."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from tracker_ros.engines.build import Tell
from tracker_ros.engines.upgrade import GivenUpError
from tracker_ros.errors import ModelError, TargetError
from tracker_ros.nodes import diagnostics
from tracker_ros.nodes.click_input import ClickInput
from tracker_ros.nodes.detections_input import DetectionsInput
from tracker_ros.nodes.loading import load_with_progress
from tracker_ros.nodes.model_change import ModelChange
from tracker_ros.nodes.node_parameters import NodeParameters, checker
from tracker_ros.nodes.outputs import Outputs
from tracker_ros.nodes.process import add_ros_arguments, ros_arguments, run_node
from tracker_ros.nodes.services import TargetServices
from tracker_ros.nodes.starting import create_node
from tracker_ros.nodes.upgrading import UpgradingNode
from tracker_ros.pipeline.click import Click, Clicked, find_clicked
from tracker_ros.pipeline.frames import FrameHistory
from tracker_ros.pipeline.handover import RecentArrays
from tracker_ros.pipeline.model_choice import followed, refuse_model
from tracker_ros.pipeline.requests import Identities, TargetRequest
from tracker_ros.pipeline.sot_parameters import (
    CHOICES,
    SotParameters,
    declare_sot_parameters,
    read_sot_parameters,
    thresholds_of_card,
)
from tracker_ros.pipeline.sot_worker import Processed, TrackingWorker
from tracker_ros.sot import DEFAULT_MODELS, LoadedModel
from tracker_ros.sot.backends import TENSORRT_ENGINES, Accelerator
from tracker_ros.sot.model import open_model
from tracker_ros.track import Track


class SotNode(UpgradingNode[SotParameters, LoadedModel, TrackingWorker]):
    """Follows the targets set by service, or handed over from a node that gives identities."""

    def __init__(self, accelerator: Accelerator = TENSORRT_ENGINES) -> None:
        """accelerator: what builds engines; what the backend `tensorrt` stands for."""
        self._detections: DetectionsInput | None = None
        super().__init__("sot", accelerator)

    def _declare(self) -> None:
        store = NodeParameters(self)
        declare_sot_parameters(store)
        self._card_thresholds = thresholds_of_card(store)
        """Of the model in use: what differs from them was set by somebody."""
        self.add_on_set_parameters_callback(checker(CHOICES))
        self.add_on_set_parameters_callback(self._check_model)

    def _read(self) -> SotParameters:
        return read_sot_parameters(NodeParameters(self))

    def _prepare(self) -> None:
        super()._prepare()
        self._outputs = Outputs(self)
        self._identities = Identities()
        self._recent = RecentArrays(self.resolve_topic_name("detections"))
        self._target_services = TargetServices(self, self._active_worker, self._named)
        self._clicks = ClickInput(
            self, self._clicked, lambda request: self._active_worker().set_target(request),
            lambda: self._settings.click_size,
        )  # fmt: skip
        self._change = ModelChange(self, self._on_model_changed)
        self._loaded, self._unloadable = "", ""

    def _load(self, parameters: SotParameters, tell: Callable[[str], None]) -> LoadedModel:
        name = parameters.model

        def load(told: Tell) -> LoadedModel:
            return open_model(name, self._choice(parameters, told))

        loaded = load_with_progress(name, load, tell, self.context.ok)
        self._use(name, loaded)
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
        self._change_model()

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unload the model; another one that is being loaded is not waited for."""
        self._change.give_up()
        return super().on_cleanup(state)

    def destroy_node(self) -> None:
        """End the worker, then leave the graph."""
        self._clicks.close()
        self._change.give_up()
        super().destroy_node()

    # --- another model while active ----------------------------------------------------------

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the worker and subscribe; with another model, when it is loaded."""
        result = super().on_activate(state)
        self._change_model()  # one that was asked for while inactive
        return result

    def _check_model(self, parameters: list[Any]) -> SetParametersResult:
        given = {parameter.name: str(parameter.value) for parameter in parameters}
        if not given.keys() & {"tracker", "model"}:
            return SetParametersResult(successful=True)
        now = NodeParameters(self).value
        reason = refuse_model(
            given.get("tracker", now("tracker")), given.get("model", now("model")),
            tracker_is_asked_for="tracker" in given,
        )  # fmt: skip
        return SetParametersResult(successful=not reason, reason=reason)

    def _change_model(self) -> None:
        """Begin to load what the parameters ask for, unless it is there or on its way."""
        p, worker = self._settings, self._worker
        if p.model == self._loaded:
            self._unloadable = ""
        elif worker is not None and not self._change.busy and p.model != self._unloadable:
            self.get_logger().info(f"loading {p.model}; {self._loaded} goes on meanwhile")
            self._change.begin(p.model, lambda tell: self._replace_model(worker, p, tell))

    def _replace_model(self, worker: TrackingWorker, parameters: SotParameters, tell: Tell) -> None:
        """On the thread of the change. Raises ModelError, or TargetError when deactivated."""
        loaded = open_model(parameters.model, self._choice(parameters, tell))
        self._engine_change.watch(loaded)
        wanted = self._settings.thresholds
        new = followed(lambda n: getattr(wanted, n.removeprefix("monitor.")),
                       self._card_thresholds, loaded.thresholds)  # fmt: skip
        thresholds = dataclasses.replace(
            wanted, **{name.removeprefix("monitor."): value for name, value in new.items()}
        )

        def then() -> None:  # between two frames: what is published names what is used
            self._model = loaded

        worker.change_model(loaded, thresholds, then)

    def _on_model_changed(self, name: str, error: Exception | None) -> None:
        if error is None and self._model is not None:
            self._use(name, self._model)
            self._engine_change.begin(self._model)
            self._failures.settle("model")
            self.get_logger().info(f"{self._model.tracker} ({self._model.model}) goes on from now")
        elif error is not None and not isinstance(error, (TargetError, GivenUpError)):
            words = f"{error}" if isinstance(error, ModelError) else f"model '{name}': {error!r}"
            self._failures.add("model", f"{words}; {self._loaded} goes on")
            self._unloadable = name
            if self._read().model == name and self._model is not None:
                own = self._loaded == DEFAULT_MODELS.get(self._model.tracker)
                self._set(tracker=self._model.tracker, model="" if own else self._loaded)
        self._change_model()  # perhaps another was asked for meanwhile

    def _use(self, name: str, model: LoadedModel) -> None:
        """Have the parameters say what is in use; thresholds that nobody has set are its card's."""
        now = NodeParameters(self).value
        values = followed(now, self._card_thresholds, model.thresholds)
        self._loaded, self._card_thresholds = name, model.thresholds
        # Perhaps another one was asked for while this one was loaded: that wish stays.
        if now("tracker") != model.tracker and self._read().model == name:
            self.get_logger().info(f"model {model.model} is of the tracker {model.tracker}")
            values["tracker"] = model.tracker
        self._set(**values)

    def _set(self, **values: Any) -> None:
        parameters = [Parameter(name, value=value) for name, value in values.items()]
        result = self.set_parameters_atomically(parameters)
        if not result.successful:
            self.get_logger().warning(f"parameters stay as they are: {result.reason}")

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

    def _clicked(self, click: Click) -> Clicked:
        """What a click is on. Raises TargetError."""
        self._active_worker()
        assert self._history is not None  # as above
        return find_clicked(click, self._history, self._recent)

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

    def on_news(self, words: str) -> None:
        """Something happened between two frames."""
        self.get_logger().info(words)

    # --- once in a while ---------------------------------------------------------------------

    def _publish_alive(self, model: LoadedModel) -> None:
        self._outputs.publish_alive(model, self._counters)

    def _statuses(self, name: str) -> list[DiagnosticStatus]:
        last = self._outputs.last
        loading = self._change.words
        phase = f"{self._phase}, {loading}" if loading else self._phase
        return [
            diagnostics.node_status(
                f"{name}: node", phase, self.failure, self._model, self._worker,
                self._failures,
            ),
            diagnostics.camera_status(
                f"{name}: images", self._camera, self._counters, self._rejections,
                self._settings.camera_rate, last,
            ),
            self._engines_status(name),
            diagnostics.targets_status(
                f"{name}: targets", last, self._notice, self._worker, self._clicks.refused
            ),
        ]  # fmt: skip


def create() -> SotNode | int | None:
    """Make the node and, with `autostart`, activate it; see `create_node`."""
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
