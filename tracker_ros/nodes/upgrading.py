"""What the nodes share whose networks may run on engines that are built where they run."""

from __future__ import annotations

import dataclasses
import logging
from abc import ABC
from typing import Any, Generic, TypeVar

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from tracker_ros.engines.build import Tell
from tracker_ros.engines.upgrade import GivenUpError
from tracker_ros.errors import ModelError
from tracker_ros.nodes.engine_change import EngineChange, Upgradable
from tracker_ros.nodes.lifecycle import transition
from tracker_ros.nodes.watching import SUCCESS, WatchingNode
from tracker_ros.pipeline.engine_parameters import NetworkParameters, require_keeping
from tracker_ros.pipeline.thread import WorkerThread
from tracker_ros.sot.backends import AUTO, TENSORRT, TENSORRT_ENGINES, Accelerator, EngineChoice

P = TypeVar("P", bound=NetworkParameters)
M = TypeVar("M", bound=Upgradable)
W = TypeVar("W", bound=WorkerThread)


class UpgradingNode(WatchingNode[P, M, W], ABC, Generic[P, M, W]):
    """Tracks on what is there, and changes to better engines when they are built."""

    def __init__(self, name: str, accelerator: Accelerator = TENSORRT_ENGINES) -> None:
        """accelerator: what builds engines; what the backend `tensorrt` stands for."""
        self._accelerator = accelerator
        super().__init__(name)
        self._log_handler = _ToRosLog(self)
        logging.getLogger("tracker_ros").addHandler(self._log_handler)

    def _prepare(self) -> None:
        self._engine_change = EngineChange(self, lambda: self._worker)

    def _choice(self, parameters: P, tell: Tell) -> EngineChoice:
        """What shall run the networks."""
        return parameters.engines.choice(parameters.threads, tell, self._accelerator)

    def only_build(self) -> int | None:
        """With `build_only`, build the engines: the exit code of the node. Else None."""
        parameters = self._read()
        engines = parameters.engines
        if not engines.build_only:
            return None
        log = self.get_logger()
        try:
            if engines.backend not in (AUTO, TENSORRT):
                raise ModelError(
                    f"build_only builds engines of {TENSORRT}, and backend is '{engines.backend}'; "
                    f"set it to {TENSORRT}, or leave build_only out"
                )
            folder = require_keeping(engines)
            engines = dataclasses.replace(engines, backend=TENSORRT)
            asked = dataclasses.replace(parameters, engines=engines)
            model = self._load(asked, lambda words: log.info(words, throttle_duration_sec=5.0))
        except (GivenUpError, KeyboardInterrupt):
            log.error("build_only: interrupted before the engines were built")
            return 1
        except ModelError as error:
            log.error(f"build_only: {error}")
            return 1
        if not model.parts:
            log.info(f"build_only: {model.tracker} has no networks: nothing is built")
            return 0
        on = f"{model.backend} {model.precision}"
        log.info(f"build_only: {model.tracker} ({model.model}) is built for {on}, in {folder}")
        return 0

    # --- lifecycle ---------------------------------------------------------------------------

    @transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model; begin to build what it may run on better."""
        result = super().on_configure(state)
        if result == SUCCESS and self._model is not None:
            choice = next((part.choice for part in self._model.parts if part.choice), "")
            if choice:
                self.get_logger().info(f"backend {choice}")
            for trouble in dict.fromkeys(part.trouble for part in self._model.parts):
                if trouble:
                    self.get_logger().warning(trouble)
            self._engine_change.begin(self._model)
        return result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unload the model, whether or not its engines are still being built."""
        self._engine_change.give_up()
        return super().on_cleanup(state)

    @transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End whatever runs; what is being built is not waited for."""
        self._engine_change.give_up()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that failed: unconfigured, and able to be configured again."""
        self._engine_change.give_up()
        return super().on_error(state)

    def destroy_node(self) -> None:
        """End the worker, then leave the graph."""
        self._engine_change.give_up()
        logging.getLogger("tracker_ros").removeHandler(self._log_handler)
        super().destroy_node()

    def _stop(self) -> None:
        super()._stop()
        self._engine_change.settle()

    def _engines_status(self, name: str) -> DiagnosticStatus:
        return self._engine_change.status(f"{name}: engines", self._model)


class _ToRosLog(logging.Handler):
    """Warnings of what knows no ROS, in the log of a node."""

    def __init__(self, node: Any) -> None:
        super().__init__(logging.WARNING)
        self._node = node

    def emit(self, record: logging.LogRecord) -> None:
        self._node.get_logger().warning(record.getMessage())
