"""The services of a node that follows targets: clear and enable; set and follow a target."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from std_srvs.srv import SetBool, Trigger

from tracker_ros.errors import TargetError, TrackerRosError
from tracker_ros.geometry import Box
from tracker_ros.pipeline.requests import TargetRequest
from tracker_ros.pipeline.sot_worker import TrackingWorker
from tracker_ros.pipeline.thread import WorkerThread
from tracker_ros.srv import Follow, SetTarget

ANSWER = 10.0
"""Seconds in which the worker must begin with a request."""
T = TypeVar("T")


class WorkerServices:
    """`~/clear` and `~/enable`.

    `active` gives the worker, or raises TargetError where the node is not active.
    """

    def __init__(self, node: Any, active: Callable[[], WorkerThread]) -> None:
        self._node, self._any_active = node, active
        node.create_service(Trigger, "~/clear", self._on_clear)
        node.create_service(SetBool, "~/enable", self._on_enable)

    def _on_clear(self, request: Any, response: Any) -> Any:
        try:
            ids = answer(self._any_active().end_targets("cleared by request"))
            response.success = True
            response.message = f"ended {', '.join(ids)}" if ids else "no target"
        except Exception as error:
            response.message = self._words(error)
        return response

    def _on_enable(self, request: Any, response: Any) -> Any:
        try:
            self._any_active().enabled = request.data
            response.success = True
            response.message = "tracking" if request.data else "disabled: images are not tracked"
        except TargetError as error:
            response.message = str(error)
        return response

    def _words(self, error: Exception) -> str:
        """Why there is no answer; whatever a request brings about, it must not end the node."""
        if isinstance(error, TrackerRosError):
            return str(error)
        self._node.get_logger().error("".join(traceback.format_exception(error)))
        return f"the tracker failed: {type(error).__name__}: {error}"


class TargetServices(WorkerServices):
    """These, and `~/set_target` and `~/follow`.

    `named` gives what to follow for an identity of another node, or raises TargetError.
    """

    def __init__(
        self, node: Any, active: Callable[[], TrackingWorker],
        named: Callable[[str], TargetRequest],
    ) -> None:  # fmt: skip
        super().__init__(node, active)
        self._active, self._named = active, named
        node.create_service(SetTarget, "~/set_target", self._on_set_target)
        node.create_service(Follow, "~/follow", self._on_follow)

    def _on_set_target(self, request: Any, response: Any) -> Any:
        return self._answer("set_target", response, lambda: read_request(request))

    def _on_follow(self, request: Any, response: Any) -> Any:
        return self._answer("follow", response, lambda: self._named(request.id))

    def _answer(self, service: str, response: Any, read: Callable[[], TargetRequest]) -> Any:
        try:
            worker = self._active()
            accepted = answer(worker.set_target(read()))
            response.success, response.id, response.message = True, accepted.id, accepted.message
            response.late = accepted.late
        except Exception as error:
            response.message = self._words(error)
        if response.success:  # rclpy refuses another severity from the same line
            self._node.get_logger().info(f"{service}: {response.message}")
        else:
            self._node.get_logger().warning(f"{service}: {response.message}")
        return response


def answer(future: Future[T]) -> T:
    """Wait for the worker's answer. Raises what it raised, or TargetError when it is too busy.

    A request that it has not begun in time is withdrawn: what was refused never happens later.
    """
    try:
        return future.result(ANSWER)
    except FutureTimeoutError:
        if future.cancel():
            raise TargetError(
                f"the tracker is busy and has not begun with this within {ANSWER:g} s; "
                "the request is withdrawn"
            ) from None
        return future.result()


def read_request(request: Any) -> TargetRequest:
    """Read a SetTarget request. Raises TargetError for a box that is turned."""
    box, stamp = request.bbox, request.stamp
    if box.center.theta != 0:  # also NaN
        raise TargetError(
            f"the box is turned by theta={box.center.theta:g} rad; "
            "only boxes along the image axes can be followed: set it to 0"
        )
    centre = box.center.position
    return TargetRequest(
        box=Box.from_center(centre.x, centre.y, box.size_x, box.size_y),
        stamp=stamp.sec * 10**9 + stamp.nanosec,
        id=request.id,
        label=request.label,
    )
