"""What an operator asks for, as requests to the nodes that do it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from time import perf_counter
from typing import Any

from builtin_interfaces.msg import Time
from geometry_msgs.msg import PointStamped
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParametersAtomically
from std_srvs.srv import SetBool, Trigger

from tracker_ros.errors import TargetError
from tracker_ros.nodes.operator_messages import bounding_box
from tracker_ros.operator import protocol
from tracker_ros.operator.protocol import Done
from tracker_ros.srv import Follow, SetTarget

UNANSWERED = 15.0
"""Seconds after which a node that has not answered is taken to be gone."""


class OperatorRequests:
    """Clients of the single-object node; for the executor's thread alone."""

    def __init__(self, node: Any, sot: str, image: str) -> None:
        """sot: name of the node. image: the topic whose images it tracks on, resolved."""
        self._sot, self._image = sot, image
        create = node.create_client
        self._set_target = create(SetTarget, f"{sot}/set_target")
        self._follow = create(Follow, f"{sot}/follow")
        self._clear = create(Trigger, f"{sot}/clear")
        self._enable = create(SetBool, f"{sot}/enable")
        self._parameters = create(SetParametersAtomically, f"{sot}/set_parameters_atomically")
        self._click = node.create_publisher(PointStamped, f"{sot}/click", 10)
        self._waiting: dict[Future[Done], tuple[float, Any, Any]] = {}
        """Answer -> when it was asked for, of which client, and its future."""

    def do(self, request: protocol.Request, answer: Future[Done]) -> None:
        """Begin with it; `answer` gets what was done, or TargetError.

        Raises TargetError for what cannot even be asked for.
        """
        if isinstance(request, protocol.SetTarget):
            self._require_tracked(request.topic)
            wish = SetTarget.Request(
                bbox=bounding_box(request.box), stamp=as_time(request.stamp), id=request.id,
                label=request.label,
            )  # fmt: skip
            self._call(self._set_target, wish, answer, _following)
        elif isinstance(request, protocol.Follow):
            self._call(self._follow, Follow.Request(id=request.id), answer, _following)
        elif isinstance(request, protocol.Click):
            self._require_tracked(request.topic)
            self._publish_click(request, answer)
        elif isinstance(request, protocol.Clear):
            self._call(self._clear, Trigger.Request(), answer, _said)
        elif isinstance(request, protocol.Enable):
            self._call(self._enable, SetBool.Request(data=request.on), answer, _said)
        elif isinstance(request, protocol.ChooseTracker):
            values = {"tracker": request.name, "model": ""}
            parameters = [Parameter(name=n, value=_text(v)) for n, v in values.items()]
            wish = SetParametersAtomically.Request(parameters=parameters)
            self._call(self._parameters, wish, answer, lambda r: (r.result.successful,
                       Done(r.result.reason or f"loading {request.name}")))  # fmt: skip
        else:
            raise TargetError(f"{type(request).__name__} cannot be done here")

    def give_up_on_old(self) -> None:
        """Answer for the nodes that do not; to be called once in a while."""
        now = perf_counter()
        for answer, (since, client, future) in list(self._waiting.items()):
            if now - since > UNANSWERED:
                del self._waiting[answer]
                client.remove_pending_request(future)
                answer.set_exception(
                    TargetError(f"{client.srv_name} has not answered for {UNANSWERED:g} s")
                )

    def _require_tracked(self, topic: str) -> None:
        if topic != self._image:
            raise TargetError(
                f"{self._sot} tracks on {self._image}, not on {topic}: show that to point at it"
            )

    def _publish_click(self, request: protocol.Click, answer: Future[Done]) -> None:
        if not self._click.get_subscription_count():
            raise TargetError(self._nobody(self._click.topic_name))
        click = PointStamped()
        click.header.stamp = as_time(request.stamp)
        click.point.x, click.point.y = request.x, request.y
        self._click.publish(click)
        answer.set_result(Done("clicked; what is there is followed when it is found"))

    def _call(
        self, client: Any, wish: Any, answer: Future[Done], said: Callable[[Any], tuple[bool, Done]]
    ) -> None:
        if not client.service_is_ready():
            raise TargetError(self._nobody(client.srv_name))
        future = client.call_async(wish)
        self._waiting[answer] = (perf_counter(), client, future)

        def done(future: Any) -> None:
            if self._waiting.pop(answer, None) is None:
                return  # too late
            if future.exception() is not None:
                answer.set_exception(TargetError(f"{client.srv_name}: {future.exception()}"))
                return
            good, told = said(future.result())
            if good:
                answer.set_result(told)
            else:
                answer.set_exception(TargetError(told.words))

        future.add_done_callback(done)

    def _nobody(self, name: str) -> str:
        return f"nobody offers {name}: is the node '{self._sot}' running? (parameter sot)"


def _said(response: Any) -> tuple[bool, Done]:
    return response.success, Done(response.message)


def _following(response: Any) -> tuple[bool, Done]:
    return response.success, Done(response.message, response.id)


def _text(value: str) -> ParameterValue:
    return ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)


def as_time(stamp: int) -> Time:
    """Nanoseconds as a message; what does not fit becomes the latest time there is."""
    return Time(sec=min(stamp // 10**9, 2**31 - 1), nanosec=stamp % 10**9)
